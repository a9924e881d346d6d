"""Whole networks, unmodified, captured: every float operation, PyTorch's gradients, and nothing left behind."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.nn.loss import projected_cross_entropy
from pellucid.see.capture import capture
from pellucid.see.replay import replay
from pellucid.see.trace import Trace, TraceError, largest_difference

SOURCE, TARGET = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([[1, 3, 4], [1, 5, 6]])
WANTED = torch.tensor([3, 4, 2, 5, 6, 2])


def squares(output: Any) -> Tensor:
    return (output**2).mean()


def next_tokens(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), WANTED, label_smoothing=0.1)


class Sequence(nn.Module):
    """A recurrent layer, and what it says last."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.recurrent = kind(3, 4, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrent(x)[0]


class Branching(nn.Module):
    """An if and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, times: int = 3) -> Tensor:
        for _ in range(times):
            x = self.layer(x).tanh() if x.sum() > 0 else -x + self.layer(x)
        return x


class InPlace(nn.Module):
    """Writes into its own results, directly and through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        y += 1
        y[:, 0] = y[:, 1] * 2
        y[0].mul_(3)
        return F.relu_(y) * y


def translator(**changes: Any) -> Translator:
    sizes = {"d_model": 16, "heads": 4, "feed_forward": 32, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.1}
    return Translator(TranslatorConfig.parse({**sizes, **changes}), 50)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...], Callable[[Any], Tensor]]] = {
    "neuron": (lambda: nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), (torch.randn(2, 3),), squares),
    "MLP": (
        lambda: nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.LayerNorm(5), nn.Dropout(0.5), nn.Linear(5, 2)),
        (torch.randn(4, 3),),
        squares,
    ),
    "CNN": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, groups=2),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        (torch.randn(2, 1, 12, 12),),
        lambda output: F.cross_entropy(output, torch.tensor([0, 2])),
    ),
    "RNN": (lambda: Sequence(nn.RNN), (torch.randn(2, 5, 3),), squares),
    "LSTM": (lambda: Sequence(nn.LSTM), (torch.randn(2, 5, 3),), squares),
    "GRU": (lambda: Sequence(nn.GRU), (torch.randn(2, 5, 3),), squares),
    "translator": (translator, (SOURCE, TARGET), next_tokens),
    "post-norm translator": (lambda: translator(norm="post", positions="learned"), (SOURCE, TARGET), next_tokens),
    "nn.Transformer": (
        lambda: nn.Transformer(16, 4, 2, 2, 32, batch_first=True),
        (torch.randn(2, 4, 16), torch.randn(2, 3, 16)),
        squares,
    ),
    "if and loop": (Branching, (torch.randn(2, 4),), squares),
    "in place": (InPlace, (torch.randn(2, 4),), squares),
}


def network(name: str, dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, ...], Callable[[Any], Tensor]]:
    build, inputs, loss = NETWORKS[name]
    torch.manual_seed(0)
    given = tuple(one.to(dtype) if one.is_floating_point() else one for one in inputs)
    return build().to(dtype), given, loss


def traced(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Trace]:
    model, inputs, loss = network(name, dtype)
    return model, capture(model, *inputs, loss=loss)


@pytest.mark.parametrize(("dtype", "value", "slope"), [(torch.float64, 1e-12, 1e-9), (torch.float32, 1e-5, 1e-4)])
@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_gradients_are_pytorchs(name: str, dtype: torch.dtype, value: float, slope: float) -> None:
    model, trace = traced(name, dtype)
    gradients = trace.gradients
    assert [step.name for step in trace if step.how == "whole"] == []
    for step in trace.flat():
        if not step.value.is_floating_point():
            continue
        assert (step.difference or 0) <= value * max(1, float(step.value.abs().nan_to_num(posinf=0).max())), step.name
        if step.gradient is None:
            continue
        ours = gradients.get(step, torch.zeros_like(step.gradient))
        largest = max(float(step.gradient.abs().max()), 1e-2)  # some are 0 but for rounding
        assert largest_difference(ours, step.gradient) <= slope * largest, step.name
    seen = {step.name for step in trace if step.op == "parameter" and step.gradient is not None}
    assert seen == {parameter for parameter, _ in model.named_parameters()}


