"""Streams: one long text arranged as batches of stretches, named by where each begins.

For a model that carries a state the text is cut into as many rows as a batch holds, and each batch goes on where the
one before ended; for one that does not, stretches are shuffled. Stands between ids and the network.
"""

import random

import torch
from jaxtyping import Int
from torch import Tensor


def rows_in_order(length: int, context: int, rows: int, seed: int, number: int) -> list[list[int]]:
    """The starts of one pass in which row r of each batch goes on where row r of the batch before ended.

    Every pass begins at another place, so that stretches are cut elsewhere; a short text has fewer rows.
    """
    begin = random.Random(f"{seed} epoch {number}").randrange(min(context, max(length - context, 1)))
    usable = length - begin - 1  # the last token is only asked for
    rows = max(min(rows, usable // context), 1)
    stretches = max(usable // rows // context, 1)
    apart = usable // rows
    return [[begin + row * apart + k * context for row in range(rows)] for k in range(stretches)]


def shuffled(length: int, context: int, batch: int, seed: int, number: int) -> list[list[int]]:
    """The starts of one pass in which stretches that touch each other come in random order."""
    draw = random.Random(f"{seed} epoch {number}")
    begin = draw.randrange(min(context, max(length - context, 1)))
    starts = list(range(begin, max(length - context, begin + 1), context))
    draw.shuffle(starts)
    whole = len(starts) // batch * batch or len(starts)
    return [starts[i : i + batch] for i in range(0, whole, batch)]


def stretches(ids: Int[Tensor, " token"], starts: Int[Tensor, " batch"], context: int) -> Int[Tensor, "batch time"]:
    """`context` tokens from each start and the one that comes next; shorter only if the text is."""
    last = min(context + 1, len(ids))
    return ids[starts[:, None] + torch.arange(last)].long()
