"""The learning rate: too high, too low, gone too early; and a loss that stands still."""

import math
from collections.abc import Sequence
from dataclasses import replace

from pellucid.train.diagnosis.chart import Chart, median, number, share_of, smoothed
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.activations import dead_relus, saturated_activations, saturated_attention
from pellucid.train.diagnosis.rules.beginning import alike, no_warmup
from pellucid.train.diagnosis.rules.cures import cure_activation, cure_initialization, cure_norm, cure_rate, slower
from pellucid.train.diagnosis.rules.fit import underfitting
from pellucid.train.diagnosis.rules.gradients import exploding_gradients, vanishing_gradients
from pellucid.train.diagnosis.rules.remedies import freeing, is_cramped
from pellucid.train.diagnosis.rules.updates import update_shares
from pellucid.train.diagnosis.thresholds import (
    ABOVE_START,
    ABOVE_STEPS,
    CLIPPED,
    CRAWLING_UPDATE,
    DROPPED_RATE,
    FASTER,
    FASTER_UNMOVED,
    FASTEST,
    FELL,
    FEWEST_ABOVE,
    FEWEST_STEPS,
    GONE_RATE,
    GONE_STEPS,
    HEALTHY_UPDATE,
    HIGH_UPDATE,
    LARGEST,
    LEARNED_LITTLE,
    LOW_DISTANCE,
    LOW_UPDATE,
    MIDWAY_LEVEL,
    MIDWAY_STEPS,
    SAID_FROM,
    STILL,
    STILL_FALLING,
    STILL_SAID_FROM,
    UNMOVED,
)
from pellucid.train.schedule import ROLLBACK_FACTOR

WINDOW = 20  # the loss is smoothed over this part of the training


