"""Cures that several illnesses share, as fields of the run's own config; none names a field that it does not have."""

import math

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.finding import Cure
from pellucid.train.diagnosis.thresholds import CRAMPED_WIDTH, HELD_BACK, HELD_BACK_DROPOUT, HELD_BACK_SMOOTHING

WIDTHS = ("width", "d_model", "dimension")
LONGER, WIDER, NARROWER = 4, 4, 2  # times
LEAST_WIDTH = 64
DROPOUT_MORE, DROPOUT_MOST = 0.2, 0.5
DECAY = 0.1  # decoupled, times the learning rate a step
L2 = 1e-3


def regularizing(chart: Chart, best: int | None) -> list[Cure]:
    """Against fitting too closely, in order of cost: stop at the turn, dropout, penalties, a smaller network, data."""
    found = []
    if best is not None and chart.last > best:
        found.append(Cure("stop", {"training.steps": best}))
    dropout = chart.model_field("dropout")
    if dropout is not None:
        now = float(chart.model.get("dropout") or 0.0)
        if now < DROPOUT_MOST:
            found.append(Cure("dropout", {dropout: min(round(now + DROPOUT_MORE, 2), DROPOUT_MOST)}))
    if "label_smoothing" in chart.config and not chart.config["label_smoothing"]:
        found.append(Cure("label_smoothing", {"label_smoothing": 0.1}))
    if float(chart.training.get("weight_decay") or 0.0) < DECAY:
        found.append(Cure("weight_decay", {"training.weight_decay": DECAY}))
    elif chart.training.get("l2") == 0:
        found.append(Cure("l2", {"training.l2": L2}))
    if chart.training.get("noise") == 0:
        found.append(Cure("noise", {"training.noise": 0.1}))
    narrower = width(chart)
    if narrower is not None and narrower[1] >= 2 * NARROWER:
        name, now_wide = narrower
        found.append(Cure("smaller", {name: now_wide // NARROWER}, cost=3))
    found.append(Cure("more_data", cost=3))
    return found


def freeing(chart: Chart) -> list[Cure]:
    """Less of what is set so high that the network cannot learn."""
    told: dict[str, bool | int | float | str] = {}
    dropout, (most, usual) = chart.model_field("dropout"), HELD_BACK_DROPOUT
    if dropout is not None and float(chart.model.get("dropout") or 0.0) >= most:
        told[dropout] = usual
    smoothed, (most, usual) = chart.config.get("label_smoothing"), HELD_BACK_SMOOTHING
    if smoothed is not None and float(smoothed) >= most:
        told["label_smoothing"] = usual
    for name, (most, usual) in HELD_BACK.items():
        if float(chart.training.get(name) or 0.0) >= most:
            told[f"training.{name}"] = usual
    return [Cure("freer", told)] if told else []


def longer(chart: Chart) -> list[Cure]:
    steps = chart.training.get("steps") or chart.last
    return [Cure("longer", {"training.steps": LONGER * int(steps)}, cost=2)] if steps else []


def larger(chart: Chart) -> list[Cure]:
    """A deeper network where it has no hidden layer, a wider one where it has."""
    depth = chart.model_field("depth")
    if depth is not None and chart.model.get("depth") == 0:
        return [Cure("deeper", {depth: 2}, cost=2)]
    found = width(chart)
    if found is None:
        return []
    name, now = found
    return [Cure("wider", {name: max(WIDER * now, LEAST_WIDTH)}, cost=2)]


def width(chart: Chart) -> tuple[str, int] | None:
    """The field that says how wide the network is, and what it says."""
    for name in WIDTHS:
        field = chart.model_field(name)
        if field is not None and isinstance(chart.model.get(name), int):
            return field, int(chart.model[name])
    return None


def is_cramped(chart: Chart) -> bool:
    """Whether so few units are all that there is: where they stand still, they can do no more."""
    found = width(chart)
    return found is not None and found[1] < CRAMPED_WIDTH


def rising(rate: float) -> float:
    """Ten times a learning rate, in round numbers."""
    return float(f"{10 * rate:.0e}") if math.isfinite(rate) else rate
