"""How many paths of the chain rule lead from a number to the loss, counted without walking one of them.

    paths(x) = sum over y made of x, where dy/dx is not 0, of paths(y)

It is backpropagation with each partial derivative replaced by 1, or by 0 where it is 0.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pellucid.see.operation import Call, Operation, Step, Whole, result
from pellucid.see.ops import elementwise, reduction
from pellucid.see.ops.moving import Cast, Detach, Moving
from pellucid.see.trace import Trace

Counts = list[tuple[Step, Tensor]]
Function = Callable[[Tensor], Tensor]

# Their derivative by one operand is a number of another: the paths go where that is not 0.
BILINEAR = ("linear", "matmul", "rmatmul", "mm", "bmm", "mv", "dot", "scores", "einsum", "conv1d", "conv2d")
MOST_ROWS = 4096  # rows of a Jacobian that are computed one by one; beyond, every cell counts as made of every one


def counted(trace: Trace, step: Step, counts: Tensor, wanted: set[Step]) -> Counts:
    """The paths that lead on from each operand through this step, where `counts` lead on from each cell of it."""
    if step.inside:  # it is the last of those it was opened into
        return [(step.inside[-1], counts)]
    operation = trace.operation(step)
    return [
        (operand, from_operand(operation, step, operand, counts))
        for operand in dict.fromkeys(step.operands.values())
        if operand in wanted and operand.value.is_floating_point()
    ]


def from_operand(operation: Operation, step: Step, operand: Step, counts: Tensor) -> Tensor:
    roles = [role for role, one in step.operands.items() if one is operand]
    if isinstance(operation, Detach):
        return torch.zeros_like(operand.value, dtype=torch.float64)
    if isinstance(operation, Cast):
        return counts.reshape(operand.value.shape)
    if isinstance(operation, Moving):
        found = operation.backward(Call(step), counts)
        return torch.stack([found[role] for role in roles]).sum(0)
    function = of_one(operation, step, roles)
    if operation in elementwise.OPERATIONS:
        local = torch.func.jvp(function, (operand.value,), (torch.ones_like(operand.value),))[1]
        return (torch.where(local != 0, 1.0, 0.0).double() * counts).sum_to_size(operand.value.shape)
    if operation in reduction.OPERATIONS:  # a cell of the operand goes into one cell of the result
        local, spread = (
            pulled(function, operand.value, torch.ones_like(counts)),
            pulled(function, operand.value, counts),
        )
        return torch.where(local != 0, spread / local, 0.0).round()
    if step.op in BILINEAR and len(roles) == 1:
        ones = {role: one.value.ne(0).double() for role, one in step.operands.items()}
        return pulled(lambda x: result(operation, step, {**ones, roles[0]: x}), operand.value.double(), counts).round()
    if counts.numel() <= MOST_ROWS:
        return row_by_row(operation, step, roles, operand.value, counts)
    return counts.sum().expand(operand.value.shape)


def of_one(operation: Operation, step: Step, roles: list[str]) -> Function:
    """The step as a function of one operand, all else kept; in float64, so that small derivatives are not lost."""
    given = {role: widest(one.value) for role, one in step.operands.items()}
    return lambda x: result(operation, step, {**given, **dict.fromkeys(roles, widest(x))})


def widest(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def pulled(function: Function, at: Tensor, upstream: Tensor) -> Tensor:
    """J^T u."""
    given = at.double().clone().requires_grad_()
    with torch.enable_grad():
        found = function(given)
    if not found.requires_grad:
        return torch.zeros_like(given)
    (gradient,) = torch.autograd.grad(found, given, upstream.to(found.dtype), allow_unused=True)
    return torch.zeros_like(given) if gradient is None else gradient


def row_by_row(operation: Operation, step: Step, roles: list[str], at: Tensor, counts: Tensor) -> Tensor:
    """Each row of the Jacobian by itself."""
    found = torch.zeros_like(at, dtype=torch.float64)
    function = of_one(operation, step, roles)
    for cell in counts.nonzero().tolist():
        one = torch.zeros_like(counts)
        one[tuple(cell)] = 1
        if isinstance(operation, Whole):
            gradients = operation.gradients(step, Call(step), one)
            row = torch.stack([gradients[role].ne(0) for role in roles if role in gradients]).any(0)
        else:
            row = pulled(function, at, one).ne(0)
        found += row * counts[tuple(cell)]
    return found
