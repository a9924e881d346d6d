"""What can be said of the held-out examples without any network: neighbours, a linear fit, counts of tokens.

A network that does worse than these has not learned what is there to be learned; where these find nothing either,
inputs and targets may not belong together. All are fitted to the training sample alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from pellucid.tasks.task import Sample

NEIGHBOURS = 10
RIDGE = 1e-2  # of the mean diagonal of X^T X, added to it
LEAST = 0.01  # probability that a reference gives a class at least, so that it is not infinitely wrong
ROUNDS = 4  # of expectation and maximization
BACK_OFF = 0.2  # share of the unigram in what counts of two tokens say
MOST_WIDE = 1024  # inputs that the linear fit is made of; more are averaged together


@dataclass(frozen=True)
class Reference:
    """What a method without training loses on each held-out example, summed over its items."""

    name: str  # neighbours, linear, bigram or pairs
    losses: Float[Tensor, " example"]
    swapped: Float[Tensor, " example"] | None = None  # with the inputs of another example
    others: Float[Tensor, " example"] | None = None  # the mean with those of all others


def reference(train: Sample, held_out: Sample, uninformed: Tensor, classes: int | None) -> Reference | None:
    """The best of the methods that suit such examples; None where there is none."""
    if train.inputs.is_floating_point():
        return dense(train, held_out, classes)
    if train.inputs.dim() != 2 or train.targets.dim() != 2:
        return None
    if torch.equal(train.inputs[:, 1:], train.targets[:, :-1]):
        return bigram(train, held_out)
    return word_pairs(train, held_out)


def dense(train: Sample, held_out: Sample, classes: int | None) -> Reference:
    """Neighbours or a linear fit, whichever is better where each training example is left out once."""
    x, asked = flat(train.inputs), flat(held_out.inputs)
    if classes:
        name, _ = best_guess(x, train.targets, classes)
        costs = -class_guess(name, x, train.targets, asked, classes).log()[:, held_out.targets]  # inputs of, target of
        return Reference(name, costs.diagonal().clone(), others=of_others(costs))
    y = train.targets[:, None].float()
    near, straight = neighbours_mean(x, y, x, without_self=True), ridge_left_out(x, y)
    name = "neighbours" if float((near - y).square().mean()) < float((straight - y).square().mean()) else "linear"
    found = neighbours_mean(x, y, asked) if name == "neighbours" else ridge(x, y, asked)
    squares = (found - held_out.targets).square()  # inputs of, target of
    return Reference(name, squares.diagonal().clone(), others=of_others(squares))


def of_others(costs: Float[Tensor, "asked told"]) -> Float[Tensor, " told"] | None:
    """Of each example the mean loss with the inputs of all the others: what is sure and wrong costs alike in both."""
    count = len(costs)
    return (costs.sum(0) - costs.diagonal()) / (count - 1) if count > 1 else None


def flat(inputs: Tensor) -> Float[Tensor, "example input"]:
    """Rows, or images as rows; of very many pixels the means of small squares."""
    if inputs.dim() == 4:
        while inputs[0].numel() > MOST_WIDE and min(inputs.shape[2:]) > 2:
            inputs = F.avg_pool2d(inputs, 2, ceil_mode=True)
    return inputs.flatten(1).float()


def left_out_guesses(x: Tensor, labels: Tensor, classes: int) -> dict[str, Float[Tensor, "example class_"]]:
    """The probabilities of each training example's classes by all others."""
    truth = F.one_hot(labels, classes).float()
    return {
        "neighbours": as_probabilities(neighbours_mean(x, truth, x, without_self=True)),
        "linear": as_probabilities(ridge_left_out(x, truth)),
    }


