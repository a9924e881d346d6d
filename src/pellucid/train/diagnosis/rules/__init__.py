"""The rules: a function each, from a chart to the findings of one illness. To add one: a function, a line in RULES,
its thresholds with their reasons in thresholds.py, its words (illness, evidence, why, cures) in both languages, a
training in the tests that has the illness, and the healthy ones, which must stay silent.
"""

from collections.abc import Callable, Sequence

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.finding import Finding
from pellucid.train.diagnosis.rules.activations import dead_relus, saturated_activations, saturated_attention
from pellucid.train.diagnosis.rules.beginning import bad_initialization, no_warmup
from pellucid.train.diagnosis.rules.data import class_imbalance, label_noise, leakage, shift, unrelated, unused
from pellucid.train.diagnosis.rules.fit import memorization, overfitting, too_little_data, underfitting
from pellucid.train.diagnosis.rules.gradients import exploding_gradients, vanishing_gradients
from pellucid.train.diagnosis.rules.modes import (
    evaluated_in_training_mode,
    padding_counted,
    trained_in_evaluation_mode,
)
from pellucid.train.diagnosis.rules.over_time import saturated_gates, vanishing_in_time
from pellucid.train.diagnosis.rules.rate import (
    learning_rate_too_high,
    learning_rate_too_low,
    plateau,
    plateau_midway,
    schedule_ends_early,
)
from pellucid.train.diagnosis.rules.steps import loss_spikes, padding_dominates, slow_data

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
    vanishing_gradients,
    exploding_gradients,
    vanishing_in_time,
    dead_relus,
    saturated_activations,
    saturated_attention,
    saturated_gates,
    bad_initialization,
    no_warmup,
    learning_rate_too_high,
    learning_rate_too_low,
    schedule_ends_early,
    plateau,
    plateau_midway,
    loss_spikes,
    padding_dominates,
    slow_data,
)

# What a training looks like in the end, whatever else is wrong with it: a rate too low underfits, wrong labels are
# learned by heart. Curing the cause cures these too, so that it stands first.
SYMPTOMS = frozenset(
    {"underfitting", "overfitting", "memorization", "unused", "plateau", "plateau_midway", "loss_spikes"}
)

# What layers come to have in the course of a training in which something else went wrong before.
AFTEREFFECTS = frozenset(
    {
        "vanishing_gradients",
        "exploding_gradients",
        "dead_relus",
        "saturated_activations",
        "saturated_attention",
        "saturated_gates",
    }
)
BEGINNINGS = AFTEREFFECTS | {"no_warmup", "learning_rate_too_high", "bad_initialization"}

# What keeps a network from learning whatever its size: where one of these stands beside it, underfitting is its work,
# and a wider network or a longer training would not help.
HINDRANCES = BEGINNINGS | {
    "learning_rate_too_low",
    "schedule_ends_early",
    "unrelated",
    "unused",
    "label_noise",
    "mispaired",
    "outliers",
    "loss_spikes",
    "padding_counted",
    "vanishing_in_time",
    "plateau",
    "plateau_midway",
}
