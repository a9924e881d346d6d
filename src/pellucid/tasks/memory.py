"""The translation memory: what a translator's tool would offer without any network, our honest baseline.

For a sentence, the nearest source among the training pairs, and its translation; or all translations of the very same
source.
"""

import difflib
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from math import log

from pellucid.data.filters import normalized
from pellucid.data.pairs import Pair

WORD = re.compile(r"\w+|[^\w\s]")
SHORTLIST = 12  # candidates by shared words that are then compared letter by letter
COMMON = 2000  # a word in more sources than this tells nothing about nearness unless all words are like that


class TranslationMemory:
    """Finds the training pair whose source is nearest: by shared rare words first, then by matching letters."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self._sizes: list[int] = []  # in words
        self._holders: dict[str, list[int]] = defaultdict(list)
        for number, pair in enumerate(pairs):
            words = _words(pair.source)
            self._sizes.append(len(words))
            for word in dict.fromkeys(words):
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
        shortlist = heapq.nsmallest(SHORTLIST, overlap, key=lambda n: (-overlap[n] / (3 + self._sizes[n]), n))
        if not shortlist:
            return None
        matcher = difflib.SequenceMatcher(b=source.lower(), autojunk=False)
        best, similarity = shortlist[0], -1.0
        for number in shortlist:
            matcher.set_seq1(self.pairs[number].source.lower())
            # Both are bounds from above and cost little beside the ratio itself: most candidates need no more.
            if matcher.real_quick_ratio() <= similarity or matcher.quick_ratio() <= similarity:
                continue
            ratio = matcher.ratio()
            if ratio > similarity:
                best, similarity = number, ratio
        return self.pairs[best], similarity


def known_translations(
    trained: Iterable[Pair], read: Iterable[Pair], sources: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """For each of `sources` that training pairs hold letter for letter, its translations, the most frequent first.

    `trained` holds each pair once; how often each was there is counted in `read`. Only what is asked for is kept, so
    that millions of pairs need no more memory than the sources do.
    """
    wanted = frozenset(sources)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in trained:
        if pair.source in wanted:
            found[pair.source][pair.target] += 0
    if found:
        for pair in map(normalized, read):
            known = found.get(pair.source)
            if known is not None and pair.target in known:
                known[pair.target] += 1
    return {source: tuple(text for text, _ in known.most_common()) for source, known in found.items()}


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
