"""The walk of `pellucid see` through any network but a translator: place by place, in the order in which it computes.

Of each place every step is named with its range, and the numbers that leave it are shown. Backward the places come in
reverse, with gradients in place of values.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from pellucid.cli.console import out, print_json
from pellucid.cli.matrices import Matrix, Window, number, print_matrix, print_table
from pellucid.cli.opened import Opened, View
from pellucid.cli.see_json import step_as_json
from pellucid.cli.see_number import one_matrix, part_of
from pellucid.cli.see_walk import agreement
from pellucid.cli.words import say
from pellucid.see.operation import Step
from pellucid.see.trace import Trace, TraceError

ROWS = 8  # of the numbers that leave a place
INPUTS = 40  # rows of what the network reads
TOLD = 12  # steps of one place; a recurrent network has one for each time


def print_pass(opened: Opened, view: View) -> None:
    """All places, each with its steps and what leaves it."""
    trace = opened.trace
    trace.name_axes()
    if view.json:
        print_json(pass_as_json(trace, view))
        return
    if view.backward and trace.loss is None:
        raise TraceError(
            "nothing says what should have come out, so there is no loss to go back from",
            "Leave --backward out, or give the number of a held-out example.",
        )
    out.print(Text(about(trace), style="bold"))
    if not view.backward:
        print_inputs(trace, view)
    found = places(trace)
    for count, (place, steps) in enumerate(reversed(found) if view.backward else found, 1):
        out.print()
        out.print(Text(f"{count}. {place or say('see.pass.around')}", style="bold"))
        print_steps(trace, steps, view)
        print_leaving(trace, steps[0] if view.backward else steps[-1], view)
    out.print()
    if view.backward and trace.loss is not None:
        out.print(Text(agreement(trace), style="dim"))
    out.print(Text(say("see.pass.hint"), style="dim"))


def print_inputs(trace: Trace, view: View) -> None:
    """What the network reads: an image, a row under the names of its columns, tokens."""
    for step in trace.steps:
        if step.op == "input" and step.value.numel() > 1:
            out.print()
            out.print(Text(say("see.pass.reads"), style="bold"))
            where = one_matrix(step, tuple(0 if size == 1 else slice(None) for size in step.value.shape), view)
            print_matrix(standing(part_of(step, step.value, where, view)), Window(rows=INPUTS), view.exact)


def places(trace: Trace) -> list[tuple[str, list[Step]]]:
    """The computed steps in order, those that follow each other in one place together."""
    computed = [step for step in trace.steps if not step.leaf]
    return [(place, list(steps)) for place, steps in groupby(computed, key=lambda step: step.place)]


def about(trace: Trace) -> str:
    """What was passed through, in words."""
    kind = trace.about.get("kind", "")
    facts = {name: value for name, value in trace.about.items() if isinstance(value, str | int | float)}
    if kind == "classify" and "truth" not in facts:
        kind = "unknown"  # a picture of the person's own, whose class nobody told
    return say(f"see.about.{kind}", **facts) if kind in KINDS else ""


KINDS = {"classify", "unknown", "regression", "language", "embed"}


def print_steps(trace: Trace, steps: Sequence[Step], view: View) -> None:
    """Each step's address, operation, shape and range."""
    rows = []
    for step in steps[:TOLD]:
        values = trace.gradients.get(step) if view.backward else step.value
        shape = " × ".join(map(str, step.value.shape)) or "1"
        ends = "" if values is None or not values.numel() else _range(values.double())
        rows.append([step.name, step.op, shape, ends])
    print_table([say("see.address"), say("see.op"), say("see.shape"), say("see.range")], rows, "lllr")
    if len(steps) > TOLD:
        out.print(Text(say("see.more_steps", count=len(steps) - TOLD), style="dim"))


def _range(values: Any) -> str:
    low, high = float(values.min()), float(values.max())
    return number(low, 0, 3) if low == high else f"{number(low, 0, 3)} … {number(high, 0, 3)}"


def print_leaving(trace: Trace, step: Step, view: View) -> None:
    values = trace.gradients.get(step) if view.backward else step.value
    if values is None:
        out.print(Text(say("see.no_gradient", name=step.name), style="dim"))
    elif values.numel() > 1:
        where = one_matrix(step, tuple(0 if size == 1 else slice(None) for size in values.shape), view)
        print_matrix(lying(part_of(step, values, where, view)), Window(rows=ROWS), view.exact)


def standing(matrix: Matrix) -> Matrix:
    """A single row whose columns have names as a column: names are too long to stand side by side."""
    if len(matrix.rows) != 1 or all(name.isdigit() for name in matrix.columns):
        return matrix
    (row,) = matrix.values
    return Matrix(matrix.address, [[value] for value in row], matrix.columns, [""], matrix.title, matrix.dtype)


def lying(matrix: Matrix) -> Matrix:
    """A single column as a row: it takes less room."""
    if len(matrix.columns) != 1:
        return matrix
    return Matrix(
        matrix.address, [[value for (value,) in matrix.values]], [""], matrix.rows, matrix.title, matrix.dtype
    )


def pass_as_json(trace: Trace, view: View) -> dict[str, Any]:
    steps = [step_as_json(trace, step, view) for step in trace.steps]
    loss = float(trace[trace.loss].value) if trace.loss is not None else None
    return {**trace.about, "loss": loss, "steps": steps}
