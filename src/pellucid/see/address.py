"""Addresses: one grammar for every number of a model, in Python, on the command line and in a page.

    [training step:]name[cell]        decoder.1.cross_attention.scores[head=2, query=5, key=3]
                                      400:encoder.0.feed_forward.wide.weight[3, 17]

A name is a place in the model and what was computed there; a cell gives one index for each axis, by the axis's name
or in their order. The whole tensor has no cell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import PellucidError

PATTERN = re.compile(r"(?:(?P<step>\d+):)?(?P<name>[^\[\]\s:]+)(?:\[(?P<cell>[^\[\]]*)\])?")


class AddressError(PellucidError):
    """An address cannot be read, or names nothing in the trace."""


@dataclass(frozen=True, slots=True)
class Address:
    """A name, and the indices of one cell: pairs of an axis's name (None: in order) and a position."""

    name: str
    cell: tuple[tuple[str | None, int], ...] | None = None
    step: int | None = None

    def __str__(self) -> str:
        before = "" if self.step is None else f"{self.step}:"
        if self.cell is None:
            return before + self.name
        parts = [str(index) if axis is None else f"{axis}={index}" for axis, index in self.cell]
        return f"{before}{self.name}[{', '.join(parts)}]"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address that `text` prints. Raises AddressError if it is none."""
        found = PATTERN.fullmatch(text.strip())
        if not found:
            raise AddressError(f"{text!r} is no address", "Write it as place.name or place.name[axis=2, axis=5].")
        step = int(found["step"]) if found["step"] else None
        if found["cell"] is None:
            return cls(found["name"], None, step)
        parts = [part.strip() for part in found["cell"].split(",")] if found["cell"].strip() else []
        cell: list[tuple[str | None, int]] = []
        for part in parts:
            axis, separator, index = part.rpartition("=")
            if not re.fullmatch(r"-?\d+", index.strip()) or (separator and not axis.strip()):
                raise AddressError(f"{text!r}: {part!r} is no index", "Write a whole number, or axis=number.")
            cell.append((axis.strip() or None, int(index)))
        return cls(found["name"], tuple(cell), step)


def index_of(address: Address, axes: Sequence[str], shape: Sequence[int]) -> tuple[int, ...]:
    """The position of the cell in a tensor of those axes. Raises AddressError if there is none.

    Where all indices are given by name, an axis with one position only, such as the batch, may be left out.
    """
    cell = address.cell or ()
    named = {axis for axis, _ in cell}
    if None not in named:
        single = ((axis, 0) for axis, size in zip(axes, shape, strict=True) if size == 1 and axis not in named)
        cell = (*cell, *single)
    order = "[" + ", ".join(f"{axis}=0..{size - 1}" for axis, size in zip(axes, shape, strict=True)) + "]"
    if len(cell) != len(shape):
        raise AddressError(
            f"{address} gives {len(address.cell or ())} of {len(shape)} indices", f"Its axes are {order}."
        )
    found: dict[int, int] = {}
    for number, (axis, index) in enumerate(cell):
        place = number if axis is None else axes.index(axis) if axis in axes else -1
        if place < 0 or place in found:
            raise AddressError(f"{address} has no axis {axis!r} of its own", f"Its axes are {order}.")
        if not -shape[place] <= index < shape[place]:
            raise AddressError(f"{address} is outside", f"Its axes are {order}.")
        found[place] = index % shape[place]
    return tuple(found[place] for place in range(len(shape)))


def cell_address(name: str, axes: Sequence[str], index: Sequence[int]) -> str:
    """The printed address of one cell, with the names of its axes."""
    return str(Address(name, tuple(zip(axes, index, strict=True)) or None))
