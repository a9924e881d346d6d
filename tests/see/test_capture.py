"""Whole networks, unmodified, captured: every float operation, PyTorch's gradients, and nothing left behind."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.loss import projected_cross_entropy
from pellucid.see.capture import capture
from pellucid.see.operation import Step, result
from pellucid.see.replay import replay
from pellucid.see.trace import Trace, TraceError, largest_difference
from tests.see.networks import NETWORKS, hook_count, next_tokens, squares


def traced(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Trace]:
    return NETWORKS[name].traced(dtype)


@pytest.mark.parametrize(("dtype", "value", "slope"), [(torch.float64, 1e-12, 1e-9), (torch.float32, 1e-5, 1e-4)])
@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_gradients_are_pytorchs(name: str, dtype: torch.dtype, value: float, slope: float) -> None:
    model, trace = traced(name, dtype)
    gradients = trace.gradients
    assert [step.name for step in trace if step.how == "whole"] == []
    for step in trace.flat():
        if not step.value.is_floating_point():
            continue
        assert (step.difference or 0) <= value * max(1, largest(step.value)), step.name
        if step.gradient is not None:
            ours = gradients.get(step, torch.zeros_like(step.gradient))
            assert largest_difference(ours, step.gradient) <= slope * max(largest(step.gradient), 1e-2), step.name
    seen = {step.name for step in trace if step.op == "parameter" and step.gradient is not None}
    assert seen == {parameter for parameter, _ in model.named_parameters()}


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "in place"])
def test_every_captured_result_has_pytorchs_gradient_beside_ours(name: str) -> None:
    """All that is made of parameters and inputs and leads to the loss. (PyTorch loses track where memory is reused.)"""
    _, trace = traced(name)
    learned = {step for step in trace if step.op in ("parameter", "input") and step.value.is_floating_point()}
    for step in trace:
        if not learned.isdisjoint(step.operands.values()):
            learned.add(step)
    both = [step for step in trace if step in learned and step in trace.gradients]
    assert len(both) > 3
    assert [step.name for step in both if step.gradient is None] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_opened_steps_are_autograds_of_the_same_steps(name: str) -> None:
    """Inside a fused operation PyTorch has no gradients; there autograd goes through the opened steps themselves."""
    _, trace = traced(name)
    assert trace.loss is not None
    computed: dict[Step, Tensor] = {}
    for step in trace.flat():
        if not step.value.is_floating_point():
            continue
        if step.leaf or step.how == "recomputed":  # a model's table of sines in float32 is near its formula
            computed[step] = step.value.detach().clone().requires_grad_()
        elif step.inside:
            computed[step] = computed[step.inside[-1]]
        else:
            values = {role: computed.get(one, one.value) for role, one in step.operands.items()}
            computed[step] = result(trace.operation(step), step, values).view(step.value.shape)
        torch.testing.assert_close(computed[step], step.value, rtol=1e-12, atol=1e-12)
    wanted = [step for step, tensor in computed.items() if step in trace.gradients and tensor.requires_grad]
    found = torch.autograd.grad(computed[trace[trace.loss]], [computed[step] for step in wanted], allow_unused=True)
    assert len(wanted) > 3
    for step, expected in zip(wanted, found, strict=True):
        expected = torch.zeros_like(step.value) if expected is None else expected
        difference = largest_difference(trace.gradients[step], expected)
        assert difference <= 1e-9 * max(largest(expected), 1e-2), step.name


def largest(tensor: Tensor) -> float:
    return float(tensor.abs().nan_to_num(posinf=0).max()) if tensor.numel() else 0.0


def test_the_gradient_of_parameters_is_that_of_a_plain_backward_pass() -> None:
    model, inputs = NETWORKS["translator in evaluation"].made(torch.float64)
    loss = next_tokens
    trace = capture(model, *inputs, loss=loss)
    loss(model(*inputs)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trace.gradients[trace[name]], parameter.grad, rtol=1e-9, atol=1e-12)


def test_under_autocast_gradients_are_near_those_of_float32() -> None:
    model, inputs = NETWORKS["translator in evaluation"].made(torch.float32)
    loss = next_tokens
    with torch.autocast("cpu", torch.bfloat16):
        narrow = capture(model, *inputs, loss=loss)
    wide = capture(model, *inputs, loss=loss)
    assert narrow["encoder.0.feed_forward.wide"].value.dtype == torch.bfloat16
    for name, _ in model.named_parameters():
        ours, theirs = narrow.gradients[narrow[name]], narrow[name].gradient
        assert theirs is not None
        exact = wide[name].gradient
        assert exact is not None
        scale = float(exact.norm()) + 0.02  # the gradient of a key bias is 0 but for rounding
        assert float((ours - theirs).norm()) <= 0.03 * scale, name
        assert float((ours - exact).norm()) <= 1.5 * float((theirs - exact).norm()) + 0.01 * scale, name


class Complex(nn.Module):
    """Pairs of numbers turned as complex ones, as some write rotary positions; and a spectrum."""

    turns: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("turns", torch.polar(torch.ones(3, 2), torch.arange(6.0).view(3, 2)))

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(self.layer(x).view(2, 3, 2, 2))
        turned = torch.view_as_real(pairs * self.turns).flatten(2)
        spectrum = torch.fft.rfft(turned, dim=1)
        return turned[:, :2] * spectrum.abs() + spectrum.real


def test_what_goes_through_complex_numbers_is_one_operation_kept_whole() -> None:
    torch.manual_seed(0)
    model, x = Complex(), torch.randn(2, 3, 4)
    trace = capture(model, x, loss=squares)
    whole = ["whole:view_as_real_of_complex", "whole:abs_of_complex", "whole:real_of_complex"]
    assert [step.op for step in trace if step.how == "whole"] == whole
    assert not [step.name for step in trace if step.value.is_complex()]
    torch.testing.assert_close(trace[trace.outputs[0]].value, model(x))
    expected = torch.autograd.grad(squares(model(x)), list(model.parameters()))
    for (name, _), gradient in zip(model.named_parameters(), expected, strict=True):
        torch.testing.assert_close(trace.gradients[trace[name]], gradient)
    assert "whole" in trace.explain(trace[whole[0].removeprefix("whole:")].address((0, 0, 0, 0))).formula


def test_an_operation_that_is_not_opened_is_kept_whole_with_its_gradient() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sort(dim=1).values * torch.arange(4.0) + x.topk(4).values

    trace = capture(Sorted(), torch.randn(3, 4), loss=squares)
    assert [step.op for step in trace if step.how == "whole"] == ["whole:sort", "whole:topk"]
    expected = trace["x"].gradient
    assert expected is not None
    torch.testing.assert_close(trace.gradients[trace["x"]], expected)


def test_the_reason_of_a_mask_is_told() -> None:
    _, trace = traced("translator")
    assert [call.reason for call in trace.attentions()] == ["padding"] * 2 + ["causal", "padding"] * 2


def test_a_trace_is_the_same_after_disk(tmp_path: Any) -> None:
    _, trace = traced("translator")
    trace.save(tmp_path / "pass.safetensors")
    loaded = Trace.load(tmp_path / "pass.safetensors")
    assert [step.name for step in loaded] == [step.name for step in trace]
    for a, b in zip(loaded, trace, strict=True):
        assert torch.equal(a.value, b.value)
        if b in trace.gradients:
            torch.testing.assert_close(loaded.gradients[a], trace.gradients[b])
    address = "decoder.1.cross_attention.scores[batch=0, head=2, query=1, key=3]"
    assert loaded.explain(address).text() == trace.explain(address).text()


def test_a_damaged_trace_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "pass.safetensors"
    path.write_bytes(b"no trace")
    with pytest.raises(TraceError, match=r"pass\.safetensors"):
        Trace.load(path)


def test_a_head_switched_off_is_that_head_missing() -> None:
    _, trace = traced("translator in evaluation")
    again = replay(trace)
    assert again.values == {}
    place = "decoder.1.cross_attention"
    off = replay(trace, {f"{place}.heads[head=2]": 0.0})
    call = next(one for one in trace.attentions() if one.place == place)
    shares = call.shares()
    assert shares is not None
    expected = trace[f"{place}.output"].value - shares[:, 2]
    torch.testing.assert_close(off.value(f"{place}.output"), expected)
    assert off.loss != again.loss
    assert "encoder_norm" not in off.differences


def test_the_fused_loss_of_training_opens() -> None:
    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(11, 4)

        def forward(self, hidden: Tensor) -> Tensor:
            return projected_cross_entropy(hidden, self.table.weight, torch.tensor([1, 5, 9]), 0.1)

    torch.manual_seed(0)
    trace = capture(Fused(), torch.randn(3, 4), loss=lambda output: output)
    assert [step.name for step in trace if step.how == "whole"] == []
    for step in trace:
        if step.op in ("parameter", "input"):
            assert step.gradient is not None
            torch.testing.assert_close(trace.gradients[step], step.gradient, rtol=1e-4, atol=1e-6)


class Keeps(nn.Module):
    """Holds on to what it computed, and hands out views of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("offset", torch.arange(4.0))

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.layer(x)
        self.rows = [self.last[0], self.offset[1:]]
        return self.last.relu() * self.last.t()[0, :1] + self.offset


