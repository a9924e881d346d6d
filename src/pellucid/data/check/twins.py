"""Held-out sentences met again in training data, the same or nearly: scores on them would be a lie.

Nearly means what it means to the split of a training (data/splits.py): words that overlap by 0.6 or more.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from pellucid.data.pairs import Pair
from pellucid.data.splits import words_of

OVERLAP = 0.6


class HeldOut:
    """The sources of held-out pairs, found by their rarest words; it is they that are in memory, not what is checked.

    Of two sets of words that overlap by t or more, the first n - ceil(t n) + 1 of either, rarest first, hold a common
    one (Bayardo et al., 2007): only those are compared.
    """

    def __init__(self, pairs: Iterable[Pair], overlap: float = OVERLAP) -> None:
        self.overlap = overlap
        self.exact: dict[str, str] = {}
        sets: dict[frozenset[str], tuple[str, str]] = {}
        self.count = 0
        for pair in pairs:
            self.count += 1
            source = pair.source.strip()
            self.exact.setdefault(source, pair.origin)
            sets.setdefault(words_of(source), (source, pair.origin))
        self.frequency = Counter(word for words in sets for word in words)
        self.sets = list(sets.items())
        self.holders: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(sets):
            for word in self._rarest(words):
                self.holders[word].append(number)

    def found(self, source: str) -> tuple[str, str, str] | None:
        """The kind of fault, the held-out source and its place; None for a sentence that is not held out."""
        source = source.strip()
        where = self.exact.get(source)
        if where is not None:
            return "held-out-leak", source, where
        words = words_of(source)
        size = len(words)
        for word in self._rarest(words):
            for number in self.holders.get(word, ()):
                other, (text, place) = self.sets[number]
                shared = len(words & other)
                if shared >= self.overlap * (size + len(other) - shared):
                    return "near-held-out", text, place
        return None

    def _rarest(self, words: frozenset[str]) -> list[str]:
        size = len(words)
        if size == 1:
            return list(words)
        ranked = sorted(words, key=lambda word: (self.frequency.get(word, 0), word))
        return ranked[: size - math.ceil(self.overlap * size) + 1]
