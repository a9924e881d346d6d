"""Every operation that the glass knows, held against PyTorch: value, gradient, and each number's own arithmetic."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.expression import FUNCTIONS
from pellucid.see.ops import OPERATIONS
from pellucid.see.trace import Trace

CELLS = 200


class Calls(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def positive(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64) + 0.1


IDS = torch.tensor([[0, 3, 3], [2, 1, 0]])
MASK = torch.tensor([[True, False, True, True], [False, False, True, True], [True, True, True, False]])
CAUSAL = torch.ones(4, 4, dtype=torch.bool).tril()
WEIGHTS = positive(5)
LSTM_WEIGHTS = [normal(8, 3), normal(8, 2), normal(8), normal(8)]

Case = tuple[Callable[..., Any], tuple[Tensor, ...]]
CASES: dict[str, Case] = {
    # elementwise
    "add": (lambda a, b: a + b, (normal(3, 4), normal(4))),
    "add with alpha": (lambda a, b: torch.add(a, b, alpha=3), (normal(3, 4), normal(3, 1))),
    "radd": (lambda a: 2.5 + a, (normal(3, 4),)),
    "sub": (lambda a, b: a - b, (normal(3, 4), normal(3, 1))),
    "sub with alpha": (lambda a, b: torch.sub(a, b, alpha=2), (normal(3, 4), normal(3, 4))),
    "rsub": (lambda a: 1 - a, (normal(3, 4),)),
    "mul": (lambda a, b: a * b, (normal(2, 3, 4), normal(3, 1))),
    "mul by itself": (lambda a: a * a, (normal(3, 4),)),
    "rmul": (lambda a: 2 * a, (normal(3, 4),)),
    "div": (lambda a, b: a / b, (normal(3, 4), positive(4))),
    "rtruediv": (lambda a: 2 / a, (positive(3, 4),)),
    "pow": (lambda a: a**3, (normal(3, 4),)),
    "pow of two": (lambda a, b: torch.pow(a, b), (positive(3, 4), normal(4))),
    "maximum": (torch.maximum, (normal(3, 4), normal(3, 4))),
    "minimum": (torch.minimum, (normal(3, 4), normal(3, 4))),
    **{name: (getattr(torch, name), (normal(3, 4),)) for name in ("neg", "exp", "square", "abs", "sin", "cos", "erf")},
    **{name: (getattr(torch, name), (positive(3, 4),)) for name in ("log", "sqrt", "rsqrt", "reciprocal")},
    "sigmoid": (torch.sigmoid, (normal(3, 4),)),
    "tanh": (torch.tanh, (normal(3, 4),)),
    "relu": (F.relu, (normal(3, 4),)),
    "relu in place": (lambda a: F.relu(a * 2, inplace=True), (normal(3, 4),)),
    "leaky_relu": (lambda a: F.leaky_relu(a, 0.2), (normal(3, 4),)),
    "clamp": (lambda a: a.clamp(-0.5, 0.7), (normal(3, 4),)),
    "silu": (F.silu, (normal(3, 4),)),
    "swiglu": (lambda a, b: F.silu(a) * b, (normal(3, 4), normal(3, 4))),
    "gelu": (F.gelu, (normal(3, 4),)),
    "gelu by tanh": (lambda a: F.gelu(a, approximate="tanh"), (normal(3, 4),)),
    # products
    "linear": (F.linear, (normal(2, 3, 4), normal(5, 4), normal(5))),
    "linear without bias": (F.linear, (normal(4), normal(5, 4))),
    "matmul": (torch.matmul, (normal(2, 3, 4), normal(4, 5))),
    "matmul of a vector": (torch.matmul, (normal(4), normal(2, 4, 5))),
    "matmul by a vector": (lambda a, b: a @ b, (normal(2, 3, 4), normal(4))),
    "dot": (torch.dot, (normal(4), normal(4))),
    "bmm": (torch.bmm, (normal(2, 3, 4), normal(2, 4, 5))),
    "addmm": (lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), (normal(5), normal(3, 4), normal(4, 5))),
    "baddbmm": (torch.baddbmm, (normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5))),
    "einsum": (lambda a, b: torch.einsum("bik,bjk->bij", a, b), (normal(2, 3, 4), normal(2, 5, 4))),
    "einsum with an ellipsis": (lambda a, b: torch.einsum("...k,jk->...j", a, b), (normal(2, 3, 4), normal(5, 4))),
    "einsum of one": (lambda a: torch.einsum("ij->j", a), (normal(3, 4),)),
    # reductions
    "sum": (lambda a: a.sum(1), (normal(3, 4, 2),)),
    "sum of all": (torch.sum, (normal(3, 4),)),
    "mean": (lambda a: a.mean((0, 2), keepdim=True), (normal(3, 4, 2),)),
    "amax": (lambda a: a.amax(-1), (normal(3, 4),)),
    "amin": (lambda a: a.amin(0), (normal(3, 4),)),
    "max along": (lambda a: a.max(1).values, (normal(3, 4),)),
    "var": (lambda a: a.var(1), (normal(3, 4),)),
    "std": (lambda a: a.std(-1, unbiased=False, keepdim=True), (normal(3, 4),)),
    "logsumexp": (lambda a: a.logsumexp(1), (normal(3, 4),)),
    # moving
    "view": (lambda a: a.view(2, 6), (normal(3, 4),)),
    "reshape": (lambda a: a.t().reshape(-1), (normal(3, 4),)),
    "permute": (lambda a: a.permute(2, 0, 1), (normal(2, 3, 4),)),
    "transpose": (lambda a: a.transpose(0, 1), (normal(3, 4),)),
    "T": (lambda a: a.T, (normal(3, 4),)),
    "flatten": (lambda a: a.flatten(1), (normal(2, 3, 4),)),
    "unflatten": (lambda a: a.unflatten(1, (2, 2)), (normal(3, 4),)),
    "squeeze": (lambda a: a.unsqueeze(1).squeeze(1), (normal(3, 4),)),
    "expand": (lambda a: a.expand(2, 3, 4), (normal(3, 1),)),
    "repeat": (lambda a: a.repeat(2, 1), (normal(3, 4),)),
    "repeat_interleave": (lambda a: a.repeat_interleave(2, dim=1), (normal(3, 4),)),
    "getitem": (lambda a: a[1:, ..., [0, 2]], (normal(3, 2, 4),)),
    "getitem by a mask": (lambda a: a[MASK], (normal(3, 4),)),
    "setitem": (lambda a, b: _with(a, b), (normal(3, 4), normal(4))),
    "select": (lambda a: a.select(1, 2), (normal(3, 4),)),
    "index_select": (lambda a: a.index_select(0, torch.tensor([2, 0, 2])), (normal(3, 4),)),
    "gather": (lambda a: a.gather(1, torch.tensor([[0, 0], [3, 1], [2, 2]])), (normal(3, 4),)),
    "chunk": (lambda a: a.chunk(2, dim=1)[0] * a.chunk(2, dim=1)[1], (normal(3, 4),)),
    "split": (lambda a: torch.split(a, [1, 3], dim=1)[1], (normal(3, 4),)),
    "unbind": (lambda a: a.unbind(0)[0] + a.unbind(0)[2], (normal(3, 4),)),
    "cat": (lambda a, b: torch.cat([a, b, a], dim=1), (normal(3, 4), normal(3, 2))),
    "stack": (lambda a, b: torch.stack([a, b]), (normal(3, 4), normal(3, 4))),
    "flip": (lambda a: a.flip(1), (normal(3, 4),)),
    "tril": (lambda a: a.tril(), (normal(4, 4),)),
    "where": (lambda a, b: torch.where(MASK, a, b), (normal(3, 4), normal(3, 4))),
    "masked_fill": (lambda a: a.masked_fill(MASK, -7.5), (normal(3, 4),)),
    "pad": (lambda a: F.pad(a, (1, 2), value=1.5), (normal(3, 4),)),
    "pad by reflection": (lambda a: F.pad(a, (1, 2), mode="reflect"), (normal(1, 3, 4),)),
    "a view written into": (lambda a: _through_a_view(a), (normal(3, 4),)),
    "embedding": (lambda weight: F.embedding(IDS, weight), (normal(5, 4),)),
    "one-hot": (lambda weight: F.one_hot(IDS, 5).double() @ weight, (normal(5, 4),)),
    "type": (lambda a: a.float() * 2, (normal(3, 4),)),
    # softmax, norms
    "softmax": (lambda a: F.softmax(a, dim=-1), (normal(3, 4) * 20,)),
    "log_softmax": (lambda a: a.log_softmax(0), (normal(3, 4) * 20,)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (4,), w, b), (normal(2, 3, 4), normal(4), normal(4))),
    "rms_norm": (lambda a, w: F.rms_norm(a, (4,), w), (normal(2, 3, 4), normal(4))),
    "batch_norm": (
        lambda a, w, b: F.batch_norm(a, torch.zeros(3).double(), torch.ones(3).double(), w, b, training=True),
        (normal(5, 3, 2), normal(3), normal(3)),
    ),
    "batch_norm in evaluation": (
        lambda a: F.batch_norm(a, torch.tensor([0.1, -1, 2]).double(), torch.tensor([1.0, 2, 3]).double()),
        (normal(5, 3),),
    ),
    "group_norm": (lambda a, w, b: F.group_norm(a, 2, w, b), (normal(2, 4, 3), normal(4), normal(4))),
    "dropout": (lambda a: F.dropout(a, 0.4), (normal(30, 4),)),
    # convolution, pooling
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), (normal(2, 3, 7), normal(4, 3, 3), normal(4))),
    "conv2d": (
        lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        (normal(2, 2, 6, 7), normal(3, 2, 3, 2)),
    ),
    "conv2d in groups": (
        lambda x, w, b: F.conv2d(x, w, b, groups=2),
        (normal(2, 4, 5, 5), normal(6, 2, 2, 2), normal(6)),
    ),
    "conv2d keeping the size": (lambda x, w: F.conv2d(x, w, padding="same"), (normal(1, 1, 4, 4), normal(2, 1, 3, 3))),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3, 2, 1), (normal(2, 3, 7),)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, ceil_mode=True), (normal(2, 3, 5, 5),)),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 2, 1), (normal(2, 3, 7),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), (normal(2, 3, 7, 6),)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)), (normal(2, 3, 5, 4),)),
    # attention
    "attention": (F.scaled_dot_product_attention, (normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 6))),
    "causal attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (normal(2, 4, 3), normal(2, 4, 3), normal(2, 4, 3)),
    ),
    "masked attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK, scale=0.3),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5)),
    ),
    "attention of a query that may look nowhere": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK & torch.tensor([[True], [False], [True]])),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5)),
    ),
    "attention with an added mask": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5), normal(3, 4)),
    ),
    "attention in groups": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (normal(1, 4, 3, 5), normal(1, 2, 3, 5), normal(1, 2, 3, 5)),
    ),
    # positions
    "rotary in halves": (
        lambda x, a: x * a.cos() + torch.cat((-x[..., 3:], x[..., :3]), dim=-1) * a.sin(),
        (normal(2, 3, 4, 6), normal(4, 6)),
    ),
    "rotary in pairs": (
        lambda x, c, s: torch.stack(
            (x[..., ::2] * c - x[..., 1::2] * s, x[..., ::2] * s + x[..., 1::2] * c), dim=-1
        ).flatten(-2),
        (normal(2, 3, 4, 6), normal(4, 3), normal(4, 3)),
    ),
    # recurrent
    "lstm": (
        lambda x, h, c: torch.lstm(x, (h, c), LSTM_WEIGHTS, True, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(1, 2, 2)),
    ),
    "lstm's memory": (
        lambda x, h, c: torch.lstm(x, (h, c), LSTM_WEIGHTS, True, 1, 0.0, True, False, True)[2],
        (normal(2, 4, 3), normal(1, 2, 2), normal(1, 2, 2)),
    ),
    "gru": (
        lambda x, h, *w: torch.gru(x, h, w, True, 1, 0.0, True, False, False)[0],
        (normal(4, 2, 3), normal(1, 2, 2), normal(6, 3), normal(6, 2), normal(6), normal(6)),
    ),
    "rnn": (
        lambda x, h, *w: torch.rnn_tanh(x, h, w, False, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(2, 3), normal(2, 2)),
    ),
    "lstm_cell": (
        lambda x, h, c, *w: torch.lstm_cell(x, (h, c), *w)[1],
        (normal(2, 3), normal(2, 2), normal(2, 2), normal(8, 3), normal(8, 2), normal(8), normal(8)),
    ),
    # losses
    "l1_loss": (F.l1_loss, (normal(3, 4), normal(3, 4))),
    "mse_loss": (F.mse_loss, (normal(3, 4), normal(3, 4))),
    "huber_loss": (lambda a, b: F.huber_loss(a, b, delta=0.7), (normal(3, 4), normal(3, 4))),
    "smooth_l1_loss": (lambda a, b: F.smooth_l1_loss(a, b, reduction="sum", beta=0.5), (normal(3, 4), normal(3, 4))),
    "binary_cross_entropy": (lambda a: F.binary_cross_entropy(a / 2, MASK.double()), (positive(3, 4),)),
    "binary_cross_entropy_with_logits": (
        lambda a: F.binary_cross_entropy_with_logits(a, MASK.double(), pos_weight=WEIGHTS[:4]),
        (normal(3, 4),),
    ),
    "cross_entropy": (lambda a: F.cross_entropy(a, torch.tensor([0, 4, 2])), (normal(3, 5),)),
    "cross_entropy, smoothed, ignoring": (
        lambda a: F.cross_entropy(a, torch.tensor([0, -100, 2]), WEIGHTS, label_smoothing=0.1),
        (normal(3, 5),),
    ),
    "cross_entropy of places": (
        lambda a: F.cross_entropy(a, torch.tensor([[0, 4], [2, 2]]), reduction="none"),
        (normal(2, 5, 2),),
    ),
    "cross_entropy of shares": (lambda a, b: F.cross_entropy(a, b.softmax(1)), (normal(3, 5), normal(3, 5))),
    "nll_loss": (lambda a: F.nll_loss(a.log_softmax(1), torch.tensor([0, 4, 2])), (normal(3, 5),)),
}


def _with(a: Tensor, b: Tensor) -> Tensor:
    changed = a * 1
    changed[1] = b
    changed[:, 2] = 3.0
    return changed * changed


def _through_a_view(a: Tensor) -> Tensor:
    whole = a * 2
    other = whole[1:]
    whole[0].add_(1).mul_(3)
    whole.mul_(-2)
    return whole.sum(0) + other.sum(0) * 2


def traced(case: Case) -> tuple[Trace, Tensor]:
    function, inputs = case
    torch.manual_seed(0)
    weights: list[Tensor] = []

    def loss(output: Tensor) -> Tensor:
        weights.append(torch.linspace(0.5, 2, output.numel(), dtype=output.dtype).view(output.shape))
        return (output * weights[0]).sum()

    return capture(Calls(function), *inputs, loss=loss), weights[0]


@pytest.mark.parametrize("name", CASES)
def test_an_operation_has_pytorchs_value_and_gradients(name: str) -> None:
    trace, _ = traced(CASES[name])
    gradients = trace.gradients
    assert not [step.name for step in trace if step.how == "whole"]
    tolerance = 1e-12 if name != "type" else 1e-6
    for step in trace.flat():
        if not step.value.is_floating_point():
            continue
        assert (step.difference or 0) <= tolerance * max(1, float(step.value.abs().nan_to_num(posinf=0).max()))
        if step.gradient is not None:
            ours = gradients.get(step, torch.zeros_like(step.gradient))
            torch.testing.assert_close(ours.to(step.gradient.dtype), step.gradient, rtol=1e-9, atol=1e-10)
    inputs = [step for step in trace if step.op == "input"]
    assert inputs
    assert all(step.gradient is not None for step in inputs)


@pytest.mark.parametrize("name", CASES)
def test_the_arithmetic_shown_for_a_number_gives_the_number(name: str) -> None:
    trace, _ = traced(CASES[name])
    chance = random.Random(0)
    steps = [step for step in trace.flat() if not step.leaf and step.value.numel()]
    for _ in range(CELLS // 4):
        step = chance.choice(steps)
        cell = tuple(chance.randrange(size) for size in step.value.shape)
        found = trace.explain(step.address(cell))
        if not math.isfinite(found.value):
            continue
        tolerance = 1e-10 if step.value.dtype == torch.float64 else 1e-5
        calculated = eval(found.exact, {"__builtins__": {}, "inf": math.inf}, FUNCTIONS)
        assert calculated == pytest.approx(found.value, rel=tolerance, abs=tolerance), found.address
        for operand in found.operands:
            assert float(trace.value(operand.address)) == operand.value


@pytest.mark.parametrize("name", CASES)
def test_what_pulls_at_a_number_adds_up_to_its_gradient(name: str) -> None:
    trace, _ = traced(CASES[name])
    chance = random.Random(0)
    steps = [step for step in trace.gradients if step.value.numel() and step.value.is_floating_point()]
    for _ in range(12):
        step = chance.choice(steps)
        cell = tuple(chance.randrange(size) for size in step.value.shape)
        found = trace.explain(step.address(cell), backward=True)
        tolerance = 1e-8 if step.value.dtype == torch.float64 and name != "type" else 1e-5
        assert found.difference <= tolerance * max(1, abs(found.value)), found.address


@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    function, inputs = CASES[name]
    trace, weights = traced(CASES[name])
    chance, small = random.Random(1), 1e-6 if name != "type" else 1e-2  # float32 does not see a smaller one

    def loss(*given: Tensor) -> float:
        torch.manual_seed(0)
        return float((function(*given) * weights).sum())

    tolerance = 1e-4
    for _ in range(20):
        number = chance.randrange(len(inputs))
        cell = tuple(chance.randrange(size) for size in inputs[number].shape)
        up, down = ([one.clone() for one in inputs] for _ in range(2))
        up[number][cell] += small
        down[number][cell] -= small
        slope = (loss(*up) - loss(*down)) / (2 * small)
        step = [one for one in trace if one.op == "input"][number]
        assert float(trace.gradients[step][cell]) == pytest.approx(slope, rel=tolerance, abs=tolerance)


def test_every_operation_has_a_formula() -> None:
    assert [name for name, operation in OPERATIONS.items() if not operation.text or not operation.formula] == []
