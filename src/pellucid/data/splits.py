"""Splits: what is trained on, what development looks at, what the test is scored on.

In translation memories four of ten random held-out sentences have a near-twin in training, which makes scores a lie.
So sentences whose words overlap are first put into one cluster, and a cluster goes to one side as a whole. The side
depends on a hash of the cluster, not on its place in the file: shuffling or reading again changes nothing.
Stands between the cleaned pairs and the tokens.
"""

import hashlib
import heapq
import math
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pellucid.data.pairs import Example, Pair
from pellucid.data.seen import Seen
from pellucid.data.store import ChosenPairs

WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7a3\u3040-\u30ff]|[^\W\d_]+|\d+")
MOST_HELD_OUT = 0.1  # of the sources, for each of the two held-out sides
ROUNDING = 1e-9  # of a product of two numbers that may be whole
MANY = 64  # sets from which on a tensor compares faster than one by one
LARGEST_HELD_OUT = 4  # a cluster larger than held_out / 4 would fill a side; it stays in training whole


@dataclass(frozen=True, slots=True)
class Splits:
    """The three sides. In training every translation is a pair; held out, a source stands with all its translations."""

    train: Sequence[Pair]
    dev: list[Example]
    test: list[Example]
    clusters: int
    largest_cluster: int


def split(pairs: Sequence[Pair], held_out: int, overlap: float = 0.6) -> Splits:
    """At most `held_out` sources for dev and for test, none of which has a twin (`overlap` or more) on another side."""
    sources, of_pair = _distinct_sources(pairs)
    clusters = cluster(sources, overlap)
    sizes = Counter(clusters)
    wanted = min(held_out, int(len(sources) * MOST_HELD_OUT))
    most = max(wanted // LARGEST_HELD_OUT, 1)
    # Clusters in the order of their hashes: dev is filled from the low end, test from the high end.
    small = _Small(sources, clusters, sizes, most)
    dev = _filled(heapq.nsmallest(wanted + 1, small), wanted)
    taken = {order for order, _ in dev}
    test = _filled([one for one in heapq.nlargest(wanted + 1, small) if one[0] not in taken], wanted)
    members = {number for _, numbers in (*dev, *test) for number in numbers}
    train = array("I", (number for number, source in enumerate(of_pair) if source not in members))
    held: dict[int, list[Pair]] = {number: [] for number in members}
    for number, source in enumerate(of_pair):
        if source in members:
            held[source].append(pairs[number])
    return Splits(
        train=ChosenPairs(pairs, train),
        dev=_examples(dev, held),
        test=_examples(test, held),
        clusters=len(sizes),
        largest_cluster=max(sizes.values(), default=0),
    )


Cluster = tuple[tuple[bytes, str], list[int]]  # its place in the order, and its members, sorted by their texts


class _Sources(Sequence[str]):
    """Different sources of pairs, each by the number of the first pair that has it."""

    def __init__(self, pairs: Sequence[Pair], numbers: "array[int]") -> None:
        self._pairs, self._numbers = pairs, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: Any) -> Any:
        return self._pairs[self._numbers[number]].source


def _distinct_sources(pairs: Sequence[Pair]) -> tuple[Sequence[str], "array[int]"]:
    """The sources, each once, and which of them each pair has."""
    firsts, of_pair = array("I"), array("I")
    seen = Seen()
    alike: dict[str, int] = {}  # sources that have the hash of another
    for number, pair in enumerate(pairs):
        new = len(firsts)
        known = seen.first(hash(pair.source), new)
        if known is None:
            firsts.append(number)
            of_pair.append(new)
        elif pairs[firsts[known[0]]].source == pair.source:
            of_pair.append(known[0])
        else:
            if pair.source not in alike:
                alike[pair.source] = new
                firsts.append(number)
            of_pair.append(alike[pair.source])
    return _Sources(pairs, firsts), of_pair


@dataclass(frozen=True, slots=True)
class _Small:
    """The clusters of at most `most` sources, one after another."""

    sources: Sequence[str]
    clusters: "array[int]"
    sizes: Counter[int]
    most: int

    def __iter__(self) -> Iterator[Cluster]:
        several: dict[int, list[int]] = defaultdict(list)
        for number, root in enumerate(self.clusters):
            size = self.sizes[root]
            if size == 1:
                text = self.sources[number]
                yield (_hash(text), text), [number]
            elif size <= self.most:
                several[root].append(number)
        for members in several.values():
            members.sort(key=self.sources.__getitem__)
            text = self.sources[members[0]]
            yield (_hash(text), text), members


def cluster(sources: Sequence[str], overlap: float = 0.6) -> "array[int]":
    """The number of each source's cluster: two sources are in one if they, or a chain between them, share words.

        overlap(a, b) = |words(a) and words(b)| / |words(a) or words(b)|    (Jaccard, 1912)

    Exact. Only sources that share one of their rarest words are compared: of two sets that overlap by t or more, the
    first n - ceil(t n) + 1 of the longer one's words, rarest first, and the first n - ceil(2 t n / (1 + t)) + 1 of the
    shorter one's, hold a common one (prefix filter: Bayardo et al., 2007; Xiao et al., 2008).
    Words are numbers, packed end to end, since sets of strings would take a kilobyte a source.
    """
    found, parent = _word_sets(sources)
    sets = _Arranged(found)
    holders: dict[int, array[int]] = defaultdict(lambda: array("q"))  # of a word, the shortest sets first
    for place, number in enumerate(sets.numbers):
        own, size = sets[place], sets.sizes[place]
        shortest = bisect_left(sets.sizes, overlap * size)
        near = array("q")
        for position, word in enumerate(own[: _prefix(size, overlap)]):
            # If this is the first common word, at most those from here on are shared.
            longest = math.floor((size - position) * (1 + 1 / overlap) + ROUNDING) - size
            known = holders.get(word)
            if known is not None and longest > 0:
                near += known[bisect_left(known, shortest) : bisect_left(known, bisect_right(sets.sizes, longest))]
        for other, shared in zip(near, sets.shared(own, near), strict=True):
            if shared >= overlap * (size + sets.sizes[other] - shared):
                parent[_root(parent, number)] = _root(parent, sets.numbers[other])
        for word in own[: _prefix(size, 2 * overlap / (1 + overlap))]:
            holders[word].append(place)
    return array("I", (_root(parent, number) for number in range(len(sources))))


