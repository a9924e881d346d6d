"""`pellucid report`: write a run's report.html anew and say where it is."""

from typing import Annotated

import typer

from pellucid.cli.console import find_run


def report(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
) -> None:
    """Write report.html, one page that opens in any browser without a network.

    Example: pellucid report runs/en-zh
    """
    from pellucid.run import Run
    from pellucid.see.report import write_report

    typer.echo(write_report(Run.open(find_run(run)).path))