@pytest.mark.parametrize("loss", [None, squares])
def test_what_is_written_after_a_capture_does_not_change_what_was_seen(loss: Callable[[Any], Tensor] | None) -> None:
    model, x, outputs = Keeps(), torch.randn(3, 4), []

    def noted(output: Tensor) -> Tensor:
        outputs.append(output)
        return squares(output)

    trace = capture(model, x, loss=noted if loss else None)
    before = {step: step.value.clone() for step in trace}
    slopes = {step: step.gradient.clone() for step in trace if step.gradient is not None}
    with torch.no_grad():
        for tensor in (model.last, *model.rows, *outputs, x, model.offset, *model.parameters()):
            tensor.data.fill_(7)
    assert all(torch.equal(step.value, value) for step, value in before.items())
    assert all(step.gradient is not None and torch.equal(step.gradient, slope) for step, slope in slopes.items())
    assert len(slopes) >= 6 * bool(loss)


def test_what_is_written_during_a_pass_does_not_change_what_was_seen_before() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)  # of three dimensions: PyTorch makes it as a view of a matrix
            left, right = y[..., :2], y[..., 2:]
            left *= 2
            right[:, 0].zero_()
            z = torch.exp(y * 1)
            with torch.no_grad():
                torch.add(z.detach(), 1, out=y.data)
            return z.sum() + left.sum()

    model, x = Writes().double(), torch.randn(2, 3, 4, dtype=torch.float64)
    trace = capture(model, x, loss=lambda output: output)
    linear = F.linear(x, model.layer.weight, model.layer.bias).detach()
    torch.testing.assert_close(trace["layer"].value, linear)
    doubled = linear.clone()
    doubled[..., :2] *= 2
    doubled[:, 0, 2:] = 0
    torch.testing.assert_close(trace["exp"].value, doubled.exp())
    for step in trace.flat():
        assert (step.difference or 0) < 1e-12, step.name


