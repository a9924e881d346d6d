"""`pellucid see --at`: one number explained, one tensor shown, or a list of all that fits a pattern."""

from typing import Any

from rich.cells import cell_len
from rich.text import Text
from torch import Tensor

from pellucid.cli.console import out, print_json
from pellucid.cli.matrices import (
    DIGITS,
    GAP,
    Matrix,
    Window,
    check_window,
    in_units,
    number,
    power_of,
    print_matrix,
    print_table,
    right,
)
from pellucid.cli.opened import Opened, View
from pellucid.cli.see_json import explanation_as_json, step_as_json
from pellucid.cli.words import say
from pellucid.errors import DataError
from pellucid.see.address import Address, AddressError, index_of, region_of
from pellucid.see.explain import Explanation
from pellucid.see.expression import Cell, Expression, Number, Product, Sum
from pellucid.see.operation import Step
from pellucid.see.ops import OPERATIONS
from pellucid.see.trace import Trace
from pellucid.see.translation import labels_along

OPERANDS = 12  # shown of the cells of which a number was made
RANKED = 20  # of a long line of labelled numbers
INDENT = "    "
LISTED = 100  # addresses of a list


def print_address(opened: Opened, view: View, text: str) -> None:
    """A number with its formula, a tensor with its summary, or a list, as the address says."""
    trace = opened.trace
    if "*" in text or "?" in text:
        print_list(trace, view, text)
        return
    address = Address.parse(text)
    step = trace[address.name]
    where = place_of(trace, address, step)
    if all(isinstance(index, int) for index in where):
        print_number(trace, view, step, where)
    else:
        print_tensor(trace, view, step, where)


def place_of(trace: Trace, address: Address, step: Step) -> tuple[Any, ...]:
    """For each axis an index, or a slice where the address leaves it open; an axis with one position is never open.

    Raises AddressError if there is no such place.
    """
    if address.step is not None and address.step != trace.training_step:
        raise AddressError(f"{address} is of training step {address.step}, the trace of {trace.training_step}")
    given = address.cell or ()
    if len(given) == step.value.dim() or (given and all(axis is None for axis, _ in given)):
        return index_of(address, step.axis_names, step.value.shape)
    where = region_of(address, step.axis_names, step.shape)
    return tuple(
        0 if isinstance(index, slice) and size == 1 else index % size if isinstance(index, int) else index
        for index, size in zip(where, step.value.shape, strict=True)
    )


# --- one number -----------------------------------------------------------------------------------------------------


def print_number(trace: Trace, view: View, step: Step, index: tuple[int, ...]) -> None:
    explanation = trace.explain(step.address(index), view.backward)
    labels = {axis.name: axis.labels[i] for axis, i in zip(step.axes, index, strict=True) if axis.labels}
    if view.json:
        print_json(explanation_as_json(explanation, labels))
        return
    if labels:
        out.print(Text(", ".join(f"{name}: {label}" for name, label in labels.items()), style="dim"))
    if step.op in OPERATIONS and trace.open(step):
        out.print(Text(f"{step.op}: {trace.operation(step).text}", style="dim"))
    if view.exact:
        out.print(Text(f"{explanation.formula}\n{explanation.address} = {explanation.exact} = {explanation.value!r}"))
    else:
        out.print(Text(explanation.text()))
    out.print(Text(how_of(trace, step), style="dim"))
    if view.backward:
        print_branches(trace, explanation, view)
    else:
        print_operands(trace, explanation, view)


def how_of(trace: Trace, step: Step) -> str:
    """Captured, opened or kept whole, and how far the opened form is from the fused one."""
    if step.leaf:
        return dtype_of(step.value)
    inside = trace.open(step)
    found = inside[-1] if inside else step
    difference = number(found.difference or 0.0, 0, 2)
    return say(f"see.how.{found.how}", difference=difference, dtype=dtype_of(step.value), op=step.op)


