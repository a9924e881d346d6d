"""A set of steps picked from a trace by pattern: to be shown, compared with another, and edited.

    trace.select("decoder.*.weights").where(head=2).replace(0.0)

gives the edits that `replay` takes; nothing here changes the trace.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from pellucid.errors import PellucidError
from pellucid.see.address import Address, AddressError, region_of
from pellucid.see.diff import Divergence, diff, divergence
from pellucid.see.displayed import Displayed
from pellucid.see.operation import Step
from pellucid.see.replay import Replay
from pellucid.see.trace import Trace

if TYPE_CHECKING:
    from typing import Self

CELL = re.compile(r"(?P<name>.+)\[(?P<cell>\s*\w+\s*=[^\[\]]*)\]")

Cell = tuple[tuple[str, int], ...]


class SelectionError(PellucidError):
    """What was picked cannot be cut, compared or edited like this."""


class Selection(Displayed, Sequence[Step]):
    """Steps of one trace in the order of the computation, whole or (`cells`) a part of each."""

    def __init__(self, trace: Trace, steps: Sequence[Step], pattern: str, cells: Sequence[Cell] | None = None) -> None:
        self.trace = trace
        self.steps = list(steps)
        self.pattern = pattern
        self.cells = list(cells) if cells is not None else [()] * len(self.steps)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> "Self": ...
    def __getitem__(self, index: int | slice) -> "Step | Self":
        if isinstance(index, slice):
            return type(self)(self.trace, self.steps[index], self.pattern, self.cells[index])
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def __eq__(self, other: object) -> bool:
        """Equal to a list of the same steps, as to a selection of them with the same cells."""
        if isinstance(other, Selection):
            return self.steps == other.steps and self.cells == other.cells
        return isinstance(other, list) and self.steps == other and not any(self.cells)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Selection({self.pattern!r}: {', '.join(self.addresses) or 'nothing'})"

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    @property
    def addresses(self) -> list[str]:
        """Each step's name, with the part of it that is meant."""
        return [str(Address(step.name, tuple(cell) or None)) for step, cell in zip(self.steps, self.cells, strict=True)]

    @property
    def values(self) -> dict[str, Tensor]:
        """The numbers, by address."""
        return {address: step.value[where] for address, step, where in self._regions()}

    def _regions(self) -> Iterator[tuple[str, Step, tuple[Any, ...]]]:
        for step, cell in zip(self.steps, self.cells, strict=True):
            address = Address(step.name, cell or None)
            yield str(address), step, region_of(address, step.axis_names, step.shape)

    # --- cutting ---------------------------------------------------------------------------------------------------

    def where(self, **cell: int | str) -> "Selection":
        """The same steps at one position of an axis, by number or by its label: where(head=2), where(key="cat").

        Raises SelectionError where a step has no such axis, position or label.
        """
        cells = [
            (*before, *((axis, position(step, axis, at)) for axis, at in cell.items()))
            for step, before in zip(self.steps, self.cells, strict=True)
        ]
        return Selection(self.trace, self.steps, self.pattern, cells)

    # --- editing ---------------------------------------------------------------------------------------------------

    def replace(self, value: float | Tensor | Callable[[Tensor], Tensor]) -> dict[str, Any]:
        """The edits for `replay`: each step, or its part, set to a value, or to a function of what it was.

        Edits of several selections are joined as mappings are: one | other. Raises SelectionError for a step that
        nothing of the pass was made of.
        """
        flowing = set(self.trace.flat())
        edits: dict[str, Any] = {}
        for address, step, where in self._regions():
            if step not in flowing:
                raise SelectionError(
                    f"{step.name} stands beside the pass: the model never computed it, so nothing follows from it",
                    f"Edit what it did compute: trace.select('{step.place}.*') lists that.",
                )
            edits[address] = value(step.value[where]) if callable(value) else value
        return edits

    # --- comparing -------------------------------------------------------------------------------------------------

    def compare(
        self, other: "Selection | Trace | Replay", names: Mapping[str, str] | None = None, tolerance: float = 1e-6
    ) -> "Comparison":
        """Each step held against its partner: of the same name, as `names` say, or else in their order.

        `other` may be a selection of another trace, a whole trace, or a replay. Raises SelectionError where a step has
        no partner.
        """
        rows = []
        second = other.trace if isinstance(other, Selection | Replay) else other
        for address, step, partner in self._partners(other, dict(names or {})):
            rows.append(compared(address, step, partner))
        first = None
        if not isinstance(other, Replay) and not any(self.cells):
            first = diff(self.trace, second, tolerance, {row.address: row.other for row in rows} | dict(names or {}))
        return Comparison(tuple(rows), first)

    def _partners(
        self, other: "Selection | Trace | Replay", names: Mapping[str, str]
    ) -> Iterator[tuple[str, Step, Step]]:
        """Address, and the two steps cut to what is compared."""
        in_order = None
        if isinstance(other, Selection):
            known = dict(zip(other.names, other.steps, strict=True))
            if not names and not any(name in known for name in self.names) and len(self) == len(other):
                in_order = iter(other.steps)
        for address, step, where in self._regions():
            name = names.get(step.name, step.name)
            if in_order is not None:
                partner = next(in_order)
            elif isinstance(other, Replay):
                partner = replace(step, held=other.value(step.name), narrowed=None)
            else:
                among: Mapping[str, Step] | Trace = known if isinstance(other, Selection) else other
                if name not in among:
                    raise SelectionError(
                        f"{step.name} has no partner in what it is compared with",
                        "Give its name there: compare(other, names={...}).",
                    )
                partner = among[name]
            yield address, cut(step, where), cut(partner, where)


