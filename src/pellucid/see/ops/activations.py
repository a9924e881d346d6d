"""Activations beside those of elementwise.py: smooth or piecewise relatives of ReLU, and gates."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Difference, Expression, Function, Number, Product, Quotient, Sum
from pellucid.see.operation import Adding, Call, Index, Opened, Operation, Step
from pellucid.see.ops.elementwise import ONE, OfOne


def softplus_of(x: Expression) -> Expression:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which does not overflow."""
    apart = Function("exp", [Product([Number(-1.0), Function("abs", [x])])])
    return Sum([Function("max", [x, Number(0.0)]), Function("log", [Sum([ONE, apart])])])


class Softplus(Operation):
    """A ReLU without the corner. Source: Dugas et al., 2001."""

    names = ("softplus",)
    formula = r"y = \tfrac{1}{\beta}\ln(1 + e^{\beta x})"
    text = "y = log(1 + exp(beta x)) / beta, or x where beta x is beyond the threshold"

    def forward(self, input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
        return F.softplus(input, beta, threshold)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        inner = call.beta * call.input
        return {"input": upstream * torch.where(inner > call.threshold, 1.0, torch.sigmoid(inner))}

    def explain(self, call: Call, cell: Index) -> Expression:
        x = call.cell("input", cell)
        if call.beta * x.value > call.threshold:
            return x
        if call.beta == 1:
            return softplus_of(x)
        return Quotient(softplus_of(Product([Number(float(call.beta)), x])), Number(float(call.beta)))


class Elu(Operation):
    """Negative numbers bend towards -alpha. Source: Clevert et al., 2015."""

    names: tuple[str, ...] = ("elu",)
    formula = r"y = x \text{ if } x > 0 \text{ else } \alpha(e^x - 1)"
    text = "y = x if x > 0 else alpha (exp(x) - 1)"

    def forward(self, input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
        return F.elu(input, alpha)

    def constants(self, call: Call) -> tuple[float, float]:
        """Alpha, and what multiplies all."""
        return float(call.alpha), 1.0

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        alpha, scale = self.constants(call)
        return {"input": upstream * scale * torch.where(call.input > 0, 1.0, alpha * torch.exp(call.input))}

    def explain(self, call: Call, cell: Index) -> Expression:
        alpha, scale = self.constants(call)
        x = call.cell("input", cell)
        positive = x.value > 0
        found: Expression = x if positive else Product([Number(alpha), Difference(Function("exp", [x]), ONE)])
        return found if scale == 1 else Product([Number(scale), found])


class Selu(Elu):
    """An ELU with the two constants that keep mean 0 and variance 1. Source: Klambauer et al., 2017."""

    names = ("selu",)
    formula = r"y = \lambda x \text{ if } x > 0 \text{ else } \lambda\alpha(e^x - 1)"
    text = "y = 1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))"

    def forward(self, input: Tensor, inplace: bool = False) -> Tensor:  # type: ignore[override]
        return F.selu(input)

    def constants(self, call: Call) -> tuple[float, float]:
        return 1.6732632423543772, 1.0507009873554805


class PRelu(Opened):
    """A leaky ReLU whose slope below zero is learned, one for all or one a channel. Source: He et al., 2015."""

    names = ("prelu",)
    formula = r"y = x \text{ if } x > 0 \text{ else } w x"
    text = "y = x if x > 0 else w x"

    def forward(self, input: Tensor, weight: Tensor) -> Tensor:
        return F.prelu(input, weight)

    def open(self, add: Adding, call: Call) -> Step:
        x, weight = call.operand("input"), call.operand("weight")
        if call.weight.numel() > 1:
            shape = [1, -1, *([1] * (call.input.dim() - 2))]
            weight = add("slopes", "view", given=(weight, shape))
        below = add("below", "mul", input=x, other=weight)
        return add("each", "where", given=(add.constant("is_positive", call.input > 0), x, below))


class Glu(Opened):
    """One half opens the gate for the other. Source: Dauphin et al., 2016."""

    names = ("glu",)
    formula = r"y = a\,\sigma(b),\quad x = [a, b]"
    text = "y = a sigmoid(b), with a and b the halves of x"

    def forward(self, input: Tensor, dim: int = -1) -> Tensor:
        return F.glu(input, dim)

    def open(self, add: Adding, call: Call) -> Step:
        half = call.input.size(call.dim) // 2
        a = add("a", "narrow", given=(call.operand("input"), call.dim, 0, half))
        b = add("b", "narrow", given=(call.operand("input"), call.dim, half, half))
        return add("gated", "mul", input=a, other=add("gate", "sigmoid", input=b))


class InPlaceToo(OfOne):
    """As F has them, with an argument `inplace`."""

    def forward(self, input: Tensor, inplace: bool = False) -> Tensor:
        return super().forward(input)


def third(x: Expression) -> Expression:
    """min(max(x + 3, 0), 6) / 6."""
    above = Function("max", [Sum([x, Number(3.0)]), Number(0.0)])
    return Quotient(Function("min", [above, Number(6.0)]), Number(6.0))


def slope_of_mish(call: Any) -> Tensor:
    x = call.input
    t = torch.tanh(F.softplus(x))
    return t + x * (1 - t * t) * torch.sigmoid(x)  # type: ignore[no-any-return]


OPERATIONS: tuple[Operation, ...] = (
    Softplus(),
    Elu(),
    Selu(),
    PRelu(),
    Glu(),
    OfOne(
        "log_sigmoid",
        r"y = \ln \sigma(x)",
        "y = log(sigmoid(x))",
        F.logsigmoid,
        lambda c: torch.sigmoid(-c.input),
        lambda x: Product([Number(-1.0), softplus_of(Product([Number(-1.0), x]))]),
    ),
    InPlaceToo(
        "mish",
        r"y = x \tanh \ln(1 + e^x)",
        "y = x tanh(log(1 + exp(x)))",
        F.mish,
        slope_of_mish,
        lambda x: Product([x, Function("tanh", [softplus_of(x)])]),
    ),
    InPlaceToo(
        "hardsigmoid",
        r"y = \min(\max(x + 3, 0), 6) / 6",
        "y = min(max(x + 3, 0), 6) / 6",
        F.hardsigmoid,
        lambda c: ((c.input > -3) & (c.input < 3)) / 6,
        third,
    ),
    InPlaceToo(
        "hardswish",
        r"y = x \min(\max(x + 3, 0), 6) / 6",
        "y = x min(max(x + 3, 0), 6) / 6",
        F.hardswish,
        lambda c: torch.where(c.input <= -3, 0.0, torch.where(c.input >= 3, 1.0, c.input / 3 + 0.5)),
        lambda x: Product([x, third(x)]),
    ),
    OfOne(
        "log1p",
        r"y = \ln(1 + x)",
        "y = log(1 + x)",
        torch.log1p,
        lambda c: 1 / (1 + c.input),
        lambda x: Function("log", [Sum([ONE, x])]),
    ),
    OfOne(
        "expm1",
        "y = e^x - 1",
        "y = exp(x) - 1",
        torch.expm1,
        lambda c: torch.exp(c.input),
        lambda x: Difference(Function("exp", [x]), ONE),
    ),
    OfOne(
        "log2",
        r"y = \log_2 x",
        "y = log(x) / log(2)",
        torch.log2,
        lambda c: 1 / (c.input * math.log(2)),
        lambda x: Quotient(Function("log", [x]), Number(math.log(2))),
    ),
)
