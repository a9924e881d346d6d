"""What a run folder says of its training, gathered for the page: read from config.toml and metrics.jsonl alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.errors import RunError

Line = Mapping[str, Any]
POINTS = 1500  # of one curve on the page; a longer one is thinned, its peaks and valleys kept
SMOOTH = 0.98  # of the smoothed loss: an average over about the last 50 steps


@dataclass
class Facts:
    """One training's lines by kind; what has not happened yet is None or empty."""

    name: str
    config: str
    data: Line | None = None
    plan: Line | None = None
    test: Line | None = None
    end: Line | None = None
    steps: list[Line] = field(default_factory=list)
    evaluations: list[Line] = field(default_factory=list)


def gather(folder: Path) -> Facts:
    """Raises RunError if the folder is not a run."""
    try:
        config = (folder / "config.toml").read_text(encoding="utf-8")
    except OSError:
        raise RunError(
            f"{folder}: not a run folder; it holds no config.toml", mend="Name the folder of a training."
        ) from None
    facts = Facts(folder.resolve().name, config)
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text(encoding="utf-8").split("\n")[:-1] if metrics.exists() else []
    for line in map(json.loads, lines):
        match line["kind"]:
            case "step":
                facts.steps.append(line)
            case "evaluation":
                facts.evaluations.append(line)
            case "data" | "plan" | "test" | "end":
                setattr(facts, line["kind"], line)
    return facts


def curves(facts: Facts) -> dict[str, Any]:
    """The points of every plot: {plot: {"x": ..., "lines": [{"name", "x", "y"}]}}."""
    steps = facts.steps
    x = [line["step"] for line in steps]
    loss = [line["loss"] for line in steps]
    marks = [line["step"] for line in facts.evaluations]
    scores = sorted({name for line in facts.evaluations for name in line["scores"]}, reverse=True)
    plots = {
        "loss": [
            curve("loss_step", x, loss),
            curve("loss_smooth", x, smoothed(loss)),
            curve("loss_dev", marks, [line["loss"] for line in facts.evaluations]),
        ],
        "scores": [curve(name, marks, [line["scores"].get(name) for line in facts.evaluations]) for name in scores],
        "learning_rate": [curve("learning_rate", x, [line["learning_rate"] for line in steps])],
        "gradient_norm": [curve("gradient_norm", x, [line["gradient_norm"] for line in steps])],
        "speed": [curve("tokens_per_second", x, [line["tokens_per_second"] for line in steps])],
        "padding": [curve("padding", x, [round(100 * line["padding"], 2) for line in steps])],
    }
    return {name: lines for name, lines in plots.items() if any(line["y"] for line in lines)}


def curve(name: str, x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """A named curve, thinned."""
    chosen = thinned(y)
    return {"name": name, "x": [x[i] for i in chosen], "y": [y[i] for i in chosen]}


def thinned(y: Sequence[float], points: int = POINTS) -> list[int]:
    """Which points to draw: all, or of each stretch its lowest and its highest, so that no spike is lost."""
    if len(y) <= points:
        return list(range(len(y)))
    stretch = -(-2 * len(y) // points)
    chosen: list[int] = []
    for start in range(0, len(y), stretch):
        part = range(start, min(start + stretch, len(y)))
        chosen += sorted({min(part, key=y.__getitem__), max(part, key=y.__getitem__)})
    return chosen


def smoothed(y: Sequence[float]) -> list[float]:
    """An exponential moving average, without the bias of its start."""
    total = weight = 0.0
    result = []
    for value in y:
        total, weight = SMOOTH * total + (1 - SMOOTH) * value, SMOOTH * weight + (1 - SMOOTH)
        result.append(round(total / weight, 5))
    return result