@dataclass(frozen=True)
class Compared:
    """Two steps held against each other; `at` is where they differ most, `shapes` where these do not even agree."""

    address: str
    other: str
    largest: float
    mean: float
    cosine: float
    at: str | None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def __str__(self) -> str:
        if self.shapes:
            return f"{self.address}: shape {self.shapes[0]}, the other {self.shapes[1]}"
        return f"{self.address}: largest {self.largest:.3g}, mean {self.mean:.3g}, cosine {self.cosine:.6f}"


@dataclass(frozen=True)
class Comparison(Displayed):
    """The pairs, and the first step of all, in the order of the computation, in which the passes part."""

    rows: tuple[Compared, ...]
    first: Divergence | None

    def __iter__(self) -> Iterator[Compared]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        last = [f"first apart: {self.first}"] if self.first else []
        return "\n".join([*map(str, self.rows), *last])


def compared(address: str, step: Step, partner: Step) -> Compared:
    """Largest and mean absolute difference, and the cosine of the angle between two tensors.

    cosine = a . b / (|a| |b|), over the numbers that are finite in both
    """
    a, b = step.value.double().cpu(), partner.value.double().cpu()
    if a.shape != b.shape:
        return Compared(address, partner.name, math.nan, math.nan, math.nan, None, (tuple(a.shape), tuple(b.shape)))
    if not a.numel():
        return Compared(address, partner.name, 0.0, 0.0, math.nan, None)
    found = divergence(step, partner, step.value, partner.value)
    apart = torch.where(a == b, 0.0, (a - b).abs())
    finite = a.isfinite() & b.isfinite()
    a, b = a[finite], b[finite]
    norms = float(a.norm() * b.norm())
    cosine = float(a @ b) / norms if norms else math.nan
    cells = [one.removeprefix(step.name).strip("[]") for one in (found.address, address)]
    at = f"{step.name}[{', '.join(filter(None, cells))}]" if found.difference != 0 else None
    return Compared(address, partner.name, found.difference, float(apart.mean()), cosine, at)


def cut(step: Step, where: tuple[Any, ...]) -> Step:
    """The step with a part of its value, and of its axes."""
    if not any(isinstance(index, int) for index in where):
        return step
    kept = tuple(axis for axis, index in zip(step.axes, where, strict=True) if not isinstance(index, int))
    try:
        return replace(step, held=step.value[where], narrowed=None, axes=kept)
    except IndexError as error:
        raise SelectionError(f"{step.name} has shape {tuple(step.value.shape)}: no such part") from error


def position(step: Step, axis: str, at: int | str) -> int:
    """The number of a position that is given by number or label. Raises SelectionError if there is none."""
    order = ", ".join(f"{name}=0..{size - 1}" for name, size in zip(step.axis_names, step.value.shape, strict=True))
    if axis not in step.axis_names:
        raise SelectionError(f"{step.name} has no axis {axis!r}", f"Its axes are [{order}].")
    number = step.axis_names.index(axis)
    if isinstance(at, str):
        labels = step.axes[number].labels or ()
        if at not in labels:
            raise SelectionError(
                f"{step.name} has no label {at!r} along {axis}",
                f"There are: {', '.join(labels)}." if labels else "Its positions have numbers only.",
            )
        return labels.index(at)
    if not -step.value.size(number) <= at < step.value.size(number):
        raise SelectionError(f"{step.name} has no position {at} along {axis}", f"Its axes are [{order}].")
    return at


def taken_apart(pattern: str) -> tuple[str, dict[str, int]]:
    """A pattern and the cell at its end: "*.weights[head=2]" is "*.weights" where head is 2."""
    found = CELL.fullmatch(pattern.strip())
    if found is None:
        return pattern, {}
    cell = Address.parse(f"x[{found['cell']}]").cell or ()
    if any(axis is None for axis, _ in cell):
        raise AddressError(f"{pattern!r}: a part is given by the names of its axes", "Write it as *.weights[head=2].")
    return found["name"], {str(axis): index for axis, index in cell}