def _prefix(size: int, share: float) -> int:
    """Of so many words: how many, rarest first, hold one of any `share` of them."""
    return size - math.ceil(share * size - ROUNDING) + 1


class _Arranged:
    """Sets of words, the shortest first, the rarest word of each first; words are numbered from the rarest on."""

    def __init__(self, sets: "_WordSets") -> None:
        sizes = torch.tensor(sets.starts).diff()
        words = torch.tensor(sets.words, dtype=torch.int64)
        rank = words.bincount().argsort(stable=True).argsort()
        order = sizes.argsort(stable=True)
        ranked = rank[words]
        by_rank = ranked.argsort(stable=True)
        by_place = order.argsort().repeat_interleave(sizes)[by_rank].argsort(stable=True)
        self._words, self._sizes = ranked[by_rank][by_place].int(), sizes[order]
        self._starts = torch.cat([torch.zeros(1, dtype=torch.int64), self._sizes.cumsum(0)])
        self._marked = torch.zeros(len(rank), dtype=torch.bool)
        self.words, self.starts = array("i", self._words.numpy()), array("q", self._starts.numpy())
        self.sizes = array("q", self._sizes.numpy())
        self.numbers = array("q", torch.tensor(sets.numbers)[order].numpy())  # of the source each was first seen in

    def __getitem__(self, place: int) -> "array[int]":
        return self.words[self.starts[place] : self.starts[place + 1]]

    def shared(self, own: "array[int]", places: "array[int]") -> Iterable[int]:
        """How many words of each of these sets are in `own`."""
        if len(places) < MANY:
            words = set(own)
            return (len(words.intersection(self[place])) for place in places)
        chosen = torch.frombuffer(places, dtype=torch.int64)
        sizes = self._sizes[chosen]
        ends = sizes.cumsum(0)
        cells = (self._starts[chosen] - ends + sizes).repeat_interleave(sizes) + torch.arange(int(ends[-1]))
        marked = torch.tensor(own)
        self._marked[marked] = True
        found = self._marked[self._words[cells]].cumsum(0)[ends - 1]
        self._marked[marked] = False
        return found.diff(prepend=torch.zeros(1, dtype=torch.int64)).tolist()


class _WordSets:
    """Different sets of words: each word a number, each set a stretch of one array."""

    def __init__(self) -> None:
        self.words, self.starts = array("I"), array("Q", [0])
        self.numbers = array("I")  # of the source that each set was first seen in

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> "array[int]":
        return self.words[self.starts[place] : self.starts[place + 1]]

    def size(self, place: int) -> int:
        return self.starts[place + 1] - self.starts[place]

    def add(self, number: int, words: "array[int]") -> None:
        self.numbers.append(number)
        self.words.extend(words)
        self.starts.append(len(self.words))


def _word_sets(sources: Sequence[str]) -> tuple[_WordSets, "array[int]"]:
    """The sets, each once, and for each source the first one with the same: these need no comparison."""
    sets, parent = _WordSets(), array("I")
    vocabulary: dict[str, int] = {}
    seen = Seen()
    alike: dict[bytes, int] = {}  # sets that have the hash of another
    for number, source in enumerate(sources):
        words = array("I", sorted(vocabulary.setdefault(word, len(vocabulary)) for word in words_of(source)))
        known = seen.first(hash(words.tobytes()), len(sets))
        if known is not None and sets[known[0]] == words:
            parent.append(sets.numbers[known[0]])
            continue
        if known is not None:
            first = alike.setdefault(words.tobytes(), number)
            if first != number:
                parent.append(first)
                continue
        parent.append(number)
        sets.add(number, words)
    return sets, parent


def words_of(text: str) -> frozenset[str]:
    """Its words in lower case, all numbers alike; of a text without words, the text itself."""
    found = ("0" if word[0].isdigit() else word for word in WORD.findall(text.lower()))
    return frozenset(found) or frozenset((text,))


def _root(parent: "array[int]", number: int) -> int:
    """The representative of a cluster; the way to it is shortened as it is walked."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def _filled(clusters: Iterable[Cluster], wanted: int) -> list[Cluster]:
    """The first clusters that together hold at most `wanted` sources."""
    chosen: list[Cluster] = []
    for one in clusters:
        wanted -= len(one[1])
        if wanted < 0:
            break
        chosen.append(one)
    return chosen


def _examples(clusters: Sequence[Cluster], held: dict[int, list[Pair]]) -> list[Example]:
    return [
        Example(held[number][0].source, tuple(pair.target for pair in held[number]), held[number][0].origin)
        for _, members in clusters
        for number in members
    ]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
