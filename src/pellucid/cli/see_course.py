"""`pellucid see --step all --at`: one number over the course of a training, at every step that was recorded."""

from collections.abc import Sequence

from rich.text import Text

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.matrices import number, print_table
from pellucid.cli.opened import View
from pellucid.cli.see_number import place_of
from pellucid.cli.sparks import spark
from pellucid.cli.words import say
from pellucid.errors import DataError, RunError
from pellucid.see.address import Address
from pellucid.see.trace import Trace

WIDEST = 72


def print_course(given: str, text: str | None, target: str | None, view: View, at: str) -> None:
    """The number (with --backward its gradient) at each step: a line of blocks, then a row a step."""
    from pellucid.run import Run
    from pellucid.see.subjects import trace_of

    run = Run.open(find_run(given))
    steps = run.recorded_steps()
    if not steps:
        raise RunError(
            f"{run.path}: no step of this training was recorded",
            mend="Train with --record every=50 to look back at its steps.",
        )
    values = []
    address = at
    for step in steps:
        trace = trace_of(run.at(step), text, target)
        trace.name_axes()
        address, value = number_at(trace, at, view.backward)
        values.append(value)
    if view.json:
        print_json({"address": address, "backward": view.backward, "steps": steps, "values": values})
        return
    show(address, steps, values, view)


def number_at(trace: Trace, text: str, backward: bool) -> tuple[str, float]:
    """The full address, and the one number there. Raises DataError where it is not one."""
    address = Address.parse(text)
    step = trace[address.name]
    where = place_of(trace, address, step)
    if not all(isinstance(index, int) for index in where):
        axes = ", ".join(f"{axis}=…" for axis in step.axis_names)
        raise DataError(
            f"{text} is a whole tensor, and one number can be followed", f"Say which: {address.name}[{axes}]."
        )
    held = trace.gradients.get(step) if backward else step.value
    if held is None:
        raise DataError(f"{text} has no gradient", "Leave --backward out.")
    return str(step.address(where)), float(held[where])


def show(address: str, steps: Sequence[int], values: Sequence[float], view: View) -> None:
    out.print(Text(f"∂loss/∂ {address}" if view.backward else address, style="bold"))
    out.print(Text(spark(values, min(out.width, WIDEST)), style="cyan"))
    low, high = min(values), max(values)
    out.print(Text(say("see.course", count=len(steps), low=number(low, 0, 4), high=number(high, 0, 4)), style="dim"))
    out.print()
    rows, before = [], None
    for step, value in zip(steps, values, strict=True):
        shown = repr(value) if view.exact else f"{value:.6g}"
        rows.append([f"{step:,}", shown, "" if before is None else f"{value - before:+.3g}"])
        before = value
    print_table([say("see.course.step"), say("see.course.value"), say("see.course.change")], rows, "rrr")
