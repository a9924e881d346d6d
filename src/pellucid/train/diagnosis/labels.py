"""Examples whose target does not look like their own: wrong labels, mispaired sentences, numbers out of all bounds.

Judged by what all other examples say, not by the network alone, which may have learned them by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.train.diagnosis.references import best_guess, neighbours_median, ridge, ridge_left_out
from pellucid.train.diagnosis.thresholds import NOISE_SURELY, NOISE_WITNESS

CLEAR = 0.2  # by which another class must be more probable than the given one
OUTLYING = 6.0  # robust standard deviations: of normal errors 2 in a billion are beyond
SIGMA = 1.4826  # standard deviations in a median absolute deviation of a normal distribution
GAINED = 0.5  # nats an item that the right input is worth at least for most, before a pair without gain is odd
MATCHED = 0.3  # of the median gain: of sound pairs none has less, of exchanged ones four in five


@dataclass(frozen=True)
class Suspect:
    """A training example by number, where it stood, what is given for it, what others say, and by how much.

    `agreed`: the network, which has been told what is given, says what the others say.
    """

    number: int
    origin: str
    given: str
    likely: str
    by: float
    agreed: bool = False


def suspicious(
    x: Float[Tensor, "example input"],
    labels: Int[Tensor, " example"],
    names: Sequence[str],
    origin: Callable[[int], str],
) -> list[Suspect]:
    """Examples that are surely of another class than is said, the surest first.

        given i although p_j >= t_j for a j != i,    t_j = mean of p_j over the examples that are called j

    p is of neighbours or a linear fit, whichever tells the classes better, each example left out once. Wrong labels
    stand everywhere; classes that overlap are taken for each other at the border alone, and are none.
    Source: Northcutt, Jiang & Chuang, "Confident Learning", 2021.
    """
    classes = len(names)
    _, p = best_guess(x, labels, classes)
    wrong, expected = wrong_where_surest(p, labels)
    if wrong < NOISE_SURELY or wrong > expected + NOISE_WITNESS:
        return []
    own = p[torch.arange(len(x)), labels]
    counts = labels.bincount(minlength=classes).clamp(min=1)
    limits = torch.zeros(classes).index_add_(0, labels, own) / counts
    able = torch.where(p >= limits, p, torch.zeros(()))
    likely = able.argmax(1)
    by = able.max(1).values - own
    chosen = ((likely != labels) & (by >= CLEAR)).nonzero().flatten()
    ordered = chosen[by[chosen].argsort(descending=True)]
    return [
        Suspect(
            number,
            origin(number),
            names[int(labels[number])],
            names[int(likely[number])],
            float(by[number]),
        )
        for number in ordered.tolist()
    ]


def wrong_where_surest(p: Float[Tensor, "example class_"], labels: Int[Tensor, " example"]) -> tuple[float, float]:
    """How often the given class is not the likeliest, and how often p expects that: of the surest third."""
    sure, likely = p.max(1)
    surest = sure.argsort(descending=True, stable=True)[: max(len(p) // 3, 1)]
    return float((likely != labels)[surest].float().mean()), 1 - float(sure[surest].mean())


def outlying(
    x: Float[Tensor, "example input"], targets: Float[Tensor, " example"], origin: Callable[[int], str]
) -> list[Suspect]:
    """Numbers further from what the others say of them than errors are: |e| > 6 robust standard deviations."""
    y = targets[:, None].float()
    straight = ridge_left_out(x, y)
    usual = deviations(y - straight)[:, 0] <= OUTLYING
    straight[~usual] = ridge(x[usual], y[usual], x[~usual])
    straight[usual] = ridge_left_out(x[usual], y[usual])
    guesses = [neighbours_median(x, y), straight]
    guess = min(guesses, key=lambda one: float((one - y).abs().median()))
    far = deviations(y - guess)[:, 0]
    ordered = far.argsort(descending=True)
    return [
        Suspect(number, origin(number), f"{targets[number]:.3g}", f"{guess[number, 0]:.3g}", float(far[number]))
        for number in ordered.tolist()
        if float(far[number]) > OUTLYING
    ]


def deviations(errors: Tensor) -> Tensor:
    """How many robust standard deviations each error is from 0; none where more than half are equal."""
    deviation = SIGMA * float((errors - errors.median()).abs().median())
    return errors.abs() / deviation if deviation > 0 else torch.zeros_like(errors)


def mismatched(gains: Float[Tensor, " example"], origin: Callable[[int], str]) -> list[Suspect]:
    """Pairs whose target is no likelier with its own source than with others, although most are by far."""
    median = float(gains.median())
    if median < GAINED:
        return []
    ordered = gains.argsort()
    return [
        Suspect(number, origin(number), "", "", float(-gains[number]))
        for number in ordered.tolist()
        if float(gains[number]) < MATCHED * median
    ]
