"""Batches: everything once, little padding, the same order for the same numbers."""

import random
from itertools import chain, groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pellucid.data.batching import ROWS, epoch_batches, padded, padding_share

lengths = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=200)


def as_tensor(sizes: list[tuple[int, int]]) -> Tensor:
    return torch.tensor(sizes, dtype=torch.int32).reshape(-1, 2)


@given(lengths, st.integers(16, 400), st.integers(0, 9))
def test_every_example_stands_in_exactly_one_batch(sizes: list[tuple[int, int]], budget: int, epoch: int) -> None:
    batches = epoch_batches(as_tensor(sizes), budget, seed=1, epoch=epoch)
    assert sorted(chain.from_iterable(batches)) == list(range(len(sizes)))


@given(lengths, st.integers(16, 400))
def test_no_batch_is_larger_than_allowed_unless_one_example_is(sizes: list[tuple[int, int]], budget: int) -> None:
    for batch in epoch_batches(as_tensor(sizes), budget, seed=1, epoch=0):
        assert len(batch) == 1 or len(batch) * max(max(sizes[i]) for i in batch) <= budget


@given(lengths, st.integers(16, 400))
def test_batches_hold_a_multiple_of_rows_where_they_hold_as_many(sizes: list[tuple[int, int]], budget: int) -> None:
    odd = [batch for batch in epoch_batches(as_tensor(sizes), budget, seed=1, epoch=0) if len(batch) % ROWS]
    assert sum(len(batch) > ROWS for batch in odd) <= 1  # the last of the sorted ones takes what is left


@given(lengths, st.integers(16, 400))
def test_a_batch_spans_neighbours_in_length_and_no_more(sizes: list[tuple[int, int]], budget: int) -> None:
    """Over all batches, sorted, target lengths rise; within one target length sources rise or fall, in turn."""
    batches = sorted(epoch_batches(as_tensor(sizes), budget, seed=1, epoch=0), key=lambda b: order_of(b, sizes))
    order = list(chain.from_iterable(batches))
    assert [sizes[i][1] for i in order] == sorted(target for _, target in sizes)
    for turn, (_, group) in enumerate(groupby(order, key=lambda i: sizes[i][1])):
        sources = [sizes[i][0] for i in group]
        assert sources == sorted(sources, reverse=turn % 2 == 1)


def order_of(batch: list[int], sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where a batch stands among the sorted examples."""
    ranks = {target: turn for turn, target in enumerate(sorted({target for _, target in sizes}))}
    first, last = sizes[batch[0]], sizes[batch[-1]]
    return tuple((t, s if ranks[t] % 2 == 0 else -s) for s, t in (first, last))  # type: ignore[return-value]


@given(lengths, st.integers(16, 400))
def test_a_batch_is_full_when_the_next_example_does_not_fit(sizes: list[tuple[int, int]], budget: int) -> None:
    # Of batches of equal examples the full ones were cut first.
    cut = epoch_batches(as_tensor(sizes), budget, seed=1, epoch=0)
    batches = sorted(cut, key=lambda b: (order_of(b, sizes), -len(b)))
    waiting = list(chain.from_iterable(batches))
    for batch in batches:
        longest = [max(max(sizes[i]) for i in waiting[: rows + 1]) for rows in range(len(waiting))]
        fitting = sum((rows + 1) * width <= budget for rows, width in enumerate(longest))
        if 0 < fitting < len(waiting):
            fitting = fitting - fitting % ROWS or fitting
        assert len(batch) == max(fitting, 1)
        waiting = waiting[len(batch) :]


@given(lengths, st.integers(16, 400), st.integers(0, 50))
def test_an_epoch_goes_on_from_any_position(sizes: list[tuple[int, int]], budget: int, position: int) -> None:
    batches = epoch_batches(as_tensor(sizes), budget, seed=1, epoch=0)
    assert list(batches[position:]) == list(batches)[position:]


def like_a_corpus(count: int) -> list[tuple[int, int]]:
    draw = random.Random(0)
    sources = [min(round(draw.lognormvariate(1.9, 0.7)) + 2, 120) for _ in range(count)]
    return [(source, max(round(source * draw.uniform(0.6, 1.5)), 1)) for source in sources]


def test_padding_is_at_most_one_cell_in_twenty_on_a_corpus() -> None:
    sizes = as_tensor(like_a_corpus(30_000))
    assert padding_share(sizes, epoch_batches(sizes, 1024, seed=1, epoch=0)) <= 0.05


def test_the_same_seed_and_epoch_give_the_same_order_and_others_another() -> None:
    sizes = as_tensor(like_a_corpus(500))
    first = list(epoch_batches(sizes, 256, seed=1, epoch=3))
    assert list(epoch_batches(sizes, 256, seed=1, epoch=3)) == first
    assert list(epoch_batches(sizes, 256, seed=1, epoch=4)) != first
    assert list(epoch_batches(sizes, 256, seed=2, epoch=3)) != first


def test_an_example_meets_other_neighbours_in_another_epoch() -> None:
    sizes = as_tensor([(5, 5)] * 64)
    first, second = (epoch_batches(sizes, 40, seed=1, epoch=epoch) for epoch in (0, 1))
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_an_order_takes_four_bytes_an_example() -> None:
    batches = epoch_batches(as_tensor([(5, 5)] * 1000), 1000, seed=1, epoch=0)
    assert batches.order.nbytes == 4 * 1000


def test_rows_are_filled_up_to_the_longest() -> None:
    assert padded([[5, 6, 7], [8]], padding=0).tolist() == [[5, 6, 7], [8, 0, 0]]


def test_the_share_of_padding_is_counted_on_both_sides() -> None:
    assert padding_share(as_tensor([(1, 4), (3, 4)]), [[0, 1]]) == pytest.approx(2 / 14)
