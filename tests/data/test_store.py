"""Pairs in a store: the same pairs as in a list, in little memory, and splits that are the same to the bit."""

import hashlib
import random
import tracemalloc
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.filters import Limits, clean
from pellucid.data.pairs import Example, Pair
from pellucid.data.read import read_pairs
from pellucid.data.seen import Seen
from pellucid.data.splits import split, words_of
from pellucid.data.store import IN_MEMORY, ChosenPairs, PairStore
from pellucid.errors import DataError

PAIRS = Path(__file__).parents[2] / "examples" / "pairs.tsv"
TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)


@given(st.lists(st.builds(Pair, TEXT, TEXT, st.text(max_size=8)), max_size=12), st.integers(-14, 14))
def test_a_store_is_a_sequence_like_a_list(pairs: list[Pair], place: int) -> None:
    store = PairStore(pairs[:5])
    store.extend(pairs[5:])
    assert store == pairs
    assert list(store) == pairs
    assert store[place:] == pairs[place:]
    assert store[::-2] == pairs[::-2]
    if -len(pairs) <= place < len(pairs):
        assert store[place] == pairs[place]
    else:
        with pytest.raises(IndexError):
            store[place]


def test_texts_beyond_a_few_megabytes_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    made = [Pair("s" * draw.randrange(1600), f"译文 {number}", f"p.tsv:{number}") for number in range(15_000)]
    tracemalloc.start()
    store = PairStore(made)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert store == made
    assert taken < 2 * IN_MEMORY
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no room"):
        PairStore(made)


@given(st.lists(st.integers(0, 40), max_size=300))
def test_a_key_is_new_once_and_its_first_place_is_told_after(keys: list[int]) -> None:
    seen, first = Seen(), dict[int, int]()
    for place, key in enumerate(keys):
        known = seen.first(key * 0x9E3779B97F4A7C15, place, key)
        assert known == ((first[key], key) if key in first else None)
        first.setdefault(key, place)


def test_a_table_of_keys_grows_without_losing_any() -> None:
    seen = Seen()
    draw = random.Random(1)
    keys = [draw.randrange(-(1 << 63), 1 << 63) for _ in range(20_000)]
    assert [seen.first(key, place) for place, key in enumerate(keys)] == [None] * len(keys)
    assert all(seen.first(key, 0) == (place, 0) for place, key in enumerate(keys))
    assert seen.bytes < 16 * 3 * len(keys)


# The split as it was written before pairs were packed: dicts, sets and sorted lists of strings.


def plain_clusters(sources: list[str], overlap: float) -> list[int]:
    words = [words_of(source) for source in sources]
    parent = list(range(len(sources)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    holders: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(words):
        shared = Counter(other for word in own for other in holders[word])
        for other, count in shared.items():
            if count >= overlap * (len(own) + len(words[other]) - count):
                parent[root(number)] = root(other)
        for word in own:
            holders[word].append(number)
    return [root(number) for number in range(len(sources))]


def plain_split(pairs: list[Pair], held_out: int, overlap: float) -> tuple[list[Pair], list[Example], list[Example]]:
    translations: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        translations[pair.source].append(pair)
    sources = sorted(translations)
    groups: dict[int, list[str]] = defaultdict(list)
    for source, number in zip(sources, plain_clusters(sources, overlap), strict=True):
        groups[number].append(source)
    wanted = min(held_out, int(len(sources) * 0.1))
    order = sorted(groups.values(), key=lambda members: hashlib.blake2b(members[0].encode(), digest_size=8).digest())
    small = [members for members in order if len(members) <= max(wanted // 4, 1)]
    sides: list[list[list[str]]] = []
    for clusters in (small, None):
        left, side = wanted, list[list[str]]()
        for members in clusters if clusters is not None else small[len(sides[0]) :][::-1]:
            left -= len(members)
            if left < 0:
                break
            side.append(members)
        sides.append(side)
    held = {source for side in sides for members in side for source in members}
    dev, test = (
        [
            Example(source, tuple(pair.target for pair in translations[source]), translations[source][0].origin)
            for members in side
            for source in members
        ]
        for side in sides
    )
    return [pair for pair in pairs if pair.source not in held], dev, test


def made_up(count: int, seed: int) -> list[Pair]:
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdef", k=4)) for _ in range(150)]
    rows = [" ".join(draw.choices(words, k=draw.randint(1, 7))) for _ in range(count)]
    return [Pair(draw.choice(rows), draw.choice(rows), f"m:{number}") for number in range(count)]


@pytest.mark.parametrize(("count", "held_out"), [(30, 5), (400, 5), (900, 60), (900, 1000)])
def test_splits_of_packed_pairs_are_those_of_plain_dicts_and_lists(count: int, held_out: int) -> None:
    for pairs in (made_up(count, 1), list(clean(read_pairs([PAIRS]).pairs, "en", "zh", Limits()).pairs)):
        sides = split(PairStore(pairs), held_out)
        assert (list(sides.train), sides.dev, sides.test) == plain_split(pairs, held_out, 0.6)


def test_cleaning_a_store_keeps_what_cleaning_a_list_keeps() -> None:
    rows = made_up(300, 2)
    pairs = [*rows, *(Pair(f" {pair.source}e\u0301", pair.target) for pair in rows), *rows]
    cleaned = clean(PairStore(pairs), "en", "de", Limits())
    plain = dict.fromkeys((pair.source, pair.target) for pair in rows if pair.source != pair.target)
    assert [(pair.source, pair.target) for pair in cleaned.pairs][: len(plain)] == list(plain)
    assert isinstance(cleaned.pairs, ChosenPairs)
    assert cleaned == clean(pairs, "en", "de", Limits())
