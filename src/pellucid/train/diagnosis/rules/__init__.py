"""The rules: a function each, from a chart to the findings of one illness. To add one: a function, a line in RULES,
its thresholds with their reasons in thresholds.py, its words (illness, evidence, why, cures) in both languages, a
training in the tests that has the illness, and the healthy ones, which must stay silent.
"""

from collections.abc import Callable, Sequence

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.finding import Finding
from pellucid.train.diagnosis.rules.fit import overfitting

Rule = Callable[[Chart], Sequence[Finding]]

RULES: tuple[Rule, ...] = (overfitting,)
