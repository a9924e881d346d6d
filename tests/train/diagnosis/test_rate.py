"""The rules of the learning rate on courses that are made up."""

from pellucid.train.diagnosis.chart import chart_of
from pellucid.train.diagnosis.diagnose import findings_of


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
