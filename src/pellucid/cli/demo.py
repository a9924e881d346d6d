"""`pellucid demo`: the main job on the default corpus, from nothing to a table of translations."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import RUNS
from pellucid.cli.corpus import collect_shown
from pellucid.cli.train import assembled, run_training


def translate(
    target: Annotated[str, typer.Option("--to", help="zh, de or fr.")] = "zh",
    budget: Annotated[str, typer.Option(help="Time to train.")] = "4m",
    size: Annotated[str, typer.Option(help="Of the corpus: small, default or large.")] = "default",
    runs: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = RUNS,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per event, nothing else.")] = False,
) -> None:
    """Collect the default corpus, train English to Chinese (German, French), and show what came out.

    Example: pellucid demo translate --to de
    """
    from pellucid.train.parallel import joined

    with joined() as workers:
        workers.first(lambda: collect_shown(target, size))
    data = {"files": [f"corpus:interface-strings:{size}"], "source": "en", "target": target}
    config = assembled("translate", None, {"data": data, "training": {"budget": budget}}, [])
    run_training(config, None, runs, json)
