"""Batches: everything once, little padding, the same order for the same numbers."""

import random
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.batching import epoch_batches, padded, padding_share

lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=200)


@given(lengths, st.integers(16, 400), st.integers(0, 9))
def test_every_example_stands_in_exactly_one_batch(sizes: list[tuple[int, int]], budget: int, epoch: int) -> None:
    batches = epoch_batches(sizes, budget, seed=1, epoch=epoch)
    assert sorted(chain.from_iterable(batches)) == list(range(len(sizes)))


@given(lengths, st.integers(16, 400))
def test_no_batch_is_larger_than_allowed_unless_one_example_is(sizes: list[tuple[int, int]], budget: int) -> None:
    for batch in epoch_batches(sizes, budget, seed=1, epoch=0):
        assert len(batch) == 1 or len(batch) * max(max(sizes[i]) for i in batch) <= budget


def like_a_corpus(count: int) -> list[tuple[int, int]]:
    draw = random.Random(0)
    sources = [min(round(draw.lognormvariate(1.9, 0.7)) + 2, 120) for _ in range(count)]
    return [(source, max(round(source * draw.uniform(0.6, 1.5)), 1)) for source in sources]


def test_padding_is_at_most_one_cell_in_twenty_on_a_corpus() -> None:
    sizes = like_a_corpus(30_000)
    assert padding_share(sizes, epoch_batches(sizes, 1024, seed=1, epoch=0)) <= 0.05


def test_the_same_seed_and_epoch_give_the_same_order_and_others_another() -> None:
    sizes = like_a_corpus(500)
    first = epoch_batches(sizes, 256, seed=1, epoch=3)
    assert epoch_batches(sizes, 256, seed=1, epoch=3) == first
    assert epoch_batches(sizes, 256, seed=1, epoch=4) != first
    assert epoch_batches(sizes, 256, seed=2, epoch=3) != first


def test_rows_are_filled_up_to_the_longest() -> None:
    assert padded([[5, 6, 7], [8]], padding=0).tolist() == [[5, 6, 7], [8, 0, 0]]


def test_the_share_of_padding_is_counted_on_both_sides() -> None:
    assert padding_share([(1, 4), (3, 4)], [[0, 1]]) == pytest.approx(2 / 14)
