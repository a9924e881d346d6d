"""What a plot of the report is: Plotly's traces and layout, in which words and colours stand by their names.

The page draws them in the reader's language and the theme's colours, and saves each as CSV, SVG and PNG.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid.see.report.facts import Facts

Colour = Literal["ink", "quiet", "faint", "line", "paper", "panel", "neg", "pos", "zero", "share", "focus"]
POINTS = 1500  # of one curve on the page; a longer one is thinned, its peaks and valleys kept
SMOOTH = 0.98  # of a smoothed curve: an average over about the last 50 steps
STEP = "axis.step"
MARKED = 40  # points; a curve of fewer shows each


@dataclass(frozen=True, slots=True)
class Curve:
    """A line or a row of bars; its name on the page is the word line.NAME, and of a smoothed one that is said too."""

    name: str
    x: Sequence[float | str]
    y: Sequence[float]
    colour: Colour = "share"
    dashed: bool = False
    width: float = 2.0
    smooth: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure: its title is the word plot.NAME, the sentence under it plot.NAME.note with `values` in it.

    `curves` are those told in a legend and in numbers under the plot, `legend` those told in a legend alone.
    `height` is in pixels; a `wide` one has the page's whole width; one over training `steps` shows the step that is
    chosen. A plot without traces is left out.
    """

    name: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    curves: Sequence[Curve] = ()
    legend: Sequence[Curve] = ()
    height: int = 260
    wide: bool = False
    steps: bool = False


def word(key: str) -> dict[str, str]:
    """In a trace or layout: a text of the word files, in the language that is being read."""
    return {"word": key}


def name_of(curve: Curve) -> dict[str, str]:
    """In a trace: what the curve is called."""
    return word(f"line.{curve.name}") | ({"and": "line.smoothed"} if curve.smooth else {})


def colour(name: Colour) -> dict[str, str]:
    """In a trace or layout: a colour of the theme."""
    return {"colour": name}


def scale(name: Literal["signed", "share"]) -> dict[str, str]:
    """As `colorscale`: blue below zero, brown above, paper at zero (set `zmid` to 0); or paper to teal for shares."""
    return {"scale": name}


def lines(name: str, curves: Iterable[Curve], *, x: str = STEP, y: str = "", from_zero: bool = False) -> Plot:
    """Curves over training steps, or over what the word `x` says. Those without points are left out."""
    there = [curve for curve in curves if curve.y]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(curve.y) < MARKED else "lines",
            "name": name_of(curve),
            "x": curve.x,
            "y": curve.y,
            "line": {
                "color": colour(curve.colour),
                "width": curve.width,
                "dash": "dash" if curve.dashed else "solid",
            },
            "marker": {"size": 5},
        }
        for curve in there
    ]
    layout: dict[str, Any] = _axes(x, y) | {"hovermode": "x unified"}
    layout["yaxis"]["rangemode"] = "tozero" if from_zero else "normal"
    return Plot(name, traces, layout, curves=there, steps=x == STEP)


def bars(name: str, curves: Iterable[Curve], *, x: str, y: str = "") -> Plot:
    """Rows of bars, side by side."""
    there = [curve for curve in curves if curve.y]
    traces = [
        {
            "type": "bar",
            "name": name_of(curve),
            "x": curve.x,
            "y": curve.y,
            "marker": {"color": colour(curve.colour)},
        }
        for curve in there
    ]
    return Plot(name, traces, _axes(x, y) | {"barmode": "group", "hovermode": "x unified"}, curves=there)


def _axes(x: str, y: str) -> dict[str, dict[str, Any]]:
    return {"xaxis": {"title": {"text": word(x)}}, "yaxis": {"title": {"text": word(y)}} if y else {}}


def of_steps(facts: Facts, key: str, *, factor: float = 1.0, colour: Colour = "share") -> Curve:
    """A number of each step's line, times `factor`."""
    return _drawn(key, *_of_steps(facts, key, factor), colour)


def each_and_smoothed(facts: Facts, key: str, *, factor: float = 1.0) -> list[Curve]:
    """The same for numbers that jump from step to step: as they are, and over them what they are about."""
    steps, values = _of_steps(facts, key, factor)
    return [
        _drawn(key, steps, values, "faint", width=1.0),
        _drawn(key, steps, smoothed(values), "share", smooth=True),
    ]


def _of_steps(facts: Facts, key: str, factor: float) -> tuple[list[int], list[float]]:
    found = [line for line in facts.steps if line.get(key) is not None]
    values = [line[key] if factor == 1 else round(factor * line[key], 4) for line in found]
    return [line["step"] for line in found], values


def _drawn(name: str, x: Sequence[int], y: Sequence[float], colour: Colour, **style: Any) -> Curve:
    chosen = thinned(y)
    return Curve(name, [x[i] for i in chosen], [y[i] for i in chosen], colour, **style)


def of_evaluations(facts: Facts, score: str, *, colour: Colour = "share", dashed: bool = False) -> Curve:
    """One of the scores, evaluation by evaluation."""
    found = [line for line in facts.evaluations if line["scores"].get(score) is not None]
    return Curve(score, [line["step"] for line in found], [line["scores"][score] for line in found], colour, dashed)


def loss(facts: Facts) -> Plot:
    """Of training as it is and smoothed, of development as it was evaluated."""
    steps, values = _of_steps(facts, "loss", 1.0)
    marks = facts.evaluations
    return lines(
        "loss",
        [
            _drawn("loss_step", steps, values, "faint", width=1.0),
            _drawn("loss_smooth", steps, smoothed(values), "pos"),
            Curve("loss_dev", [line["step"] for line in marks], [line["loss"] for line in marks], "neg", dashed=True),
        ],
    )


def thinned(y: Sequence[float], points: int = POINTS) -> list[int]:
    """Which points to draw: all, or first, last and of each stretch the lowest and the highest: no spike is lost."""
    if len(y) <= points:
        return list(range(len(y)))
    stretch = -(-2 * len(y) // (points - 2))
    chosen = {0, len(y) - 1}
    for start in range(0, len(y), stretch):
        part = range(start, min(start + stretch, len(y)))
        chosen |= {min(part, key=y.__getitem__), max(part, key=y.__getitem__)}
    return sorted(chosen)


def smoothed(y: Sequence[float]) -> list[float]:
    """An exponential moving average, without the bias of its start."""
    total = weight = 0.0
    result = []
    for value in y:
        total, weight = SMOOTH * total + (1 - SMOOTH) * value, SMOOTH * weight + (1 - SMOOTH)
        result.append(round(total / weight, 5))
    return result