def learning_rate_too_high(chart: Chart) -> Sequence[Finding]:
    """Steps so long that they jump over the valley: the loss swings, climbs above where it began, or is no number.

    What a step changes is compared with the weights themselves: a thousandth is usual, a tenth and more is not.
    """
    steps, losses = chart.losses()
    updates = update_shares(chart)
    largest, at, place = max(((share, step, layer) for step, share, layer in updates), default=(math.nan, 0, ""))
    shown = [
        Series("training", steps, losses),
        Series("update", [s for s, _, _ in updates], [u for _, u, _ in updates]),
    ]
    clip = number(chart.training.get("clip"))
    cures = [
        *cure_rate(chart, slower(chart)),
        *([] if 0 < clip <= 1 else [Cure("clip", {"training.clip": 1.0})]),
        *([Cure("warmup", {"training.warmup": 0.1})] if not chart.training.get("warmup") else []),
    ]
    about = {"rate": chart.highest_rate, "update": largest if math.isfinite(largest) else "?"}
    if chart.diverged and losses:
        exploded = any(one.number > one.threshold and one.sure > 0.9 for one in exploding_gradients(chart))
        worst = {"start": losses[0], "end": LARGEST, "worst": LARGEST}
        sure, step = 0.6 if exploded or len(losses) == 1 else 0.95, int(chart.diverged["step"])
        return [_too_high(chart, LARGEST, sure, place, step, {**about, **worst}, cures, shown)]
    if chart.rollbacks and losses:
        window = max(len(losses) // WINDOW, 1)
        course = {"start": losses[0], "end": median(losses[-window:]), "worst": LARGEST}
        step, went = int(chart.rollbacks[0]["step"]), ROLLBACK_FACTOR ** len(chart.rollbacks)
        cures[:1] = cure_rate(chart, min(slower(chart), went))
        return [_too_high(chart, LARGEST, 0.85, place, step, {**about, **course}, cures, shown)]
    if len(losses) < FEWEST_STEPS:
        return []
    window = max(len(losses) // WINDOW, 1)
    smooth = smoothed(losses, window)
    start = max(losses[0], median(losses[:3]) if largest < HIGH_UPDATE else losses[0])
    above = [loss > ABOVE_START * start for loss in smooth]
    share, end = sum(above) / len(above), median(losses[-2 * window :])
    climbed = share >= ABOVE_STEPS
    fast = largest >= HIGH_UPDATE
    _, held_out = chart.held_out()
    jumped = fast and sum(loss > ABOVE_START * start for loss in held_out) >= FEWEST_ABOVE
    swung = fast and (climbed or end > (1 - LEARNED_LITTLE) * start)
    rose = end > ABOVE_START * start and largest >= HEALTHY_UPDATE
    if not (swung or rose or jumped or (climbed and not updates) or (fast and _broke(chart))) or alike(chart):
        return []
    step = steps[above.index(True)] if climbed else at
    course = {"start": start, "end": end, "worst": max(losses)}
    sure = 0.95 if climbed and swung else 0.9 if fast else 0.75
    times = max(smooth) / start if start else LARGEST
    stays = fast and climbed and chart.lasts(sum(above), ABOVE_STEPS, len(above))
    told = _too_high(chart, times, sure, place, step, {**about, **course}, cures, shown)
    return [replace(told, lasting=stays or chart.is_past(STILL_SAID_FROM))]


def _broke(chart: Chart) -> bool:
    """Whether units died, went to their flats or lost their gradient in the course of the training."""
    if not chart.statistics:
        return False
    first = int(chart.statistics[0]["step"])
    rules = (dead_relus, saturated_activations, saturated_attention, vanishing_gradients)
    return any((found.step or 0) > first for rule in rules for found in rule(chart))


def _too_high(
    chart: Chart,
    found: float,
    sure: float,
    place: str,
    step: int,
    values: dict[str, object],
    cures: Sequence[Cure],
    plot: Sequence[Series],
) -> Finding:
    return Finding(
        "learning_rate_too_high",
        number=found,
        threshold=ABOVE_START,
        sure=sure,
        place=place,
        step=step,
        values=values,
        cures=cures,
        plot=[series for series in plot if series.values],
        logarithmic=True,
        also=went_back(chart),
    )


def went_back(chart: Chart) -> dict[str, dict[str, object]]:
    """What to say besides where the training went back to good weights."""
    if not chart.rollbacks:
        return {}
    told = chart.rollbacks
    rate = chart.highest_rate * ROLLBACK_FACTOR ** len(told)
    return {"went_back": {"count": len(told), "first": f"{told[0]['step']:,}", "rate": rate}}


def learning_rate_too_low(chart: Chart) -> Sequence[Finding]:
    """All updates together cannot have moved the weights by more than a small share of their size.

    Their sum, as a share of the weights, bounds how far these have come; a loss that falls, falls in a straight line.
    """
    updates = update_shares(chart)
    steps, losses = chart.losses()
    if (
        len(updates) < 2
        or not losses
        or not chart.is_past(SAID_FROM)
        or alike(chart)
        or dead_relus(chart)
        or vanishing_gradients(chart)
        or exploding_gradients(chart)
        or any(found.step == int(chart.statistics[0]["step"]) for found in saturated_activations(chart))
    ):
        return []  # an update is small beside weights that began too large, which no higher rate mends
    begun = chart.statistics[0]["places"]
    moved = {layer: _mean_share(chart, layer) for layer in chart.layers() if number(begun[layer]["weight"]) > 0}
    known = {layer: share for layer, share in moved.items() if math.isfinite(share)}
    if not known:
        return []
    most = max(known.values())
    distance = most * chart.last
    end = median(losses[-max(len(losses) // WINDOW, 1) :])
    crawls = end > (1 - LEARNED_LITTLE) * losses[0] or most < CRAWLING_UPDATE
    limit = LOW_DISTANCE if crawls else LOW_DISTANCE / 4
    if crawls and underfitting(chart):
        limit = math.inf  # so many steps come far in sum, and still have not arrived
    still = not median(number(line["gradient_norm"]) for line in chart.steps)
    if most >= LOW_UPDATE or distance >= limit or end < losses[0] / 2 or still:
        return []
    least = FASTER if end < (1 - UNMOVED) * losses[0] else FASTER_UNMOVED
    factor = min(max(HEALTHY_UPDATE / most, least), FASTEST) if most else FASTEST
    return [
        Finding(
            "learning_rate_too_low",
            number=distance,
            threshold=LOW_DISTANCE,
            sure=0.95 if distance < LOW_DISTANCE / 3 else 0.75,
            step=chart.last,
            values={
                "percent": f"{100 * distance:.2g}",
                "update": most,
                "rate": chart.highest_rate,
                "start": losses[0],
                "end": end,
            },
            cures=[*unclipped(chart), *cure_rate(chart, factor)],
            plot=[Series("training", steps, losses)],
            lasting=chart.is_past(STILL_SAID_FROM),
        )
    ]


def unclipped(chart: Chart) -> list[Cure]:
    """A usual limit, where plain descent is so slow because its gradients are cut to next to nothing."""
    norms = median(number(line["gradient_norm"]) for line in chart.steps)
    clip = number(chart.training.get("clip"))
    plain = chart.training.get("optimizer") in ("sgd", "momentum", "nesterov")
    if not plain or not 0 < clip < CLIPPED * norms:
        return []
    return [Cure("unclipped", {"training.clip": 1.0}, values={"now": f"{clip:g}", "norm": f"{norms:.2g}"})]


def _mean_share(chart: Chart, layer: str) -> float:
    """The mean over the looks of an update beside the weights."""
    found = [share_of(look, layer, "update") for look in chart.statistics]
    finite = [share for share in found if math.isfinite(share)]
    return sum(finite) / len(finite) if finite else math.nan


def schedule_ends_early(chart: Chart) -> Sequence[Finding]:
    """The rate is all but 0 for a good part of the training, and the loss was still falling before it dropped."""
    rates = [(int(line["step"]), number(line["learning_rate"])) for line in chart.steps]
    steps, losses = chart.losses()
    if len(rates) < FEWEST_STEPS or len(losses) != len(rates):
        return []
    highest = max(rate for _, rate in rates)
    gone = len(rates)
    while gone > 0 and rates[gone - 1][1] < GONE_RATE * highest:
        gone -= 1
    share = 1 - gone / len(rates)
    if share < GONE_STEPS or gone < 4:
        return []
    full = max(place for place, (_, rate) in enumerate(rates) if rate >= DROPPED_RATE * highest) + 1
    before, at = median(losses[full // 2 : full * 3 // 4]), median(losses[full * 3 // 4 : full])
    end = median(losses[-max(len(losses) // WINDOW, 1) :])
    if before <= 0 or before - at < STILL_FALLING * before or before - at < STILL_FALLING * losses[0]:
        return []
    return [
        Finding(
            "schedule_ends_early",
            number=share,
            threshold=GONE_STEPS,
            sure=0.85,
            step=rates[min(gone, len(rates) - 1)][0],
            values={
                "percent": f"{100 * share:.0f}",
                "schedule": str(chart.training.get("schedule")),
                "fell": f"{100 * (before - at) / before:.0f}",
                "end": end,
            },
            cures=[
                Cure("schedule", {"training.schedule": "cosine"}),
                Cure("schedule", {"training.schedule": "constant"}),
            ]
            if chart.training.get("schedule") != "cosine"
            else [Cure("schedule", {"training.schedule": "constant"})],
            plot=[
                Series("training", steps, losses),
                Series("rate", [step for step, _ in rates], [rate for _, rate in rates]),
            ],
        )
    ]


def plateau(chart: Chart) -> Sequence[Finding]:
    """The loss has stood still for half of the training, hardly below where it began, at a rate that could move it.

    Only where nothing else that is found says why: it is what those illnesses look like, too.
    """
    steps, losses = chart.losses()
    if len(losses) < 2 * FEWEST_STEPS or chart.diverged or not chart.is_past(SAID_FROM):
        return []
    if len(chart.layers()) == 1:  # one layer alone has one minimum
        return []
    quarter = len(losses) // 4
    start = max(median(losses[:3]), median(losses[: max(len(losses) // WINDOW, 3)]))
    middle, end = median(losses[quarter : 2 * quarter]), median(losses[-quarter:])
    if start <= 0 or (start - end) / start >= LEARNED_LITTLE or abs(middle - end) > STILL * start:
        return []
    if any(rule(chart) for rule in (learning_rate_too_low, learning_rate_too_high, vanishing_gradients, dead_relus)):
        return []
    if any(rule(chart) for rule in (saturated_activations, no_warmup)) or alike(chart) or freeing(chart):
        return []
    if is_cramped(chart):
        return []
    return [
        Finding(
            "plateau",
            number=(start - end) / start,
            threshold=LEARNED_LITTLE,
            sure=0.6,
            step=steps[quarter],
            values={
                "start": start,
                "end": end,
                "last": f"{steps[-1]:,}",
                "percent": f"{100 * max((start - end) / start, 0):.1f}",
            },
            cures=cures_of_standing(chart),
            plot=[Series("training", steps, losses)],
            lasting=chart.is_past(STILL_SAID_FROM),
        )
    ]


def cures_of_standing(chart: Chart) -> list[Cure]:
    """What gets a network off a flat part: slopes that do not go, a step of its own for each weight, longer steps."""
    sgd = chart.training.get("optimizer") in ("sgd", "momentum", "nesterov")
    adaptive = [Cure("adaptive", {"training.optimizer": "adamw", "training.learning_rate": 3e-3})] if sgd else []
    return [
        *cure_activation(chart, ("sigmoid", "tanh")),
        *adaptive,
        *cure_rate(chart, 3.0),
        *cure_norm(chart),
        *cure_initialization(chart),
    ]


def plateau_midway(chart: Chart) -> Sequence[Finding]:
    """The loss stood still for a good part of the training between two falls: it was at a saddle and got off it.

    Not where the rate was cut before the second fall: such a fall is the schedule's doing.
    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014 (saddles between
    falls).
    """
    steps, losses = chart.losses()
    if len(losses) < 4 * FEWEST_STEPS or chart.diverged or len(chart.layers()) == 1:
        return []
    first, last = flat_stretch(losses)
    if last - first < MIDWAY_STEPS * len(losses):
        return []
    rates = {int(line["step"]): number(line["learning_rate"]) for line in chart.steps}
    if rates[steps[min(last + 1, len(steps) - 1)]] < DROPPED_RATE * max(
        rates[step] for step in steps[first : last + 1]
    ):
        return []
    level = median(losses[first : last + 1])
    share = (last - first) / len(losses)
    return [
        Finding(
            "plateau_midway",
            number=share,
            threshold=MIDWAY_STEPS,
            sure=0.7,
            step=steps[first],
            values={
                "start": median(losses[:3]),
                "level": level,
                "last": f"{steps[last]:,}",
                "percent": f"{100 * share:.0f}",
                "end": median(losses[-max(len(losses) // WINDOW, 1) :]),
            },
            cures=cures_of_standing(chart),
            plot=[Series("training", steps, losses)],
            lasting=chart.is_past(STILL_SAID_FROM),
        )
    ]


def flat_stretch(losses: Sequence[float]) -> tuple[int, int]:
    """The longest stretch on one level with a fall before it and one behind, as its first and last place.

    Levels are means of the twentieths of the training; they stand still where they differ by less than what single
    losses stray beside the whole fall.
    """
    size = len(losses) // WINDOW
    if not size:
        return 0, 0
    levels = [sum(losses[place : place + size]) / size for place in range(0, size * WINDOW, size)]
    whole = max(levels[0], median(losses[:3])) - min(levels)
    best = (0, 0)
    for first in range(1, WINDOW - 1):
        last = first
        while last + 1 < WINDOW - 1 and _range(levels[first : last + 2]) <= MIDWAY_LEVEL * whole:
            last += 1
        level = sum(levels[first : last + 1]) / (last - first + 1)
        falls = (max(levels[0], median(losses[:3])) - level, level - min(levels[last + 1 :]))
        if whole > 0 and min(falls) >= FELL * whole and last - first > best[1] - best[0]:
            best = (first, last)
    return best[0] * size, min((best[1] + 1) * size, len(losses)) - 1 if best[1] > best[0] else best[0] * size


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)
