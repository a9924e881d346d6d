"""How well the training fits: too closely, or not closely enough."""

import math
from collections.abc import Sequence

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.thresholds import OVERFIT_EVALUATIONS, OVERFIT_GAP, OVERFIT_RISE


def overfitting(chart: Chart) -> Sequence[Finding]:
    """The held-out loss has turned and climbs, while the training loss is far below it and falls.

    Source: Prechelt, "Early Stopping - But When?", 1998.
    """
    steps, held_out = chart.held_out()
    if len(held_out) <= OVERFIT_EVALUATIONS or not all(math.isfinite(loss) for loss in held_out):
        return []
    best = min(range(len(held_out)), key=held_out.__getitem__)
    later = held_out[best + 1 :]
    if len(later) < OVERFIT_EVALUATIONS or held_out[best] <= 0:
        return []
    rise = later[-1] / held_out[best] - 1
    training = chart.loss_around(steps[-1])
    gap = (held_out[-1] - training) / held_out[-1]
    if rise < OVERFIT_RISE or gap < OVERFIT_GAP or training > chart.loss_around(steps[best]):
        return []
    trained, losses = chart.losses()
    return [
        Finding(
            "overfitting",
            number=rise,
            threshold=OVERFIT_RISE,
            sure=min(0.6 + rise, 0.99),
            step=steps[best],
            values={
                "lowest": held_out[best],
                "now": later[-1],
                "training": training,
                "last": f"{steps[-1]:,}",
                "percent": f"{100 * rise:.0f}",
            },
            cures=cures_of_overfitting(chart),
            plot=(Series("held_out", steps, held_out), Series("training", trained, losses)),
        )
    ]


def cures_of_overfitting(chart: Chart) -> list[Cure]:
    found = []
    dropout = chart.model_field("dropout")
    if dropout is not None:
        now = float(chart.model.get("dropout") or 0.0)
        found.append(Cure("dropout", {dropout: min(round(now + 0.2, 2), 0.6)}))
    return found
