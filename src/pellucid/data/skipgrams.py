"""Pairs of neighbouring words, as skip-gram learns them: drawn anew each epoch, the same for the same seed and epoch.

Frequent words are left out of the text by chance, which brings the others nearer to each other; and of each word the
neighbours up to a distance drawn for it are taken, so that near ones come more often.
"""

from dataclasses import dataclass
from functools import lru_cache
from random import Random

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.data.batching import Batches
from pellucid.data.noise import with_replaced

BETWEEN = -1  # stands between two texts, so that no pair reaches from one into the other
NOISE = 0.75  # power of the counts by which words are drawn as non-neighbours (Mikolov et al., 2013)


@dataclass(frozen=True, slots=True, eq=False)
class Thinned:
    """What is left of a text in one epoch, its edges filled up, and how far each word's neighbours reach."""

    words: Int[Tensor, " place"]
    reach: Int[Tensor, " place"]
    centres: Int[Tensor, " centre"]  # places that hold a word


class SkipGrams:
    """The pairs of a text.

    Leaving out: a word of frequency f stays with probability min(1, sqrt(t / f) + t / f).
    Source: Mikolov et al., "Distributed Representations of Words and Phrases", 2013, section 2.3, and its program.
    """

    def __init__(
        self, texts: list[list[int]], counts: Float[Tensor, " word"], window: int, threshold: float, seed: int
    ) -> None:
        parts = [torch.tensor([*text, *[BETWEEN] * window], dtype=torch.int32) for text in texts]
        self.words = torch.cat([torch.full((window,), BETWEEN, dtype=torch.int32), *parts])
        self.window, self.seed = window, seed
        frequency = counts.double() / counts.sum()
        ratio = threshold / frequency.clamp(min=1e-12)
        self.stays = (ratio.sqrt() + ratio).clamp(max=1.0)
        self.thinned = lru_cache(maxsize=2)(self._thinned)

    def epoch(self, number: int, batch: int) -> Batches:
        """Batches of centre words. An example's number holds the epoch and the place: `epoch * length + place`."""
        thinned = self.thinned(number)
        order = thinned.centres[torch.randperm(len(thinned.centres), generator=self._draw(number, "order"))]
        starts = torch.arange(0, len(order), batch)
        sizes = (starts + batch).clamp(max=len(order)) - starts
        return Batches(order.long() + number * len(self.words), starts, sizes)

    def pairs(
        self, examples: Int[Tensor, " centre"], replaced: float = 0.0
    ) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
        """The words and their neighbours, all those of one centre after each other.

        A share `replaced` of the centres is read as another word of the text, drawn as often as it stands there.
        """
        thinned = self.thinned(int(examples[0]) // len(self.words))
        places = examples % len(self.words)
        offsets = torch.tensor([o for o in range(-self.window, self.window + 1) if o])
        near = thinned.words[places[:, None] + offsets]  # centre offset
        taken = (near != BETWEEN) & (offsets.abs() <= thinned.reach[places][:, None])
        words = thinned.words[places][:, None]  # centre 1
        if replaced:
            words = with_replaced(words, replaced, self.seed, examples.long(), self.words, (BETWEEN,))
        centre = words.expand_as(near)
        return centre[taken].long(), near[taken].long()

    def place(self, example: int) -> tuple[int, int]:
        """The text that a centre word stands in, and the number of the word in it."""
        number, place = divmod(example, len(self.words))
        at = int(self._kept(self._draw(number, "kept")).nonzero()[place])
        before = (self.words[:at] == BETWEEN).nonzero().squeeze(1)
        return (len(before) - self.window) // self.window, at - 1 - int(before[-1])

    def _thinned(self, number: int) -> Thinned:
        draw = self._draw(number, "kept")
        words = self.words[self._kept(draw)]
        reach = torch.randint(1, self.window + 1, (len(words),), generator=draw, dtype=torch.int32)
        lonely = _has_no_neighbour(words)
        return Thinned(words, reach, ((words != BETWEEN) & ~lonely).nonzero().squeeze(1).int())

    def _kept(self, draw: torch.Generator) -> Tensor:
        """Which places are left when frequent words are left out by chance."""
        chance = torch.rand(len(self.words), generator=draw, dtype=torch.float64)
        return (self.words == BETWEEN) | (chance < self.stays[self.words.clamp(min=0).long()])

    def _draw(self, number: int, what: str) -> torch.Generator:
        return torch.Generator().manual_seed(Random(f"{self.seed} {number} {what}").getrandbits(63))


def noise(counts: Float[Tensor, " word"], size: int = 1 << 20) -> Int[Tensor, " drawn"]:
    """A table in which each word stands as often as it is to be drawn as a non-neighbour: count^0.75."""
    share = counts.double().pow(NOISE)
    edges = (share.cumsum(0) / share.sum() * size).round().long()
    return torch.repeat_interleave(torch.arange(len(counts)), edges.diff(prepend=torch.zeros(1, dtype=torch.int64)))


def _has_no_neighbour(words: Tensor) -> Tensor:
    """Whether neither the word before nor the one after is one: such a place makes no pair, whatever it reaches."""
    before, after = words.roll(1), words.roll(-1)
    return (before == BETWEEN) & (after == BETWEEN)
