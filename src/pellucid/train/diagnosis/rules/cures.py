"""Cures that several illnesses share, each only where the run's config has the field and it can still change."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.train.diagnosis.chart import Chart, number
from pellucid.train.diagnosis.finding import Cure
from pellucid.train.diagnosis.rules.updates import update_shares
from pellucid.train.diagnosis.thresholds import (
    ENOUGH_FOR_A_NORM,
    FIRST_UPDATE,
    GPT_STD,
    HEALTHY_UPDATE,
    HIGHEST_RATE,
    SLOWER,
)


def slower(chart: Chart) -> float:
    """Times the rate, what makes the first update at full rate a usual one; a tenth where that says nothing.

    The first look is before anything has gone wrong; later ones also show what came of it. During a warm-up its rate is
    a part of the highest, and its update as large a part. RMSProp, whose mean square begins at 0 and is not corrected,
    divides the first gradient by sqrt(1 - beta2) of its size. Layers behind a table of zeros move from the second step.
    """
    updates = [update for update in update_shares(chart) if update[1] > 0]
    if not updates:
        return SLOWER
    step, first, _ = updates[0]
    rate = next((number(line["learning_rate"]) for line in chart.steps if line["step"] == step), chart.highest_rate)
    at_full_rate = first * chart.highest_rate / rate if rate else 0.0
    if step == 1 and chart.training.get("optimizer") == "rmsprop":
        at_full_rate *= math.sqrt(1 - number(chart.training.get("beta2")))
    if at_full_rate > FIRST_UPDATE:
        return min(FIRST_UPDATE / at_full_rate, SLOWER)
    largest = max(share for _, share, _ in updates)
    return min(HEALTHY_UPDATE / largest, SLOWER) if largest else SLOWER


def cure_rate(chart: Chart, factor: float) -> list[Cure]:
    """The learning rate times a factor, to two digits."""
    rate = chart.highest_rate
    if not rate > 0:
        return []
    wanted = float(f"{min(rate * factor, HIGHEST_RATE):.2g}")
    name = "lower_rate" if factor < 1 else "higher_rate"
    return [Cure(name, {"training.learning_rate": wanted}, values={"rate": f"{wanted:g}", "now": f"{rate:g}"})]


def cure_field(chart: Chart, field: str, name: str, instead: Mapping[Any, Any], cost: int = 1) -> list[Cure]:
    """The cure `name`: a field of the network changed, if it has now one of the values in `instead`."""
    place, now = chart.model_field(field), chart.model.get(field)
    if place is None or now not in instead:
        return []
    return [Cure(name, {place: instead[now]}, cost)]


def cure_norm(chart: Chart) -> list[Cure]:
    """What comes into each activation brought to one size, if the network has a norm that is off.

    Of batches with enough examples each neuron by itself, which also takes a bias away that is far off.
    """
    if "heads" in chart.model and chart.model.get("cell", "gpt") == "gpt":
        return cure_field(chart, "norm", "norm", {"none": "pre"})
    many = "convolutions" in chart.model or int(chart.training.get("batch", 0)) >= ENOUGH_FOR_A_NORM
    return cure_field(chart, "norm", "norm", {"none": "batch" if many else "layer"})


def cure_activation(chart: Chart, instead_of: Sequence[str]) -> list[Cure]:
    """An activation whose slope does not go: ReLU's leaky sister where there is one, else SiLU."""
    place = chart.model_field("activation")
    if place is None or chart.model.get("activation") not in instead_of:
        return []
    wanted = "leaky-relu" if "depth" in chart.model else "silu"
    return [Cure("activation", {place: wanted}, values={"activation": wanted})]


def cure_residual(chart: Chart) -> list[Cure]:
    """A way around each layer, with an activation that lets gradients through; in a Transformer with its norms."""
    place = chart.model_field("residual")
    if place is None or chart.model.get("residual"):
        return []
    fields: dict[str, Any] = {place: True}
    activation = chart.model_field("activation")
    if activation and chart.model.get("activation") in ("sigmoid", "tanh", "softplus"):
        fields[activation] = "relu"
    if "heads" in chart.model:  # sums of many sublayers grow unless each reads them normalized
        fields |= {name: value for cure in cure_norm(chart) for name, value in cure.set.items()}
    return [Cure("residual", fields)]


def cure_initialization(chart: Chart) -> list[Cure]:
    """First values that keep the size of a signal; of a Transformer the small ones that GPT-2 begins with."""
    place = chart.training_field("initialization")
    if place is None:
        return []
    if "heads" in chart.model and chart.model.get("cell", "gpt") == "gpt":
        wanted: dict[str, Any] = {place: "normal", "training.initialization_std": GPT_STD}
    else:
        recurrent = chart.model.get("cell", "gpt") != "gpt"  # which has tanhs, whatever the field of the others says
        rectified = not recurrent and chart.model.get("activation") in ("relu", "leaky-relu", "elu", "gelu", "silu")
        wanted = {place: "he" if rectified else "xavier"}
    if all(chart.training.get(name.partition(".")[2]) == value for name, value in wanted.items()):
        return []
    return [Cure("initialization", wanted, values={"initialization": wanted[place]})]
