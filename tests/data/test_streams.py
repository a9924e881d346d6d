"""Streams: rows go on where they ended, shuffled stretches cover the text, and nothing reaches past its end."""

from itertools import pairwise

import hypothesis.strategies as st
import torch
from hypothesis import given

from pellucid.data.streams import rows_in_order, shuffled, stretches

lengths = st.integers(20, 400)


@given(lengths, st.integers(2, 12), st.integers(1, 9), st.integers(0, 5))
def test_each_row_goes_on_where_it_ended_and_rows_do_not_overlap(length: int, context: int, rows: int, n: int) -> None:
    batches = rows_in_order(length, context, rows, 1, n)
    for before, after in pairwise(batches):
        assert [start + context for start in before] == after
    starts = sorted(start for batch in batches for start in batch)
    assert len({len(batch) for batch in batches}) == 1
    assert all(b - a >= context for a, b in pairwise(starts))
    assert starts[-1] + context < length, "the token that is asked for last is there"


@given(lengths, st.integers(2, 12), st.integers(1, 9), st.integers(0, 5))
def test_shuffled_stretches_touch_and_cover_all_but_a_batch(length: int, context: int, batch: int, n: int) -> None:
    batches = shuffled(length, context, batch, 1, n)
    starts = sorted(start for some in batches for start in some)
    assert len(set(starts)) == len(starts)
    assert all((b - a) % context == 0 for a, b in pairwise(starts))
    assert starts[-1] + context < length
    assert len(starts) >= (length - 2 * context) // context - batch


def test_passes_differ_and_repeat_with_their_number_and_seed() -> None:
    for arrange in (rows_in_order, shuffled):
        assert arrange(500, 8, 4, 1, 3) == arrange(500, 8, 4, 1, 3)
        assert arrange(500, 8, 4, 1, 3) != arrange(500, 8, 4, 1, 4)
        assert arrange(500, 8, 4, 1, 3) != arrange(500, 8, 4, 2, 3)


def test_a_stretch_is_its_tokens_and_the_next() -> None:
    found = stretches(torch.arange(100, dtype=torch.int32), torch.tensor([3, 50]), 4)
    assert found.tolist() == [[3, 4, 5, 6, 7], [50, 51, 52, 53, 54]]
