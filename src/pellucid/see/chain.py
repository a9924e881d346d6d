"""The chain rule written out: every way in which one number reaches the loss, as a product of partial derivatives.

    dL/dw = sum over paths w -> a -> b -> ... -> L of  da/dw db/da ... dL/dz

Where the paths are too many to be read they are added up in groups: by the layer that they go through first and the
layers that they pass by a residual connection on the way there, or, in a network without such connections, by the
cell at which they part. The groups leave no path out and count none twice.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pellucid.see.address import Address
from pellucid.see.backpropagation import contributions
from pellucid.see.counting import counted
from pellucid.see.displayed import Displayed, Listed
from pellucid.see.explain import derivatives
from pellucid.see.expression import rounded
from pellucid.see.operation import Index, Step, widened
from pellucid.see.residuals import Residual, residuals
from pellucid.see.trace import Trace, TraceError

MOST = 300  # paths; beyond it a list is no explanation
USES = 8  # of a parameter, up to which each is a group of its own
EXACT = 2**53  # up to here a count in double precision is exact
SHOWN = 12  # groups in a text; the rest is added up
WIDTH = 80

Pass = Callable[[Step, Tensor], list[tuple[Step, Tensor]]]


@dataclass(frozen=True)
class Path(Displayed):
    """The cells from a number to the loss, and the partial derivative of each by the one before it."""

    cells: tuple[str, ...]
    partials: tuple[float, ...]

    @property
    def product(self) -> float:
        return math.prod(self.partials)

    def __str__(self) -> str:
        return self.text()

    def text(self, digits: int = 4) -> str:
        """The product of partial derivatives, from the loss back to the number."""
        numbers = "*".join(rounded(partial, digits) for partial in reversed(self.partials))
        return f"{' <- '.join(reversed(self.cells))}: {numbers} = {self.product:.{digits}g}"

    def json(self) -> dict[str, Any]:
        return {"cells": list(self.cells), "partials": list(self.partials), "product": self.product}


@dataclass(frozen=True)
class Way:
    """What the paths of a group have in common: how the number is used (`by`), the layers that they pass by a residual
    connection, in their order, and the layer that they go through then; None: straight on to the loss.
    """

    past: tuple[str, ...] = ()
    through: str | None = None
    by: str | None = None

    @property
    def text(self) -> str:
        """In words: past encoder.0.self_attention, by its residual (skip), through encoder.0.feed_forward."""
        parts = [] if self.by is None else [f"by {self.by}"]
        if self.past:
            *most, last = self.past
            named = f"{', '.join(most)} and {last}, by their residuals" if most else f"{last}, by its residual"
            parts.append(f"past {named} (skip)")
        parts.append(f"through {self.through}" if self.through else "straight on to the loss")
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class Group:
    """Paths that are added up: their part of the gradient, and how many they are."""

    way: Way
    contribution: Tensor
    paths: float


@dataclass(frozen=True, eq=False)
class Paths(Displayed):
    """All paths from a number, or from a whole tensor, to the loss: one by one in `listed`, or else in `groups`.

    `own` are the layers that hold it, out of which all of its paths lead before anything else.
    """

    address: str
    gradient: Tensor
    count: float
    listed: tuple[Path, ...] | None
    groups: tuple[Group, ...]
    own: tuple[str, ...] = ()

    @property
    def one(self) -> bool:
        """Whether it is one number's, rather than a tensor's."""
        return self.gradient.dim() == 0

    def share(self, group: Group) -> float:
        """How much of the gradient a group is: of a tensor's, the part that points its way. Shares add up to 1."""
        whole = self.gradient.double()
        size = float((whole * whole).sum())
        return float((group.contribution.double() * whole).sum()) / size if size else 0.0

    def text(self, width: int = WIDTH, shown: int = SHOWN) -> str:
        """Each path on a line, or a table of the groups."""
        head = f"dL/d {self.address} = {number(self.gradient)}"
        if self.listed is not None:
            lines = [path.text() for path in self.listed]
            return "\n".join([head, f"{written(self.count)} to the loss:", *lines])
        rows = self.rows(shown)
        names = [self.name(way, width - 38) for way, *_ in rows]
        first = max(map(len, [*names, "through first"]))
        kind = "part" if self.one else "norm"
        lines = [f"{'through first':{first}}  past     paths    share {kind:>12}"]
        for name, (way, part, paths, share) in zip(names, rows, strict=True):
            past = str(len(way.past)) if way and way.past else "-"
            lines.append(f"{name:{first}}  {past:>4} {short(paths):>9} {percent(share):>8} {part:>12.4g}")
        if any(group.way.past for group in self.groups):
            lines.append("past: layers passed by their residual (skip) on the way there")
        elif len(self.groups) == 1:
            lines.append("No residual connection parts them; name one cell to see where its paths part.")
        out = f", out of {' and '.join(self.own)}" if self.own else ""
        return "\n".join([head, f"{written(self.count)} to the loss{out}, added up:", *lines])

    def rows(self, shown: int = SHOWN) -> list[tuple[Way | None, float, float, float]]:
        """Way, part (of a tensor its norm), paths and share of each group; the smallest are added up beyond `shown`."""
        groups = list(self.groups)
        if len(groups) > shown:
            kept = sorted(groups, key=lambda group: -float(group.contribution.abs().max()))[: shown - 1]
            groups = [group for group in groups if group in kept]
        rows: list[tuple[Way | None, float, float, float]] = [
            (group.way, size_of(group.contribution), group.paths, self.share(group)) for group in groups
        ]
        rest = [group for group in self.groups if group not in groups]
        if rest:
            part = torch.stack([group.contribution for group in rest]).sum(0)
            rows.append((None, size_of(part), sum(g.paths for g in rest), sum(map(self.share, rest))))
        return rows

    def name(self, way: Way | None, width: int) -> str:
        """A group in a table, from the left cut to the width."""
        if way is None:
            return f"{len(self.groups) - SHOWN + 1} more"
        name = way.through or "straight on to the loss"
        name = name if way.by is None else f"{way.by} > {name}"
        return name if len(name) <= width else f"...{name[3 - width :]}"

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"address": self.address, "count": self.count, "count_exact": self.count < EXACT}
        found["layers"] = list(self.own)
        found["gradient"] = float(self.gradient) if self.one else {"norm": size_of(self.gradient)}
        if self.listed is not None:
            return {**found, "paths": [path.json() for path in self.listed]}
        groups = []
        for group in self.groups:
            way, size = group.way, size_of(group.contribution)
            named: dict[str, Any] = {"by": way.by, "past": list(way.past), "through": way.through, "text": way.text}
            named["contribution" if self.one else "norm"] = size
            groups.append({**named, "share": self.share(group), "paths": group.paths})
        return {**found, "groups": groups}

    def __str__(self) -> str:
        return self.text()

    def __iter__(self) -> Iterator[Path]:
        return iter(self.listed or ())

    def __len__(self) -> int:
        return len(self.listed if self.listed is not None else self.groups)


