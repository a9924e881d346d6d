"""What of a trace a person most likely walks to, for a file that has not room for all of it.

Whoever looks at a pass begins at what came out, or at the first layer that is shown, and walks from a number to its
operands, the largest of them first. So the outputs and whatever is small are kept whole; of positions the same ones
are kept everywhere, the last one first, so that a walk that begins at one of them finds the next; of a layer's weights
those of the units that were most active at these positions; of repeated layers the one that is shown first gets more.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from pellucid.see.address import AddressError
from pellucid.see.operation import Step
from pellucid.see.trace import Trace, TraceError
from pellucid.see.translation import is_translation

BEST = 40  # rows of the vocabulary with the highest logits at each position, which are kept before others
FOCUS = 4  # positions, the first of their order, by which units are ranked
SMALL = 1 << 14  # bytes up to which a tensor is kept whole
WHOLE = 1e6  # weight of what is kept whole: far above all others
SHOWN, GRADIENT = 4.0, 0.5  # weight of the layer that is shown first, and of gradients beside their values
ASKED = 40.0  # weight of what the number is made of, and makes, that the page opens at
LAYER = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")


class Likely:
    """Weights of pieces by their step."""

    def __init__(self, trace: Trace, asked: Collection[Step] = ()) -> None:
        self.asked = asked
        outputs = [trace[name] for name in trace.outputs]
        self.outputs = {*outputs, *(step for step in trace.steps if operands_among(step, outputs, "softmax"))}
        layers = {number for step in trace.steps if (number := layer_of(step)) is not None}
        self.shown = {0} if is_translation(trace) else {min(layers), max(layers)} if layers else set()

    def weight(self, kind: str, step: Step | None, tensor: Tensor) -> float:
        """How much of the room a tensor gets beside others, "value", "gradient" or another `kind` of a step."""
        if step is None or kind == "table" or tensor.nbytes <= SMALL:
            return WHOLE
        if kind == "value" and (step in self.outputs or step.op == "input"):
            return WHOLE
        if step in self.asked:
            return ASKED
        number = layer_of(step)
        weight = SHOWN if number is None or number in self.shown else 1.0
        return weight if kind == "value" else weight * GRADIENT

    def order(self, step: Step) -> int:
        """Outputs and whatever is small (the loss, biases) stand before all else, and are read at once."""
        return 0 if step in self.outputs else 1 if step.value.nbytes <= SMALL else 2


def layer_of(step: Step) -> int | None:
    """The number of the layer that a step belongs to, where layers are numbered."""
    found = LAYER.search(step.name)
    return int(found[1]) if found else None


def operands_among(step: Step, steps: Sequence[Step], op: str) -> bool:
    return step.op == op and any(one in steps for one in step.operands.values())


def rows_needed(trace: Trace, steps: Iterable[Step]) -> Mapping[Step, Sequence[int]]:
    """For each large tensor its rows in the order in which they are kept.

    Of tables first those that this pass looked up, and of the vocabulary those of the words that it found likeliest.
    """
    found: dict[Step, list[int]] = {}
    outputs = {trace[name] for name in trace.outputs}
    for step in steps:
        if step.op == "embedding":
            found.setdefault(step.operands["weight"], []).extend(step.operands["input"].value.flatten().tolist())
        elif step.op == "linear" and step.value.numel():
            found.setdefault(step.operands["weight"], []).extend(units(step.value, step in outputs))
        if step.op != "parameter" and step.value.dim() > 1 and step.value.nbytes > SMALL:
            found[step] = by_position(step.value.shape)
    return found


def asked_by(trace: Trace, at: str) -> tuple[set[Step], dict[Step, list[int]]]:
    """What the explanation of the number at an address reads, forward and backward, and which row it is itself."""
    try:
        step, cell = trace.cell(at.partition("&")[0])
    except (AddressError, TraceError):  # a view, a slice, a whole tensor
        return set(), {}
    inner = step
    while inner.inside:
        inner = inner.inside[-1]
    made = trace.made_of(step) if trace.loss is not None else []
    found = {step, inner, *inner.operands.values(), *made, *(one for each in made for one in each.operands.values())}
    row = 0
    for index, size in zip(cell[:-1], step.shape[:-1], strict=True):
        row = row * size + index
    return found, {step: [row]}


def units(out: Tensor, output: bool) -> list[int]:
    """The units of a layer, the most active ones at the positions in focus first; of the output the likeliest words."""
    flat = out.detach().reshape(-1, out.size(-1))
    if output and flat.size(1) > BEST:
        return flat.topk(BEST).indices.T.flatten().tolist()
    focus = flat[nested(len(flat))[:FOCUS]].abs().amax(0)
    return focus.argsort(descending=True, stable=True).tolist()


def by_position(shape: Sequence[int]) -> list[int]:
    """The rows of a tensor (..., position, width), position after position; of each those of all heads."""
    positions, rows = shape[-2], torch.Size(shape[:-1]).numel()
    starts = torch.arange(0, rows, positions)
    return (torch.tensor(nested(positions))[:, None] + starts).flatten().tolist()


def nested(count: int) -> list[int]:
    """0 to count - 1 so that every beginning of it is spread about evenly: the last, the first, the middle, ..."""
    bits = max(count - 1, 1).bit_length()
    order = sorted(range(count), key=lambda number: int(f"{number:0{bits}b}"[::-1], 2))
    return [count - 1, *(number for number in order if number != count - 1)]
