"""Which example of a batch pushed a number of a parameter, and how much.

Between a parameter and the loss stands the model's output y, with one row for each example. By the chain rule

    dL/dw = sum over examples i of (dL/dy_i dy_i/dw)  +  what the loss has of w by itself (a penalty, a tied weight)

so that the share of an example is exact whatever the loss makes of the rows (means, ignored tokens, weights), and with
the dropout masks that were drawn. dL/dy comes from our own backpropagation, dy/dw from one pass forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.see.backpropagation import backpropagate
from pellucid.see.operation import Index, Step, Whole, widened
from pellucid.see.trace import Trace


@dataclass(frozen=True)
class Pushes:
    """The gradient of one cell, parted: `rows` by the axes asked for, `rest` is the loss's own."""

    rows: Tensor  # float64
    rest: float

    @property
    def total(self) -> float:
        return float(self.rows.sum()) + self.rest


def pushes(trace: Trace, step: Step, cell: Index, by: Sequence[int] = (0,)) -> Pushes | None:
    """The share of each example, or of each position `by` the axes of the output, in the gradient of a cell.

    None where no output has a row for each.
    """
    cut = outputs_by_row(trace, by)
    if not cut:
        return None
    direct, _ = backpropagate(trace, stop=cut)
    reached = [output for output in cut if output in direct]
    if not reached:
        return None
    rest = float(direct[step][cell]) if step in direct else 0.0
    forward = moved_with(trace, step, cell, reached)
    rows: Tensor | None = None
    for output in reached:
        if forward is None:
            found = row_by_row(trace, step, cell, output, direct[output], by)
        elif output in forward:
            found = kept(direct[output].double() * forward[output].double(), by)
        else:
            continue
        rows = found if rows is None else rows + found
    if rows is None:
        rows = torch.zeros([reached[0].value.size(axis) for axis in by], dtype=torch.float64)
    return Pushes(rows, rest)


@dataclass(frozen=True)
class AllPushes:
    """The gradients of all parameters, parted: of each example or position by its index, and `rest`, the loss's own."""

    rows: dict[Index, dict[Step, Tensor]]
    rest: dict[Step, Tensor]


def all_pushes(trace: Trace, by: Sequence[int] = (0,)) -> AllPushes:
    """As `pushes`, of every cell of every parameter at once: one pass backward for each example."""
    cut = outputs_by_row(trace, by)
    rest, _ = backpropagate(trace, stop=cut)
    reached = [output for output in cut if output in rest]
    rows = {}
    sizes = [reached[0].value.size(axis) for axis in by]
    for index in torch.cartesian_prod(*(torch.arange(size) for size in sizes)).view(-1, len(sizes)).tolist():
        where: list[slice | int] = [slice(None)] * (max(by) + 1)
        for axis, i in zip(by, index, strict=True):
            where[axis] = i
        seeds = {}
        for output in reached:
            seeds[output] = torch.zeros_like(rest[output])
            seeds[output][tuple(where)] = rest[output][tuple(where)]
        rows[tuple(index)] = of_parameters(backpropagate(trace, seeds)[0])
    return AllPushes(rows, of_parameters(rest))


def of_parameters(gradients: dict[Step, Tensor]) -> dict[Step, Tensor]:
    return {step: gradient for step, gradient in gradients.items() if step.op == "parameter"}


def outputs_by_row(trace: Trace, by: Sequence[int]) -> list[Step]:
    """The outputs that have a row for each example; where the model gave none, the last steps along whose batch."""
    trace.name_axes()
    wanted = next((step.value.size(by[0]) for step in trace.steps if has_rows(step, by) and step.op == "input"), None)

    def fits(step: Step) -> bool:
        if step.leaf or not has_rows(step, by):
            return False
        return by[0] != 0 or step.value.size(0) == wanted

    outputs = [step for step in map(trace.__getitem__, trace.outputs) if fits(step)]
    sizes = {tuple(step.value.size(axis) for axis in by) for step in outputs}
    if outputs:
        return outputs if len(sizes) == 1 else outputs[:1]
    # The axes of what comes of an index, such as a target's tokens, have no names.
    return [step for step in trace.flat() if fits(step) and step.axis_names[0] in ("batch", "d0")]


def has_rows(step: Step, by: Sequence[int]) -> bool:
    return step.value.dim() > max(by)


def kept(values: Tensor, by: Sequence[int]) -> Tensor:
    """Summed over all axes but these."""
    rest = [axis for axis in range(values.dim()) if axis not in by]
    return values.sum(rest) if rest else values


def moved_with(trace: Trace, step: Step, cell: Index, until: Sequence[Step]) -> dict[Step, Tensor] | None:
    """dy/dw for each output y of `until` and the one cell w, step by step forward; None where a step knows no way."""
    last = until[-1]
    direction = torch.zeros_like(widened(step.value))
    direction[cell] = 1
    moved = {step: direction}
    for made in trace.flat():
        if made.inside:
            tangent = moved.get(made.inside[-1])
        elif any(one in moved for one in made.operands.values()):
            try:
                tangent = pushed_forward(trace, made, moved)
            except (RuntimeError, NotImplementedError, LookupError):
                return None
        else:
            tangent = None
        if tangent is not None:
            moved[made] = tangent
        if made is last:
            break
    return {output: moved[output] for output in until if output in moved}


def pushed_forward(trace: Trace, made: Step, moved: dict[Step, Tensor]) -> Tensor | None:
    """How a step moves with its operands, all of them at once."""
    operation = trace.operation(made)
    values = {role: widened(operand.value) for role, operand in made.operands.items()}
    roles = [role for role, operand in made.operands.items() if operand in moved and values[role].is_floating_point()]
    if not roles:
        return None

    def function(*given: Tensor) -> Tensor:
        arguments = {**values, **dict(zip(roles, given, strict=True))}
        if isinstance(operation, Whole):
            found = operation.compute(made, arguments)
        else:
            found = operation.forward(**made.arguments(arguments))
        return found if made.part is None else found[made.part]  # type: ignore[no-any-return]

    primals = tuple(values[role] for role in roles)
    tangents = tuple(moved[made.operands[role]].to(values[role].dtype) for role in roles)
    return torch.func.jvp(function, primals, tangents)[1]  # type: ignore[no-any-return]


def row_by_row(trace: Trace, step: Step, cell: Index, output: Step, direct: Tensor, by: Sequence[int]) -> Tensor:
    """The same by going back once for each row, for a model with a step that has no forward derivative."""
    sizes = [output.value.size(axis) for axis in by]
    rows = torch.zeros(sizes, dtype=torch.float64)
    for index in torch.cartesian_prod(*(torch.arange(size) for size in sizes)).view(-1, len(sizes)).tolist():
        where: list[slice | int] = [slice(None)] * direct.dim()
        for axis, i in zip(by, index, strict=True):
            where[axis] = i
        alone = torch.zeros_like(direct)
        alone[tuple(where)] = direct[tuple(where)]
        gradients, _ = backpropagate(trace, {output: alone})
        if step in gradients:
            rows[tuple(index)] = float(gradients[step][cell])
    return rows
