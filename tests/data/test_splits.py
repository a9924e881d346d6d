"""Splits: no held-out sentence, and no near-twin of one, is trained on."""

import random
from collections import defaultdict
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.pairs import Pair
from pellucid.data.splits import cluster, split

words = st.sampled_from(["save", "open", "close", "the", "a", "file", "window", "page", "now", "all", "of", "to"])
sentences = st.lists(st.lists(words, min_size=1, max_size=7).map(" ".join), min_size=1, max_size=60)


def overlap(one: str, other: str) -> float:
    a, b = set(one.split()), set(other.split())
    return len(a & b) / len(a | b)


def components(sources: list[str], least: float) -> set[frozenset[str]]:
    """By brute force: sentences joined as long as any two of different groups overlap."""
    groups = [{source} for source in sources]
    joined = True
    while joined:
        joined = False
        for one, other in combinations(groups, 2):
            if any(overlap(a, b) >= least for a in one for b in other):
                one |= other
                groups.remove(other)
                joined = True
                break
    return {frozenset(group) for group in groups}


@given(sentences, st.sampled_from([0.5, 0.6, 0.75, 1.0]))
def test_clusters_are_those_of_brute_force(sources: list[str], least: float) -> None:
    sources = list(dict.fromkeys(sources))[:25]
    clusters = defaultdict(set)
    for source, number in zip(sources, cluster(sources, least), strict=True):
        clusters[number].add(source)
    assert {frozenset(members) for members in clusters.values()} == components(sources, least)


@given(sentences, st.integers(5, 20))
def test_no_twin_stands_on_two_sides(sources: list[str], held_out: int) -> None:
    sides = split([Pair(source, "x") for source in sources], held_out)
    train = {pair.source for pair in sides.train}
    dev, test = ({example.source for example in side} for side in (sides.dev, sides.test))
    for one, other in ((train, dev), (train, test), (dev, test)):
        assert all(overlap(a, b) < 0.6 for a in one for b in other)


def many(count: int = 600) -> list[Pair]:
    draw = random.Random(0)
    letters = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(300)]
    return [Pair(" ".join(draw.sample(letters, draw.randint(1, 6))), f"t{number}") for number in range(count)]


def test_nothing_is_lost_and_nothing_stands_twice() -> None:
    pairs = many()
    sides = split(pairs, held_out=40)
    held = [(e.source, target) for e in (*sides.dev, *sides.test) for target in e.references]
    train = [(pair.source, pair.target) for pair in sides.train]
    assert sorted(held + train) == sorted((pair.source, pair.target) for pair in pairs)
    assert 0 < len(sides.dev) <= 40
    assert 0 < len(sides.test) <= 40


def test_the_order_of_the_data_changes_nothing() -> None:
    pairs = many()
    shuffled = random.Random(1).sample(pairs, len(pairs))
    one, other = split(pairs, 40), split(shuffled, 40)
    assert [e.source for e in one.dev] == [e.source for e in other.dev]
    assert [e.source for e in one.test] == [e.source for e in other.test]


def test_adding_data_keeps_most_of_what_is_held_out() -> None:
    pairs = many(1200)
    before, after = split(pairs[:600], 40), split(pairs, 40)
    assert not {e.source for e in before.test} & {e.source for e in after.dev}


def test_one_source_with_several_translations_has_several_references() -> None:
    pairs = [Pair(pair.source, f"{pair.target}-{n}") for pair in many(200) for n in (1, 2)]
    sides = split(pairs, 20)
    assert all(len(example.references) >= 2 for example in (*sides.dev, *sides.test))


def test_at_most_a_tenth_of_little_data_is_held_out() -> None:
    sides = split(many(100), held_out=1000)
    assert max(len(sides.dev), len(sides.test)) <= 10


def test_a_cluster_too_large_for_a_side_stays_in_training() -> None:
    alike = [Pair(f"turn the {number} light on now", "x") for number in range(200)]
    sides = split([*alike, *many(300)], held_out=40)
    assert sides.largest_cluster >= 200
    assert {pair.source for pair in alike} <= {pair.source for pair in sides.train}


@pytest.mark.parametrize("pairs", [[], [Pair("a", "b")]])
def test_next_to_nothing_is_all_training(pairs: list[Pair]) -> None:
    assert split(pairs, 10).train == pairs
