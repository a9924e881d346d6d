"""Dropout: a mask of zeros and of 1 / (1 - rate), drawn anew each time, multiplies the numbers."""

import torch
from torch import Tensor

from pellucid.see.operation import Adding, Call, Opened, Operation, Step


class Dropout(Opened):
    """The mask is the one that was drawn: the capture draws it with the same random state.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    names = ("dropout", "feature_dropout", "dropout1d", "dropout2d")
    formula = r"y = x\,m,\quad m \in \{0, \tfrac{1}{1 - r}\}"
    text = "y = x m, with m = 0 or 1 / (1 - rate)"

    def forward(self, input: Tensor, mask: Tensor) -> Tensor:
        return input * mask

    def open(self, add: Adding, call: Call) -> Step:
        mask = add.constant("mask", call.mask, call.operand("input").axes)
        return add("kept", "mul", input=call.operand("input"), other=mask)


def drawn(name: str, input: Tensor, rate: float, state: Tensor) -> Tensor:
    """The mask that torch's function of that name drew from the random state before it."""
    now = torch.get_rng_state()
    torch.set_rng_state(state)
    function = {"dropout": torch.nn.functional.dropout, "dropout1d": torch.nn.functional.dropout1d}.get(name)
    mask = (function or torch.nn.functional.dropout2d)(torch.ones_like(input), rate, training=True)
    torch.set_rng_state(now)
    return mask


OPERATIONS: tuple[Operation, ...] = (Dropout(),)
