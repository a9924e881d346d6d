"""Rows on three sides, and in batches: what is trained on, what development looks at, what the test is scored on.

The side of a row depends on a hash of what it holds and the seed, not on its place in the file: shuffling or reading
again changes nothing, and two equal rows are never on two sides.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.data.columns import Table


@dataclass(frozen=True, slots=True)
class Sides:
    """Row numbers, in the order of the table."""

    train: list[int]
    dev: list[int]
    test: list[int]


def split_rows(table: Table, seed: int, held_out: float = 0.15, strata: Sequence[str] | None = None) -> Sides:
    """A share of `held_out` of the rows for dev and as much for the test; with `strata`, of the rows of each stratum.

    Strata are such as the class of each row, so that a rare class is on every side.
    """
    rows = zip(*table.columns, strict=True)
    return split_contents(["\0".join(row).encode() for row in rows], seed, held_out, strata)


def split_contents(
    contents: Sequence[bytes], seed: int, held_out: float = 0.15, strata: Sequence[str] | None = None
) -> Sides:
    """The same for whatever the examples are made of, such as the pixels of images."""
    groups: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for number, content in enumerate(contents):
        key = hashlib.blake2b(f"{seed}\0".encode() + content, digest_size=16).digest()
        groups[strata[number] if strata else ""].append((key, number))
    train: list[int] = []
    dev: list[int] = []
    test: list[int] = []
    for name in sorted(groups):
        ordered = sorted(groups[name])
        wanted = round(len(ordered) * held_out)
        first = _not_within_equals(ordered, wanted)
        second = _not_within_equals(ordered, first + wanted)
        dev += [number for _, number in ordered[:first]]
        test += [number for _, number in ordered[first:second]]
        train += [number for _, number in ordered[second:]]
    return Sides(sorted(train), sorted(dev), sorted(test))


def row_batches(rows: int, batch: int, seed: int, epoch: int) -> list[list[int]]:
    """All rows once, shuffled by seed and epoch, `batch` at a time; in their own order where one batch holds all."""
    if batch >= rows:
        return [list(range(rows))]
    order = row_order(rows, seed, epoch).tolist()
    return [order[start : start + batch] for start in range(0, rows, batch)]


def row_order(rows: int, seed: int, epoch: int) -> Tensor:
    """All rows once, as an epoch takes them."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def _not_within_equals(ordered: Sequence[tuple[bytes, int]], place: int) -> int:
    """The first place from `place` on at which a cut does not go through a run of equal rows."""
    while 0 < place < len(ordered) and ordered[place - 1][0] == ordered[place][0]:
        place += 1
    return place
