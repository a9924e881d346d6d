"""Where two passes part: the first step, in the order of the computation, whose numbers differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from pellucid.see.alignment import aligned, arranged
from pellucid.see.operation import Step
from pellucid.see.replay import layer_of
from pellucid.see.trace import Trace, TraceError, largest_difference

SHOWN = 24  # layers in a table
WIDTH = 80


@dataclass(frozen=True)
class Divergence:
    """The cell that differs most in the first step that differs; `shapes` where not even those agree.

    `part` is what a textbook calls the step, where that is how the two were matched.
    """

    address: str
    other: str
    first: float
    second: float
    difference: float
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    part: str | None = None

    def __str__(self) -> str:
        part = f"{self.part}: " if self.part else ""
        if self.shapes:
            return f"{part}{self.address} has shape {self.shapes[0]}, {self.other} has {self.shapes[1]}"
        second = f"but {self.other} = {self.second:.6g} ({self.difference:.3g} apart)"
        return f"{part}{self.address} = {self.first:.6g}, {second}"

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"part": self.part, "address": self.address, "other": self.other}
        if self.shapes:
            return {**found, "shapes": [list(shape) for shape in self.shapes]}
        return {**found, "first": self.first, "second": self.second, "difference": self.difference}


@dataclass(frozen=True)
class Comparison:
    """Two passes held against each other: `first` is where they part, `layers` the largest difference in each layer.

    `by` says whether steps were matched by their "names" or by "structure"; `compared` is how many pairs there were.
    """

    first: Divergence | None
    by: str
    compared: int
    tolerance: float
    layers: Mapping[str, float]

    def text(self, width: int = WIDTH, shown: int = SHOWN) -> str:
        if self.first is None:
            head = f"no difference beyond {self.tolerance:g}"
        elif len(line := f"first difference: {self.first}") <= width or self.first.shapes:
            head = line
        else:
            part = f"{self.first.part}, " if self.first.part else ""
            head = (
                f"first difference: {part}{self.first.difference:.3g} apart\n"
                f"{self.first.address} = {self.first.first:.6g}\n{self.first.other} = {self.first.second:.6g}"
            )
        lines = [head, f"{self.compared} pairs of steps, matched by {self.by}"]
        rows = list(self.layers.items())
        names = [name if len(name) <= width - 20 else f"...{name[23 - width :]}" for name, _ in rows[:shown]]
        first = max(map(len, [*names, "layer"]))
        lines.append(f"{'layer':{first}}  largest difference")
        lines += [f"{name:{first}}  {apart:>18.3g}" for name, (_, apart) in zip(names, rows, strict=False)]
        if len(rows) > shown:
            lines.append(f"{len(rows) - shown} more layers")
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        first = None if self.first is None else self.first.json()
        head = {"first": first, "by": self.by, "compared": self.compared, "tolerance": self.tolerance}
        return {**head, "layers": [{"layer": layer, "largest": apart} for layer, apart in self.layers.items()]}

    def __str__(self) -> str:
        return self.text()


def diff(
    a: Trace,
    b: Trace,
    tolerance: float = 1e-6,
    names: Mapping[str, str] | None = None,
    gradients: bool = False,
    relative: float = 0.0,
) -> Divergence | None:
    """The first divergence of the steps that both have, or None; see `compare`."""
    return compare(a, b, tolerance, names, gradients, relative).first


def compare(
    a: Trace,
    b: Trace,
    tolerance: float = 1e-6,
    names: Mapping[str, str] | None = None,
    gradients: bool = False,
    relative: float = 0.0,
) -> Comparison:
    """Two passes step by step: one model twice, before and after a change, in two number formats, or two models.

    Numbers differ when they are more than `tolerance` apart, and more than `relative` times the largest in the step.
    Steps are matched by their names if most have a partner, otherwise by the kind and order of the parts that a
    textbook names; `names` gives steps of `a` their partners in `b`. With `gradients` these are compared instead, from
    the loss back. Raises TraceError where nothing can be compared.
    """
    pairs, by = aligned(a, b, names)
    if gradients:
        pairs.reverse()
    first: Divergence | None = None
    layers: dict[str, float] = {}
    compared = 0
    for one, other, part in pairs:
        values = a.gradients.get(one) if gradients else one.value, b.gradients.get(other) if gradients else other.value
        if values[0] is None or values[1] is None:
            continue
        compared += 1
        found = divergence(one, other, values[0], values[1])
        if found.shapes is None and (found.difference or values[0].is_floating_point()):
            layer = part if part and not one.place else layer_of(one)
            layers[layer] = max(layers.get(layer, 0.0), found.difference)
        limit = max(tolerance, relative * largest(values[0])) if relative else tolerance
        if first is None and (found.shapes is not None or not found.difference <= limit):
            first = replace(found, part=part)
    if not compared:
        raise TraceError("the two traces have no step in common", "Give names= to say which steps are partners.")
    return Comparison(first, by, compared, tolerance, layers)


def divergence(one: Step, other: Step, first: Tensor, second: Tensor) -> Divergence:
    """The cell at which two steps are farthest apart."""
    placed = arranged(second, first)
    if placed is None:
        return Divergence(one.name, other.name, 0.0, 0.0, 0.0, (tuple(first.shape), tuple(second.shape)))
    difference = largest_difference(first, placed.value)
    if not first.numel():
        return Divergence(one.name, other.name, 0.0, 0.0, 0.0)
    apart = (first.double() - placed.value.double()).abs()
    same = (first == placed.value) | (first.isnan() & placed.value.isnan())  # infinities less themselves are no number
    apart = apart.masked_fill(same, 0.0).nan_to_num(nan=float("inf"))
    at = tuple((apart == apart.max()).nonzero()[0].tolist())
    there = placed.index(at)
    return Divergence(one.address(at), other.address(there), float(first[at]), float(second[there]), difference)


def largest(value: Tensor) -> float:
    return float(value.double().nan_to_num(posinf=0, neginf=0).abs().max()) if value.numel() else 0.0
