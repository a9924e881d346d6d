"""Whole numbers and yes or no: what a model computes from token ids before the first real number, its masks above all.

No gradient passes here; these steps are kept so that a token can be swapped, and all that hangs on it follows.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Expression, Function, Number
from pellucid.see.operation import Axis, Call, Index, Operation
from pellucid.see.ops import moving

ARITHMETIC = ("add", "radd", "sub", "rsub", "mul", "rmul")
AMBIGUOUS = ("where", "masked_fill")  # of truth values it cannot be told which came from where


class Comparison(Operation):
    """1 where something holds of two numbers, 0 where it does not."""

    def __init__(self, function: Callable[[Any, Any], Any], told: str, sign: str, latex: str, *names: str) -> None:
        self.function, self.told, self.names = function, told, names
        self.text = f"y = 1 where a {sign} b, else 0"
        self.formula = rf"y = [a {latex} b]"

    def forward(self, input: Any, other: Any) -> Any:
        return self.function(input, other)

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function(self.told, [call.aligned("input", cell), call.aligned("other", cell)])


class Not(Operation):
    names = ("invert", "bitwise_not", "logical_not")
    text = "y = 1 where a is 0, else 0"
    formula = r"y = [\neg a]"

    def forward(self, input: Tensor) -> Tensor:
        return torch.logical_not(input)

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("equal", [call.cell("input", cell), Number(0.0)])


class OneHot(Operation):
    """A token id as a row of zeros with a 1 in its place."""

    names = ("one_hot",)
    text = "y[t, v] = 1 where v is the id of t, else 0"
    formula = r"y_{tv} = [v = id_t]"

    def forward(self, input: Tensor, num_classes: int = -1) -> Tensor:
        return F.one_hot(input, num_classes)

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("equal", [call.cell("input", cell[:-1]), Number(float(cell[-1]))])

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return (*call.operand("input").axes, Axis("vocabulary"))


OPERATIONS: tuple[Operation, ...] = (
    Comparison(operator.eq, "equal", "=", "=", "eq"),
    Comparison(operator.ne, "unequal", "!=", r"\neq", "ne", "not_equal"),
    Comparison(operator.lt, "less", "<", "<", "lt", "less"),
    Comparison(operator.le, "less_or_equal", "<=", r"\leq", "le", "less_equal"),
    Comparison(operator.gt, "greater", ">", ">", "gt", "greater"),
    Comparison(operator.ge, "greater_or_equal", ">=", r"\geq", "ge", "greater_equal"),
    Comparison(torch.logical_and, "both", "and", r"\land", "logical_and"),
    Comparison(torch.logical_or, "either", "or", r"\lor", "logical_or"),
    Not(),
    OneHot(),
)
FOLLOWED = {
    *(name for operation in OPERATIONS for name in operation.names),
    *(name for operation in moving.OPERATIONS for name in operation.names),
    *ARITHMETIC,
}


def followed(name: str, output: Tensor) -> bool:
    """Whether a step without real numbers is kept."""
    return name in FOLLOWED and not (name in AMBIGUOUS and output.dtype == torch.bool)
