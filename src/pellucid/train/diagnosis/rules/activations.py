"""Units that no longer answer: rectifiers that are off for everything, sigmoids, tanhs and softmaxes on their flats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pellucid.train.diagnosis.chart import Chart, number
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.beginning import alike
from pellucid.train.diagnosis.rules.cures import cure_activation, cure_initialization, cure_norm, cure_rate, slower
from pellucid.train.diagnosis.rules.updates import too_fast
from pellucid.train.diagnosis.thresholds import (
    ATTENTION_FLAT,
    ATTENTION_FLAT_LATER,
    DEAD,
    DEAD_BY_CHANCE,
    DEAD_RESIDUAL,
    EARLY,
    FEWEST_LOOKS,
    FLAT,
    FLAT_LATER,
)


@dataclass(frozen=True)
class Fault:
    """A place whose share of units that do not answer is above its threshold from some look on to the last."""

    place: str
    steps: Sequence[int]
    values: Sequence[float]
    since: int  # which look
    threshold: float

    @property
    def late(self) -> bool:
        """Whether it came only in the course of the training."""
        return self.since > 0


def dead_relus(chart: Chart) -> Sequence[Finding]:
    """In a layer most rectifiers give 0 for every example of a batch, so that no gradient goes through them.

    Not where it came to that in the course of a training that learned its examples all the same: a network that is
    larger than its task, or pressed to be small by a penalty, does without them.
    Source: Maas, Hannun & Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """
    places = chart.places("dead")
    fault = first_at_fault(chart, places, "dead", lambda place: _dead_threshold(chart, place))
    if fault is None or alike(chart) or (fault.late and chart.has_learned):
        return []
    late = cure_rate(chart, slower(chart))
    activation = cure_activation(chart, ("relu",))
    norm, begin = cure_norm(chart), cure_initialization(chart)
    first = []
    if norm and activation:
        first = [Cure("norm_and_slope", {**norm[0].set, **activation[0].set}, values=activation[0].values)]
    cures = [*late, *first, *activation] if fault.late else [*first, *norm, *activation, *begin, *late]
    return [_finding(chart, "dead_relus", fault, cures)]


def saturated_activations(chart: Chart) -> Sequence[Finding]:
    """In a layer most sigmoids or tanhs stand where their curve is flat, so that no gradient goes through them.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """
    places = [place for place in chart.places("flat") if _kind(chart, place) in ("sigmoid", "tanh")]
    fault = _early_or_whole(chart, places, FLAT, FLAT_LATER)
    if fault is None:
        return []
    late = cure_rate(chart, slower(chart))
    begin = [
        *cure_norm(chart),
        *cure_initialization(chart),
        *cure_activation(chart, ("sigmoid", "tanh")),
    ]
    gated = [Cure("gated", {"model.cell": "lstm"}, cost=3)] if chart.model.get("cell") == "rnn" else []
    cures = [*late, *begin, *gated] if fault.late and too_fast(chart) else [*begin, *late, *gated]
    return [_finding(chart, "saturated_activations", fault, cures)]


def saturated_attention(chart: Chart) -> Sequence[Finding]:
    """In an attention most queries give all their weight to one key before anything can have been learned.

    A trained attention may well be certain; one that begins so cannot learn where to look, as a softmax that is certain
    has no slope. One that comes to it later is ill if nearly all its queries do.
    Source: Zhai et al., "Stabilizing Transformer Training by Preventing Attention Entropy Collapse", 2023.
    """
    places = [place for place in chart.places("flat") if _kind(chart, place) == "softmax"]
    fault = _early_or_whole(chart, places, ATTENTION_FLAT, ATTENTION_FLAT_LATER)
    if fault is None:
        return []
    late, begin = cure_rate(chart, slower(chart)), cure_initialization(chart)
    cures = [*late, *begin] if fault.late and too_fast(chart) else [*begin, *late]
    return [_finding(chart, "saturated_attention", fault, cures)]


def _early_or_whole(chart: Chart, places: Sequence[str], early: float, later: float) -> Fault | None:
    """The first place on its flats from early on; or else the first that has come to it nearly whole."""
    found = first_at_fault(chart, places, "flat", lambda place: early)
    if found is not None and found.steps[found.since] <= EARLY * chart.last:
        return found
    return first_at_fault(chart, places, "flat", lambda place: later)


def first_at_fault(chart: Chart, places: Sequence[str], what: str, threshold: Callable[[str], float]) -> Fault | None:
    """The first place, in the order of the network, that is above its threshold at the last looks in a row."""
    for place in places:
        steps, values = chart.series(place, what)
        limit = threshold(place)
        since = len(values)
        while since > 0 and values[since - 1] >= limit:
            since -= 1
        if len(values) - since >= FEWEST_LOOKS:
            return Fault(place, steps, values, since, limit)
    return None


def _finding(chart: Chart, illness: str, fault: Fault, cures: Sequence[Cure]) -> Finding:
    share = fault.values[-1]
    sure = 0.6 + 0.4 * (share - fault.threshold) / max(1 - fault.threshold, 1e-9)
    return Finding(
        illness,
        number=share,
        threshold=fault.threshold,
        sure=min(sure, 0.85 if fault.late and too_fast(chart) else 0.99),  # then the rate is the cause
        place=fault.place,
        step=int(fault.steps[fault.since]),
        values={
            "percent": f"{100 * share:.0f}",
            "limit": f"{100 * fault.threshold:.0f}",
            "kind": _kind(chart, fault.place),
        },
        cures=cures,
        plot=[Series("dead" if illness == "dead_relus" else "flat", fault.steps, fault.values, fault.place)],
        drawn=True,
    )


def _kind(chart: Chart, place: str) -> str:
    return str(chart.statistics[-1]["places"][place].get("kind", ""))


def _dead_threshold(chart: Chart, place: str) -> float:
    """Higher with residuals, whose layers may do without most units, and in batches so small that chance does it."""
    usual = DEAD_RESIDUAL if chart.model.get("residual") and "heads" not in chart.model else DEAD
    _, zeros = chart.series(place, "zeros")
    by_chance = number(zeros[-1]) ** int(chart.training.get("batch", 1000)) if zeros else 0.0
    return min(max(usual, by_chance + DEAD_BY_CHANCE), 0.99)
