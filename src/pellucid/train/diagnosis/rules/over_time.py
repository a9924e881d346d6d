"""Recurrent layers over time: gradients that do not reach the steps before, gates that only open or shut."""

from collections.abc import Sequence

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.examination import Examination
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.beginning import alike
from pellucid.train.diagnosis.rules.cures import cure_initialization, cure_rate, slower
from pellucid.train.diagnosis.rules.updates import too_fast
from pellucid.train.diagnosis.thresholds import (
    GATES_FLAT,
    TIME_BACK,
    TIME_NEEDED,
    TIME_TELLS,
    TIME_UNLEARNED,
    TIME_VANISHED,
    TIME_WORTH,
)


def vanishing_in_time(chart: Chart) -> Sequence[Finding]:
    """What the loss sends back does not reach steps that would tell much: a plain recurrent layer forgets too fast.

    Either next to nothing comes back even a few steps, or little comes back to a step whose token tells, by itself, a
    good part of the answer, and the network has not learned that.
    Sources: Hochreiter, 1991; Bengio, Simard & Frasconi, "Learning Long-Term Dependencies with Gradient Descent is
    Difficult", 1994.
    """
    found = chart.examination
    over = found.over_time if found else None
    if found is None or over is None or alike(chart) or saturated_gates(chart):
        return []
    back, limit = _unreached(found)
    if back is None:
        return []
    lags = list(range(1, len(over.shares) + 1))
    gated = [Cure("gated", {"model.cell": "lstm"})] if chart.model.get("cell") == "rnn" else []
    return [
        Finding(
            "vanishing_in_time",
            number=over.shares[back],
            threshold=limit,
            sure=0.9 if over.shares[back] < limit / 10 else 0.75,
            place=over.place,
            step=chart.last,
            values={
                "back": back + 1,
                "told": over.told[back],
                "guess": over.guess,
                "loss": found.held_out.mean,
            },
            cures=[*gated, *cure_initialization(chart)],
            plot=[Series("gradient_back", lags, over.shares), Series("told_back", lags, over.told)],
            axis="back",
            drawn=False,
        )
    ]


def _unreached(found: Examination) -> tuple[int | None, float]:
    """The nearest step back (0: the last) that matters and is not reached, and the share that it should have had."""
    over = found.over_time
    assert over is not None
    count = min(len(over.shares), len(over.told))
    worth = [back for back in range(TIME_BACK, count) if over.told[back] >= TIME_WORTH * over.guess]
    if worth and over.shares[TIME_BACK] < TIME_VANISHED and over.shares[0] > over.shares[TIME_BACK]:
        return TIME_BACK, TIME_VANISHED
    for back in worth:
        unlearned = found.held_out.mean > over.guess - TIME_UNLEARNED * over.told[back]
        if over.told[back] >= TIME_TELLS * over.guess and over.shares[back] < TIME_NEEDED and unlearned:
            return back, TIME_NEEDED
    return None, TIME_NEEDED


def saturated_gates(chart: Chart) -> Sequence[Finding]:
    """Most gates of an LSTM or GRU are all but open or shut for everything: no gradient comes through their slope."""
    over = chart.examination.over_time if chart.examination else None
    ill = [(place, share) for place, share in over.gates.items() if share >= GATES_FLAT] if over else []
    if not ill:
        return []
    place, share = ill[0]
    late, begin = cure_rate(chart, slower(chart)), cure_initialization(chart)
    return [
        Finding(
            "saturated_gates",
            number=share,
            threshold=GATES_FLAT,
            sure=min(0.6 + 0.7 * (share - GATES_FLAT), 0.95),
            place=place,
            step=chart.last,
            values={"percent": f"{100 * share:.0f}", "limit": f"{100 * GATES_FLAT:.0f}"},
            cures=[*late, *begin] if too_fast(chart) else [*begin, *late],
        )
    ]
