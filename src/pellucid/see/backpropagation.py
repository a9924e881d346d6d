"""Our own backpropagation: from the loss, right to left, each operation's rule turns the gradient of what it made into
gradients of what it was made from. Where paths meet, the branches and their sum are kept.

    dL/dx = sum over all y made from x of dL/dy dy/dx

Source: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from pellucid.see.operation import Call, Operation, Step, Whole, widened
from pellucid.see.trace import Trace, TraceError

Branches = dict[Step, list[tuple[Step, Tensor]]]


def backpropagate(
    trace: Trace, seeds: Mapping[Step, Tensor] | None = None, stop: Collection[Step] = ()
) -> tuple[dict[Step, Tensor], Branches]:
    """The gradient of every step, and for each the parts that came from each step made of it.

    Without `seeds` it starts from the loss with 1; it does not go on from steps in `stop`. Raises TraceError where the
    trace has no loss.
    """
    if seeds is None:
        if trace.loss is None:
            raise TraceError("the trace has no loss to go back from", "Capture with loss=.")
        last = trace[trace.loss]
        seeds = {last: torch.ones_like(widened(last.value))}
    gradients = dict(seeds)
    branches: Branches = {}
    with torch.no_grad():
        for step in reversed(list(trace.flat())):
            upstream = gradients.get(step)
            if upstream is None or step.leaf or step in stop:
                continue
            for operand, gradient in contributions(trace, step, upstream):
                branches.setdefault(operand, []).append((step, gradient))
                gradients[operand] = gradients[operand] + gradient if operand in gradients else gradient
    return gradients, branches


def contributions(trace: Trace, step: Step, upstream: Tensor) -> list[tuple[Step, Tensor]]:
    """What one step passes on to each of its operands."""
    if step.inside:  # it is the last of those it was opened into
        return [(step.inside[-1], upstream)]
    operation = trace.operation(step)
    call = Call(step, widen=True)
    if isinstance(operation, Whole) or type(operation).backward is Operation.backward:
        found = Whole().gradients(step, call, upstream)
    else:
        found = operation.backward(call, upstream)
    return [(step.operands[role], gradient) for role, gradient in found.items() if role in step.operands]
