"""What is wrong with the data: wrong labels, rare classes, examples on both sides, sides of different kinds."""

import math
from collections.abc import Sequence

from torch import Tensor

from pellucid.train.diagnosis.chart import Chart, median
from pellucid.train.diagnosis.examination import Examination
from pellucid.train.diagnosis.finding import Cure, Finding
from pellucid.train.diagnosis.rules.activations import dead_relus, saturated_activations
from pellucid.train.diagnosis.rules.beginning import alike, no_warmup
from pellucid.train.diagnosis.rules.fit import errors_apart, gains
from pellucid.train.diagnosis.rules.gradients import exploding_gradients, vanishing_gradients
from pellucid.train.diagnosis.rules.rate import learning_rate_too_high, learning_rate_too_low
from pellucid.train.diagnosis.thresholds import (
    EXTREME,
    MISMATCHED_SHARE,
    NOISE_AGREED,
    NOISE_BEHIND,
    NOISE_ENOUGH,
    NOISE_FEW_SURE,
    NOISE_SHARE,
    OUTLYING_FAR,
    OUTLYING_SHARE,
    OUTLYING_WEIGHT,
    RARE_FOUND,
    RARE_RATIO,
    RARE_SEEN,
    SEEN_BEFORE,
    SEEN_LINES,
    SHIFT_ERRORS,
    SHIFT_SIZE,
    SURELY,
    TIME_WORTH,
    TWIN_SHARE,
    TWINS,
    UNRELATED_ERRORS,
    UNRELATED_RARE,
    UNRELATED_SEEN,
    UNUSED_ERRORS,
    UNUSED_LEARNED,
    UNUSED_STILL,
)

# Where one of these is found, inputs come in and do not get through, or are never learned from.
BLOCKED = (
    vanishing_gradients,
    exploding_gradients,
    dead_relus,
    saturated_activations,
    no_warmup,
    learning_rate_too_high,
    learning_rate_too_low,
)


def related(found: Examination) -> float | None:
    """By how many standard errors the inputs tell the targets to what needs no training; None if nothing asked them."""
    if found.reference is None:
        return None
    items = found.held_out.items.clamp(min=1)
    other = found.held_out.uninformed if found.reference.swapped is None else found.reference.swapped
    return errors_apart(without_extremes(found, (other - found.reference.losses) / items))


def told(found: Examination) -> bool:
    """Whether others' inputs tell what needs no training surely less than the right ones do.

    A method that is too sure of itself, as of wrong labels, loses more than guessing does, and still reads its inputs.
    """
    asked = found.reference
    if asked is None or asked.others is None:
        return False
    if found.classes and found.accuracy:
        most = max(one.held_out for one in found.classes) / len(found.swapped)
        error = math.sqrt(most * (1 - most) / len(found.swapped))
        if found.accuracy["reference"] - most > SURELY * error > 0:
            return True
    items = found.held_out.items.clamp(min=1)
    return errors_apart(without_extremes(found, (asked.others - asked.losses) / items)) > SURELY


def without_extremes(found: Examination, differences: Tensor) -> Tensor:
    """Of numbers that are predicted, the differences cut to all but the outermost: a single one, squared, hides all."""
    if found.classes or float(found.held_out.items.max()) > 1 or not bool(differences.isfinite().all()):
        return differences
    return differences.clamp(*(float(differences.quantile(share)) for share in (EXTREME, 1 - EXTREME)))


def used(found: Examination) -> float:
    """By how many standard errors the network is better with the right inputs than with others'.

    Of classes also where the most frequent one is left out: it may be nearly all, and is named whatever is read.
    """
    found_gains = without_extremes(found, gains(found))
    rare = found.held_out.uninformed > found.held_out.uninformed.min() + 1e-6
    some = [errors_apart(found_gains[rare])] if found.classes and int(rare.sum()) > 1 else []
    return max(errors_apart(found_gains), *some) if some else errors_apart(found_gains)


def enough_seen(found: Examination) -> bool:
    """Whether there are held-out examples enough, and enough that are not of the most frequent class."""
    most = max((one.held_out for one in found.classes), default=0)
    return len(found.swapped) >= UNRELATED_SEEN and len(found.swapped) - most >= UNRELATED_RARE


