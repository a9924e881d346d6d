"""Numbers in a page: each tensor a block of text that a browser turns back into exactly the same numbers.

A tensor is cut into tiles of whole rows, each a block that is read by itself: its bytes in planes (all last bytes, then
all before them, ...), deflated, in base64. The bytes that hold the exponents of floats are alike and shrink, those that
do not are stored as they are, and nothing is rounded. What is equal is kept once. A tensor that is too large for the
file keeps some of its rows, and says which. Blocks lie in small elements, which a browser has read up to the
one that is wanted while the rest of the file is still on its way.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

SAMPLE = 1 << 18  # bytes of a large tensor from which the length of its blocks is estimated
LEVEL = 6  # of deflate: 9 takes twice the time and saves 0.3% of float32 weights
TILE = 1 << 18  # bytes: a browser takes 2 ms to turn them into numbers
ELEMENT = 3 << 17  # characters of text in one element of the page: between two of them a browser looks up
PROBE = 1 << 12  # bytes of a plane that say whether it shrinks
WORTH = 0.95  # of its length: a plane that shrinks less is stored as it is, which saves half of the time to write
KINDS = {
    torch.float32: "f4",
    torch.float64: "f8",
    torch.float16: "f2",
    torch.bfloat16: "b2",
    torch.int32: "i4",
    torch.bool: "u1",
    torch.uint8: "u1",
}
KIND_SIZES = {"f4": 4, "f8": 8, "f2": 2, "b2": 2, "i4": 4, "u1": 1}


@dataclass
class Piece:
    """A tensor on its way into the file; `first` are the rows that have to be among those kept, in their order.

    Where there is not room for all, one of weight 4 is left four times as many bytes as one of weight 1.
    """

    key: tuple[str, int]
    tensor: Tensor
    first: Sequence[int] = ()
    rows: list[int] | None = None
    weight: float = 1.0

    @property
    def row_count(self) -> int:
        return self.tensor.numel() // self.row_size

    @property
    def row_size(self) -> int:
        return max(self.tensor.size(-1), 1) if self.tensor.dim() else 1

    def kept(self) -> Tensor:
        flat = self.tensor.detach().reshape(self.row_count, self.row_size)
        return flat if self.rows is None else flat[self.rows]


@dataclass(frozen=True, slots=True)
class Packed:
    """The tiles of a tensor as they go into the file, how many numbers each holds, and of which kind they are."""

    tiles: tuple[bytes, ...]
    counts: tuple[int, ...]
    kind: str

    @property
    def length(self) -> int:
        """Characters in the file."""
        return sum(base64_length(len(tile)) for tile in self.tiles)


@dataclass
class Blocks:
    """All blocks in elements of text, and where each lies: as if they were one text."""

    index: list[list[Any]] = field(default_factory=list)
    length: int = 0
    starts: list[int] = field(default_factory=list)  # of the elements
    _text: list[list[str]] = field(default_factory=list)
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, tile: bytes, kind: str, count: int) -> int:
        """The number of the block."""
        key = hashlib.blake2b(tile, digest_size=16, key=kind.encode()).digest()
        if key not in self._known:
            text = base64.b64encode(tile).decode()
            if not self.starts or self.length - self.starts[-1] + len(text) > ELEMENT:
                self.starts.append(self.length)
                self._text.append([])
            self._known[key] = len(self.index)
            self.index.append([self.length, len(text), kind, count])
            self._text[-1].append(text)
            self.length += len(text)
        return self._known[key]

    def laid(self, packed: Packed) -> dict[str, Any]:
        """Where a tensor lies in the file."""
        numbers = [self.add(tile, packed.kind, count) for tile, count in zip(packed.tiles, packed.counts, strict=True)]
        return {"block": numbers[0]} | ({"more": progressions(numbers[1:])} if len(numbers) > 1 else {})

    def placed(self, piece: Piece, packed: Packed) -> dict[str, Any]:
        """Where a piece lies in the file, and which of its rows are there."""
        found = self.laid(packed)
        if piece.rows is not None:
            found |= {"rows": progressions(piece.rows), "kept": len(piece.rows), "of": piece.row_count}
        return found

    def elements(self) -> Iterator[str]:
        """The text of each element."""
        return map("".join, self._text)


def planes_of(tensor: Tensor) -> tuple[bytearray, str]:
    """The bytes of a tensor in planes, the most significant first, and which kind of numbers they are."""
    flat = tensor.detach().cpu().contiguous().flatten()
    if flat.dtype not in KINDS:
        flat = flat.to(torch.float64 if flat.is_floating_point() else torch.int32)
    size = flat.element_size()
    planes = bytearray(flat.numel() * size)
    if planes:
        into = torch.frombuffer(planes, dtype=torch.uint8).view(size, -1)
        into.copy_(flat.view(torch.uint8).view(-1, size).T.flip(0))
    return planes, KINDS[flat.dtype]


def packed(tensor: Tensor) -> Packed:
    """The tiles of a tensor, which are whole rows of it."""
    width = max(tensor.size(-1), 1) if tensor.dim() else 1
    rows = tensor.detach().reshape(-1, width)
    height = max(TILE // (width * tensor.element_size()), 1)
    found = [planes_of(rows[start : start + height]) for start in range(0, max(len(rows), 1), height)]
    counts = tuple(min(height, len(rows) - start) * width for start in range(0, max(len(rows), 1), height))
    return Packed(tuple(deflated(planes, KIND_SIZES[kind]) for planes, kind in found), counts, found[0][1])


def deflated(planes: bytearray, size: int) -> bytes:
    """One stream of deflate: planes up to the last that shrinks, and the rest as they are.

    Exponents in any order shrink best, and a hundred times as fast, where only runs of the same are looked for; what
    repeats in other ways (positions, masks of many heads) shrinks more by all that deflate can do.
    """
    length = len(planes) // size
    probes = [planes[n * length :][: min(PROBE, length)] for n in range(size)]
    shrinks = [len(shrunk(one, zlib.Z_RLE)) < WORTH * len(one) for one in probes]
    end = (max((n for n in range(size) if shrinks[n]), default=-1) + 1) * length
    parts = b"".join(probes[: end // max(length, 1)])
    strategy = min((zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY), key=lambda one: len(shrunk(parts, one)))
    if end == len(planes):
        return shrunk(planes, strategy)
    storing = zlib.compressobj(0, zlib.DEFLATED, -15)
    head = shrunk(planes[:end], strategy, zlib.Z_SYNC_FLUSH) if end else b""
    return head + storing.compress(planes[end:]) + storing.flush()


def shrunk(part: bytes | bytearray, strategy: int, end: int = zlib.Z_FINISH) -> bytes:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, strategy=strategy)
    return compressor.compress(part) + compressor.flush(end)


def fit(pieces: Iterable[Piece], characters: int) -> Mapping[tuple[str, int], Packed]:
    """Each piece packed, all of them within so many characters: the largest keep as many rows as one level allows.

    The level is that at which what lies above it is what is too much, as of water poured into vessels; a piece of
    weight 2 is a vessel that is twice as wide.
    """
    pieces = list(pieces)
    content = {piece.key: digest(piece.tensor) for piece in pieces}
    heaviest: dict[bytes, float] = {}
    for piece in pieces:
        heaviest[content[piece.key]] = max(piece.weight, heaviest.get(content[piece.key], 0.0))
    sizes: dict[bytes, int] = {}
    for piece in pieces:
        if content[piece.key] not in sizes:
            sizes[content[piece.key]] = estimated(piece)
    done: dict[tuple[bytes, int], Packed] = {}
    room = float(characters)
    while True:
        level = water_level([(sizes[one], heaviest[one]) for one in sizes], room)
        found = {}
        for piece in pieces:
            same = content[piece.key]
            share = level * heaviest[same] / max(sizes[same], 1)
            piece.rows = None
            if share < 1 and piece.row_count > 1:
                piece.rows = spread(piece.row_count, max(int(piece.row_count * share), 1), piece.first)
            key = (same, hash((piece.row_size, *(piece.rows or ()))))
            if key not in done:
                done[key] = packed(piece.kept())
            found[piece.key] = done[key]
        length = sum({id(one): one.length for one in found.values()}.values())
        if length <= characters or all(piece.row_count == 1 or len(piece.rows or ()) == 1 for piece in pieces):
            return found
        room *= 0.99 * characters / length  # what was estimated was too little


def estimated(piece: Piece) -> int:
    """The length of a piece's blocks: of a large one by what evenly spread rows of it take."""
    rows = SAMPLE // max(piece.row_size * piece.tensor.element_size(), 1)
    if piece.row_count <= rows:
        return packed(piece.tensor).length
    flat = piece.tensor.detach().reshape(piece.row_count, piece.row_size)
    kept = max(rows, 1)
    part = packed(flat[torch.arange(kept) * piece.row_count // kept])
    return part.length * piece.row_count // kept


def digest(tensor: Tensor) -> bytes:
    """The same for tensors of the same numbers in the same order, whatever their shapes."""
    numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return hashlib.blake2b(numbers.data, digest_size=16, key=str(tensor.dtype).encode()).digest()


def base64_length(count: int) -> int:
    return (count + 2) // 3 * 4


def water_level(sizes: Sequence[tuple[int, float]], capacity: float) -> float:
    """The level L at which pieces (size, weight), cut to L times their weight, sum to at most `capacity`."""
    left, remaining = capacity, sorted(sizes, key=lambda one: one[0] / one[1])
    width = sum(weight for _, weight in remaining)
    for size, weight in remaining:
        if size / weight * width > left:
            return left / width
        left, width = left - size, width - weight
    return float("inf")


def progressions(rows: Sequence[int]) -> list[list[int]]:
    """Numbers in order as [first, step, count] of even steps."""
    found: list[list[int]] = []
    for row in rows:
        if found and (found[-1][2] == 1 or row == found[-1][0] + found[-1][1] * found[-1][2]):
            if found[-1][2] == 1:
                found[-1][1] = row - found[-1][0]
            found[-1][2] += 1
        else:
            found.append([row, 1, 1])
    return found


def spread(count: int, wanted: int, first: Sequence[int]) -> list[int]:
    """`wanted` of `count` rows in order: those that are needed, and others at even distances."""
    found = set(list(dict.fromkeys(first))[:wanted])
    rest = wanted - len(found)
    free = [row for row in range(count) if row not in found]
    found.update(free[number * len(free) // rest] for number in range(rest))
    return sorted(found)