def test_the_gradient_of_parameters_is_that_of_a_plain_backward_pass() -> None:
    model, inputs, loss = network("translator", torch.float64)
    model.eval()
    trace = capture(model, *inputs, loss=loss)
    loss(model(*inputs)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trace.gradients[trace[name]], parameter.grad, rtol=1e-9, atol=1e-12)


def test_a_capture_leaves_nothing_behind() -> None:
    model, inputs, loss = network("CNN", torch.float32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_state, hooks = torch.get_rng_state(), hook_count(model)
    capture(model, *inputs, loss=loss)
    assert hook_count(model) == hooks
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_capture_that_fails_leaves_nothing_behind() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2))
    fast, apply = torch.backends.mha.get_fastpath_enabled(), torch.autograd.Function.apply
    with pytest.raises(RuntimeError):
        capture(model, torch.randn(2, 3))
    assert hook_count(model) == 0
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert torch.autograd.Function.apply == apply
    assert not torch.overrides._get_current_function_mode_stack()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_llama_of_hugging_face_is_seen_through() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).double()
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 2]])
    trace = capture(model, input_ids=ids, use_cache=False, loss=lambda output: (output.logits**2).mean())
    assert [step.name for step in trace if step.how == "whole"] == []
    for name, parameter in model.named_parameters():
        expected = trace[name].gradient
        assert expected is not None
        torch.testing.assert_close(trace.gradients[trace[name]], expected, rtol=1e-8, atol=1e-12)
        assert expected.shape == parameter.shape
    assert [call.reason for call in trace.attentions()] == ["causal", "causal"]


def test_under_autocast_gradients_are_near_those_of_float32() -> None:
    model, inputs, loss = network("translator", torch.float32)
    model.eval()
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


def test_an_operation_that_is_not_opened_is_kept_whole_with_its_gradient() -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sort(dim=1).values * torch.arange(4.0) + x.topk(4).values

    trace = capture(Sorted(), torch.randn(3, 4), loss=squares)
    assert [step.op for step in trace if step.how == "whole"] == ["whole:sort", "whole:topk"]
    expected = trace["x"].gradient
    assert expected is not None
    torch.testing.assert_close(trace.gradients[trace["x"]], expected)


def hook_count(model: nn.Module) -> int:
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules())


def test_captures_during_a_training_do_not_disturb_it() -> None:
    def weights_after(every: int | None) -> list[Tensor]:
        model, inputs, loss = network("translator", torch.float32)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        torch.manual_seed(1)
        for step in range(40):
            if every and step % every == 0:
                capture(model, *inputs, loss=loss)
            loss(model(*inputs)).backward()
            optimizer.step()
            optimizer.zero_grad()
        return [parameter.detach() for parameter in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(weights_after(None), weights_after(10), strict=True))


def test_attention_has_the_parts_of_the_textbook() -> None:
    for name in ("translator", "nn.Transformer"):
        model, inputs, loss = network(name, torch.float64)
        trace = capture(model.eval(), *inputs, loss=loss)
        found = trace.attentions()
        assert len(found) == 6
        for call in found:
            torch.testing.assert_close(call.scores.value, call.query.value @ call.key.value.transpose(-2, -1))
            torch.testing.assert_close(call.scaled.value, call.scores.value / call.query.value.size(-1) ** 0.5)
            sums = call.weights.value.sum(-1)
            torch.testing.assert_close(sums, torch.ones_like(sums))
            assert (call.weights.value[call.hidden.expand_as(call.weights.value)] == 0).all()
            shares, output = call.shares(), call.output
            assert shares is not None
            assert output is not None
            whole = shares.sum(-3) + output.operands["bias"].value  # batch query model
            theirs = output.value
            if theirs.dim() == 2:  # nn.MultiheadAttention projects (query batch, model)
                theirs = theirs.view(whole.size(1), whole.size(0), -1).transpose(0, 1)
            torch.testing.assert_close(whole, theirs)


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
    model, inputs, loss = network("translator", torch.float64)
    trace = capture(model.eval(), *inputs, loss=loss)
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
