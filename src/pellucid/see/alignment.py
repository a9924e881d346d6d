"""Which steps of two passes stand for the same: by their names, or, where two models name things otherwise, by the kind
and order of what a textbook has: scores, scaled, masked, weights, heads, output, norms, layers, activations, losses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import permutations

import torch
from torch import Tensor

from pellucid.see.operation import Index, Step
from pellucid.see.ops import OPERATIONS, convolution, losses, norms, recurrent
from pellucid.see.ops.moving import unraveled
from pellucid.see.residuals import residuals
from pellucid.see.trace import Trace, largest_difference

Pairs = list[tuple[Step, Step, str | None]]

ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softmax", "log_softmax")
FAMILIES = (convolution, losses, norms, recurrent)
KINDS = {
    **{name: name for name in ("embedding", "linear", *ACTIVATIONS)},
    **{name: one.names[0] for family in FAMILIES for one in family.OPERATIONS for name in one.names},
}


@dataclass(frozen=True)
class Arrangement:
    """The numbers of one tensor in the order of another, and where each of them stands in its own."""

    value: Tensor
    numbers: Tensor | None
    shape: tuple[int, ...]

    def index(self, at: Index) -> Index:
        return at if self.numbers is None else unraveled(int(self.numbers[at]), self.shape)


def aligned(a: Trace, b: Trace, names: Mapping[str, str] | None = None) -> tuple[Pairs, str]:
    """Pairs of steps in the order of `a`, with what a textbook calls them where it was by that ("structure") that they
    were found rather than by their "names".
    """
    partners = dict(names or {})
    pairs: Pairs = [
        (step, b[partners.get(step.name, step.name)], None)
        for step in a.flat()
        if not step.leaf and partners.get(step.name, step.name) in b
    ]
    own = [step for step in a if not step.leaf]
    found = {one for one, *_ in pairs}
    if names or 2 * sum(step in found for step in own) >= len(own):
        return pairs, "names"
    return by_structure(a, b), "structure"


def by_structure(a: Trace, b: Trace) -> Pairs:
    """Landmarks of both, those of one kind and size matched in their order."""
    first, second = list(landmarks(a)), list(landmarks(b))
    here, there = ([(kind, step.value.numel()) for kind, step in one] for one in (first, second))
    blocks = SequenceMatcher(None, here, there, autojunk=False).get_matching_blocks()
    both = [(first[block.a + n], second[block.b + n]) for block in blocks for n in range(block.size)]
    return [(one, other, kind) for (kind, one), (_, other) in both]


def landmarks(trace: Trace) -> Iterator[tuple[str, Step]]:
    """What a textbook has a word for, in the order of the computation."""
    calls = {call.weights: call for call in trace.attentions()}
    fused = {call.heads: call for call in calls.values() if call.weights not in trace.steps}
    outputs = {call.output for call in calls.values()}
    additions = {one.addition for one in residuals(trace)}
    for step in trace.steps:
        call = calls.get(step) or fused.get(step)
        if call is not None:
            parts = ("query", "key", "value", "scores", "scaled", "masked", "weights", "heads")
            steps = [getattr(call, part) for part in parts]
            yield from ((part, one) for part, one in zip(parts, steps, strict=True) if not repeated(part, steps))
        elif step in outputs:
            yield "output", step
        elif step in additions:
            yield "residual", step
        elif step.op in KINDS and step.op in OPERATIONS:
            yield KINDS[step.op], step


def repeated(part: str, steps: list[Step]) -> bool:
    """Whether scaling or masking did not take place: the part is then the one before."""
    scores, scaled, masked = steps[3:6]
    return (part == "scaled" and scaled is scores) or (part == "masked" and masked is scaled)


def arranged(value: Tensor, like: Tensor) -> Arrangement | None:
    """The numbers of `value` in the shape of `like`, with batch and position in the order in which they are nearest.

    One model may have (batch, position), another (position, batch), a third both in one axis. None where the numbers
    are not as many.
    """
    if value.shape == like.shape:
        return Arrangement(value, None, tuple(value.shape))
    if value.numel() != like.numel():
        return None
    numbers = torch.arange(value.numel()).view(value.shape)
    found = []
    for order in permutations(range(like.dim() - 1)):  # the last axis, of features, stays the last
        axes = (*order, like.dim() - 1) if like.dim() else ()
        back = [axes.index(dim) for dim in range(like.dim())]
        shape = [like.size(axis) for axis in axes]
        moved = value.reshape(shape).permute(back)
        found.append((largest_difference(moved, like), moved, numbers.reshape(shape).permute(back)))
    _, nearest, places = min(found, key=lambda one: one[0])
    return Arrangement(nearest, places, tuple(value.shape))