def test_gradients_pass_through_views_of_a_layer_that_were_written_into() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            left, right = y.split(2, dim=-1)
            left *= right
            right[:, 0].zero_()
            return (y * y).sum()

    model, x = Gated().double(), torch.randn(2, 3, 4, dtype=torch.float64)
    model.layer.weight.data += 1
    x_leaf = x.clone().requires_grad_()
    with pytest.raises(RuntimeError):  # PyTorch allows no views of a split to be written into
        model(x_leaf).backward()

    class Sliced(Gated):
        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            y[..., :2] *= y[..., 2:].exp()
            y[:, 0].zero_()
            return (y * y).sum()

    model = Sliced().double()
    trace = capture(model, x, loss=lambda output: output)
    model(x_leaf).backward()
    assert x_leaf.grad is not None
    torch.testing.assert_close(trace.gradients[trace["x"]], x_leaf.grad)
    torch.testing.assert_close(trace.gradients[trace["layer.weight"]], model.layer.weight.grad)


def test_a_write_that_nobody_could_see_has_the_pass_taken_again_with_copies() -> None:
    class Hidden(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            with torch.no_grad():
                x.add_(1)
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient * 2

    class Writes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 3
            Hidden.apply(y)
            return y

    x = torch.randn(3)
    assert torch.equal(capture(Writes(), x)["mul"].value, x * 3)


def test_running_averages_that_are_no_buffers_are_seen_as_they_were() -> None:
    class Normalizes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.mean = torch.zeros(3) + 0.5
            return F.batch_norm(x, self.mean * 1, (self.mean * 2).abs(), training=True)

    trace = capture(Normalizes(), torch.randn(5, 3) * 4)
    assert torch.equal(trace["mul"].value, torch.full((3,), 0.5))
    assert torch.equal(trace["abs"].value, torch.ones(3))


def test_values_share_memory_only_within_the_trace_and_hold_no_more_than_they_need() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 2).view(-1)[:10].exp()

    trace = capture(Views(), torch.randn(100, 100))
    whole, flat = trace["mul"].value, trace["view"].value
    assert whole.data_ptr() == flat.data_ptr()
    assert trace.bytes <= 2 * 40_000 + 2 * 10 * 4


