"""The recorded steps of a training side by side: what one probe attends to, and where the embeddings lie, as it learns.

The probe is what the last evaluation showed; each step's weights are those that `Run.at` gives.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import PellucidError
from pellucid.nn.svd import principal_components
from pellucid.run import Run
from pellucid.see.attention import attentions
from pellucid.see.report.elements import Body, paragraph, slider
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot, colour, scale, word
from pellucid.see.report.words import both_of
from pellucid.see.subjects import trace_of
from pellucid.see.trace import Trace

LOOKS = 9  # steps that are shown, of all that were recorded
POINTS = 80  # of an embedding
FROM, LETTERS = 2_000, 2  # tokens among which the points are looked for, and letters that a point has at least
CELL, AROUND = 26, 150  # pixels of a row of attention and around all


def recorded(facts: Facts, folder: Path) -> Body:
    """Nothing where nothing was recorded, or what was recorded has neither attention nor embeddings."""
    run = Run(folder)
    try:
        steps = run.recorded_steps()
        given = probe(facts)
        if len(steps) < 2 or given is None:
            return []
        shown = spread(steps, LOOKS)
        runs = [run.at(step) for step in shown]
        last = trace_of(runs[-1], *given)
        traces = [*(trace_of(one, *given) for one in runs[:-1]), last]
    except PellucidError:  # a report is written all the same: of a moved folder, or a damaged snapshot
        return []
    both = both_of(facts.task)
    labels = [f"{step:,}" for step in shown]
    body = [*attention(facts, traces, labels), *embeddings(facts, runs, last, labels)]
    return (
        [paragraph(both("recorded.lead", count=f"{len(steps):,}", run=facts.run, last=labels[-1])), *body]
        if body
        else []
    )


def probe(facts: Facts) -> tuple[str, str | None] | None:
    """A text that was held out, with its target if it has one."""
    samples: Sequence[Mapping[str, Any]] = facts.evaluations[-1].get("samples", []) if facts.evaluations else []
    for sample in samples:
        if facts.task == "translate":
            return str(sample["source"]), str(sample["references"][0])
        text = str(sample.get("prompt") or sample.get("word") or "").strip()
        if text:
            return text, None
    return None


def spread(steps: Sequence[int], count: int) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(steps) <= count:
        return list(steps)
    return [steps[round(place * (len(steps) - 1) / (count - 1))] for place in range(count)]


def attention(facts: Facts, traces: Sequence[Trace], labels: Sequence[str]) -> Body:
    """The weights of the last attention, the mean of its heads, at each step."""
    maps = [last_weights(trace) for trace in traces]
    if any(one is None for one in maps):
        return []
    drawn: list[dict[str, Any]] = []
    rows: Sequence[str] = ()
    for place, held in enumerate(maps):
        assert held is not None
        weights, rows, columns = held
        drawn.append(
            {
                "type": "heatmap",
                "name": labels[place],
                "x": list(range(len(columns))),
                "y": list(range(len(rows))),
                "z": [[round(value, 4) for value in row] for row in weights.tolist()],
                "zmin": 0,
                "zmax": 1,
                "visible": place == len(maps) - 1,
                "colorscale": scale("share"),
                "hovertemplate": "%{z}<extra></extra>",
            }
        )
    ticks = {"tickmode": "array", "tickfont": {"size": 11}}
    layout = {
        "xaxis": {**ticks, "tickvals": list(range(len(columns))), "ticktext": list(columns)},
        "yaxis": {**ticks, "tickvals": list(range(len(rows))), "ticktext": list(rows), "autorange": "reversed"},
    }
    shows = [(label, [place]) for place, label in enumerate(labels)]
    both = both_of(facts.task)
    return [
        slider(both, "recorded.step", "recorded_attention", shows, first=len(shows) - 1),
        Plot("recorded_attention", drawn, layout, height=AROUND + CELL * len(rows), wide=True),
    ]


def last_weights(trace: Trace) -> tuple[Tensor, Sequence[str], Sequence[str]] | None:
    """(query, key) with the labels of both; None without attention."""
    calls = list(attentions(trace))
    if not calls:
        return None
    step = calls[-1].weights
    weights = step.value.detach().float()
    weights = weights.flatten(0, -3).mean(0)
    query, key = step.axes[-2:]
    return weights, labels_of(query.labels, weights.size(0)), labels_of(key.labels, weights.size(1))


def labels_of(labels: Sequence[str] | None, count: int) -> Sequence[str]:
    return labels if labels and len(labels) == count else [str(place) for place in range(count)]


def embeddings(facts: Facts, runs: Sequence[Run], last: Trace, labels: Sequence[str]) -> Body:
    """The largest table of embeddings in the plane in which it lies widest at the last step."""
    tables = [name for name, module in runs[-1].model.named_modules() if isinstance(module, nn.Embedding)]
    if not tables:
        return []
    name = max(tables, key=lambda one: runs[-1].model.get_submodule(one).weight.numel())
    words = named_rows(last, f"{name}.weight")
    if not words:
        return []
    rows = torch.tensor(list(words))
    final = runs[-1].model.get_submodule(name).weight.detach().float()[rows]
    center = final.mean(0)
    plane = directions(final)
    drawn = []
    for place, run in enumerate(runs):
        points = (run.model.get_submodule(name).weight.detach().float()[rows] - center) @ plane
        drawn.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": labels[place],
                "x": [round(value, 4) for value in points[:, 0].tolist()],
                "y": [round(value, 4) for value in points[:, 1].tolist()],
                "text": list(words.values()),
                "hoverinfo": "text",
                "textposition": "top center",
                "textfont": {"size": 11, "color": colour("ink")},
                "marker": {"size": 5, "color": colour("share")},
                "visible": place == len(runs) - 1,
            }
        )
    axes = {
        "xaxis": {"title": {"text": word("recorded.first")}},
        "yaxis": {"title": {"text": word("recorded.second")}},
        "hovermode": "closest",
    }
    shows = [(label, [place]) for place, label in enumerate(labels)]
    both = both_of(facts.task)
    return [
        slider(both, "recorded.step", "recorded_embeddings", shows, first=len(shows) - 1),
        Plot("recorded_embeddings", drawn, axes, height=560, wide=True),
    ]


def directions(points: Tensor) -> Tensor:
    """(dimension, 2): those of the widest spread, so that all steps are seen in one plane."""
    coordinates, _ = principal_components(points, 2)
    centered = points - points.mean(0)
    basis: Tensor = centered.T @ coordinates / coordinates.square().sum(0).clamp(min=1e-12)
    unit: Tensor = basis / basis.norm(dim=0).clamp(min=1e-12)
    return unit


def named_rows(trace: Trace, name: str) -> dict[int, str]:
    """Rows of an embedding by the word of each: the first that have letters, which are frequent in our vocabularies."""
    step = next((one for one in trace.steps if one.name == name), None)
    labels = step.axes[0].labels if step is not None and step.axes else None
    found: dict[int, str] = {}
    for place, label in enumerate((labels or ())[:FROM]):
        letters = sum(letter.isalpha() for letter in label)
        if letters >= min(LETTERS, max(len(labels or ()) // 200, 1)) and not label.startswith("<"):
            found[place] = label
        if len(found) == POINTS:
            break
    return found
