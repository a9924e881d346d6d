"""`pellucid compare`: runs side by side, and which of them is better as far as their seeds can say."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.words import say


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Run folders, names in runs/, or folders of runs.", show_default=False),
    ],
    html: Annotated[Path | None, typer.Option(help="Write everything as one page as well.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Show runs side by side: scores with their spread, curves, what differs in their settings.

    Runs that differ in nothing but the seed are taken together, and each kind is held against the first. Runs of other
    data or another task are shown and not ranked.

    Example: pellucid compare runs/wine runs/wine-2 --html compare.html
    """
    from pellucid import api
    from pellucid.cli.verdict import print_comparison

    found = api.compare([find_run(name) for name in runs], page=html)
    if json:
        print_json({**found.json(), "page": None if html is None else str(html)})
        return
    print_comparison(found.json())
    if html is not None:
        out.print(say("compare.page", path=html), markup=False, soft_wrap=True)
