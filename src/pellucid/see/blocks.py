"""Numbers in a page: each tensor a block of text that a browser turns back into exactly the same numbers.

A block is the tensor's bytes in planes (all first bytes, then all second bytes, ...), deflated, in base64: the bytes
that hold the exponents of floats are alike and shrink, and nothing is rounded. What is equal is kept once. A tensor
that is too large for the file keeps some of its rows, and says which.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

SAMPLE = 1 << 19  # bytes of a large tensor from which the length of its block is estimated
LEVEL = 6  # of deflate: 9 takes twice the time and saves 0.3% of float32 weights
KINDS = {
    torch.float32: "f4",
    torch.float64: "f8",
    torch.float16: "f2",
    torch.bfloat16: "b2",
    torch.int32: "i4",
    torch.bool: "u1",
    torch.uint8: "u1",
}


@dataclass
class Piece:
    """A tensor on its way into the file; `first` are the rows that have to be among those kept."""

    key: tuple[str, int]
    tensor: Tensor
    first: Sequence[int] = ()
    rows: list[int] | None = None

    @property
    def row_count(self) -> int:
        return self.tensor.numel() // self.row_size

    @property
    def row_size(self) -> int:
        return max(self.tensor.size(-1), 1) if self.tensor.dim() else 1

    def kept(self) -> Tensor:
        flat = self.tensor.detach().reshape(self.row_count, self.row_size)
        return flat if self.rows is None else flat[self.rows]


@dataclass
class Blocks:
    """All blocks as one text, and where each lies in it."""

    text: list[str] = field(default_factory=list)
    index: list[list[Any]] = field(default_factory=list)
    length: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, packed: bytes, kind: str, count: int) -> int:
        """The number of the block."""
        key = kind.encode() + packed
        if key not in self._known:
            text = base64.b64encode(packed).decode()
            self._known[key] = len(self.index)
            self.index.append([self.length, len(text), kind, count])
            self.text.append(text)
            self.length += len(text)
        return self._known[key]

    def placed(self, piece: Piece, block: tuple[bytes, str]) -> dict[str, Any]:
        """Where a piece, packed as `block`, lies in the file, and which of its rows are there."""
        found: dict[str, Any] = {"block": self.add(*block, piece.kept().numel())}
        if piece.rows is not None:
            found |= {"rows": progressions(piece.rows), "kept": len(piece.rows), "of": piece.row_count}
        return found


def planes_of(tensor: Tensor) -> tuple[bytearray, str]:
    """The bytes of a tensor in planes, and which kind of numbers they are."""
    flat = tensor.detach().cpu().contiguous().flatten()
    if flat.dtype not in KINDS:
        flat = flat.to(torch.float64 if flat.is_floating_point() else torch.int32)
    size = flat.element_size()
    planes = bytearray(flat.numel() * size)
    if planes:
        torch.frombuffer(planes, dtype=torch.uint8).view(size, -1).copy_(flat.view(torch.uint8).view(-1, size).T)
    return planes, KINDS[flat.dtype]


def packed(tensor: Tensor) -> tuple[bytes, str]:
    """The bytes of a block, and which kind of numbers they are."""
    planes, kind = planes_of(tensor)
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return compressor.compress(planes) + compressor.flush(), kind


def fit(pieces: Iterable[Piece], characters: int) -> Mapping[tuple[str, int], tuple[bytes, str]]:
    """Each piece packed, all of them within so many characters: the largest keep as many rows as all of one level may.

    The level is that at which what lies above it is what is too much, as of water poured into vessels.
    """
    pieces = list(pieces)
    sizes = {piece.key: estimated(piece) for piece in pieces}
    content = {piece.key: digest(piece.tensor) for piece in pieces}
    room = float(characters)
    while True:
        level = water_level(list({content[piece.key]: sizes[piece.key] for piece in pieces}.values()), room)
        done: dict[tuple[bytes, int], tuple[bytes, str]] = {}
        found = {}
        for piece in pieces:
            share = level / max(sizes[piece.key], 1)
            piece.rows = None
            if share < 1 and piece.row_count > 1:
                piece.rows = spread(piece.row_count, max(int(piece.row_count * share), 1), piece.first)
            key = (content[piece.key], len(piece.rows or ()))
            if key not in done:
                done[key] = packed(piece.kept())
            found[piece.key] = done[key]
        length = sum(base64_length(len(one)) for one, _ in done.values())
        if length <= characters or level < 1:
            return found
        room *= 0.99 * characters / length  # what was estimated was too little


def estimated(piece: Piece) -> int:
    """The length of a piece's block: of a large one by what evenly spread rows of it take."""
    rows = SAMPLE // max(piece.row_size * piece.tensor.element_size(), 1)
    if piece.row_count <= rows:
        return base64_length(len(packed(piece.tensor)[0]))
    flat = piece.tensor.detach().reshape(piece.row_count, piece.row_size)
    kept = max(rows, 1)
    part = packed(flat[torch.arange(kept) * piece.row_count // kept])[0]
    return base64_length(len(part)) * piece.row_count // kept


def digest(tensor: Tensor) -> bytes:
    planes, kind = planes_of(tensor)
    return hashlib.blake2b(planes, digest_size=16, key=kind.encode()).digest()


def base64_length(count: int) -> int:
    return (count + 2) // 3 * 4


def water_level(sizes: Sequence[int], capacity: float) -> float:
    """The size to which the largest have to be cut so that the sum is at most `capacity`."""
    left, remaining = capacity, sorted(sizes)
    while remaining and remaining[0] * len(remaining) <= left:
        left -= remaining.pop(0)
    return left / len(remaining) if remaining else float("inf")


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
