"""The rules: a function each, from a chart to the findings of one illness. To add one: a function, a line in RULES,
its thresholds with their reasons in thresholds.py, its words (illness, evidence, why, cures) in both languages, a
training in the tests that has the illness, and the healthy ones, which must stay silent.
"""

from collections.abc import Callable, Sequence

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.finding import Finding
from pellucid.train.diagnosis.rules.data import class_imbalance, label_noise, leakage, shift, unrelated, unused
from pellucid.train.diagnosis.rules.fit import memorization, overfitting, too_little_data, underfitting
from pellucid.train.diagnosis.rules.modes import (
    evaluated_in_training_mode,
    padding_counted,
    trained_in_evaluation_mode,
)

Rule = Callable[[Chart], Sequence[Finding]]

RULES: tuple[Rule, ...] = (
    overfitting,
    memorization,
    underfitting,
    too_little_data,
    class_imbalance,
    label_noise,
    leakage,
    shift,
    unrelated,
    unused,
    trained_in_evaluation_mode,
    evaluated_in_training_mode,
    padding_counted,
)
