"""The translation memory: what a translator's tool would offer without any network, our honest baseline.

For a sentence, the nearest source among the training pairs, and its translation.
"""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

from pellucid.data.pairs import Pair

WORD = re.compile(r"\w+|[^\w\s]")
SHORTLIST = 12  # candidates by shared words that are then compared letter by letter
COMMON = 2000  # a word in more sources than this tells nothing about nearness unless all words are like that


class TranslationMemory:
    """Finds the training pair whose source is nearest: by shared rare words first, then by matching letters."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self._words = [Counter(_words(pair.source)) for pair in pairs]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for word in words:
                self._holders[word].append(number)

    def nearest(self, source: str) -> tuple[Pair, float] | None:
        """The nearest pair and its similarity (1: the same letters), or None if no word is shared."""
        overlap: dict[int, float] = defaultdict(float)
        rare_first = sorted(set(_words(source)), key=lambda word: len(self._holders.get(word, ())))
        for word in rare_first:
            holders = self._holders.get(word, ())
            if len(holders) > COMMON and overlap:
                break
            weight = log(1 + len(self.pairs) / (1 + len(holders)))
            for number in holders:
                overlap[number] += weight
        shortlist = sorted(overlap, key=lambda n: (-overlap[n] / (3 + self._words[n].total()), n))[:SHORTLIST]
        if not shortlist:
            return None
        matcher = difflib.SequenceMatcher(b=source.lower(), autojunk=False)
        best, similarity = shortlist[0], -1.0
        for number in shortlist:
            matcher.set_seq1(self.pairs[number].source.lower())
            ratio = matcher.ratio()
            if ratio > similarity:
                best, similarity = number, ratio
        return self.pairs[best], similarity


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
