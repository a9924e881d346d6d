"""`pellucid find-rate`: which learning rate suits a training, tried out on a copy of it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.config import RunConfig
    from pellucid.train.rate_finder import NoiseScale, RateCurve

ROWS = 22  # of the table, evenly along the logarithm of the rate
FLAT = 0.02  # share of the loss over which bars are drawn at least: what changes less is no change
AROUND = 30  # columns that are not the bar's


def find_rate(
    of: Annotated[
        str,
        typer.Argument(
            help="A TOML file with the whole run, tried from the first weights; or a run folder, or its name in "
            "runs/, tried from its last saved state.",
            show_default=False,
        ),
    ],
    lowest: Annotated[float, typer.Option(help="Rate to begin with.")] = 1e-6,
    highest: Annotated[float, typer.Option(help="Rate to end at, unless the loss breaks out before.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Steps, each at a higher rate.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, nothing else.")] = False,
) -> None:
    """Try learning rates on a copy of a training: the loss at each, the rate that suits, the noise of its batches.

    Nothing is written, and the run is not touched. The option --find-rate of every training does the same for one that
    is about to begin.

    Example: pellucid find-rate runs/en-zh
    """
    from pellucid import api

    place = Path(of)
    found = api.find_rate(place if place.is_file() else find_run(of), lowest=lowest, highest=highest, steps=steps)
    show_rates(found, json)


def find_rate_of(config: "RunConfig", json: bool) -> None:
    """`--find-rate` of the training commands."""
    from pellucid import api

    show_rates(api.find_rate(config), json)


def show_rates(curve: "RateCurve", json: bool) -> None:
    """The smoothed loss at some of the rates as bars from the least to the largest, and the suggestion below."""
    if json:
        print_json(curve.json())
        return
    least, largest = min(curve.smoothed), max(curve.smoothed)
    span = max(largest - least, FLAT * abs(largest))
    width = max(out.width - AROUND, 8)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("rates.rate"), justify="right", no_wrap=True)
    table.add_column(say("rates.loss"), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    places = [round(i * (len(curve.rates) - 1) / (ROWS - 1)) for i in range(ROWS)]
    nearest = (
        min(places, key=lambda i: abs(math.log(curve.rates[i] / (curve.suggested or 1)))) if curve.suggested else None
    )
    lowest = curve.rates.index(curve.least)
    lowest = min(places, key=lambda i: abs(i - lowest))
    for i in dict.fromkeys(places):
        share = (curve.smoothed[i] - least) / span if span else 0.0
        marks = [say("rates.suggested")] if i == nearest else [say("rates.least")] if i == lowest else []
        bar = Text("█" * max(round(share * (width - 14)), 1), style="cyan")
        if marks:
            bar.append(f"  ← {marks[0]}", style="bold")
        table.add_row(f"{curve.rates[i]:.1e}", f"{curve.smoothed[i]:.4g}", bar)
    out.print(table)
    out.print()
    if curve.suggested is None:
        out.print(say("rates.none"), markup=False)
    else:
        out.print(say("rates.found", rate=f"{curve.suggested:g}", least=f"{curve.least:.2g}"), markup=False)
        out.print(say("rates.set", rate=f"{curve.suggested:g}"), markup=False)
    if curve.noise is not None:
        show_noise(curve.noise)


def show_noise(noise: "NoiseScale") -> None:
    items = say(f"item.{noise.items}", count=f"{noise.batch:,.0f}")
    if noise.scale is None:
        out.print(say("rates.noise.unknown", batch=f"{noise.batch:,.0f}", items=items), markup=False)
        return
    if not noise.scale:
        out.print(say("rates.noise.none", batch=f"{noise.batch:,.0f}", items=items), markup=False)
        return
    kind = "small" if noise.batch < noise.scale / 2 else "large" if noise.batch > noise.scale * 2 else "even"
    scale = f"{noise.scale:,.0f}" if noise.scale >= 1 else f"{noise.scale:.2g}"
    items = say(f"item.{noise.items}", count=scale)
    out.print(say(f"rates.noise.{kind}", scale=scale, batch=f"{noise.batch:,.0f}", items=items), markup=False)
