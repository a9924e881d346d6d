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
    found = indices_of(address, axes, shape)
    if all(axis is not None for axis, _ in address.cell or ()):
        found = {**{place: 0 for place, size in enumerate(shape) if size == 1}, **found}
    if len(found) != len(shape):
        raise AddressError(
            f"{address} gives {len(address.cell or ())} of {len(shape)} indices", f"Its axes are {order(axes, shape)}."
        )
    return tuple(found[place] for place in range(len(shape)))


def region_of(address: Address, axes: Sequence[str], shape: Sequence[int]) -> tuple[int | slice, ...]:
    """The part of a tensor that an address names, which may leave axes out: all along these. Raises AddressError."""
    found = indices_of(address, axes, shape)
    return tuple(found.get(place, slice(None)) for place in range(len(shape)))


def order(axes: Sequence[str], shape: Sequence[int]) -> str:
    """Which indices there are."""
    return "[" + ", ".join(f"{axis}=0..{size - 1}" for axis, size in zip(axes, shape, strict=True)) + "]"


def indices_of(address: Address, axes: Sequence[str], shape: Sequence[int]) -> dict[int, int]:
    """The index that an address gives in each dimension of which it gives one."""
    found: dict[int, int] = {}
    for number, (axis, index) in enumerate(address.cell or ()):
        place = number if axis is None else axes.index(axis) if axis in axes else -1
        if not 0 <= place < len(shape) or place in found:
            what = f"more than {len(shape)} indices" if axis is None else f"no axis {axis!r} of its own"
            raise AddressError(f"{address} has {what}", f"Its axes are {order(axes, shape)}.")
        if not -shape[place] <= index < shape[place]:
            raise AddressError(f"{address} is outside", f"Its axes are {order(axes, shape)}.")
        found[place] = index % shape[place]
    return found


def cell_address(name: str, axes: Sequence[str], index: Sequence[int]) -> str:
    """The printed address of one cell, with the names of its axes."""
    return str(Address(name, tuple(zip(axes, index, strict=True)) or None))
