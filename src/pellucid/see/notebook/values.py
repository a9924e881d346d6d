"""A tensor drawn: as one matrix, or as a matrix for each position of the axes before the last two."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from torch import Tensor

from pellucid.see.address import cell_address
from pellucid.see.notebook.matrix import WINDOW, Look, look_of, matrix, picture, short, windowed, writer
from pellucid.see.notebook.words import say
from pellucid.see.operation import Axis, Step
from pellucid.see.selection import position

MATRICES = 4  # of one tensor; more are chosen by axis
Where = Mapping[str, int | str]


@dataclass(frozen=True)
class Slice:
    """A matrix within a tensor: its numbers and axes, and at which positions of the other axes it lies."""

    values: Tensor
    axes: tuple[Axis, Axis]
    fixed: str
    cell: Callable[[int, int], str]


def slices(step: Step, where: Where) -> Iterator[Slice]:
    """The matrices of a value, those that lie `where` it is said."""
    names, dimensions = step.axis_names, step.value.dim()
    chosen: dict[int, int] = {}
    for axis, at in where.items():
        found = position(step, axis, at)  # raises where there is none
        number = names.index(axis)
        chosen[number] = found % step.value.size(number)
    free = [number for number in range(dimensions) if number not in chosen]
    pair, leading = free[-2:], free[:-2]
    axes = tuple(step.axes[number] for number in pair)
    for places in itertools.product(*(range(step.value.size(number)) for number in leading)):
        fixed_at = {**chosen, **dict(zip(leading, places, strict=True))}
        part = step.value[tuple(fixed_at.get(number, slice(None)) for number in range(dimensions))]
        part = part.reshape((1,) * (2 - part.dim()) + tuple(part.shape))

        def cell(i: int, j: int, at: Mapping[int, int] = fixed_at) -> str:
            index = {**at, **dict(zip(pair, (i, j)[2 - len(pair) :], strict=True))}
            return cell_address(step.name, names, [index[number] for number in range(dimensions)])

        fixed = ", ".join(f"{names[number]}={fixed_at[number]}" for number in sorted(fixed_at))
        yield Slice(part, (*(Axis("", ("",)),) * (2 - len(axes)), *axes), fixed, cell)  # type: ignore[arg-type]


def drawn(part: Slice, look: Look, rows: int, columns: int, caption: str, **how: Any) -> str:
    """One matrix with its caption, and a picture of the whole where only a window of it is written out."""
    table = matrix(part.values, part.axes, look, cell=part.cell, most=(rows, columns), **how)
    sizes = [
        (axis, size, most)
        for axis, size, most in zip(part.axes, part.values.shape, (rows, columns), strict=True)
        if windowed(size, most)
    ]
    if sizes:
        shape = " × ".join(str(size) for size in part.values.shape if size > 1)
        shown = ", ".join(say("window", shown=most, size=size, axis=axis.name) for axis, size, most in sizes)
        caption += f' <span class="quiet">{shown}{say("windowed")}</span>'
        table += picture(part.values, look, f"{part.cell(0, 0)} … ({shape})")
    return f"<figure>{f'<figcaption>{caption}</figcaption>' if caption else ''}{table}</figure>"


def tensor(step: Step, where: Where | None = None, rows: int = WINDOW[0], columns: int = WINDOW[1]) -> str:
    """The numbers of a step."""
    if not step.value.numel():
        return f'<p class="note">{say("empty")}</p>'
    parts = list(itertools.islice(slices(step, where or {}), MATRICES))
    count = step.value.numel() // max(1, parts[0].values.numel())
    for axis in where or {}:
        count //= step.value.size(step.axis_names.index(axis))
    if parts[0].values.numel() == 1 and count == 1:
        value = parts[0].values
        return f'<p class="sum">{escape(parts[0].cell(0, 0))} = <b>{writer(value, 6)(float(value))}</b></p>'
    look = look_of(*(part.values for part in parts))
    html = drawn(parts[0], look, rows, columns, escape(parts[0].fixed))
    for part in parts[1:]:
        html += f"<details><summary>{escape(part.fixed)}</summary>{drawn(part, look, rows, columns, '')}</details>"
    html += look.legend
    if any(windowed(size, most) for size, most in zip(parts[0].values.shape, (rows, columns), strict=True)):
        html += f'<p class="note">{say("more_cells")}</p>'
    if count > len(parts):
        example = ", ".join(part.replace("=0", f"={min(1, size - 1)}") for part, size in _leading(step, where or {}))
        html += f'<p class="note">{say("slices", shown=len(parts), count=f"{count:,}", axes=example)}</p>'
    return html


def _leading(step: Step, where: Where) -> Sequence[tuple[str, int]]:
    free = [(name, size) for name, size in zip(step.axis_names, step.value.shape, strict=True) if name not in where]
    return [(f"{name}=0", size) for name, size in free[:-2]]


def shape_of(step: Step) -> str:
    """A shape with the names of its axes."""
    sizes = zip(step.axis_names or (f"d{d}" for d in range(len(step.shape))), step.shape, strict=False)
    return " × ".join(f"{name} {size}" for name, size in sizes) or "1"


def dtype_of(step: Step) -> str:
    return str(step.dtype).removeprefix("torch.")


def badge(step: Step) -> str:
    """How a value was obtained, and how far it is from what PyTorch computed as one."""
    far = f" · ≤ {short(step.difference, 2)}" if step.difference is not None else ""
    kind = "badge whole" if step.how == "whole" else "badge"
    return f'<span class="{kind}" title="{say("why_difference") if far else ""}">{say(step.how)}{far}</span>'


def step(one: Step, where: Where | None = None, rows: int = WINDOW[0], columns: int = WINDOW[1]) -> str:
    """A step: what it is, of what it was made, its numbers, and its gradient folded away."""
    made_of = ", ".join(escape(operand.name) for operand in one.operands.values())
    op = one.op.removeprefix("whole:")
    about = f"{escape(op)} · {escape(shape_of(one))} · {dtype_of(one)}"
    numbers = tensor(one, where, rows, columns)  # first, for it may compute them anew, which the badge tells
    html = f'<div><span class="name">{escape(one.name)}</span>{badge(one)}</div><p class="note">{about}'
    html += f"<br>{say('operands')}: {made_of}</p>" if made_of else "</p>"
    html += numbers
    if one.gradient is not None:
        gradient = Step(f"dL/d {one.name}", one.op, one.gradient, axes=one.axes)
        html += f"<details><summary>{say('gradient')}</summary>{tensor(gradient, where, rows, columns)}</details>"
    return html
