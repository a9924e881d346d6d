"""All rules on one run: while it trains, and afterwards."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from pellucid.errors import PellucidError
from pellucid.run import Run
from pellucid.train.diagnosis.chart import Chart, Line, chart_of
from pellucid.train.diagnosis.examination import Examination, examine
from pellucid.train.diagnosis.finding import Cure, Finding
from pellucid.train.diagnosis.learning_curve import with_learning_curve
from pellucid.train.diagnosis.origins import Origins
from pellucid.train.diagnosis.rules import AFTEREFFECTS, BEGINNINGS, HINDRANCES, RULES, SYMPTOMS
from pellucid.train.diagnosis.thresholds import TOLD_IN_A_ROW

CAUSE_FIRST = Cure("cause_first")


def findings_of(chart: Chart) -> list[Finding]:
    """What all rules find: causes before what may only follow from them, the surest first; underfitting at the end.

    Settings that hold a network back by much are the cause of all that comes of it: underfitting by them stands first.
    """
    found = [finding for rule in RULES for finding in rule(chart)]
    if any(one.illness in HINDRANCES for one in found):
        found = [_left_to_cause(one) if one.illness == "underfitting" else one for one in found]
    return sorted(
        found,
        key=lambda one: (
            not _is_held_back(one),
            one.illness in SYMPTOMS,
            one.illness == "underfitting",
            one.illness == "memorization",  # which is what overfitting looks like in single examples
            _follows(one, found),
            -one.sure,
        ),
    )


def _is_held_back(finding: Finding) -> bool:
    return any(cure.name == "freer" for cure in finding.cures)


def _left_to_cause(underfitting: Finding) -> Finding:
    """Neither a larger network nor a longer training helps against what another finding names."""
    freer = [cure for cure in underfitting.cures if cure.name == "freer"]
    return replace(underfitting, cures=freer or [CAUSE_FIRST])


def _follows(finding: Finding, found: Sequence[Finding]) -> bool:
    """Whether it began only after something that brings it about, or is what numbers out of all bounds look like."""
    if finding.illness == "learning_rate_too_high" and any(one.illness == "outliers" for one in found):
        return True
    if finding.illness not in AFTEREFFECTS or finding.step is None:
        return False
    causes = [one.step for one in found if one.illness in BEGINNINGS and one.step is not None]
    return any(step < finding.step for step in causes)


def diagnose(run: Run, examination: Examination | None = None) -> dict[str, Any]:
    """Diagnose a run by its metrics and, if it was examined, by that; keeps it in the run as diagnosis.json."""
    chart = chart_of(run.config.model_dump(mode="json"), run.metrics())
    chart.examination = examination
    chart.origins = Origins(run)
    named = str(run.path)
    found = {
        "run": named,
        "step": chart.last,
        "examined": examination is not None,
        "findings": [finding.json(named) for finding in findings_of(chart)],
        **curve_told(examination),
    }
    run.save_diagnosis(found)
    return found


def curve_told(examination: Examination | None) -> dict[str, Any]:
    """The learning curve as plain data, if one was asked for: its points, and those that it lacks."""
    if examination is None or not (examination.curve or examination.broken or examination.stopped):
        return {}
    points = [(one.examples, one.train.mean, one.held_out.mean) for one in examination.curve]
    return {
        "learning_curve": {
            "points": [dict(zip(("examples", "training", "held_out"), point, strict=True)) for point in points],
            "broken": [{"examples": one.examples, "why": one.why} for one in examination.broken],
            "stopped": examination.stopped,
        }
    }


def diagnose_fully(
    run: Run,
    learning_curve: bool = False,
    watcher: Callable[[Mapping[str, Any]], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Diagnose a run by its metrics and by examining model and data, with a learning curve if that is asked for.

    Where the data cannot be had any more, or there is no model, by the metrics alone: `unexamined` says why.
    `should_stop` is asked after each step of the trainings of a learning curve; the diagnosis is then without one.
    """
    try:
        examination = examine(run)
        if examination is not None and learning_curve:
            examination = with_learning_curve(run, examination, watcher=watcher, should_stop=should_stop)
    except PellucidError as error:
        return {**diagnose(run), "unexamined": str(error)}
    return diagnose(run, examination)


@contextmanager
def harmless(watcher: Callable[[Mapping[str, Any]], None]) -> Iterator[None]:
    """A mistake in a rule becomes a warning: a training must not end because its doctor erred."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        text = f"the doctor could not judge this training ({type(error).__name__}: {error}); it goes on all the same"
        watcher({"kind": "warning", "text": text})


class Attending:
    """A watcher of a training that hands every event on, and after each evaluation, and when a training breaks off,
    tells what is newly found.

    Its own events have the kind "finding" and the finding as plain data. What is told is to hold at the end: only what
    was found at two evaluations in a row and is `lasting`; all that is found, when the training breaks off. What the
    lines of a training show that goes on was told then. They are read at the first event: by then the trainer has
    dropped those that it makes again, and the end that was none.
    """

    def __init__(self, run: Run, watcher: Callable[[Mapping[str, Any]], None]) -> None:
        self.run, self.watcher = run, watcher
        self._told: set[tuple[str, str]] = set()
        self._times: Counter[str] = Counter()  # of each illness, at how many evaluations in a row

    @cached_property
    def chart(self) -> Chart:
        chart = chart_of(self.run.config.model_dump(mode="json"), self.run.metrics())
        self._told = {(one.illness, one.place) for one in findings_of(chart) if one.lasting}
        return chart

    def __call__(self, event: Line) -> None:
        self.watcher(event)
        with harmless(self.watcher):
            self.chart.add(event)
            if event["kind"] in ("evaluation", "diverged"):
                self._tell()

    def _tell(self) -> None:
        found = findings_of(self.chart)
        self._times = Counter({one.illness: self._times[one.illness] + 1 for one in found})
        for finding in found:
            known = (finding.illness, finding.place) in self._told
            certain = finding.lasting and self._times[finding.illness] >= TOLD_IN_A_ROW
            if not known and (certain or self.chart.diverged):
                self._told.add((finding.illness, finding.place))
                self.watcher({"kind": "finding", **finding.json(str(self.run.path))})
