"""The rules of the learning rate on courses that are made up."""

import random
from collections.abc import Sequence

from pellucid.train.diagnosis.chart import chart_of
from pellucid.train.diagnosis.diagnose import findings_of
from pellucid.train.diagnosis.rules.rate import flat_stretch


def test_a_loss_that_is_exactly_zero_is_no_illness_and_no_error() -> None:
    rates = [1e-2] * 40 + [1e-9] * 60
    lines = [
        {
            "kind": "step",
            "step": step,
            "loss": 0.0,
            "learning_rate": rate,
            "gradient_norm": 0.0,
            "tokens": 8 * step,
            "padding": 0.0,
        }
        for step, rate in enumerate(rates, 1)
    ]
    training = {"steps": 100, "schedule": "step", "learning_rate": 1e-2, "optimizer": "adamw", "clip": 1.0}
    config = {"task": "regress", "loss": "squared", "training": training}
    end = {"kind": "end", "step": 100, "reason": "steps done"}
    assert findings_of(chart_of(config, [*lines, end])) == []


def noisy(levels: Sequence[float], seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [level + draw.gauss(0, 0.01) for level in levels]


def test_a_flat_stretch_has_a_fall_before_it_and_one_behind() -> None:
    down, flat, on = [2 - step / 50 for step in range(50)], [1.0] * 150, [1 - step / 100 for step in range(100)]
    first, last = flat_stretch(noisy([*down, *flat, *on]))
    assert 45 <= first <= 75
    assert 185 <= last <= 215
    for healthy in ([*down, *flat], [*flat, *on], [1 / (1 + step / 20) for step in range(300)], [1.0] * 300):
        first, last = flat_stretch(noisy(healthy))
        assert last - first < 0.25 * len(healthy)