def belong_apart(found: Examination) -> bool:
    """Whether neither the network nor what needs no training gets anything out of the inputs."""
    without = related(found)
    over = found.over_time
    far = over is not None and max(over.told, default=0.0) >= TIME_WORTH * over.guess  # told by what is further back
    enough = enough_seen(found) and without is not None and not far
    return enough and (without or 0.0) <= UNRELATED_ERRORS and used(found) <= UNUSED_ERRORS and not told(found)


def outweigh(found: Examination) -> bool:
    """Whether single numbers out of all bounds make up half of all squared errors: what else is there goes unseen."""
    single = not found.classes and float(found.train.items.max()) <= 1
    return single and sum(one.by**2 for one in found.suspects) >= OUTLYING_WEIGHT * max(found.looked_at, 1)


def unrelated(chart: Chart) -> Sequence[Finding]:
    """The inputs do not tell the targets: with others' inputs the loss is as low as with the right ones.

    Neither the network nor what needs no training gets anything out of them on the held-out side.
    """
    found = chart.examination
    if found is None or not belong_apart(found) or outweigh(found) or any(rule(chart) for rule in BLOCKED):
        return []  # what a network that was thrown about does not get out of its inputs says nothing of them
    without, within = related(found) or 0.0, used(found)
    return [
        Finding(
            "unrelated",
            number=within,
            threshold=UNUSED_ERRORS,
            sure=0.9 if without < 1 else 0.75,
            step=chart.last,
            values={
                "own": found.held_out.mean,
                "others": float(found.swapped.sum() / found.held_out.items.sum()),
                "guess": found.held_out.guess,
            },
            cures=[Cure("pair_again", cost=3)],
        )
    ]


def unused(chart: Chart) -> Sequence[Finding]:
    """The network does not use its inputs, though they tell the targets: it has learned the frequencies alone."""
    found = chart.examination
    if found is None or len(found.swapped) < UNRELATED_SEEN:
        return []
    without, within = related(found), used(found)
    if without is None or without < SURELY or within > UNUSED_ERRORS:
        return []
    still = float(gains(found).abs().max()) < UNUSED_STILL * found.held_out.guess
    heart = chart.loss_around(chart.last) < (1 - UNUSED_LEARNED) * found.train.guess
    if not still and not (heart and enough_seen(found)):
        return []  # it has learned nothing at all, which is underfitting
    if alike(chart) or any(rule(chart) for rule in BLOCKED):
        return []  # that is why
    return [
        Finding(
            "unused",
            number=within,
            threshold=UNUSED_ERRORS,
            sure=0.95 if still else 0.7,
            step=chart.last,
            values={
                "own": found.held_out.mean,
                "others": float(found.swapped.sum() / found.held_out.items.sum()),
                "known": float(found.reference.losses.sum() / found.held_out.items.sum()) if found.reference else 0.0,
            },
            cures=[Cure("check_inputs", cost=3)],
        )
    ]


def class_imbalance(chart: Chart) -> Sequence[Finding]:
    """A class is rare, and the network does not find it. Of all such classes the one that is found least."""
    found = chart.examination
    if found is None or not found.classes:
        return []
    most = max(found.classes, key=lambda one: one.train)
    if not most.held_out or most.found / most.held_out < RARE_FOUND:
        return []
    lost = [
        one
        for one in found.classes
        if one.train * RARE_RATIO <= most.train and one.held_out >= RARE_SEEN and one.found < RARE_FOUND * one.held_out
    ]
    if not lost:
        return []
    worst = min(lost, key=lambda one: (one.found / one.held_out, one.train))
    ratio = most.train / max(worst.train, 1)
    cures = []
    if chart.config.get("class_weights") == "none":
        cures.append(Cure("class_weights", {"class_weights": "balanced"}))
    return [
        Finding(
            "class_imbalance",
            number=ratio,
            threshold=RARE_RATIO,
            sure=min(0.9 - worst.found / worst.held_out / 2 + 0.005 * worst.held_out, 0.99),
            step=chart.last,
            values={
                "rare": worst.name,
                "count": worst.train,
                "frequent": most.name,
                "most": most.train,
                "found": worst.found,
                "held_out": worst.held_out,
            },
            cures=[*cures, Cure("more_of_class", cost=3, values={"rare": worst.name})],
        )
    ]


