"""How well the training fits: too closely, or not closely enough."""

import math
import statistics
from collections.abc import Sequence

import torch

from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.examination import Examination, Examined
from pellucid.train.diagnosis.finding import Cure, Finding, Series
from pellucid.train.diagnosis.rules.remedies import freeing, larger, longer, regularizing
from pellucid.train.diagnosis.thresholds import (
    CURVE_GAIN,
    HELD_BACK_WORSE,
    MEMORIZED_GAP,
    MEMORIZED_KNOWN,
    MEMORIZED_NAMED,
    MEMORIZED_SHARE,
    OVERFIT_EVALUATIONS,
    OVERFIT_GAP,
    OVERFIT_GUESS,
    OVERFIT_MUCH,
    OVERFIT_NOTHING,
    OVERFIT_RISE,
    OVERFIT_SCALE,
    SURELY,
    UNDERFIT_ERRORS,
    UNDERFIT_FALLING,
    UNDERFIT_GUESS,
    UNDERFIT_KNOWN,
    UNDERFIT_LEARNING,
    UNDERFIT_LONG,
    UNDERFIT_MISSED,
    UNDERFIT_PASSES,
    UNDERFIT_WORSE,
)


def overfitting(chart: Chart) -> Sequence[Finding]:
    """The held-out loss has turned and climbs, while the training loss goes on falling.

    Each is compared with itself at the turn: dropout and label smoothing raise one of them alone, but all along. Once
    examined, both are known alike, and must be apart; and where the training loss is next to nothing beside a held-out
    loss that is not, nothing need have turned. Source: Prechelt, "Early Stopping - But When?", 1998.
    """
    steps, held_out = chart.held_out()
    trained, losses = chart.losses()
    if not held_out or not losses or not all(math.isfinite(loss) for loss in held_out):
        return []
    best = min(range(len(held_out)), key=held_out.__getitem__)
    now = sum(held_out[best:][-2:]) / len(held_out[best:][-2:])  # two, as a single one may stand out
    rise = now / held_out[best] - 1 if held_out[best] > 0 else 0.0
    training, last = chart.loss_around(steps[-1]), chart.examination.last if chart.examination else None
    turned = (
        len(held_out) - best > OVERFIT_EVALUATIONS
        and rise >= OVERFIT_RISE
        and now - held_out[best] >= OVERFIT_SCALE * losses[0]
        and training < chart.loss_around(steps[best])
    )
    nothing, guess, measured = False, 0.0, now
    if last is not None:
        training, apart, guess, measured = last[0].mean, last[1].mean - last[0].mean, last[1].guess, last[1].mean
        turned = turned and apart >= max(OVERFIT_GAP * last[1].mean, OVERFIT_GUESS * guess)
        nothing = training < OVERFIT_NOTHING * last[1].mean and last[1].mean > OVERFIT_MUCH * guess > 0
    if not turned and not nothing:
        return []
    per_thousand = 1000 * (now - held_out[best]) / max(steps[-1] - steps[best], 1)
    return [
        Finding(
            "overfitting",
            number=rise if turned else training,
            threshold=OVERFIT_RISE if turned else OVERFIT_NOTHING,
            sure=min(0.6 + (rise if turned else 0.0) + (0.2 if last is not None else 0.0), 0.99),
            step=steps[best],
            values={
                "lowest": held_out[best],
                "now": now,
                "training": training,
                "last": f"{steps[-1]:,}",
                "percent": f"{100 * rise:.0f}",
                "slope": per_thousand,
                "measured": measured,
                "guess": guess,
            },
            cures=regularizing(chart, steps[best] if turned else None),
            plot=(Series("held_out", steps, held_out), Series("training", trained, losses)),
            evidence="" if turned else "apart.overfitting",
        )
    ]


