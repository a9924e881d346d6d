"""The numbers of a page: cut into tiles, packed without loss, and what is left out where there is not room for all."""

import zlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid.see.blocks import ELEMENT, TILE, Blocks, Packed, Piece, fit, packed, progressions
from pellucid.see.likely import by_position, nested, units

SIZES = {"f4": torch.float32, "f8": torch.float64, "f2": torch.float16, "b2": torch.bfloat16, "i4": torch.int32}


def unpacked(found: Packed) -> torch.Tensor:
    """The numbers of a packed tensor, by zlib and bytes alone."""
    dtype = SIZES.get(found.kind, torch.uint8)
    parts = []
    for tile, count in zip(found.tiles, found.counts, strict=True):
        planes = zlib.decompress(tile, -15)
        assert len(planes) == count * dtype.itemsize
        words = bytes(
            planes[(dtype.itemsize - 1 - byte) * count + i] for i in range(count) for byte in range(dtype.itemsize)
        )
        parts.append(torch.frombuffer(bytearray(words), dtype=dtype) if count else torch.empty(0, dtype=dtype))
    return torch.cat(parts)


@pytest.mark.parametrize("dtype", [*SIZES.values(), torch.bool, torch.uint8])
@pytest.mark.parametrize("kind", ["random", "even", "nothing", "one"])
def test_packed_numbers_are_the_same_to_the_last_bit(dtype: torch.dtype, kind: str) -> None:
    shape = {"random": (7, 31), "even": (64, 64), "nothing": (0, 3), "one": ()}[kind]
    numbers = torch.randn(shape) * 100 if kind != "even" else torch.full(shape, 0.5)
    tensor = numbers.to(dtype)
    again = unpacked(packed(tensor))
    bits = again.view(torch.uint8) if again.numel() else again
    assert bits.numel() == tensor.numel() * max(tensor.element_size(), 1)
    assert torch.equal(bits, tensor.contiguous().flatten().view(torch.uint8)) or not tensor.numel()


def test_special_numbers_are_kept() -> None:
    tensor = torch.tensor([[0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 3.4e38, -1.0]])
    assert torch.equal(unpacked(packed(tensor)).view(torch.int32), tensor.flatten().view(torch.int32))


def test_a_large_tensor_is_cut_between_rows() -> None:
    tensor = torch.randn(1000, 300)
    found = packed(tensor)
    assert len(found.tiles) > 1
    assert all(count % 300 == 0 and count * 4 <= TILE for count in found.counts)
    assert sum(found.counts) == tensor.numel()


def test_random_mantissas_are_stored_as_fast_as_they_are_and_no_longer() -> None:
    tensor = torch.randn(256, 256)
    whole = zlib.compress(b"".join(bytes(plane) for plane in tensor.view(torch.uint8).view(-1, 4).T.flip(0)), 6)
    assert packed(tensor).length <= len(whole) * 4 / 3 * 1.01


def test_blocks_never_cross_elements_and_equal_ones_are_kept_once() -> None:
    blocks, once = Blocks(), torch.randn(900, 500)
    pieces = [Piece(("value", number), torch.randn(900, 500) if number else once) for number in range(3)]
    pieces.append(Piece(("value", 3), once.clone()))
    places = [blocks.placed(piece, packed(piece.tensor)) for piece in pieces]
    assert places[3] == places[0]
    texts = list(blocks.elements())
    assert sum(map(len, texts)) == blocks.length
    assert len(texts) > 1
    assert all(len(text) <= ELEMENT for text in texts)
    for start, length, *_ in blocks.index:
        element = max(number for number, first in enumerate(blocks.starts) if first <= start)
        end = blocks.starts[element + 1] if element + 1 < len(blocks.starts) else blocks.length
        assert start + length <= end


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30), st.sampled_from([0.5, 1.0, 4.0, 1e6])), min_size=1),
    st.integers(500, 60_000),
)
def test_what_is_kept_fits_and_is_made_of_whole_rows(shapes: list[tuple[int, int, float]], room: int) -> None:
    pieces = [
        Piece(("value", number), torch.randn(rows, columns), weight=weight)
        for number, (rows, columns, weight) in enumerate(shapes)
    ]
    found = fit(pieces, room)
    length = sum(one.length for one in found.values())
    least = sum(packed(piece.tensor[:1]).length for piece in pieces)  # of each a row at least
    assert length <= max(room, 2 * least)
    for piece in pieces:
        rows = piece.tensor if piece.rows is None else piece.tensor[piece.rows]
        assert torch.equal(unpacked(found[piece.key]), rows.flatten())


def test_a_heavier_tensor_keeps_more_rows() -> None:
    pieces = [Piece(("value", number), torch.randn(400, 100), weight=weight) for number, weight in enumerate((4, 1))]
    fit(pieces, 100_000)
    heavy, light = (len(piece.rows or ()) for piece in pieces)
    assert 3.5 * light < heavy < 4.5 * light


def test_the_rows_that_are_needed_are_kept_first() -> None:
    piece = Piece(("value", 0), torch.randn(400, 100), first=[399, 7, 8])
    fit([piece], 10_000)
    assert {399, 7, 8} < set(piece.rows or ())


@given(st.integers(1, 300), st.integers(1, 40))
def test_any_beginning_of_the_order_of_positions_is_spread_about_evenly(count: int, taken: int) -> None:
    order = nested(count)
    assert sorted(order) == list(range(count))
    assert order[0] == count - 1
    taken = min(taken, count)
    places = sorted(order[:taken])
    gaps = [b - a for a, b in zip([-1, *places], [*places, count], strict=True)]
    assert max(gaps) <= 4 * count / taken + 1


def test_of_each_position_all_heads_are_kept_together() -> None:
    rows = by_position((2, 3, 8, 5))  # batch, head, position, width
    assert rows[:6] == [7 + 8 * head for head in range(6)]


def test_the_most_active_units_come_first() -> None:
    out = torch.zeros(1, 4, 6)
    out[0, -1, 4], out[0, 0, 2] = -9.0, 5.0
    assert units(out, output=False)[:2] == [4, 2]


@given(st.lists(st.integers(0, 60), unique=True))
def test_progressions_list_the_same_numbers(numbers: list[int]) -> None:
    numbers = sorted(numbers)
    told = progressions(numbers)
    assert [first + i * step for first, step, count in told for i in range(count)] == numbers
