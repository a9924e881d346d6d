"""`pellucid runs`: all runs of a folder as a table."""

import json as json_
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import RUNS, duration, millions, out, print_json
from pellucid.cli.outcome import outcome_of
from pellucid.cli.words import say
from pellucid.errors import PellucidError
from pellucid.train.cured import FOLDER

COLUMNS = ("name", "task", "size", "data", "scores", "time", "status")
NAME = 16  # columns in which a run is named before its name folds
WIDE, MIDDLE_COLUMNS = 104, ("name", "task", "scores", "time", "status")  # what a less wide terminal shows
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
    columns = COLUMNS if out.width >= WIDE else MIDDLE_COLUMNS if out.width >= NARROW else NARROW_COLUMNS
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        name = column == "name"
        right = column in ("size", "data", "scores", "time")
        table.add_column(
            say(f"runs.{column}"),
            justify="right" if right else "left",
            overflow="fold" if name else "ellipsis",
            no_wrap=not name,
            min_width=_least(column, found),
        )
    for run in found:
        table.add_row(*(_cell(run, column) for column in columns))
    out.print(table)
    for run in found:
        if run["cures"]:
            said = "; ".join(
                say("runs.cure", what=one["what"], verdict=say(f"verdict.{one['verdict']}")) for one in run["cures"]
            )
            out.print(say("runs.cures", folder=f"{run['path']}{FOLDER}", cures=said), style="dim", markup=False)


def cures_of(path: Path) -> list[dict[str, str]]:
    """What cures of a run found, as `pellucid cure` wrote it beside the run: the change, the verdict, the page."""
    found = []
    for file in sorted(path.with_name(path.name + FOLDER).glob("*.json")):
        try:
            told = json_.loads(file.read_text(encoding="utf-8"))
            one = {"what": told["cured"]["what"], "verdict": told["verdict"], "page": str(file.with_suffix(".html"))}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # what cannot be read says nothing; the trainings beside it do
        found.append(one)
    return found


def _least(column: str, found: list[dict[str, Any]]) -> int:
    """Columns that are never cut: the name up to a width at which it folds, the status whole."""
    head = cell_len(say(f"runs.{column}"))
    widest = max(head, *(cell_len(_cell(run, column)) for run in found))
    return min(widest, NAME) if column == "name" else widest if column in ("status", "scores") else head


def _cell(run: Mapping[str, Any], column: str) -> str:
    match column:
        case "size":
            return f"{run['preset']} {millions(run['parameters'])}".strip() if run["parameters"] else ""
        case "data":
            return f"{run['examples']:,}" if run["examples"] else ""
        case "scores":
            return escape(run["score"])
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
    facts |= {"examples": 0, "score": "", "scores": {}, "seconds": 0.0, "steps": 0, "status": "damaged"}
    facts["cures"] = cures_of(path)
    try:
        config = run.config
        outcome = outcome_of(config.task)
        facts |= {"status": run.status, "preset": getattr(getattr(config, "model", None), "preset", "")}
        facts["task"] = outcome.about(config)
        tested = False
        for line in run.metrics():
            match line["kind"]:
                case "data":
                    facts["examples"] = line["train"]
                case "plan":
                    facts["parameters"] = line["parameters"]
                case "step" | "end":
                    facts |= {"steps": line["step"], "seconds": line["seconds"]}
                case "evaluation" if line["best"] and not tested:
                    facts |= {"score": outcome.score_of(line), "scores": line["scores"]}
                case "test":
                    facts |= {"score": outcome.score_of(line), "scores": outcome.scores_of(line)}
                    tested = True
    except (PellucidError, LookupError, TypeError, ValueError, AttributeError):  # of what a `test` line holds
        facts["status"] = "damaged"
    return facts
