"""Batches: sentences of nearly equal length side by side, so that little of the work is spent on padding.

An epoch visits every example once, in an order that depends on the seed and the epoch's number alone, so that a
resumed training knows where it stood from two numbers. Stands between tokens and the network.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

ROWS = 8  # batches have a multiple of it, where they can: fewer shapes, for each of which a kernel would be compiled


@dataclass(frozen=True, slots=True, eq=False)
class Batches(Sequence[list[int]]):
    """Batches of example numbers in one tensor: batch b is order[starts[b] : starts[b] + sizes[b]] as a list.

    Shapes: order (examples), int32; starts and sizes (batches), int64.
    """

    order: Tensor
    starts: Tensor
    sizes: Tensor

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, number: int) -> list[int]: ...
    @overload
    def __getitem__(self, number: slice) -> "Batches": ...
    def __getitem__(self, number: int | slice) -> "list[int] | Batches":
        if isinstance(number, slice):
            return Batches(self.order, self.starts[number], self.sizes[number])
        start, size = int(self.starts[number]), int(self.sizes[number])  # an IndexError of theirs ends an iteration
        return self.order[start : start + size].tolist()


def epoch_batches(lengths: Tensor, batch_tokens: int, seed: int, epoch: int) -> Batches:
    """Example numbers in batches, each with rows x longest side <= batch_tokens (a longer example comes alone).

    Sorted by target length and, within one target length, by source length, up and down in turn, so that neighbours
    are alike on both sides; ties and the order of the batches are drawn anew each epoch.
    Shapes: lengths (examples, 2): tokens of source and of target.
    """
    draw = torch.Generator().manual_seed(random.Random(f"{seed} {epoch}").getrandbits(32))
    order = _snake(lengths, draw)
    sizes = torch.tensor(list(_filled(lengths.amax(1)[order], batch_tokens)), dtype=torch.int64)
    shuffled = torch.randperm(len(sizes), generator=draw)
    return Batches(order.int(), (sizes.cumsum(0) - sizes)[shuffled], sizes[shuffled])


def _snake(lengths: Tensor, draw: torch.Generator) -> Tensor:
    """Example numbers by target length, within one by source length, up in every other one and down in the rest."""
    order = torch.randperm(len(lengths), generator=draw)
    if not len(order):
        return order
    source, target = lengths[order].long().unbind(1)
    turn = (target.bincount() > 0).cumsum(0)[target]  # 1 for the shortest target length that there is, 2 for the next
    longest = int(source.max())
    key = turn * (longest + 1) + torch.where(turn % 2 == 1, source, longest - source)
    return order[key.argsort(stable=True)]


def _filled(longest: Tensor, batch_tokens: int) -> Iterator[int]:
    """How many examples, in this order, go into each batch; `longest` is each one's longer side.

    Walks over runs of examples of equal length rather than over examples: lengths are few, examples may be millions.
    """
    runs = longest.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]
    widths, counts = (part.tolist() for part in runs)
    run, left = 0, 0  # where the next batch begins: examples of `run` that are not yet in one, if any are
    while run < len(counts):
        rows = width = 0
        for at in range(run, len(counts)):
            there = left or counts[at] if at == run else counts[at]
            width = max(width, widths[at])
            taken = min(there, max(batch_tokens // width - rows, 0))
            rows += taken
            if taken < there:
                rows = rows - rows % ROWS or max(rows, 1)
                break
        yield rows
        ahead = rows
        while run < len(counts) and ahead >= (left or counts[run]):
            ahead -= left or counts[run]
            run, left = run + 1, 0
        if ahead:
            left = (left or counts[run]) - ahead


def padded(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Rows of ids as one matrix (row, position), filled up with `padding`."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def padding_share(lengths: Tensor, batches: Sequence[Sequence[int]]) -> float:
    """Cells of all batches, sources and targets, that hold no token. Shapes: lengths (examples, 2)."""
    used = total = 0
    for batch in batches:
        sizes = lengths[torch.as_tensor(batch)]  # row side
        used += int(sizes.sum())
        total += len(batch) * int(sizes.amax(0).sum())
    return 1 - used / total if total else 0.0