def memorization(chart: Chart) -> Sequence[Finding]:
    """Training examples that are known by heart: their loss is next to none, that of held-out peers is not.

    Source: Feldman & Zhang, "What Neural Networks Memorize and Why", 2020, whose influence needs many trainings; here
    the peers of an example are held-out ones that are as hard to guess.
    """
    found = chart.examination
    if found is None:
        return []
    train, held_out = found.last or (found.train, found.held_out)
    guess = held_out.guess
    peers = peers_of(train, held_out)
    known = (train.each < MEMORIZED_KNOWN * guess) & (peers - train.each > MEMORIZED_GAP * guess)
    by_luck = float((held_out.each < MEMORIZED_KNOWN * guess).float().mean())
    share = float(known.float().mean()) - by_luck
    if guess <= 0 or share < MEMORIZED_SHARE:
        return []
    chosen = known.nonzero().flatten()
    order = chosen[(peers - train.each)[chosen].argsort(descending=True, stable=True)][:MEMORIZED_NAMED].tolist()
    return [
        Finding(
            "memorization",
            number=share,
            threshold=MEMORIZED_SHARE,
            sure=min(0.6 + share / 2, 0.99),
            step=chart.last,
            values={
                "percent": f"{100 * share:.0f}",
                "count": len(chosen),
                "looked": len(train.each),
                "own": float(train.each[chosen].mean()),
                "peers": float(peers[chosen].mean()),
            },
            lines=[train.origin(place) for place in order],
            cures=regularizing(chart, None),
            plot=distribution(train, held_out),
            axis="share",
        )
    ]


