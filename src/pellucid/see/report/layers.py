"""The layers over the course of a training: a heat map of layer by step for each statistic, and all of a chosen step.

What was measured is of train/watching.py, `statistics` lines of metrics.jsonl.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pellucid.see.report.elements import Body, figures, paragraph, slider
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot, scale, word
from pellucid.see.report.words import both_of

Told = Mapping[str, Any]
ROW, AROUND = 17, 96  # pixels of a layer in the heat map, and of what stands around it
DIGITS = 4  # of a logarithm


def ratio(told: Told) -> float | None:
    """How large the update is beside the weights."""
    update, weight = told.get("update"), told.get("weight")
    return float(update) / float(weight) if update is not None and weight else None


def silent(told: Told) -> float | None:
    """The share of an activation that no longer answers: zeros of a relu, what is flat of all others."""
    found: float | None = told.get("zeros", told.get("flat"))
    return found


COLUMNS: dict[str, Callable[[Told], float | None]] = {
    "gradient": lambda told: told.get("gradient"),
    "ratio": ratio,
    "weight": lambda told: told.get("weight"),
    "output": lambda told: told.get("output"),
    "silent": silent,
    "dead": lambda told: told.get("dead"),
}
SHARES = {"silent", "dead"}


def layers(facts: Facts) -> Body:
    """Nothing for a training that was not watched."""
    looks = facts.statistics
    if not looks:
        return []
    both = both_of(facts.task)
    places = list(looks[-1]["places"])
    steps = [look["step"] for look in looks]
    traces: list[dict[str, Any]] = []
    kinds: list[str] = []
    for column, of in COLUMNS.items():
        rows = {place: [drawn(column, of(look["places"].get(place, {}))) for look in looks] for place in places}
        rows = {place: row for place, row in rows.items() if any(value is not None for value in row)}
        if not rows:
            continue
        kinds.append(column)
        traces.append(
            {
                "type": "heatmap",
                "name": word(f"layers.{column}"),
                "x": steps,
                "y": [place or "model" for place in rows],
                "z": list(rows.values()),
                "visible": len(traces) == 0,
                "colorscale": scale("share"),
                "colorbar": {"tickprefix": "" if column in SHARES else "10^"},
                "hovertemplate": "%{y}<br>%{x}: " + ("%{z}" if column in SHARES else "10^%{z}") + "<extra></extra>",
                **({"zmin": 0, "zmax": 1} if column in SHARES else {}),
            }
        )
    layout = {
        "xaxis": {"title": {"text": word("axis.step")}},
        "yaxis": {"autorange": "reversed", "type": "category", "dtick": 1, "tickfont": {"size": 10}},
    }
    height = AROUND + ROW * len(places)
    shows = [(f"layers.{column}", [place]) for place, column in enumerate(kinds)]
    return [
        paragraph(both("layers.lead", count=len(steps))),
        slider(both, "layers.which", "layers", shows),
        Plot("layers", traces, layout, height=height, wide=True),
        paragraph(both("layers.chosen")),
        table_of(facts, places, kinds),
    ]


def drawn(column: str, value: float | None) -> float | None:
    """A share as it is, all else as its logarithm, so that a vanishing gradient is seen beside a common one."""
    if value is None or not math.isfinite(value):
        return None
    if column in SHARES:
        return round(value, DIGITS)
    return round(math.log10(value), DIGITS) if value > 0 else None


def table_of(facts: Facts, places: list[str], kinds: list[str]) -> str:
    """All layers at the last look; the page's script fills in those of the step that is chosen."""
    both = both_of(facts.task)
    last = facts.statistics[-1]
    heads = "".join(f'<th scope="col" class="number">{both(f"layers.{column}")}</th>' for column in kinds)
    rows = []
    for place in places:
        told = last["places"][place]
        values = (COLUMNS[column](told) for column in kinds)
        cells = "".join(f'<td class="number">{"" if value is None else figures(value)}</td>' for value in values)
        rows.append(f'<tr><th scope="row" class="mono">{place or "model"}</th>{cells}</tr>')
    corner = f'<th scope="col">{both("layers.step")} <output class="mono">{last["step"]:,}</output></th>'
    return (
        f'<div class="reveal layers" tabindex="0" role="region" aria-labelledby="title-layers">'
        f'<table class="plain"><thead><tr>{corner}{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
