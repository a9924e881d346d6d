"""Splits: what is trained on, what development looks at, what the test is scored on.

In translation memories four of ten random held-out sentences have a near-twin in training, which makes scores a lie.
So sentences whose words overlap are first put into one cluster, and a cluster goes to one side as a whole. The side
depends on a hash of the cluster, not on its place in the file: shuffling or reading again changes nothing.
Stands between the cleaned pairs and the tokens.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.data.pairs import Example, Pair

WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7a3\u3040-\u30ff]|[^\W\d_]+|\d+")
MOST_HELD_OUT = 0.1  # of the sources, for each of the two held-out sides
LARGEST_HELD_OUT = 4  # a cluster larger than held_out / 4 would fill a side; it stays in training whole


@dataclass(frozen=True, slots=True)
class Splits:
    """The three sides. In training every translation is a pair; held out, a source stands with all its translations."""

    train: list[Pair]
    dev: list[Example]
    test: list[Example]
    clusters: int
    largest_cluster: int


def split(pairs: Sequence[Pair], held_out: int, overlap: float = 0.6) -> Splits:
    """At most `held_out` sources for dev and for test, none of which has a twin (`overlap` or more) on another side."""
    translations: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        translations[pair.source].append(pair)
    sources = sorted(translations)
    clusters: dict[int, list[str]] = defaultdict(list)
    for source, number in zip(sources, cluster(sources, overlap), strict=True):
        clusters[number].append(source)
    wanted = min(held_out, int(len(sources) * MOST_HELD_OUT))
    # Clusters in the order of their hashes: dev is filled from the low end, test from the high end.
    order = sorted(clusters.values(), key=lambda members: _hash(members[0]))
    small = [members for members in order if len(members) <= max(wanted // LARGEST_HELD_OUT, 1)]
    dev = _filled(small, wanted)
    test = _filled(small[len(dev) :][::-1], wanted)
    held = {source for members in (*dev, *test) for source in members}
    return Splits(
        train=[pair for pair in pairs if pair.source not in held],
        dev=_examples(dev, translations),
        test=_examples(test, translations),
        clusters=len(clusters),
        largest_cluster=max(map(len, clusters.values()), default=0),
    )


def cluster(sources: Sequence[str], overlap: float = 0.6) -> list[int]:
    """The number of each source's cluster: two sources are in one if they, or a chain between them, share words.

        overlap(a, b) = |words(a) and words(b)| / |words(a) or words(b)|    (Jaccard, 1912)

    Exact. Only sources that share one of their rarest words are compared: of two sets that overlap by t or more, the
    first n - ceil(t n) + 1 of either's words, rarest first, hold a common one (Bayardo et al., 2007, prefix filter).
    """
    words = [words_of(source) for source in sources]
    # Identical sets need one comparison, not one a member.
    groups: dict[frozenset[str], int] = {}
    parent = list(range(len(sources)))
    for number, found in enumerate(words):
        parent[number] = groups.setdefault(found, number)
    distinct = sorted(groups.values(), key=lambda number: len(words[number]))
    frequency = Counter(word for number in distinct for word in words[number])
    holders: dict[str, list[int]] = defaultdict(list)
    for number in distinct:
        own = words[number]
        size = len(own)
        rarest = sorted(own, key=lambda word: (frequency[word], word))[: size - math.ceil(overlap * size) + 1]
        candidates = {other for word in rarest for other in holders[word]}
        for other in candidates:
            length = len(words[other])
            if length < overlap * size or _root(parent, other) == _root(parent, number):
                continue
            shared = len(own & words[other])
            if shared >= overlap * (size + length - shared):
                parent[_root(parent, number)] = _root(parent, other)
        for word in rarest:
            holders[word].append(number)
    return [_root(parent, number) for number in range(len(sources))]


def words_of(text: str) -> frozenset[str]:
    """Its words in lower case, all numbers alike; of a text without words, the text itself."""
    found = ("0" if word[0].isdigit() else word for word in WORD.findall(text.lower()))
    return frozenset(found) or frozenset((text,))


def _root(parent: list[int], number: int) -> int:
    """The representative of a cluster; the way to it is shortened as it is walked."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def _filled(clusters: Sequence[list[str]], wanted: int) -> list[list[str]]:
    """The first clusters that together hold at most `wanted` sources."""
    chosen: list[list[str]] = []
    for members in clusters:
        wanted -= len(members)
        if wanted < 0:
            break
        chosen.append(members)
    return chosen


def _examples(clusters: Sequence[list[str]], translations: dict[str, list[Pair]]) -> list[Example]:
    return [
        Example(source, tuple(pair.target for pair in translations[source]), translations[source][0].origin)
        for members in clusters
        for source in members
    ]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
