"""The packed store: what goes in comes out, row by row and as a matrix, in two bytes a token where they suffice."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.batching import padded
from pellucid.data.packed import SMALL, PackedPairs, pack

Row = list[int]
rows = st.lists(st.integers(0, SMALL - 1), max_size=12)
pairs = st.lists(st.tuples(rows, rows), min_size=1, max_size=30)


@given(pairs, st.data())
def test_chosen_rows_are_the_matrix_that_lists_would_give(given: list[tuple[Row, Row]], data: st.DataObject) -> None:
    packed = pack(given, SMALL)
    numbers = data.draw(st.lists(st.integers(0, len(given) - 1), min_size=1, max_size=20))
    for side, store in enumerate((packed.source, packed.target)):
        expected = padded([given[i][side] for i in numbers], padding=7).long()
        found = store.rows(numbers, padding=7)
        assert found.dtype == torch.int64
        assert torch.equal(found, expected)


@given(pairs)
def test_lengths_are_those_of_the_rows(given: list[tuple[Row, Row]]) -> None:
    packed = pack(given, SMALL)
    assert packed.source.lengths.tolist() == [len(source) for source, _ in given]
    assert packed.target.lengths.tolist() == [len(target) for _, target in given]


@given(pairs, st.integers(-35, 35), st.integers(-35, 35))
def test_a_slice_holds_the_rows_that_a_lists_slice_holds(given: list[tuple[Row, Row]], first: int, last: int) -> None:
    part, expected = pack(given, SMALL)[first:last], given[first:last]
    assert len(part) == len(expected)
    for number, (source, target) in enumerate(expected):
        assert part.source.rows([number], padding=0).tolist() == [source]
        assert part.target.rows([number], padding=0).tolist() == [target]


def test_a_slice_with_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="step 1 only, not 2"):
        pack([([1], [2])], SMALL)[::2]


@pytest.mark.parametrize(("vocabulary", "dtype"), [(SMALL, torch.int16), (SMALL + 1, torch.int32)])
def test_the_largest_id_of_a_vocabulary_survives(vocabulary: int, dtype: torch.dtype) -> None:
    packed = pack([([vocabulary - 1], [0])], vocabulary)
    assert packed.source.ids.dtype == dtype
    assert packed.source.rows([0], padding=0).tolist() == [[vocabulary - 1]]


def test_a_pair_costs_its_tokens_and_two_offsets() -> None:
    count = 1000
    packed = pack((([1] * 10, [2] * 20) for _ in range(count)), SMALL)
    assert packed.bytes == count * (30 * 2 + 2 * 8) + 2 * 8


def test_no_pair_at_all_is_an_empty_store() -> None:
    packed = pack([], SMALL)
    assert isinstance(packed, PackedPairs)
    assert len(packed) == 0
    assert packed.source.lengths.tolist() == []


def test_pairs_are_taken_one_at_a_time() -> None:
    alive: list[int] = []

    class Counted(list[int]):
        def __init__(self, *ids: int) -> None:
            super().__init__(ids)
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def stream() -> Iterator[tuple[Row, Row]]:
        for number in range(100):
            yield Counted(number), Counted(number, number)
            assert len(alive) <= 4

    assert len(pack(stream(), SMALL)) == 100


def test_the_checksum_tells_other_ids_and_other_rows_apart() -> None:
    pairs = [([4, 5], [6]), ([7], [8, 9])]
    same, other_id, other_cut = pairs, [([4, 5], [6]), ([7], [8, 3])], [([4], [6]), ([5, 7], [8, 9])]
    assert pack(same, 10).checksum() == pack(pairs, 10).checksum()
    assert len({pack(some, 10).checksum() for some in (pairs, other_id, other_cut)}) == 3
