"""Packed rows: the ids of a whole corpus end to end in one tensor, and where each row begins.

A list of Python numbers costs 8 bytes and more a token, and a walk through Python to read; packed, a token costs two
or four bytes and a batch is one gather. Stands between tokens and batches.
"""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SMALL = 2**15  # ids below it fit int16, half the size of int32


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of ids of any lengths: row r is ids[starts[r] : starts[r + 1]].

    Shapes: ids (tokens), int16 or int32; starts (rows + 1), int64.
    """

    ids: Tensor
    starts: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, part: slice) -> "Packed":
        """The rows of a slice without a step; they share the memory of the whole."""
        first, last, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"rows can be sliced with step 1 only, not {step}")
        last = max(first, last)
        return Packed(self.ids, self.starts[first : last + 1])

    @property
    def lengths(self) -> Tensor:
        """Ids of each row: (rows), int64."""
        return self.starts.diff()

    @property
    def bytes(self) -> int:
        """Memory of the ids and the starts."""
        return self.ids.nbytes + self.starts.nbytes

    def rows(self, numbers: Sequence[int] | Tensor, padding: int) -> Tensor:
        """These rows (at least one) as one matrix (row, position), int64, filled up with `padding`."""
        chosen = torch.as_tensor(numbers, dtype=torch.int64)
        starts = self.starts[chosen]
        lengths = self.starts[chosen + 1] - starts
        positions = torch.arange(int(lengths.max()))
        beyond = positions >= lengths[:, None]  # row position
        cells = (starts[:, None] + positions).masked_fill_(beyond, 0)
        return self.ids[cells].long().masked_fill_(beyond, padding)


@dataclass(frozen=True, slots=True)
class PackedPairs:
    """Sources and targets, row beside row."""

    source: Packed
    target: Packed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, part: slice) -> "PackedPairs":
        return PackedPairs(self.source[part], self.target[part])

    @property
    def bytes(self) -> int:
        return self.source.bytes + self.target.bytes

    def checksum(self) -> str:
        """SHA-256 of all ids and of where each row begins."""
        digest = hashlib.sha256()
        for side in (self.source, self.target):
            for tensor in (side.ids, side.starts):
                digest.update(tensor.view(torch.uint8).numpy().data)
        return digest.hexdigest()


def pack(pairs: Iterable[tuple[Sequence[int], Sequence[int]]], vocabulary: int) -> PackedPairs:
    """Pack pairs of rows as they come, so that only the one at hand exists as Python numbers; ids < vocabulary."""
    kind, dtype = ("h", torch.int16) if vocabulary <= SMALL else ("i", torch.int32)
    ids, starts = (array(kind), array(kind)), (array("q", [0]), array("q", [0]))
    for pair in pairs:
        for side, row in enumerate(pair):
            ids[side].extend(row)
            starts[side].append(len(ids[side]))
    source, target = (Packed(_tensor(ids[side], dtype), _tensor(starts[side], torch.int64)) for side in (0, 1))
    return PackedPairs(source, target)


def _tensor(numbers: "array[int]", dtype: torch.dtype) -> Tensor:
    """The same memory as a tensor; PyTorch takes no empty buffer."""
    return torch.frombuffer(numbers, dtype=dtype) if numbers else torch.empty(0, dtype=dtype)