def best_guess(x: Tensor, labels: Tensor, classes: int) -> tuple[str, Float[Tensor, "example class_"]]:
    """Neighbours or a linear fit: the one that is right more often of those it has not seen, and what it says."""
    guesses = left_out_guesses(x, labels, classes)
    right = {name: float((guess.argmax(1) == labels).float().mean()) for name, guess in guesses.items()}
    name = max(right, key=right.__getitem__)
    return name, guesses[name]


def class_guess(name: str, x: Tensor, labels: Tensor, asked: Tensor, classes: int) -> Tensor:
    truth = F.one_hot(labels, classes).float()
    return as_probabilities(neighbours_mean(x, truth, asked) if name == "neighbours" else ridge(x, truth, asked))


def as_probabilities(scores: Tensor) -> Tensor:
    kept = scores.clamp(LEAST, 1)
    return kept / kept.sum(1, keepdim=True)


def neighbours_mean(x: Tensor, y: Tensor, asked: Tensor, without_self: bool = False) -> Tensor:
    """The mean of the nearest examples' targets (Fix & Hodges, 1951)."""
    distances = torch.cdist(asked, x)
    if without_self:
        distances.fill_diagonal_(torch.inf)
    count = max(min(NEIGHBOURS, len(x) // 8), 1)
    return y[distances.topk(count, largest=False).indices].mean(1)


def neighbours_median(x: Tensor, y: Tensor) -> Tensor:
    """The median of the nearest other examples' targets, which one of them that is far out does not move."""
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    count = max(min(NEIGHBOURS, len(x) // 8), 1)
    return y[distances.topk(count, largest=False).indices].median(1).values


def ridge(x: Tensor, y: Tensor, asked: Tensor) -> Tensor:
    """y = [x 1] w with  (X^T X + r I) w = X^T y  (Hoerl & Kennard, 1970)."""
    wide, lifted = widened(x), regularized(widened(x))
    weights: Tensor = torch.linalg.solve(lifted, wide.mT @ y.double())
    return (widened(asked) @ weights).float()


def ridge_left_out(x: Tensor, y: Tensor) -> Tensor:
    """What the fit to all other examples says of each: y_i - e_i / (1 - h_i), h the diagonal of the hat matrix."""
    wide = widened(x)
    solved: Tensor = torch.linalg.solve(regularized(wide), wide.mT)
    leverage = (wide * solved.mT).sum(1, keepdim=True).clamp(max=0.999)
    errors = y.double() - wide @ (solved @ y.double())
    return (y - errors / (1 - leverage)).float()


def widened(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(len(x), 1)], dim=1).double()


def regularized(wide: Tensor) -> Tensor:
    gram = wide.mT @ wide
    return gram + RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)


def bigram(train: Sample, held_out: Sample) -> Reference:
    """How often a token followed the one before it, mixed with how often it comes."""
    vocabulary = 1 + int(max(one.max() for one in (train.inputs, train.targets, held_out.inputs, held_out.targets)))
    keys, counts = (train.inputs * vocabulary + train.targets).flatten().unique(return_counts=True)  # type: ignore[no-untyped-call]
    alone = train.targets.flatten().bincount(minlength=vocabulary) + 1.0
    before = train.inputs.flatten().bincount(minlength=vocabulary).float()
    kinds = (keys // vocabulary).bincount(minlength=vocabulary).float()

    def nats(inputs: Tensor, targets: Tensor) -> Tensor:
        asked = inputs * vocabulary + targets
        place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
        times = torch.where(keys[place] == asked, counts[place], 0).float()
        share = (alone / alone.sum())[targets]
        # Witten & Bell, 1991, as in tasks/language_baselines.py
        mixed = (times + kinds[inputs] * share) / (before[inputs] + kinds[inputs]).clamp(min=1)
        return -torch.where(before[inputs] > 0, mixed, share).log().sum(1)

    other = held_out.inputs[others(len(held_out))]
    return Reference("bigram", nats(held_out.inputs, held_out.targets), nats(other, held_out.targets))


def word_pairs(train: Sample, held_out: Sample) -> Reference:
    """Which target token stands beside which source token: the first model of Brown et al., 1993.

        p(target) = prod_w mean_s t(w | s),    t found by expectation and maximization

    A token that fills up (0) counts on neither side; what begins a target is not asked for.
    """
    sources, read = numbered(train.inputs, held_out.inputs)
    targets, asked = numbered(train.targets[:, 1:], held_out.targets[:, 1:])
    counts = targets[: len(train)][asked[: len(train)]].bincount(minlength=int(targets.max()) + 1) + 1.0
    share = counts / counts.sum()
    table = torch.full((int(sources.max()) + 1, len(share)), 1.0 / len(share))
    rows = [(sources[n][read[n]], targets[n][asked[n]]) for n in range(len(sources))]
    for _ in range(ROUNDS):
        seen = torch.full_like(table, LEAST / len(share))
        for source, target in rows[: len(train)]:
            beside = table[source[:, None], target]  # source target
            seen.index_put_((source[:, None], target), beside / beside.sum(0, keepdim=True), accumulate=True)
        table = seen / seen.sum(1, keepdim=True)

    def nats(source: Tensor, target: Tensor) -> Tensor:
        likely = table[source[:, None], target].mean(0)
        return -((1 - BACK_OFF) * likely + BACK_OFF * share[target]).log().sum()

    held = rows[len(train) :]
    swapped = [nats(held[other][0], held[own][1]) for own, other in enumerate(others(len(held)).tolist())]
    return Reference("pairs", torch.stack([nats(*row) for row in held]), torch.stack(swapped))


def numbered(train: Int[Tensor, "example time"], held_out: Int[Tensor, "other position"]) -> tuple[Tensor, Tensor]:
    """Both under each other, tokens numbered by those that there are; and where there is one."""
    width = max(train.size(1), held_out.size(1))
    both = torch.cat([F.pad(one, (0, width - one.size(1))) for one in (train, held_out)])
    _, numbers = both.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    return numbers, both != 0


def others(count: int) -> Int[Tensor, " example"]:
    """An order in which no example is its own: a step around a shuffled circle."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    found = torch.empty_like(order)
    found[order] = order.roll(1)
    return found


def told_from(train: Sample, held_out: Sample, farthest: int) -> tuple[list[float], float]:
    """What the token so many steps back (0: the one before) tells of the next by itself, in nats of a held-out token.

        I_k = mean of  -log p(y)  -  -log p(y | x_{t-k})    counted on the training sample, mixed as in `bigram`

    Beside it -log p(y), what there is to tell. Nothing told is 0; counts of few examples may tell less than nothing.
    """
    vocabulary = 1 + int(max(one.max() for one in (train.inputs, train.targets, held_out.inputs, held_out.targets)))
    alone = train.targets.flatten().bincount(minlength=vocabulary) + 1.0
    share = alone / alone.sum()
    found, guess = [], float(-share[held_out.targets].log().mean())
    for back in range(farthest):
        length = train.inputs.size(1) - back
        if length < 1:
            break
        known = train.inputs[:, :length] * vocabulary + train.targets[:, back:]
        keys, counts = known.flatten().unique(return_counts=True)  # type: ignore[no-untyped-call]
        before = train.inputs[:, :length].flatten().bincount(minlength=vocabulary).float()
        kinds = (keys // vocabulary).bincount(minlength=vocabulary).float()
        length = held_out.inputs.size(1) - back
        inputs, targets = held_out.inputs[:, :length], held_out.targets[:, back:]
        asked = inputs * vocabulary + targets
        place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
        times = torch.where(keys[place] == asked, counts[place], 0).float()
        mixed = (times + kinds[inputs] * share[targets]) / (before[inputs] + kinds[inputs]).clamp(min=1)
        likely = torch.where(before[inputs] > 0, mixed, share[targets])
        found.append(float((likely.log() - share[targets].log()).mean()))
    return found, guess
