"""Single steps and what they are made of: spikes of the loss, padding, time spent waiting for data."""

import math
import statistics
from collections.abc import Mapping, Sequence

from pellucid.train.diagnosis.chart import Chart, median, number
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.rate import learning_rate_too_high
from pellucid.train.diagnosis.rules.remedies import freeing
from pellucid.train.diagnosis.thresholds import (
    FEWEST_STEPS,
    LOADING,
    LOADING_SECONDS,
    PADDED,
    SPIKE_BEFORE,
    SPIKE_DEVIATIONS,
    SPIKE_FLOOR,
    SPIKE_ITEMS,
    SPIKE_LOGARITHMS,
    SPIKE_MOST,
    SPIKE_TIMES,
)

NEAR = 12  # steps on either side that a step is compared with
NORMAL = 1.4826  # median absolute deviations in a standard deviation of the normal distribution
COMPARED = 12  # spikes, the highest ones, whose batches are compared
LEAST = 1e-5  # of a loss: what a line of metrics can tell from 0
NAMED = 12  # lines named at most


def loss_spikes(chart: Chart) -> Sequence[Finding]:
    """Single steps whose loss stands far above that of their neighbours, and what was in their batches.

    An example that stands in the batches of several spikes is likely their cause; the others were in good batches, too.
    """
    steps, losses = chart.losses()
    if len(losses) < 2 * FEWEST_STEPS:
        return []
    found = spikes(losses, reach_of(chart, steps), few_in(chart))
    if not found or len(found) > SPIKE_MOST * len(losses) or learning_rate_too_high(chart) or freeing(chart):
        return []  # under very much dropout, single losses are as chance has it
    highest = max(found, key=losses.__getitem__)
    usual = around(losses, highest)[0]
    ranked = sorted(found, key=lambda place: -losses[place])[:COMPARED]
    lines, common = lines_of(chart, [steps[place] for place in ranked])
    norms = median(number(line["gradient_norm"]) for line in chart.steps)
    clip = number(chart.training.get("clip"))
    limit = float(f"{norms:.2g}")
    robust = chart.task == "regress" and chart.config.get("loss") == "squared"
    return [
        Finding(
            "loss_spikes",
            number=losses[highest] / usual if usual else losses[highest],
            threshold=SPIKE_TIMES,
            sure=0.9 if common or losses[highest] > 4 * SPIKE_TIMES * usual else 0.75,
            step=steps[highest],
            values={"loss": losses[highest], "usual": usual, "count": len(found), "lines": len(lines)},
            lines=lines[:NAMED],
            cures=[
                *([Cure("huber", {"loss": "huber"})] if robust else []),
                *([Cure("clip_usual", {"training.clip": limit}, values={"clip": limit})] if 0 < limit < clip else []),
                Cure("look_at_lines", cost=3),
            ],
            plot=[Series("training", steps, losses)],
            logarithmic=min(losses) > 0,
        )
    ]


def reach_of(chart: Chart, steps: Sequence[int]) -> list[float]:
    """How far the loss of each step strays by chance, beside that of the others: sqrt(usual items / its items).

    The last batch of a pass over the data may hold a few examples only, and one of them then weighs the more.
    """
    items, before = {}, 0.0
    for line in chart.steps:
        now = number(line.get("tokens"))
        items[int(line["step"])], before = now - before, now
    usual = median(items.values())
    return [max((usual / items[step]) ** 0.5, 1.0) if items[step] > 0 else 1.0 for step in steps]


def few_in(chart: Chart) -> float:
    """By how much further the loss of a batch of a few examples strays: one of them that is hard is all of it."""
    seen = [number(line.get("tokens")) for line in chart.steps]
    usual = median(now - before for before, now in zip([0.0, *seen], seen, strict=False))
    return max((SPIKE_ITEMS / usual) ** 0.5, 1.0) if usual > 0 else 1.0


def spikes(losses: Sequence[float], reach: Sequence[float] | None = None, few: float = 1.0) -> list[int]:
    """Which losses stand far above those of the steps around them, by difference and by ratio.

    By ratio too, as the losses of small batches have a long tail upwards. `reach` is by how much more a step's loss
    strays than the others', `few` by how much all do in batches of a few examples. A loss that is not above those
    before it is no spike: so every training begins.
    """
    reach = reach or [1.0] * len(losses)
    floor = few * SPIKE_FLOOR * median(losses[:FEWEST_STEPS])
    logarithms = [math.log(max(loss, LEAST)) for loss in losses]
    found = []
    for place, loss in enumerate(losses):
        if place < SPIKE_BEFORE or loss <= SPIKE_TIMES * median(losses[max(place - NEAR, 0) : place]):
            continue
        usual, deviation = around(losses, place)
        above = (loss - usual) / reach[place]
        if above <= (SPIKE_TIMES - 1) * usual or above <= max(SPIKE_DEVIATIONS * deviation, floor):
            continue
        middle, spread = around(logarithms, place)
        if (logarithms[place] - middle) / reach[place] > SPIKE_LOGARITHMS * spread:
            found.append(place)
    return found


