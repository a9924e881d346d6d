"""Softmax: scores become shares that sum to 1. The largest score is taken off first, so that no exponential overflows.

The largest score moves all shares by nothing (it cancels), so it counts as a constant on the way back.
"""

from typing import Any

import torch
from torch import Tensor

from pellucid.see.operation import Adding, Call, Opened, Operation, Step


class Softmax(Opened):
    names = ("softmax",)
    formula = r"p_j = \frac{e^{s_j - m}}{\sum_k e^{s_k - m}},\quad m = \max_k s_k"
    text = "p[j] = exp(s[j] - m) / sum_k exp(s[k] - m), with m = max_k s[k]"

    def forward(self, input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
        return torch.softmax(input, -1 if dim is None else dim, dtype=dtype)

    def open(self, add: Adding, call: Call) -> Step:
        dim = -1 if call.dim is None else call.dim
        exponentials = exponentials_of(add, call, dim)
        total = add("total", "sum", input=exponentials, dim=dim, keepdim=True)
        return add("shares", "div", input=exponentials, other=total)


class LogSoftmax(Opened):
    names = ("log_softmax",)
    formula = r"\ln p_j = s_j - m - \ln \sum_k e^{s_k - m}"
    text = "log p[j] = s[j] - m - log(sum_k exp(s[k] - m)), with m = max_k s[k]"

    def forward(self, input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
        return torch.log_softmax(input, -1 if dim is None else dim, dtype=dtype)

    def open(self, add: Adding, call: Call) -> Step:
        dim = -1 if call.dim is None else call.dim
        exponentials = exponentials_of(add, call, dim)
        total = add("total", "sum", input=exponentials, dim=dim, keepdim=True)
        logarithm = add("log_total", "log", input=total)
        return add("log_shares", "sub", input=exponentials.operands["input"], other=logarithm)


def exponentials_of(add: Adding, call: Call, dim: int) -> Step:
    scores = call.operand("input")
    if call.dtype is not None:
        scores = add("in_type", "to", given=(scores, call.dtype))
    largest = scores.value.amax(dim, keepdim=True)
    # Where all is masked the largest is -inf, and -inf less itself would be no number.
    largest = torch.where(largest.isinf(), 0, largest)
    shifted = add("shifted", "sub", input=scores, other=add.constant("largest", largest))
    return add("exponentials", "exp", input=shifted)


OPERATIONS: tuple[Operation, ...] = (Softmax(), LogSoftmax())
