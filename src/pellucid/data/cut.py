"""Batches cut from tensors: many are gathered at once, in the order of the epoch, and each is a piece of that.

Gathering a batch of a small network's examples by itself takes as long as one of its layers (bench/ladder.py).
"""

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

AT_ONCE = 1 << 20  # numbers gathered together, about: few megabytes


def cut_batches(rows: Mapping[str, Tensor], order: Tensor, batch: int, first: int = 0) -> Iterator[dict[str, Tensor]]:
    """`rows` in this order, `batch` at a time, from batch number `first` on; the last may be smaller.

    Where a batch lies in memory depends on its number alone, so that a resumed training computes the same bits.
    """
    numbers = max(sum(math.prod(tensor.shape[1:]) for tensor in rows.values()), 1)
    together = max(AT_ONCE // (numbers * batch), 1)  # batches
    start = first - first % together
    while start * batch < len(order):
        chosen = order[start * batch : (start + together) * batch]
        pieces = [torch.split(tensor.index_select(0, chosen), batch) for tensor in rows.values()]
        for number, tensors in enumerate(zip(*pieces, strict=True), start):
            if number >= first:
                yield dict(zip(rows, tensors, strict=True))
        start += together
