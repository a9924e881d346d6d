"""Training mode taken for evaluation mode or the reverse, and padding taken for text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.examination import Examination, Modes
from pellucid.train.diagnosis.finding import Cure, Finding
from pellucid.train.diagnosis.rules.activations import dead_relus
from pellucid.train.diagnosis.rules.beginning import alike
from pellucid.train.diagnosis.thresholds import (
    MODE_BETWEEN,
    MODE_ERRORS,
    MODE_FLOOR,
    MODE_NEARER,
    MODE_OFF,
    PADDING_CHANGE,
    PADDING_LEARNED,
)


def trained_in_evaluation_mode(chart: Chart) -> Sequence[Finding]:
    """What training said its loss was is what evaluation mode gives: dropout was off, batch norm did not learn.

    The last batches are taken again in both modes, with the weights they led to.
    """
    found = chart.examination
    if found is None or not (found.unfed or found.stepping):
        return []
    modes = found.stepping
    if modes is not None and negligible(modes, found):
        modes = None
    same = modes is not None and modes.training == modes.evaluation and drops(chart.config)
    same = same and not dead_relus(chart) and not alike(chart)  # of what is 0 all the same, dropping changes nothing
    if not found.unfed and not same and (modes is None or not told_apart(modes) or abs(way(modes)) > MODE_NEARER):
        return []
    return [
        Finding(
            "trained_in_evaluation_mode",
            number=way(modes) if modes and told_apart(modes) else 0.0,
            threshold=MODE_NEARER,
            sure=0.98 if found.unfed or same else 0.85,
            place=found.unfed[0] if found.unfed else "",
            step=chart.last,
            values={
                "recorded": modes.recorded if modes else 0.0,
                "training": modes.training if modes else 0.0,
                "evaluation": modes.evaluation if modes else 0.0,
            },
            cures=[Cure("call_train", cost=3)],
        )
    ]


def evaluated_in_training_mode(chart: Chart) -> Sequence[Finding]:
    """The held-out loss that training noted is what training mode gives: dropout was on while it was measured."""
    modes = chart.examination.evaluating if chart.examination else None
    if chart.examination is None or modes is None or negligible(modes, chart.examination):
        return []
    off = abs(modes.recorded - modes.evaluation)
    if off < max(MODE_OFF * abs(modes.evaluation), MODE_ERRORS * modes.sampling):
        return []
    nearer = abs(modes.recorded - modes.training) <= off
    if modes.training == modes.evaluation:
        return []
    if not nearer and (modes.sampling or not MODE_BETWEEN <= way(modes) <= 1):
        return []  # of the whole side evaluation mode would give the same again; the best of several is a lucky one
    return [
        Finding(
            "evaluated_in_training_mode",
            number=off / max(abs(modes.evaluation), 1e-9),
            threshold=MODE_OFF,
            sure=0.85 if nearer else 0.7,
            step=chart.last,
            values={"recorded": modes.recorded, "training": modes.training, "evaluation": modes.evaluation},
            cures=[Cure("call_eval", cost=3)],
        )
    ]


def negligible(modes: Modes, found: Examination) -> bool:
    """Whether the losses are so small that nothing but rounding tells them apart."""
    return max(abs(modes.recorded), abs(modes.training), abs(modes.evaluation)) < MODE_FLOOR * found.held_out.guess


def told_apart(modes: Modes) -> bool:
    return abs(modes.training - modes.evaluation) > MODE_ERRORS * modes.error


def way(modes: Modes) -> float:
    """How far what was noted is on the way from evaluation mode's loss (0) to training mode's (1)."""
    return (modes.recorded - modes.evaluation) / (modes.training - modes.evaluation)


def drops(config: Any) -> bool:
    """Whether a config asks for dropout anywhere."""
    return any(name == "dropout" and value for name, value in fields(config))


def fields(config: Any) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from fields(value)
        else:
            yield name, value


def padding_counted(chart: Chart) -> Sequence[Finding]:
    """The loss asks for what only fills up: more padding changes it, or the network has learned to write padding."""
    found = chart.examination
    if found is None:
        return []
    as_is, more = found.padding or (0.0, 0.0)
    change = abs(more - as_is) / max(abs(as_is), 1e-9)
    learned = found.filled or 0.0
    if change < PADDING_CHANGE and learned < PADDING_LEARNED:
        return []
    number, limit = (change, PADDING_CHANGE) if change >= PADDING_CHANGE else (learned, PADDING_LEARNED)
    return [
        Finding(
            "padding_counted",
            number=number,
            threshold=limit,
            sure=0.97,
            step=chart.last,
            values={"as_is": as_is, "more": more, "times": learned},
            cures=[Cure("mask_padding", cost=3)],
        )
    ]
