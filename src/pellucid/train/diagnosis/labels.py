"""Examples whose target does not look like their own: wrong labels, mispaired sentences, numbers out of all bounds.

Judged by what all other examples say, not by the network alone, which may have learned them by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from pellucid.train.diagnosis.references import NEIGHBOURS, best_guess, neighbours_median, ridge, ridge_left_out
from pellucid.train.diagnosis.thresholds import (
    NOISE_ENOUGH,
    NOISE_EVEN,
    NOISE_FLOOR,
    NOISE_LIKELIER,
    NOISE_LIKELY,
    NOISE_POSSIBLE,
    NOISE_TELLING,
    NOISE_TOLD,
)

CONFIRMED = 3  # the how-manieth nearest example of a class says how far the class is
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
    """Examples that are surely of another class than is said, the surest first; none where classes only overlap.

        given i although p_j >= t_j for a j != i,    t_j = mean of p_j over the examples that are called j

    p is of neighbours or a linear fit, whichever tells the classes better, each example left out once.
    Source: Northcutt, Jiang & Chuang, "Confident Learning", 2021.
    """
    classes = len(names)
    witness, p = best_guess(x, labels, classes)
    if not noisy(*told(witness, x, labels, classes), labels):
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


def noisy(sure: Float[Tensor, " example"], said: Int[Tensor, " example"], labels: Int[Tensor, " example"]) -> bool:
    """Whether there are wrong labels, rather than classes that overlap: where the others are sure as well as elsewhere.

    Either the floor of their errors is beyond doubt, or likely where they tell the classes well; or they err where they
    are surest nearly as often as everywhere, although they tell the classes well, or less well with a possible floor.
    """
    wrong = said != labels
    everywhere = float(wrong.float().mean())
    if everywhere < NOISE_FLOOR or not float(sure.sum()) > 0:
        return False
    floor, likelier = error_floor(sure, wrong, int(labels.max()) + 1)
    unknown = everywhere / (1 - float(labels.bincount().max()) / len(labels))
    enough = NOISE_LIKELIER if unknown > NOISE_TELLING else NOISE_LIKELY
    if floor >= NOISE_FLOOR and likelier >= enough:
        return True
    surest = sure.argsort(descending=True, stable=True)[: max(len(sure) // 3, 1)]
    even = float(wrong[surest].float().mean()) >= NOISE_EVEN * everywhere
    possible = floor >= NOISE_FLOOR and likelier >= NOISE_POSSIBLE and len(labels) >= NOISE_ENOUGH
    return even and (unknown <= NOISE_TELLING or (possible and unknown <= NOISE_TOLD))


def told(
    witness: str, x: Float[Tensor, "example input"], labels: Int[Tensor, " example"], classes: int
) -> tuple[Float[Tensor, " example"], Int[Tensor, " example"]]:
    """Of each example how far the others place it from where the classes meet, and in which class: it left out.

    Of a linear fit the two highest scores' distance. Of neighbours how much further the nearest of another class are
    than those of its own, of the examples that their own neighbours confirm.
    Source: Jiang et al., "To Trust Or Not To Trust A Classifier", 2018 (the second, as a ratio).
    """
    truth = F.one_hot(labels, classes).float()
    if witness == "linear":
        highest = ridge_left_out(x, truth).topk(2, dim=1)
        return highest.values[:, 0] - highest.values[:, 1], highest.indices[:, 0]
    count = max(min(max(NEIGHBOURS, int(len(x) ** 0.5)), len(x) // 8), 1)
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    said = truth[distances.topk(count, largest=False).indices].mean(1).argmax(1)
    nearest = torch.full((len(x), classes), torch.inf)
    for one in range(classes):
        confirmed = ((said == labels) & (labels == one)).nonzero().flatten()
        if len(confirmed) > CONFIRMED:
            nearest[:, one] = distances[:, confirmed].topk(CONFIRMED, largest=False).values[:, -1]
    own = nearest.gather(1, said[:, None])[:, 0]
    other = nearest.scatter(1, said[:, None], torch.inf).min(1).values
    return (other - own).nan_to_num(0.0, 0.0, 0.0).clamp(min=0), said


def error_floor(sure: Float[Tensor, " example"], wrong: Bool[Tensor, " example"], classes: int) -> tuple[float, float]:
    """The share of errors that stays however sure the others are, and twice the log of how much likelier it is than 0.

        P(wrong | s) = f + (1 - 2 f) 2 m / (1 + exp(a s)),    f, a, m at their likeliest (m: the share where s = 0)

    Classes that overlap err the less the further from where they meet, and not at all far out: f = 0. Wrong labels
    stand everywhere: f is their share. Known of the lapses of trained observers.
    Source: Wichmann & Hill, "The psychometric function", 2001.
    """
    s, is_wrong = (sure / sure.mean()).double(), wrong.double()
    steepness = torch.logspace(-1.5, 1.7, 40, dtype=torch.float64)
    meeting = torch.linspace(0.5, (classes - 1) / classes, 4 if classes > 2 else 1, dtype=torch.float64)
    overlap = 2 * meeting[:, None, None] * torch.sigmoid(-steepness[:, None] * s)  # share steepness example
    floors = [step / 50 for step in range(23)]
    likely = []
    for floor in floors:
        p = (floor + (1 - 2 * floor) * overlap).clamp(1e-6, 1 - 1e-6)
        likely.append(float((is_wrong * p.log() + (1 - is_wrong) * (1 - p).log()).sum(-1).max()))
    best = max(range(len(floors)), key=likely.__getitem__)
    return floors[best], 2 * (likely[best] - likely[0])


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
