"""`pellucid demo memory`: what a recurrent network forgets, and what it costs that its steps wait for each other."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from pellucid.cli.console import out, print_json
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.train.recall import Memory


def memory(
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each network at each distance.")] = 400,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path("memory.html"),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; networks this small gain from no second.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="All numbers as one JSON object.")] = False,
) -> None:
    """Measure memory, gradients and time of a recurrent network, an LSTM and a Transformer, distance by distance.

    Example: pellucid demo memory --output memory.html
    """
    import torch

    from pellucid.see.report.memory import write_memory
    from pellucid.train.recall import measure_memory

    torch.set_num_threads(threads)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=out, transient=True, disable=json) as bar:
        doing = bar.add_task("")
        found = measure_memory(
            steps,
            threads=threads,
            progress=lambda cell, what: bar.update(doing, description=f"{say(f'memory.{cell}')}: {what}"),
        )
    written = write_memory(output, asdict(found))
    if json:
        print_json({**asdict(found), "page": str(written)})
        return
    print_memory(found)
    out.print(say("report.written", path=written), markup=False, soft_wrap=True)


def print_memory(found: "Memory") -> None:
    """Three tables, one a measurement; a row a network."""
    percent = {cell: [f"{100 * value:.0f}%" for value in row] for cell, row in found.accuracy.items()}
    norms = {
        cell: [f"{value:.0e}" if value < 0.01 else f"{value:.2f}" for value in row]
        for cell, row in found.gradient.items()
    }
    times = {cell: [f"{value:.0f}" for value in row] for cell, row in found.microseconds.items()}
    for name, columns, rows in (
        ("accuracy", found.distances, percent),
        ("gradient", found.distances, norms),
        ("time", found.lengths, times),
    ):
        out.print(say(f"memory.{name}", steps=f"{found.steps:,}", chance=f"{100 * found.chance:.0f}%"), markup=False)
        out.print(_table(columns, rows))
        out.print()


def _table(columns: Sequence[int], rows: dict[str, list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(str(column), justify="right", no_wrap=True)
    for cell, row in rows.items():
        table.add_row(say(f"memory.{cell}"), *row)
    return table