def all_paths(trace: Trace, address: str | Address, most: int = MOST) -> Paths:
    """The paths from a cell to the loss, one by one if there are at most `most`, else in groups.

    An address without a cell means the whole tensor; its paths are always in groups. Raises TraceError where the trace
    has no loss or the number is no float, AddressError where the address names nothing.
    """
    parsed = address if isinstance(address, Address) else Address.parse(address)
    loss = loss_of(trace)
    cell: Index | None = None
    if parsed.cell is None:
        step = trace[parsed.name]
        cell = () if step.value.dim() == 0 else None
    else:
        step, cell = trace.cell(parsed)
    if not step.value.is_floating_point():
        raise TraceError(f"{step.name} holds whole numbers, along which nothing can be differentiated")
    gradient = trace.gradients.get(step)
    if step in trace.stands_beside:
        there = trace.stands_beside[step][0].name
        raise TraceError(f"the model never computed {step.name}; its paths are those of {there}", f"Name {there}.")
    if gradient is None:
        gradient = torch.zeros_like(widened(step.value))
    name = step.name if cell is None else step.address(cell)
    at = slice(None) if cell is None else cell
    wanted = between(trace, step)
    if loss not in wanted:
        return Paths(name, gradient[at], 0, (), ())
    known = residuals(trace)
    leading: dict[Step, Tensor] = {}
    ways = carried(trace, step, loss, wanted, known, lambda s, u: counted(trace, s, u, wanted), torch.float64, leading)
    counts = {way: float(found[at].sum()) for way, found in ways.items()}
    count = sum(counts.values())
    if cell is not None and count <= most:
        listed = tuple(onward(trace, step, cell, loss, leading, (name,), ()))
        return Paths(name, gradient[at], count, listed, ())
    if cell is not None and len(ways) == 1 and not next(iter(ways)).past:
        return Paths(name, gradient[at], count, None, tuple(parted(trace, step, cell, loss, wanted)))
    parts = carried(trace, step, loss, wanted, known, lambda s, u: contributions(trace, s, u))
    groups = [
        Group(way, parts[way][at], counts[way])
        for way in sorted(parts, key=lambda way: order_of(way, known))
        if counts[way] or bool(parts[way][at].any())
    ]
    own = tuple(one.layer for one in known if one.holds(step, trace))
    return Paths(name, gradient[at], count, None, tuple(groups), own)


def paths(trace: Trace, address: str | Address, most: int = MOST) -> Listed[Path]:
    """All paths from a cell to the loss; their products add up to its gradient.

    Raises TraceError where there are more than `most`.
    """
    step, _ = trace.cell(address)
    found = all_paths(trace, address, most)
    if found.listed is None:
        raise TraceError(
            f"more than {most} paths lead from {address} to the loss: {short(found.count)}",
            f"trace.paths('{step.name}') has them in groups.",
        )
    return Listed(found.listed)


def loss_of(trace: Trace) -> Step:
    if trace.loss is None:
        raise TraceError("the trace has no loss that a path could lead to", "Capture with loss=.")
    return trace[trace.loss]


def between(trace: Trace, source: Step) -> set[Step]:
    """The step and all that was made from it."""
    found = {source}
    for step in trace.flat():
        made_from = [step.inside[-1]] if step.inside else step.operands.values()
        if any(one in found for one in made_from):
            found.add(step)
    return found