def test_dropout_draws_what_the_model_alone_would_have_drawn() -> None:
    for kind in (nn.Dropout(0.3), nn.Dropout1d(0.3), nn.Dropout2d(0.3), nn.Dropout(0.3, inplace=True)):
        model = nn.Sequential(nn.Tanh(), kind, nn.Dropout(0.5))
        x = torch.randn(4, 5, 6) if not isinstance(kind, nn.Dropout2d) else torch.randn(4, 5, 6, 3)
        torch.manual_seed(3)
        expected = model(x)
        torch.manual_seed(3)
        trace = capture(model, x)
        assert torch.equal(trace[trace.outputs[0]].value, expected), kind


def test_python_random_numbers_are_left_as_they_were() -> None:
    class Draws(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * random.random()

    state = random.getstate()
    capture(Draws(), torch.randn(2))
    assert random.getstate() == state


def test_a_persons_hooks_are_heard_and_what_they_return_is_the_modules_output() -> None:
    model, heard = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), []
    handle = model[0].register_forward_hook(lambda module, inputs, output: output * 2)
    model[1].register_forward_pre_hook(lambda module, inputs: heard.append(module))
    x = torch.randn(2, 3)
    trace = capture(model, x)
    assert heard == [model[1]]
    assert torch.equal(trace["0"].value, model[0](x))
    handle.remove()
    assert hook_count(model) == 1


def test_hooks_for_all_modules_are_gone_after_a_capture_that_failed() -> None:
    from torch.nn.modules import module as all_modules

    before = len(all_modules._global_forward_hooks), len(all_modules._global_forward_pre_hooks)
    with pytest.raises(RuntimeError):
        capture(nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2)), torch.randn(2, 3), loss=squares)
    assert (len(all_modules._global_forward_hooks), len(all_modules._global_forward_pre_hooks)) == before
    assert not all_modules._global_forward_hooks_always_called


def test_other_models_that_run_within_a_loss_are_not_taken_for_this_one() -> None:
    judge = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    trace = capture(nn.Linear(3, 2), torch.randn(4, 3), loss=lambda output: judge(output).sum())
    assert {step.place for step in trace} == {""}


def test_many_steps_of_one_name_are_numbered_in_order() -> None:
    class Loops(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(300):
                x = x + 1
            return x

    names = [step.name for step in capture(Loops(), torch.zeros(1))]
    assert names == ["x", "add", *(f"add_{number}" for number in range(2, 301))]


def test_complex_numbers_that_are_written_into_stay_as_they_were_for_the_next_look() -> None:
    class Turns(Complex):
        def forward(self, x: Tensor) -> Tensor:
            pairs = torch.view_as_complex(self.layer(x).view(2, 3, 2, 2))
            self.turns *= 1j
            return torch.view_as_real(pairs * self.turns).flatten(2)

    torch.manual_seed(0)
    model, x = Turns(), torch.randn(2, 3, 4)
    turns = model.turns.clone()
    trace = capture(model, x, loss=squares)
    with torch.no_grad():
        expected = trace[trace.outputs[0]].value
        assert len(trace.gradients) > 3
        assert torch.equal(model.turns, turns)
        torch.testing.assert_close(model(x), expected)
        model.turns.fill_(0)
    torch.testing.assert_close(replay(trace, {"x[batch=0]": x[0]}).value(trace.outputs[0]), expected)
    halved = replay(trace, {"x": x / 2, "layer.bias": model.layer.bias.detach() / 2}).value(trace.outputs[0])
    torch.testing.assert_close(halved, expected / 2)


def test_arguments_may_be_given_by_their_names_and_results_a_place_to_be_written_to() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x)
            joined = torch.cat([y, y.masked_fill(mask=y > 0, value=0.0)], axis=1)  # type: ignore[call-overload]
            lower = torch.tril(input=torch.cat(tensors=(joined, joined), dim=0))
            kept = F.dropout1d(lower, 0.5, training=False)
            rows, held = y * 1, torch.zeros(3, 4, dtype=x.dtype)
            first = held[0]
            with torch.no_grad():
                torch.floor(rows, out=held)
            return (kept**2).mean() + F.relu(input=y * 2, inplace=True).mean() + (rows * first).sum()

    model, x = Named().double(), torch.randn(3, 4).double()
    trace = capture(model, x, loss=lambda output: output)
    assert [step.name for step in trace if step.how == "whole"] == []
    assert trace["cat"].axis_names == trace["tril"].axis_names == ("batch", "unit")
    model(x).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trace.gradients[trace[name]], parameter.grad)
