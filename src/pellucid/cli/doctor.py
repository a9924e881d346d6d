"""`pellucid doctor`: what is wrong with a training, how one sees it, and what to do."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from pellucid.cli.console import find_run, one_line, out, print_json
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

    Example: pellucid doctor runs/en-zh
    """
    from pellucid.run import Run
    from pellucid.see.report import write_report
    from pellucid.train.diagnosis import diagnose_fully

    opened = Run.open(find_run(run))
    if learning_curve and not json:
        out.print(say("doctor.learning_curve"), markup=False)
    found = diagnose_fully(opened, learning_curve)
    path = write_report(opened.path)
    if json:
        print_json(found)
    else:
        show(found)
        out.print(say("report.written", path=path), markup=False, soft_wrap=True)
    if found["findings"]:
        raise typer.Exit(1)


def show(found: Mapping[str, Any]) -> None:
    """All findings, or that there is none."""
    if "unexamined" in found:
        out.print(say("doctor.unexamined", why=found["unexamined"]), markup=False)
    if not found["findings"]:
        out.print(say("doctor.healthy", step=f"{found['step']:,}"), markup=False)
    for number, finding in enumerate(found["findings"], 1):
        show_finding(number, finding)


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
