"""`pellucid runs`: all runs of a folder as a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import RUNS, duration, millions, out, print_json
from pellucid.cli.words import say
from pellucid.errors import PellucidError

COLUMNS = ("name", "task", "size", "data", "scores", "time", "status")
NARROW, NARROW_COLUMNS = 66, ("name", "scores", "status")  # of a terminal, and what it then shows


def runs(
    folder: Annotated[Path, typer.Argument(help="Folder that holds the runs.")] = RUNS,
    json: Annotated[bool, typer.Option("--json", help="A list of JSON objects.")] = False,
) -> None:
    """List the runs of a folder: task, size, data, scores, time and status.

    Example: pellucid runs
    """
    found = [summary(path.parent) for path in sorted(folder.glob("*/config.toml"))]
    if json:
        print_json(found)
        return
    if not found:
        out.print(say("runs.none", folder=folder), markup=False)
        return
    columns = COLUMNS if out.width >= NARROW else NARROW_COLUMNS
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        name = column == "name"
        right = column in ("size", "data", "scores", "time")
        table.add_column(
            say(f"runs.{column}"),
            justify="right" if right else "left",
            overflow="fold" if name else "ellipsis",
            no_wrap=not name,
            min_width=None if name else cell_len(say(f"runs.{column}")),
        )
    for run in found:
        table.add_row(*(_cell(run, column) for column in columns))
    out.print(table)


def _cell(run: Mapping[str, Any], column: str) -> str:
    match column:
        case "size":
            return f"{run['preset']} {millions(run['parameters'])}" if run["parameters"] else ""
        case "data":
            return f"{run['pairs']:,}" if run["pairs"] else ""
        case "scores":
            return f"{run['chrf']:.1f} / {run['bleu']:.1f}" if run["chrf"] is not None else ""
        case "time":
            return duration(run["seconds"]) if run["seconds"] else ""
        case "status":
            return say(f"status.{run['status']}")
        case _:
            return escape(str(run[column]))


def summary(path: Path) -> dict[str, Any]:
    """What is known of a run from its config and metrics; scores of the test, else of the best evaluation."""
    from pellucid.run import Run

    run = Run(path)
    facts: dict[str, Any] = {"name": path.name, "path": str(path), "task": "", "preset": "", "parameters": 0}
    facts |= {"pairs": 0, "chrf": None, "bleu": None, "seconds": 0.0, "steps": 0, "status": "damaged"}
    try:
        config = run.config
        facts |= {"status": run.status, "preset": config.model.preset}
        facts["task"] = f"{config.data.source}-{config.data.target}"
        tested = False
        for line in run.metrics():
            match line["kind"]:
                case "data":
                    facts["pairs"] = line["train"]
                case "plan":
                    facts["parameters"] = line["parameters"]
                case "step" | "end":
                    facts |= {"steps": line["step"], "seconds": line["seconds"]}
                case "evaluation" if line["best"] and not tested:
                    facts |= {"chrf": line["scores"]["chrf"], "bleu": line["scores"]["bleu"]}
                case "test":
                    scores = line["subsets"]["all"]["systems"]["model"]
                    facts |= {"chrf": scores["chrf"]["value"], "bleu": scores["bleu"]["value"]}
                    tested = True
    except (PellucidError, ValueError, KeyError):
        facts["status"] = "damaged"
    return facts
