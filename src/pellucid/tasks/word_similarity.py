"""Which words belong together, told by the text itself: words of one scene. The list that word vectors are judged by.

    PMI(a, b) = log( scenes with both x scenes / (scenes with a x scenes with b) )

Related pairs are those with the highest PMI; each is set against a pair of the first word and another word of about
the same frequency, drawn at random. The score is how often the related pair is the nearer one: 0.5 is chance.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

FUNCTION_WORDS = 60  # the most frequent ones, which stand in every scene
FEWEST_SCENES = 6  # in which a word must stand, and half as many in which a pair must
WORDS = 3_000  # looked at, at most
PAIRS = 2_000
RELATED = math.log(1.5)  # at least half as often again as chance has it
BAND = 50  # ranks to each side from which the other word is drawn


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs of words that share scenes, the other word each is set against, and their PMI. Shapes: (pair)."""

    first: Int[Tensor, " pair"]
    second: Int[Tensor, " pair"]
    other: Int[Tensor, " pair"]
    pmi: Float[Tensor, " pair"]


def judged_pairs(scenes: Sequence[Sequence[int]], words: int, seed: int = 1) -> Judged:
    """The list, from the numbers of the words of each scene; numbers go from the most frequent word down."""
    low, high = min(FUNCTION_WORDS, words // 10), min(words, WORDS + FUNCTION_WORDS)
    stands = torch.zeros(max(len(scenes), 1), high - low)
    for row, scene in enumerate(scenes):
        chosen = torch.tensor(sorted(set(scene)), dtype=torch.int64)
        stands[row, chosen[(chosen >= low) & (chosen < high)] - low] = 1
    often = stands.sum(0)
    both = stands.mT @ stands
    usable = (often >= FEWEST_SCENES)[:, None] & (often >= FEWEST_SCENES) & (both >= FEWEST_SCENES // 2)
    pmi = (both * len(scenes) / (often[:, None] * often).clamp(min=1)).log()
    pmi = torch.where(usable.triu(1), pmi, -torch.inf)
    count = min(PAIRS, int((pmi >= RELATED).sum()))
    best = pmi.flatten().topk(count)
    first, second = best.indices // (high - low), best.indices % (high - low)
    draw = random.Random(seed)
    others = [_other(int(a), int(b), pmi, often, draw) for a, b in zip(first, second, strict=True)]
    return Judged(first + low, second + low, torch.tensor(others, dtype=torch.int64) + low, best.values)


def _other(first: int, second: int, pmi: Tensor, often: Tensor, draw: random.Random) -> int:
    """A word about as frequent as the second that is not related to the first."""
    low, high = max(second - BAND, 0), min(second + BAND, len(often) - 1)
    for _ in range(100):
        other = draw.randint(low, high)
        related = float(pmi[min(first, other), max(first, other)]) > 0
        if other not in (first, second) and not related:
            return other
    return low if low not in (first, second) else high


def share_right(judged: Judged, nearness: Callable[[Tensor, Tensor], Tensor]) -> float:
    """How often the related pair is nearer than the other; a tie counts half."""
    if not len(judged.first):
        return 0.5
    related, other = nearness(judged.first, judged.second), nearness(judged.first, judged.other)
    return float((related > other).float().mean() + 0.5 * (related == other).float().mean())


def cosine_in(table: Float[Tensor, "word dimension"]) -> Callable[[Tensor, Tensor], Tensor]:
    """The nearness of two words by the angle of their vectors."""
    return lambda a, b: F.cosine_similarity(table[a], table[b], dim=-1)
