"""`pellucid doctor`: what is wrong with a training, how one sees it, and what to do."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.words import say
from pellucid.words import spoken


def doctor(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Say what is wrong with a training, with the evidence, and name the cures.

    Example: pellucid doctor runs/en-zh
    """
    from pellucid.run import Run
    from pellucid.see.report import write_report
    from pellucid.train.diagnosis import diagnose

    opened = Run.open(find_run(run))
    found = diagnose(opened)
    write_report(opened.path)
    if json:
        print_json(found)
        return
    if not found["findings"]:
        out.print(say("doctor.healthy", step=f"{found['step']:,}"), markup=False)
    for number, finding in enumerate(found["findings"], 1):
        print_finding(number, finding)


def print_finding(number: int, finding: Mapping[str, Any]) -> None:
    """One finding: its name, how sure, the evidence and the cures in order of cost."""
    said = finding["said"][spoken()]
    out.print(
        say("doctor.finding", number=number, title=said["title"], sure=f"{100 * finding['sure']:.0f}"), markup=False
    )
    out.print(said["evidence"], markup=False)
    out.print(said["why"], markup=False)
    for cure in finding["cures"]:
        out.print(say("doctor.cure", said=cure["said"][spoken()]), markup=False)
        if cure["command"]:
            out.print(f"    {cure['command']}", markup=False, soft_wrap=True)
    out.print()
