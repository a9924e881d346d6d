"""Trainings that begin badly: weights that make all units of a layer alike, full speed from the first step."""

from collections.abc import Sequence

from pellucid.train.diagnosis.chart import Chart, median, number
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.cures import cure_initialization
from pellucid.train.diagnosis.thresholds import ALIKE, FEWEST_LOOKS, WARMED_UP, WARMUP_SHARE


def alike(chart: Chart) -> str | None:
    """The first layer whose units are alike at every look, or None."""
    for layer in chart.layers():
        _, spreads = chart.series(layer, "spread")
        if len(spreads) >= FEWEST_LOOKS and max(spreads) < ALIKE:
            return layer
    return None


def bad_initialization(chart: Chart) -> Sequence[Finding]:
    """All units of a layer have the same weights: each gets the same gradient, so that they stay one unit for ever.

    Source: Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 8.4.
    """
    place = alike(chart)
    if place is None:
        return []
    steps, spreads = chart.series(place, "spread")
    _, weights = chart.series(place, "weight")
    cures = cure_initialization(chart)
    if not cures or chart.training.get("initialization") == "zeros":
        field = chart.training_field("initialization")
        default = [Cure("initialization", {field: "default"}, values={"initialization": "default"})] if field else []
        cures = [*default, *cures] if chart.training.get("initialization") != "default" else cures
    return [
        Finding(
            "bad_initialization",
            number=max(spreads),
            threshold=ALIKE,
            sure=0.95,
            place=place,
            step=int(steps[0]),
            values={"last": f"{steps[-1]:,}", "size": weights[0]},
            cures=cures or [Cure("draw_weights")],
            plot=[Series("spread", steps, spreads, place)],
            drawn=True,
        )
    ]


def no_warmup(chart: Chart) -> Sequence[Finding]:
    """Layer norm behind each sublayer, Adam's steps, and the highest rate at once.

    With post-norm the gradients near the output are large at the beginning, and Adam's averages have not settled: full
    steps then throw the weights to where they do not come back from.
    Source: Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020.
    """
    if chart.model.get("norm") != "post" or chart.training.get("optimizer") in ("sgd", "momentum", "nesterov"):
        return []
    rates = [(int(line["step"]), number(line["learning_rate"])) for line in chart.steps]
    steps = int(chart.training.get("steps") or 0)
    if not rates or not steps:
        return []
    highest = chart.highest_rate or max(rate for _, rate in rates)
    reached = next((step for step, rate in rates if rate >= WARMED_UP * highest), None)
    if reached is None or reached > max(WARMUP_SHARE * steps, 1):
        return []
    _, losses = chart.losses()
    half = losses[len(losses) // 2 :]
    flat = bool(half) and median(half[-len(half) // 4 :]) > 0.5 * losses[0]
    norm = chart.model_field("norm")
    return [
        Finding(
            "no_warmup",
            number=reached / steps,
            threshold=WARMUP_SHARE,
            sure=0.9 if flat else 0.7,
            step=reached,
            values={"percent": f"{100 * reached / steps:.1f}", "steps": f"{steps:,}", "rate": highest},
            cures=[
                Cure("warmup", {"training.warmup": 0.1}),
                *([Cure("pre_norm", {norm: "pre"})] if norm else []),
            ],
            plot=[
                Series("rate", [step for step, _ in rates], [rate for _, rate in rates]),
            ],
        )
    ]