def label_noise(chart: Chart) -> Sequence[Finding]:
    """Training examples are called what all others say they are not; `lines` names them, the surest first."""
    found = chart.examination
    if found is None or not found.suspects or (found.classes and belong_apart(found)):
        return []  # where nothing tells the targets, none of them is wrong
    looked = found.looked_at
    share = len(found.suspects) / max(looked, 1)
    if found.classes:
        kind, limit = "label_noise", NOISE_SHARE
        agreed = sum(one.agreed for one in found.suspects) / len(found.suspects)
        behind = found.accuracy["network"] - found.accuracy["reference"]
        if agreed < NOISE_AGREED and behind > NOISE_BEHIND and found.accuracy["denied"] < share / 2:
            return []  # a poor witness: the network, which has not seen the held-out side either, is right there
    elif found.train.items.max() > 1:
        kind, limit = "mispaired", MISMATCHED_SHARE
        if any(rule(chart) for rule in BLOCKED):
            return []  # a network that has learned little finds pairs no likelier than others
    else:
        kind, limit = "outliers", OUTLYING_SHARE
        if median(one.by for one in found.suspects) < OUTLYING_FAR and not outweigh(found):
            return []
    if share < limit and not (kind == "outliers" and outweigh(found) and chart.config.get("loss") == "squared"):
        return []
    told = [f"{one.origin}: {one.given} -> {one.likely}" if one.given else one.origin for one in found.suspects]
    cures = [Cure("label_smoothing", {"label_smoothing": 0.1})] if chart.config.get("label_smoothing") == 0 else []
    if kind == "outliers" and chart.config.get("loss") == "squared":
        cures = [Cure("huber", {"loss": "huber"})]
    return [
        Finding(
            kind,
            number=share,
            threshold=limit,
            sure=min(0.6 + 2 * share, 0.97 if looked >= NOISE_ENOUGH else NOISE_FEW_SURE),
            step=chart.last,
            values={"percent": f"{100 * share:.0f}", "count": len(found.suspects), "looked": looked},
            lines=told,
            cures=[Cure("look_at_lines"), *([] if kind == "mispaired" else cures)],
        )
    ]


def leakage(chart: Chart) -> Sequence[Finding]:
    """Held-out examples stand in training as well: what is scored has been seen."""
    found = chart.examination
    if found is None:
        return []
    share, seen = len(found.twins) / max(found.looked_for_twins, 1), found.seen
    if len(found.twins) >= TWINS and share >= TWIN_SHARE:
        return [
            Finding(
                "leakage",
                number=share,
                threshold=TWIN_SHARE,
                sure=min(0.8 + share, 0.99),
                values={
                    "percent": f"{100 * share:.0f}",
                    "count": len(found.twins),
                    "looked": found.looked_for_twins,
                },
                lines=[f"{held_out} = {train}" for held_out, train in found.twins],
                cures=[Cure("take_out_twins", cost=3)],
            )
        ]
    if found.seen_lines >= SEEN_LINES and seen < SEEN_BEFORE:
        return [
            Finding(
                "seen_text",
                number=found.seen_lines,
                threshold=SEEN_LINES,
                sure=min(0.6 + found.seen_lines / 3, 0.95),
                values={"percent": f"{100 * found.seen_lines:.0f}"},
                cures=[Cure("take_out_twins", cost=3)],
                evidence="lines.seen_text",
            )
        ]
    if seen >= SEEN_BEFORE:
        return [
            Finding(
                "seen_text",
                number=seen,
                threshold=SEEN_BEFORE,
                sure=min(0.7 + seen, 0.99),
                values={"percent": f"{100 * seen:.0f}"},
                cures=[Cure("take_out_twins", cost=3)],
            )
        ]
    return []


def shift(chart: Chart) -> Sequence[Finding]:
    """The held-out examples are of another kind: an input has another mean there than in training."""
    found = chart.examination
    far = [one for one in found.shifted if abs(one[1]) >= SHIFT_ERRORS and abs(one[2]) >= SHIFT_SIZE] if found else []
    if not far:
        return []
    names = chart.data.get("columns") or []
    place, errors, off = far[0]
    same = len(names) == (chart.data.get("shape") or [None])[0]
    return [
        Finding(
            "shift",
            number=abs(errors),
            threshold=SHIFT_ERRORS,
            sure=0.9,
            place=str(names[place]) if same else str(place + 1),
            values={"off": off, "count": len(far)},
            cures=[Cure("split_again", cost=3)],
        )
    ]
