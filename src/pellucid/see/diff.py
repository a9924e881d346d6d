"""Where two passes part: the first step, in the order of the computation, whose numbers differ."""

from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.see.displayed import Displayed
from pellucid.see.operation import Step
from pellucid.see.trace import Trace, largest_difference


@dataclass(frozen=True)
class Divergence(Displayed):
    """The cell that differs most in the first step that differs; `shapes` where not even those agree."""

    address: str
    other: str
    first: float
    second: float
    difference: float
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def __str__(self) -> str:
        if self.shapes:
            return f"{self.address} has shape {self.shapes[0]}, {self.other} has {self.shapes[1]}"
        return f"{self.address} = {self.first:.6g}, but {self.other} = {self.second:.6g} ({self.difference:.3g} apart)"


def diff(
    a: Trace, b: Trace, tolerance: float = 1e-6, names: Mapping[str, str] | None = None, gradients: bool = False
) -> Divergence | None:
    """The first divergence beyond `tolerance` of the steps that both have, or None.

    `names` gives steps of `a` their partners in `b` where they are called otherwise; with `gradients` these are
    compared instead, from the loss back.
    """
    partners = dict(names or {})
    pairs = [
        (step, b[partners.get(step.name, step.name)])
        for step in a.flat()
        if not step.leaf and partners.get(step.name, step.name) in b
    ]
    if gradients:
        pairs.reverse()
    for one, other in pairs:
        found = divergence(a, b, one, other, tolerance, gradients)
        if found is not None:
            return found
    return None


def divergence(a: Trace, b: Trace, one: Step, other: Step, tolerance: float, gradients: bool) -> Divergence | None:
    first = a.gradients.get(one) if gradients else one.value
    second = b.gradients.get(other) if gradients else other.value
    if first is None or second is None:
        return None
    if first.shape != second.shape:
        return Divergence(one.name, other.name, 0.0, 0.0, 0.0, (tuple(first.shape), tuple(second.shape)))
    difference = largest_difference(first, second)
    if difference <= tolerance:
        return None
    apart = (first.double() - second.double()).abs().nan_to_num(nan=float("inf"))
    at = tuple((apart == apart.max()).nonzero()[0].tolist())
    return Divergence(one.address(at), other.address(at), float(first[at]), float(second[at]), difference)
