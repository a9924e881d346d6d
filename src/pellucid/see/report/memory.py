"""The page of `pellucid demo memory`: three plots of what a recurrent network lacks, and the numbers under them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.files import write_text
from pellucid.see.report.elements import Section, paragraph, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.page import page
from pellucid.see.report.plots import Colour, Curve, Plot, lines
from pellucid.see.report.words import both_of

both = both_of("memory")
COLOURS: dict[str, Colour] = {"rnn": "neg", "lstm": "share", "gpt": "pos"}
LEAST = 1e-8  # drawn for a gradient that is none: a logarithm has no place for 0


def write_memory(path: Path, found: Mapping[str, Any]) -> Path:
    """Write the page of train/recall.py's measurements, its fields by name."""
    distances, lengths = found["distances"], found["lengths"]
    best = {cell: _reach(found["accuracy"][cell], distances) for cell in found["accuracy"]}
    lead = both("lead", steps=f"{found['steps']:,}", chance=f"{100 * found['chance']:.0f}", **best)
    percent = {cell: [100 * value for value in row] for cell, row in found["accuracy"].items()}
    norms = {cell: [max(value, LEAST) for value in row] for cell, row in found["gradient"].items()}
    sections = [
        Section("verdict", [f'<p class="verdict">{lead}</p>']),
        Section("accuracy", _section("accuracy", distances, percent, "{:.0f}", from_zero=True)),
        Section("gradient", _section("gradient", distances, norms, "{:.1e}", logarithmic=True)),
        Section("time", _section("time", lengths, found["microseconds"], "{:.1f}", logarithmic=True)),
    ]
    write_text(path, page(Facts("memory", "", {"task": "memory"}), sections))
    return path


def _reach(accuracy: Sequence[float], distances: Sequence[int]) -> int:
    """The longest distance up to which at least nine in ten are recalled."""
    reached = 0
    for right, distance in zip(accuracy, distances, strict=True):
        if right < 0.9:
            break
        reached = distance
    return reached


def _section(
    name: str,
    along: Sequence[int],
    rows: Mapping[str, Sequence[float]],
    form: str,
    *,
    from_zero: bool = False,
    logarithmic: bool = False,
) -> list[str | Plot]:
    """A sentence, a plot over distance or length, and its numbers as a table."""
    curves = [Curve(cell, list(along), list(values), COLOURS[cell]) for cell, values in rows.items()]
    axis = "axis.length" if name == "time" else "axis.distance"
    drawn = lines(name, curves, x=axis, from_zero=from_zero)
    layout = {**drawn.layout, "xaxis": {**drawn.layout["xaxis"], "type": "log", "tickvals": list(along)}}
    if logarithmic:
        layout["yaxis"] = {"type": "log"}
    plot = Plot(name, drawn.traces, layout, curves=drawn.curves, wide=True)
    heads = [both(axis), *(str(one) for one in along)]
    numbers = [[both(f"line.{cell}"), *(form.format(value) for value in values)] for cell, values in rows.items()]
    return [paragraph(both(f"{name}.lead")), plot, table(heads, numbers, numbers=range(1, len(heads)))]
