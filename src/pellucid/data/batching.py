"""Batches: sentences of nearly equal length side by side, so that little of the work is spent on padding.

An epoch visits every example once, in an order that depends on the seed and the epoch's number alone, so that a
resumed training knows where it stood from two numbers. Stands between tokens and the network.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

Lengths = tuple[int, int]  # tokens of source and of target
ROWS = 8  # batches have a multiple of it, where they can: fewer shapes, for each of which a kernel would be compiled


def epoch_batches(lengths: Sequence[Lengths], batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Example numbers in batches, each with rows x longest side <= batch_tokens (a longer example comes alone).

    Sorted by target length and, within one target length, by source length, up and down in turn, so that neighbours
    are alike on both sides; ties and the order of the batches are drawn anew each epoch.
    """
    draw = random.Random(f"{seed} {epoch}")
    order = list(range(len(lengths)))
    draw.shuffle(order)
    order.sort(key=lambda i: lengths[i][1])
    snake: list[int] = []
    for turn, (_, group) in enumerate(groupby(order, key=lambda i: lengths[i][1])):
        snake += sorted(group, key=lambda i: lengths[i][0], reverse=turn % 2 == 1)
    batches = list(_filled(snake, lengths, batch_tokens))
    draw.shuffle(batches)
    return batches


def _filled(order: Sequence[int], lengths: Sequence[Lengths], batch_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    longest = 0
    for example in order:
        longest = max(longest, *lengths[example])
        while batch and (len(batch) + 1) * longest > batch_tokens:
            full = len(batch) - len(batch) % ROWS or len(batch)
            yield batch[:full]
            batch = batch[full:]
            longest = max(side for i in (*batch, example) for side in lengths[i])
        batch.append(example)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Rows of ids as one matrix (row, position), filled up with `padding`."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def padding_share(lengths: Sequence[Lengths], batches: Sequence[Sequence[int]]) -> float:
    """Cells of all batches, sources and targets, that hold no token."""
    used = total = 0
    for batch in batches:
        for side in (0, 1):
            sizes = [lengths[i][side] for i in batch]
            used += sum(sizes)
            total += len(sizes) * max(sizes)
    return 1 - used / total if total else 0.0
