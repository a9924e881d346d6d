"""Residual connections found in a trace: an addition one of whose operands was made from the other.

    y = x + f(x):  x goes past the layer f by the addition, and through it

What a model is made of does not matter: ours, torch.nn.Transformer and Hugging Face all add in this way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pellucid.see.attention import PRODUCTS
from pellucid.see.operation import Step
from pellucid.see.trace import Trace

ADDING = ("add", "radd")
SAME_NUMBERS = ("alias", "clone", "contiguous", "double", "float", "half", "bfloat16", "to", "type", "type_as")
# What makes an addition the end of a layer: x + 0.04 x^3 within an activation is none.
WEIGHING = (*PRODUCTS, "linear", "addmm", "baddbmm", "einsum", "scaled_dot_product_attention", "conv1d", "conv2d")


@dataclass(frozen=True, eq=False)
class Residual:
    """`addition` = `skip` + `branch`, where `inside` are the steps that lie between the two; `layer` is their place."""

    addition: Step
    skip: Step
    branch: Step
    inside: frozenset[Step]
    layer: str

    def holds(self, step: Step, trace: Trace) -> bool:
        """Whether a step, or a parameter, belongs to the layer rather than comes to it from outside."""
        if step in self.inside or step.name.startswith(f"{self.layer}."):
            return True
        return step.op == "parameter" and any(made in self.inside for made in trace.made_of(step))


def residuals(trace: Trace) -> list[Residual]:
    """All residual additions, in order."""
    bits = {step: number for number, step in enumerate(trace.steps)}
    before: dict[Step, int] = {}  # for each step a number whose bits are the steps it was made from, itself included
    for step in trace.steps:
        before[step] = 1 << bits[step]
        for operand in step.operands.values():
            before[step] |= before.get(operand, 0)
    found = []
    for step in trace.steps:
        if step.op not in ADDING or len(step.operands) != 2:
            continue
        for skip, branch in (tuple(step.operands.values()), tuple(step.operands.values())[::-1]):
            start = same_numbers(skip)
            if start.op in ("parameter", "constant") or start.value.shape != step.value.shape:
                continue
            if not before[branch] >> bits[start] & 1 or start is same_numbers(branch):
                continue
            inside = frozenset(
                one
                for one in trace.steps[bits[start] + 1 : bits[branch] + 1]
                if before[one] >> bits[start] & 1 and before[branch] >> bits[one] & 1
            )
            if any(one.op in WEIGHING for one in inside):
                found.append(Residual(step, skip, branch, inside, layer_of(step, branch, inside, trace.steps)))
                break
    return found


def same_numbers(step: Step) -> Step:
    """The step from which a copy, or the same in another type, was made."""
    while step.op in SAME_NUMBERS and step.operands:
        step = next(iter(step.operands.values()))
    return step


def layer_of(addition: Step, branch: Step, inside: frozenset[Step], order: Sequence[Step]) -> str:
    """The place of a layer: what the places of its products have in common; where that says too little, both ends."""
    places = [step.place for step in order if step in inside and step.op in WEIGHING and step.place]
    if not places:
        return branch.name
    common = list(common_place(places))
    above = addition.place.split(".") if addition.place else []
    if len(common) > len(above) or common != above[: len(common)]:
        return ".".join(common)
    first, last = ([*place.split("."), ""][len(common)] for place in (places[0], places[-1]))
    name = first if first == last else f"{first}...{last}"
    return ".".join([*common, name]) if name else branch.name


def common_place(places: Sequence[str]) -> Iterator[str]:
    """The parts with which all places begin."""
    for parts in zip(*(place.split(".") for place in places), strict=False):
        if len(set(parts)) > 1:
            return
        yield parts[0]