def peers_of(train: Examined, held_out: Examined) -> torch.Tensor:
    """For each training example the mean loss of the tenth of the held-out ones that are as hard to guess."""
    hard = held_out.uninformed / held_out.items.clamp(min=1)
    asked = train.uninformed / train.items.clamp(min=1)
    count = max(len(hard) // 10, min(len(hard), 5))
    near = (asked[:, None] - hard).abs()
    limit = near.kthvalue(count, dim=1, keepdim=True).values
    chosen = (near <= limit + 1e-6).float()  # all that are equally near, such as those of a class
    return (chosen @ held_out.each) / chosen.sum(1)


def distribution(train: Examined, held_out: Examined) -> tuple[Series, Series]:
    """The losses of single examples in order, over the share of examples that are below."""
    shares = [place / 20 for place in range(21)]
    at = torch.tensor(shares)
    return (
        Series("training_examples", shares, train.each.quantile(at).tolist()),
        Series("held_out_examples", shares, held_out.each.quantile(at).tolist()),
    )


def underfitting(chart: Chart) -> Sequence[Finding]:
    """Both losses are high and close: what needs no training does better, or guessing without inputs as well."""
    found = chart.examination
    if found is None or chart.loss_around(chart.last) < UNDERFIT_KNOWN * found.train.mean:
        return []
    guess, items = found.held_out.guess, found.held_out.items.clamp(min=1)
    if not guess > 0 or not (math.isfinite(found.train.mean) and math.isfinite(found.held_out.mean)):
        return []
    trained, losses = chart.losses()
    steps, held_out = chart.held_out()
    # What training noted may be lower where the best weights are an average that lags behind; never is it too low.
    lowest = min(found.held_out.mean, found.train.mean, chart.loss_around(chart.last))
    worse, known, name, told, surely = 0.0, guess, "guess", False, False
    if found.reference is not None:
        known = float(found.reference.losses.sum() / found.held_out.items.sum())
        told = errors_apart((found.held_out.uninformed - found.reference.losses) / items) > SURELY
        plain = chart.config.get("class_weights", "none") == "none"  # else it minimizes another loss
        if plain and errors_apart((found.held_out.losses - found.reference.losses) / items) > SURELY:
            worse, surely = lowest - known, True
            name = found.reference.name
    nothing = told and lowest > UNDERFIT_GUESS * guess
    behind = worse >= UNDERFIT_WORSE * guess
    # A long training has had its chance: what it still learns at the end does not bring it to the reference.
    long = chart.passes >= UNDERFIT_PASSES and worse > 0
    missed = long and worse >= UNDERFIT_MISSED * (guess - known) and worse >= UNDERFIT_LONG * guess
    freer = freeing(chart)
    # Where it is held back by much, no better than the reference is enough: what is learned on the way does not stay.
    held = bool(freer) and surely and found.held_out.mean - known >= HELD_BACK_WORSE * guess
    stuck = missed or held or (nothing and bool(freer))
    if not (behind or nothing or missed or held) or (learning(losses) and not stuck):
        return []
    if told and found.reference is not None:
        name = found.reference.name
    elif not (behind or missed or held):
        name = "guess"
    limit = guess if name == "guess" else known
    late = [loss for step, loss in zip(trained, losses, strict=True) if step > 0.8 * chart.last]
    middle = len(late) // 2
    falling = (
        middle > 0 and sum(late[middle:]) / len(late[middle:]) < (1 - UNDERFIT_FALLING) * sum(late[:middle]) / middle
    )
    falling = falling or chart.passes < 1  # it has not even read all there is
    more = [*longer(chart), *larger(chart)] if falling else [*larger(chart), *longer(chart)]
    cures = [*freer, *more]
    return [
        Finding(
            "underfitting",
            number=found.held_out.mean,
            threshold=limit,
            sure=min(0.6 + max(worse, found.held_out.mean - UNDERFIT_GUESS * guess) / guess / 2, 0.99),
            step=chart.last,
            values={"training": found.train.mean, "guess": guess, "reference": name_of(name)},
            cures=cures,
            plot=(Series("held_out", steps, held_out), Series("training", trained, losses)),
            drawn=True,
        )
    ]


def learning(losses: Sequence[float]) -> bool:
    """Whether the loss is lower in the last sixth of the training than in the sixth before its middle, and not by
    chance: the losses of single batches stray, under much dropout by more than they fall.
    """
    part = len(losses) // 6
    if part < 2:
        return False
    middle, end = losses[len(losses) // 2 - part : len(losses) // 2], losses[-part:]
    fall = statistics.fmean(middle) - statistics.fmean(end)
    error = math.sqrt((statistics.variance(middle) + statistics.variance(end)) / part)
    return fall > UNDERFIT_LEARNING * statistics.fmean(middle) and fall > UNDERFIT_ERRORS * error


def name_of(reference: str) -> str:
    """What the evidence calls a reference, the same in every language."""
    return {
        "neighbours": "k-NN",
        "linear": "least squares",
        "bigram": "bigram",
        "pairs": "IBM Model 1",
        "guess": "-",
    }[reference]


def errors_apart(differences: torch.Tensor) -> float:
    """By how many standard errors the mean of paired differences is above 0."""
    error = float(differences.std()) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    return float(differences.mean()) / error if error > 0 else 0.0


def gains(found: Examination) -> torch.Tensor:
    """Of each held-out example what its own inputs are worth, per item, beside those of another."""
    return (found.swapped - found.held_out.losses) / found.held_out.items.clamp(min=1)


def too_little_data(chart: Chart) -> Sequence[Finding]:
    """The learning curve still falls: twice the data lowered the loss, and twice as much again would."""
    curve = chart.examination.curve if chart.examination else ()
    if len(curve) < 2:
        return []
    whole, second, last = curve[-1].examples, curve[-2].held_out, curve[-1].held_out
    counts = [one.examples for one in curve]
    gain = (second.mean - last.mean) / second.mean if second.mean > 0 else 0.0
    if gain < CURVE_GAIN or errors_apart((second.losses - last.losses) / last.items.clamp(min=1)) < SURELY / 2:
        return []
    return [
        Finding(
            "too_little_data",
            number=gain,
            threshold=CURVE_GAIN,
            sure=min(0.6 + gain, 0.95),
            values={
                "share": f"{100 * curve[-2].examples / whole:.0f}",
                "before": second.mean,
                "whole": last.mean,
                "percent": f"{100 * gain:.0f}",
                "expected": last.mean * (1 - gain),
            },
            cures=[Cure("more_data", cost=3), *regularizing(chart, None)],
            plot=(
                Series("held_out", counts, [one.held_out.mean for one in curve]),
                Series("training", counts, [one.train.mean for one in curve]),
            ),
            axis="examples",
        )
    ]