def carried(
    trace: Trace,
    source: Step,
    loss: Step,
    wanted: set[Step],
    known: Sequence[Residual],
    back: Pass,
    dtype: torch.dtype | None = None,
    summed: dict[Step, Tensor] | None = None,
) -> dict[Way, Tensor]:
    """What comes back from the loss to the source, by the way that it came; `back` takes it through one step.

    `summed`, where given, is filled with what comes back to each step on the way, by all ways together.

    At a residual addition the two ways part. What comes back through its layer is one from there on, whatever lay
    behind it, so that the ways stay as few as the layers. Only in the layer that holds the source do they stay apart.
    """
    own = {one.addition for one in known if one.holds(source, trace)}
    uses = [step for step in trace.made_of(source) if step in wanted]
    named = source if source.leaf and 1 < len(uses) <= USES else None
    for step, ways in backwards(trace, loss, wanted, known, back, own, named, dtype):
        if step is source:
            return ways
        if summed is not None and ways:
            summed[step] = torch.stack(list(ways.values())).sum(0)
    return {}


def backwards(
    trace: Trace,
    loss: Step,
    wanted: set[Step],
    known: Sequence[Residual],
    back: Pass,
    own: Collection[Step] = (),
    named: Step | None = None,
    dtype: torch.dtype | None = None,
) -> Iterator[tuple[Step, dict[Way, Tensor]]]:
    """Each step from the loss on, with what comes back to it by each way.

    `own` are the additions of those layers in which the ways stay apart; the uses of `named` are told apart as well.
    """
    at = {one.addition: one for one in known}
    parts: dict[Step, dict[Way, Tensor]] = {loss: {Way(): torch.ones_like(widened(loss.value), dtype=dtype)}}
    with torch.no_grad():
        for step in reversed([step for step in trace.flat() if step in wanted]):
            ways = parts.pop(step, {})
            yield step, ways
            residual = at.get(step)
            for way, upstream in () if step.leaf else ways.items():
                for operand, passed in back(step, upstream):
                    if operand not in wanted:
                        continue
                    onto = way
                    if residual and operand is residual.skip:
                        onto = replace(way, past=(residual.layer, *way.past))
                    elif residual and step not in own:
                        onto = Way(through=residual.layer)
                    if operand is named:
                        onto = replace(onto, by=step.name)
                    held = parts.setdefault(operand, {})
                    held[onto] = held[onto] + passed if onto in held else passed


def order_of(way: Way, known: Sequence[Residual]) -> tuple[int, int]:
    """Layers in their order, what goes straight on last."""
    layers = [one.layer for one in known]
    return (layers.index(way.through) if way.through else len(layers), len(way.past))


def parted(trace: Trace, step: Step, cell: Index, loss: Step, wanted: set[Step]) -> Iterator[Group]:
    """A group for each cell at which the paths from one cell part for the first time."""
    local = 1.0
    while len(found := derivatives(trace, step, cell)) == 1:
        ((step, cell, along),) = found
        local *= along
    counts: dict[Step, Tensor] = {loss: torch.ones_like(loss.value, dtype=torch.float64)}
    for made in reversed([one for one in trace.flat() if one in wanted]):
        for operand, passed in counted(trace, made, counts[made], wanted) if made in counts else ():
            counts[operand] = counts[operand] + passed if operand in counts else passed
    for made, index, along in found:
        part = trace.gradients[made][index] * (local * along)
        yield Group(Way(through=made.address(index)), part, float(counts[made][index]) if made in counts else 0.0)


def onward(
    trace: Trace,
    step: Step,
    cell: Index,
    loss: Step,
    leading: Mapping[Step, Tensor],
    cells: tuple[str, ...],
    partials: tuple[float, ...],
) -> Iterator[Path]:
    """All paths that go on from a cell.

    `leading` is how many lead on from each cell. Cells from which none does are passed over: of a softmax over a large
    vocabulary these are nearly all, and to try each one takes minutes.
    """
    if step is loss:
        yield Path(cells, partials)
        return
    for made, index, local in derivatives(trace, step, cell):
        if made not in leading or not leading[made][index]:
            continue
        # A fused step is its last inner one: no partial derivative of its own.
        longer = (cells, partials) if made.inside else ((*cells, made.address(index)), (*partials, local))
        yield from onward(trace, made, index, loss, leading, *longer)


def size_of(value: Tensor) -> float:
    return float(value) if value.dim() == 0 else float(value.double().norm())


def number(value: Tensor) -> str:
    return f"{float(value):.4g}" if value.dim() == 0 else f"a tensor of norm {size_of(value):.4g}"


def short(count: float) -> str:
    return f"{count:,.0f}" if count < 1e6 else f"{count:.2e}"


def percent(share: float) -> str:
    """12.3%; a part many times as large as the sum, where parts cancel, as that many times: -78x."""
    return f"{share:.1%}" if abs(share) < 10 else f"{share:,.0f}x"


def written(count: float) -> str:
    return "1 path leads" if count == 1 else f"{short(count)} paths lead"
