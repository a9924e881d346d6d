"""Whole networks, unmodified, captured: every float operation, PyTorch's gradients, and nothing left behind."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pellucid.nn.loss import projected_cross_entropy
from pellucid.see.capture import capture
from pellucid.see.operation import Step, result
from pellucid.see.replay import replay
from pellucid.see.trace import Trace, TraceError, largest_difference
from tests.see.networks import NETWORKS, next_tokens, squares


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