def around(values: Sequence[float], place: int) -> tuple[float, float]:
    """The median of the values near one, and their deviation from it."""
    near = [*values[max(place - NEAR, 0) : place], *values[place + 1 : place + 1 + NEAR]]
    middle = statistics.median(near)
    return middle, NORMAL * statistics.median(abs(value - middle) for value in near)


def lines_of(chart: Chart, steps: Sequence[int]) -> tuple[list[str], bool]:
    """Where the examples came from that all these steps have in common, or else those of the first of them."""
    batches = [list(chart.origins(step)) for step in steps]
    if not batches or not batches[0]:
        return [], False
    counts: Mapping[str, int] = {line: sum(line in batch for batch in batches) for line in dict.fromkeys(batches[0])}
    most = max(counts.values())
    if len(batches) > 1 and most > 1:
        return [line for line, count in counts.items() if count == most], True
    return list(counts), False


def padding_dominates(chart: Chart) -> Sequence[Finding]:
    """More than half of what the network reads is padding: cells that are computed and mean nothing."""
    steps = [int(line["step"]) for line in chart.steps]
    shares = [number(line["padding"]) for line in chart.steps]
    if not shares or not (share := statistics.fmean(shares)) > PADDED:
        return []
    tokens = chart.training.get("batch_tokens")
    smaller = max(int(tokens) // 4, 16) if tokens else 0
    longest = chart.config.get("data", {}).get("max_characters")
    cures = []
    if tokens and smaller < int(tokens):
        cures.append(Cure("smaller_batches", {"training.batch_tokens": smaller}, values={"tokens": smaller}))
    if longest:
        cures.append(Cure("shorter_texts", {"data.max_characters": max(int(longest) // 2, 1)}, 3, {"now": longest}))
    return [
        Finding(
            "padding_dominates",
            number=share,
            threshold=PADDED,
            sure=0.95,
            step=steps[0],
            values={"percent": f"{100 * share:.0f}", "limit": f"{100 * PADDED:.0f}"},
            cures=cures,
            plot=[Series("padding", steps, shares)],
            drawn=True,
        )
    ]


def _step_seconds(chart: Chart) -> list[float]:
    """How long each step took, without evaluations, of those that say what they spent on their batch."""
    found, before = [], 0.0
    for line in chart.steps:
        items = number(line["tokens"]) - before
        before = number(line["tokens"])
        if "loading" in line:
            found.append(items / max(number(line["tokens_per_second"]), 1e-9))
    return found


def slow_data(chart: Chart) -> Sequence[Finding]:
    """The network waits: most of a step goes into making its batch ready."""
    told = [line for line in chart.steps if "loading" in line]
    if len(told) < FEWEST_STEPS:
        return []
    steps, shares = [int(line["step"]) for line in told], [number(line["loading"]) for line in told]
    times = _step_seconds(chart)  # where batches are read many at once, one step of many waits for all
    # Without the longest wait, which may be another program's doing.
    waited = sorted(part * time for part, time in zip(shares, times, strict=True))[:-1]
    share = sum(waited) / max(sum(times), 1e-12)
    seconds = sum(waited) / len(waited)
    if share <= LOADING or seconds < LOADING_SECONDS:
        return []
    augmented = chart.config.get("augmentation")
    plain = isinstance(augmented, Mapping) and any(
        value not in (0, 0.0, "none", "black", "edge") for value in augmented.values()
    )
    return [
        Finding(
            "slow_data",
            number=share,
            threshold=LOADING,
            sure=0.9,
            step=steps[0],
            values={"percent": f"{100 * share:.0f}", "milliseconds": f"{1000 * seconds:.0f}"},
            cures=[
                *([Cure("without_augmentation", {"augmentation.preset": "none"}, 3)] if plain else []),
                Cure("prepare_once", cost=3),
            ],
            plot=[Series("loading", steps, shares)],
            drawn=True,
        )
    ]
