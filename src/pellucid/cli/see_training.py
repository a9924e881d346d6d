"""A step of a run's training, opened: --why and --flow of `pellucid see`.

The step is the one that the training takes next from its last saved state: on the examples that come next, or on the
one that was given, were it the whole batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pellucid.cli.console import err, find_run, one_line, out, print_json
from pellucid.cli.words import say, words
from pellucid.errors import DataError
from pellucid.words import spoken

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.see.flow import Flow
    from pellucid.see.training import TrainingStep
    from pellucid.see.why import Push, Why

SHOWN = 8  # pushes, the largest
DIGITS = 4


def show_training(
    given: str, text: str | None, target: str | None, why: str | None, flow: bool, json: bool, exact: bool
) -> None:
    """Raises RunError without a run or its saved state, TraceError or AddressError where an address names no cell."""
    run, step = opened_step(given, text, target)
    about = about_step(run, step, text)
    if why is not None:
        found = step.why_moved(why, by=told_apart(step))
        names = push_names(step, found.pushes, spoken())
    if json:
        told: dict[str, Any] = {"kind": "training_step", **about}
        if why is not None:
            told["why"] = why_as_json(found, names)
        if flow:
            told["flow"] = step.flow().json()
        print_json(told)
        return
    key = "one" if text is not None else "batch"
    what = say(f"see.next.{key}.{run.task_name}", count=f"{about['examples']:,}")
    out.print(Text(say(f"see.next.{key}", run=run.name, step=step.number, what=what)))
    if about["over"]:
        out.print(Text(say("see.next.over")), style="dim")
    out.print()
    if why is not None:
        print_why(found, names, exact)
    if flow:
        print_flow(step.flow())


def write_step(given: str, text: str | None, target: str | None, why: str | None, path: Path, megabytes: float) -> None:
    """The page of the step; with `why` it opens at that number. Raises as `show_training`, DataError for the path."""
    _, step = opened_step(given, text, target)

    def names(pushes: Sequence["Push"], language: str) -> Sequence[str]:
        return push_names(step, pushes, language)

    try:
        step.html(path, why, by=told_apart(step), names=names, megabytes=megabytes)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})", mend="Choose another place.") from None
    err.print(say("see.page", path=path), markup=False)


def opened_step(given: str, text: str | None, target: str | None) -> tuple["Run", "TrainingStep"]:
    from pellucid.api import next_step
    from pellucid.run import Run

    if given.endswith(".safetensors"):
        raise DataError(f"{given} is a saved trace; this needs the run itself", "Name the run.")
    run = Run.open(find_run(given))
    return run, next_step(run, text, target)


def told_apart(step: "TrainingStep") -> tuple[int, ...]:
    """Of one text, each token that is asked for is told apart; of many, each text; else each example."""
    return (0, 1) if step.rows[0].places else (0,)


def about_step(run: "Run", step: "TrainingStep", text: str | None) -> dict[str, Any]:
    """Which step it is, and of what."""
    steps = run.config.training.steps
    return {
        "run": run.name,
        "step": step.number,
        "over": steps is not None and step.number is not None and step.number > steps,
        "on": "one" if text is not None else "batch",
        "examples": sum(len(next(iter(one.batch.tensors.values()))) for one in step.rows),
        "precision": run.config.training.precision,
        "loss": sum(float(trace[trace.loss].value) for trace in step.traces if trace.loss is not None),
    }


def push_names(step: "TrainingStep", pushes: Sequence["Push"], language: str) -> list[str]:
    """What each push is called: an example as a person finds it, a place in a text by the token wanted there."""
    told = words(language)
    names = []
    for push in pushes:
        rows = step.rows[push.batch]
        if push.index is None:
            names.append(told["see.why.itself"])
        elif len(push.index) > 1:
            position = push.index[1]
            names.append(told["see.why.token"].format(position=position, token=rows.places[position]))
        else:
            names.append(rows.names[push.index[0]])
    return names


def why_as_json(why: "Why", names: Sequence[str]) -> dict[str, Any]:
    told = why.json()
    for push, name in zip(told["pushes"], names, strict=True):
        push["name"] = name
    return told


def print_why(why: "Why", names: Sequence[str], exact: bool) -> None:
    """Each quantity: its name and formula, below it the numbers; then who pushed."""
    from pellucid.see.update import WEIGHT_DIGITS

    few = 17 if exact else DIGITS + WEIGHT_DIGITS
    out.print(Text(f"{why.address}  {why.old:.{few}g} → {why.new:.{few}g}", style="bold"))
    out.print(Text(say("see.why.rule", optimizer=why.optimizer, difference=f"{why.difference:.1g}"), style="dim"))
    for line in why.lines:
        out.print()
        out.print(Text.assemble((say(f"see.why.{line.name}"), "bold"), "  ", (line.text, "dim")))
        digits = line.digits(DIGITS)
        numbers = (
            f"{line.exact} = {line.value!r}"
            if exact
            else f"{line.expression.text(digits, 4)} = {line.value:.{digits}g}"
        )
        out.print(Padding(Text(f"= {numbers}"), (0, 0, 0, 2), expand=False))
    if why.skipped:
        out.print(Text(say("see.why.skipped")))
    out.print()
    if not why.pushes:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("see.why.push"), justify="right", no_wrap=True)
    table.add_column(say("see.why.who"), no_wrap=True)
    order = sorted(zip(why.pushes, names, strict=True), key=lambda one: -abs(one[0].value))
    shown = [one for one in order[:SHOWN] if one[0].value] or order[:1]
    for push, name in shown:
        table.add_row(f"{push.value:+.{DIGITS}g}", Text(one_line(name, out.width - 16)))
    rest = order[len(shown) :]
    if rest:
        value = sum(push.value for push, _ in rest)
        table.add_row(f"{value:+.{DIGITS}g}", say("see.why.more", count=len(rest)))
    table.add_row(f"{why.rounding:+.{DIGITS}g}", say("see.why.rounding"))
    table.add_row(f"{why.gradient:+.{DIGITS}g}", say("see.why.sum"), style="bold")
    out.print(table)
    out.print()


def print_flow(flow: "Flow") -> None:
    """The table, its rows under the layers that they belong to."""
    from pellucid.see.flow import COLUMNS, WIDTH, arranged, short, shortened

    width = out.width - len(COLUMNS) * (1 + WIDTH)
    heads = (say(f"see.flow.{column}") for column in ("output", "zeros", "back", "weights", "gradient", "ratio"))
    out.print(Text(" " * width + "".join(" " + right(head, WIDTH) for head in heads), style="dim"), no_wrap=True)
    for place, row in arranged(flow.rows):
        cells = "".join(f" {short(number):>{WIDTH}}" for number in (row.numbers if row is not None else ()))
        label = shortened(place, width)
        out.print(Text(f"{label:{width}}{cells}".rstrip(), style="" if row is not None else "bold"), no_wrap=True)
    out.print()
    if flow.norm is not None and flow.clip is not None and flow.factor is not None:
        said = say("see.flow.clipped", norm=f"{flow.norm:.4g}", clip=f"{flow.clip:g}", factor=f"{flow.factor:.4g}")
        out.print(Text(said), style="dim")
    out.print(Text(say("see.flow.legend")), style="dim")


def right(text: str, width: int) -> str:
    """To the right, a wide character taking two columns."""
    from rich.cells import cell_len

    return " " * (width - cell_len(text)) + text
