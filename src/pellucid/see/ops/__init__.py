"""The operations that the glass knows, one family a file. A new one is proven by being added: tests go over all."""

from pellucid.see.operation import Operation
from pellucid.see.ops import (
    attention,
    convolution,
    discrete,
    dropout,
    elementwise,
    linear,
    losses,
    moving,
    norms,
    positions,
    recurrent,
    reduction,
    softmax,
)

FAMILIES = (
    elementwise,
    linear,
    reduction,
    moving,
    softmax,
    norms,
    dropout,
    convolution,
    recurrent,
    attention,
    positions,
    losses,
    discrete,
)
OPERATIONS: dict[str, Operation] = {
    name: operation for family in FAMILIES for operation in family.OPERATIONS for name in operation.names
}