def dtype_of(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.")


def print_operands(trace: Trace, explanation: Explanation, view: View) -> None:
    """The cells of which it was made, those of the largest terms first."""
    cells = ordered(explanation.expression)
    if not cells:
        return
    shown = cells if view.exact else cells[:OPERANDS]
    digits = DIGITS["float64"] if view.exact else None
    out.print()
    print_addresses(
        [say("see.value")], [([written(cell.value, digits)], shortened(trace, cell.address)) for cell in shown]
    )
    if len(cells) > len(shown):
        out.print(Text(say("see.more_operands", count=len(cells) - len(shown)), style="dim"))


def ordered(expression: Expression | None) -> list[Cell]:
    """The cells of an expression, each once; of a sum, those of its largest terms first."""
    if expression is None:
        return []
    terms = sorted(expression.terms, key=lambda term: -abs(term.value)) if isinstance(expression, Sum) else [expression]
    return list(dict.fromkeys(cell for term in terms for cell in term.cells()))


def print_branches(trace: Trace, explanation: Explanation, view: View) -> None:
    """For each number that was made of this one: its gradient, the local derivative, and their product."""
    terms = explanation.expression.terms if isinstance(explanation.expression, Sum) else []
    branches = []
    for term in sorted(terms, key=lambda term: -abs(term.value)):
        if not isinstance(term, Product):
            continue
        made, local = term.factors
        if isinstance(made, Cell) and isinstance(local, Number):
            branches.append((made, local.value, term.value))
    if not branches:
        return
    shown = branches if view.exact else branches[:OPERANDS]
    digits = DIGITS["float64"] if view.exact else None
    out.print()
    rows = [
        (
            [written(made.value, digits), written(local, digits), written(product, digits)],
            shortened(trace, made.address),
        )
        for made, local, product in shown
    ]
    print_addresses([say("see.upstream"), say("see.local"), say("see.product")], rows)
    if len(branches) > len(shown):
        out.print(Text(say("see.more_operands", count=len(branches) - len(shown)), style="dim"))


def shortened(trace: Trace, address: str) -> str:
    """The address without axes that have one position only."""
    parsed = Address.parse(address)
    step = trace[parsed.name]
    single = {axis.name for axis, size in zip(step.axes, step.value.shape, strict=True) if size == 1}
    cell = tuple(part for part in parsed.cell or () if part[0] not in single)
    return str(Address(parsed.name, cell or None))


def written(value: float, digits: int | None) -> str:
    """With four significant digits, as the formula has it: gradients are often far below one thousandth."""
    return number(value, 0, digits or 4)


def print_addresses(heads: list[str], rows: list[tuple[list[str], str]]) -> None:
    """Numbers, then where they are; an address that is too long for the line stands in the next."""
    columns = [right([head, *cells]) for head, *cells in zip(heads, *(numbers for numbers, _ in rows), strict=True)]
    addresses = [say("see.address"), *(address for _, address in rows)]
    for count, (*cells, address) in enumerate(zip(*columns, addresses, strict=True)):
        line = GAP.join(cells)
        apart = GAP if cell_len(line + GAP + address) <= out.width else f"\n{INDENT}"
        out.print(Text(f"{line}{apart}{address}", style="dim" if count == 0 else ""))


# --- one tensor -----------------------------------------------------------------------------------------------------


def print_tensor(trace: Trace, view: View, step: Step, where: tuple[Any, ...]) -> None:
    """What it is, its summary, and the part of it that fits."""
    where = one_matrix(step, where, view)
    window = Window(view.row, view.column)
    if view.json:
        print_json(step_as_json(trace, step, view, where))
        return
    values = trace.gradients.get(step) if view.backward else step.value
    if values is not None:
        check_window(part_of(step, values, where, view), window)
    shape = ", ".join(f"{axis.name} {size}" for axis, size in zip(step.axes, step.value.shape, strict=True))
    out.print(Text(f"{step.name}  [{shape}]", style="bold"))
    operation = trace.operation(step)
    formula = operation.text if not step.leaf else say(f"see.leaf.{step.op}")
    out.print(Text(f"{step.op}: {formula}" if not step.leaf else formula))
    out.print(Text(how_of(trace, step), style="dim"))
    for key, names in (("see.made_of", operands_of(step)), ("see.goes_into", consumers_of(trace, step))):
        if names:
            out.print(Text(say(key, names=", ".join(names)), style="dim"))
    if values is None:
        out.print(Text(say("see.no_gradient", name=step.name)))
        return
    out.print(Text(summary(values)))
    if view.backward:
        print_parts(trace, step)
    out.print()
    matrix = part_of(step, values, where, view)
    if len(matrix.columns) == 1 and len(matrix.rows) > window.rows and step.axes[-1].labels and not view.row:
        print_ranking(matrix, view)
    else:
        print_matrix(matrix, window, view.exact)


def one_matrix(step: Step, where: tuple[Any, ...], view: View) -> tuple[Any, ...]:
    """The place with at most two axes open: of heads the one that was asked for, or the first; of the rest the first.

    Raises DataError if there is no such head.
    """
    cut = list(where)
    if "head" in step.axis_names:
        axis = step.axis_names.index("head")
        if isinstance(cut[axis], slice) and (view.head is not None or not view.json):
            head, heads = view.head or 0, step.value.size(axis)
            if not 0 <= head < heads:
                raise DataError(f"there is no head {head}", f"The heads are 0 to {heads - 1}.")
            cut[axis] = head
    if not view.json:
        for axis in [axis for axis, index in enumerate(cut) if isinstance(index, slice)][:-2]:
            cut[axis] = 0
    return tuple(cut)


def part_of(step: Step, values: Tensor, where: tuple[Any, ...], view: View) -> Matrix:
    """The numbers at a place; a single line of them stands upright."""
    part = values[where]
    fixed = ", ".join(
        f"{axis.name}={index}"
        for axis, index, size in zip(step.axes, where, values.shape, strict=True)
        if isinstance(index, int) and size > 1
    )
    address = f"{step.name}[{fixed}]" if fixed else step.name
    labels = [labels_along(step, axis) for axis, index in enumerate(where) if isinstance(index, slice)]
    if part.dim() == 1:
        part, labels = part[:, None], [labels[0], [""]]
    rows, columns = labels
    title = f"dL/d {address}" if view.backward else address
    return Matrix(address, part.tolist(), rows, columns, title, dtype_of(values))


def print_ranking(matrix: Matrix, view: View) -> None:
    """Of a long line of labelled numbers the largest; of gradients those of the largest size."""
    line = [value for (value,) in matrix.values]
    order = sorted(range(len(line)), key=lambda place: -(abs(line[place]) if view.backward else line[place]))[:RANKED]
    power = 0 if view.exact else power_of([[line[place] for place in order]])
    digits = DIGITS.get(matrix.dtype, 17) if view.exact else None
    out.print(Text(in_units(matrix.title, power), style="bold"))
    rows = [[matrix.rows[place], str(place), number(line[place], power, digits)] for place in order]
    print_table(["", "", say("see.value")], rows, "lrr")
    out.print(Text(say("see.ranked", shown=len(rows), whole=f"{len(line):,}"), style="dim"))


def summary(values: Tensor) -> str:
    """The least, the largest and the mean number (of those that are finite), and the share of zeros."""
    flat = values.double().flatten()
    finite = flat[flat.isfinite()]
    least, most = float(flat.min()), float(flat.max())
    mean = float(finite.mean()) if len(finite) else float("nan")
    told = {"least": least, "most": most, "mean": mean}
    said = say(
        "see.summary",
        **{name: number(value, 0, 4) for name, value in told.items()},
        zeros=f"{float((flat == 0).double().mean()):.1%}",
    )
    hidden = len(flat) - len(finite)
    return said + (say("see.infinite", count=f"{hidden:,}", all=f"{len(flat):,}") if hidden else "")


def operands_of(step: Step) -> list[str]:
    return [operand.name for operand in dict.fromkeys(step.operands.values())]


def consumers_of(trace: Trace, step: Step) -> list[str]:
    return [one.name for one in trace if step in one.operands.values()]


def print_parts(trace: Trace, step: Step) -> None:
    """The steps from which a gradient comes, and how much of it each brings."""
    branches = trace.branches(step.name)
    if branches:
        rows = [([number(float(gradient.norm()), 0, 4)], made.name) for made, gradient in branches]
        print_addresses([say("see.brings")], rows)


# --- a list ---------------------------------------------------------------------------------------------------------


def print_list(trace: Trace, view: View, pattern: str) -> None:
    """All addresses that fit a pattern, with their shapes. Raises AddressError if none does."""
    steps = trace.select(pattern)
    if not steps:
        raise AddressError(f"nothing in the trace fits {pattern!r}", "'*' stands for any letters: 'decoder.*.weights'.")
    if view.json:
        print_json([{"address": step.name, "op": step.op, "shape": list(step.value.shape)} for step in steps])
        return
    rows = [[step.name, step.op, " × ".join(map(str, step.value.shape)) or "1"] for step in steps[:LISTED]]
    print_table([say("see.address"), say("see.op"), say("see.shape")], rows, "lll")
    if len(steps) > LISTED:
        out.print(Text(say("see.more_steps", count=len(steps) - LISTED), style="dim"))
