"""`pellucid doctor`: what is wrong with a training, how one sees it, and what to do."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from pellucid.cli.console import find_run, one_line, out, print_json
from pellucid.cli.live import stopped_by_ctrl_c
from pellucid.cli.sparks import spark
from pellucid.cli.words import say
from pellucid.words import spoken

INDENT = 3
WIDEST = 100  # of a text that is read
SHOWN_LINES = 5  # of the data; --json and the report have more


def doctor(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve", help="Train again on a quarter and on half of the data, to say if more helps."
        ),
    ] = False,
) -> None:
    """Say what is wrong with a training, with the evidence, and name the cures. Exit code 1 if something was found.

    Ctrl-C ends the trainings of a learning curve; what was found without it is said, and the exit code is 130.

    Example: pellucid doctor runs/en-zh
    """
    from pellucid.run import Run
    from pellucid.see.report import write_report
    from pellucid.train.diagnosis import diagnose_fully

    opened = Run.open(find_run(run))
    if learning_curve:
        live = CurveLive(json)
        with stopped_by_ctrl_c(live, "doctor.stopping") as should_stop:
            found = diagnose_fully(opened, learning_curve, live.show, should_stop)
    else:
        found = diagnose_fully(opened)
    path = write_report(opened.path)
    if json:
        print_json(found)
    else:
        show(found)
        out.print(say("report.written", path=path), markup=False, soft_wrap=True)
    if found.get("learning_curve", {}).get("stopped"):
        raise typer.Exit(130)
    if found["findings"]:
        raise typer.Exit(1)


class CurveLive:
    """Shows the trainings of a learning curve, one bar each; nothing where a program reads."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if not json:
            out.print(say("doctor.learning_curve"), markup=False)

    def show(self, event: Mapping[str, Any]) -> None:
        if self.json:
            return
        if event["kind"] == "share":
            self._begin(event["share"], event["steps"])
        elif event["kind"] == "step" and self._bar is not None:
            self._bar.update(self._task, completed=event["step"])

    def _begin(self, share: float, steps: int) -> None:
        words = say("doctor.share", percent=f"{100 * share:.0f}")
        if not out.is_terminal:
            out.print(words, markup=False)
            return
        if self._bar is None:
            count = TextColumn("{task.completed:.0f}/{task.total:.0f}")
            name = TextColumn("{task.description}", markup=False)
            self._bar = Progress(name, BarColumn(bar_width=None), count, console=out, expand=True)
            self._bar.start()
        self._task = self._bar.add_task(words, total=steps)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def show(found: Mapping[str, Any]) -> None:
    """All findings, or that there is none."""
    if "unexamined" in found:
        out.print(say("doctor.unexamined", why=found["unexamined"]), markup=False)
    if not found["findings"]:
        out.print(say("doctor.healthy", step=f"{found['step']:,}"), markup=False)
    for number, finding in enumerate(found["findings"], 1):
        show_finding(number, finding)
    if "learning_curve" in found:
        show_curve(found["learning_curve"])


def show_curve(curve: Mapping[str, Any]) -> None:
    """The points of a learning curve, and which it lacks."""
    if curve["stopped"]:
        out.print(say("doctor.curve_stopped"), markup=False)
        return
    out.print(say("doctor.curve"), markup=False)
    for point in curve["points"]:
        losses = {name: f"{point[name]:.3g}" for name in ("training", "held_out")}
        indented(say("doctor.curve_point", examples=f"{point['examples']:,}", **losses))
    for lost in curve["broken"]:
        indented(say("doctor.curve_broken", examples=f"{lost['examples']:,}", why=lost["why"]))


def show_finding(number: int, finding: Mapping[str, Any]) -> None:
    """One finding: its name and how sure it is, the evidence, the series, the lines and the cures in order of cost."""
    said = finding["said"][spoken()]
    out.print(Text.assemble((f"{number}. {said['title']}", "bold"), f"  {sure_of(finding)}"))
    indented(said["evidence"])
    room = min(out.width, WIDEST) - INDENT
    for series in finding["plot"]:
        drawn = spark(series["values"], min(room, 60), logarithmic=finding["logarithmic"])
        held = [value for value in series["values"] if value is not None]
        if drawn and len(held) > 1:
            ends = say("doctor.ends", first=f"{held[0]:.3g}", last=f"{held[-1]:.3g}", name=series["said"][spoken()])
            indented(drawn, style="cyan")
            indented(ends, style="dim")
    for line in finding["lines"][:SHOWN_LINES]:
        indented(one_line(line, room))
    if len(finding["lines"]) > SHOWN_LINES:
        indented(say("doctor.more", count=f"{len(finding['lines']) - SHOWN_LINES:,}"))
    indented(said["why"], style="dim")
    for cure in finding["cures"]:
        indented(say("doctor.cure", said=cure["said"][spoken()]))
        if cure["command"]:
            out.print(" " * (INDENT + 2) + cure["command"], markup=False, soft_wrap=True, style="green")
    out.print()


def sure_of(finding: Mapping[str, Any]) -> str:
    return say("doctor.sure", percent=f"{100 * finding['sure']:.0f}")


def indented(text: str, style: str = "") -> None:
    out.print(Padding(Text(text, style=style), (0, 0, 0, INDENT)), width=min(out.width, WIDEST))
