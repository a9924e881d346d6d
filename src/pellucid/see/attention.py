"""Attention found in a trace, whichever way a model computes it: as matrix products or by a fused kernel.

A call is known by its shape: a softmax of a product with transposed keys, whose shares weigh a third tensor. Its parts
get the names of the textbook: scores, scaled, masked, weights, heads.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.see.displayed import Displayed
from pellucid.see.operation import Axis, Role, Step
from pellucid.see.trace import Trace, largest_difference

PRODUCTS = ("matmul", "bmm")
FACTORS = {False: ("input", "other"), True: ("mat1", "mat2")}  # of a product, of one with something added
TURNED = ("transpose", "mT", "permute", "swapaxes", "movedim", "t", "T")
HIDING = ("masked_fill", "add", "where")
PASSING = ("to", "float", "dropout", "type_as", "alias")
JOINING = ("transpose", "permute", "contiguous", "reshape", "view", "flatten", "movedim")


@dataclass(frozen=True)
class Attention(Displayed):
    """One call of attention in a pass; `scores` are before scaling, `output` is after the projection, if there is one.

    Axes: query and key (..., position, d_k), scores to weights (..., query, key), heads (..., query, d_k).
    """

    place: str
    query: Step
    key: Step
    value: Step
    scores: Step
    scaled: Step
    masked: Step
    weights: Step
    heads: Step
    output: Step | None

    def __repr__(self) -> str:
        return f"Attention({self.place!r}, weights {tuple(self.weights.value.shape)}, hidden: {self.reason})"

    @property
    def hidden(self) -> Tensor:
        """True where a query may not look."""
        return self.masked.value == -math.inf

    @property
    def reason(self) -> str:
        """Why: causal (no look ahead), padding (keys that hide from all queries), both, other, or none."""
        hidden = self.hidden
        if not hidden.any():
            return "none"
        ahead = torch.ones(hidden.shape[-2:], dtype=torch.bool).triu(1).to(hidden.device)
        causal = bool(ahead.any() and hidden[..., ahead].all())
        rest = hidden & ~ahead if causal else hidden
        padding = bool(rest.any() and ((rest | ahead if causal else rest) == hidden).all())
        if padding:
            columns = (rest | ahead).all(-2, keepdim=True) if causal else rest.all(-2, keepdim=True)
            padding = bool(((columns & ~ahead if causal else columns) | ~rest).all())
        if rest.any() and not padding:
            return "other"
        return "causal and padding" if causal and padding else "causal" if causal else "padding"

    def shares(self) -> Tensor | None:
        """What each head adds to the output, (..., head, query, model); their sum and the bias are the output."""
        if self.output is None or self.output.op != "linear":
            return None
        weight, heads = self.output.operands["weight"].value, self.heads.value
        count, width = heads.size(-3), heads.size(-1)
        if count * width != weight.size(1):
            return None
        return torch.einsum("...hqd,mhd->...hqm", heads, weight.view(weight.size(0), count, width))


def name_parts(steps: Sequence[Step], rename: Callable[[Step, str], None]) -> None:
    """Give the parts of every attention that was computed as products their textbook names."""
    after = consumers(steps)
    for softmax in [step for step in steps if step.op == "softmax"]:
        parts = parts_of(softmax, after)
        if parts is None:
            continue
        base = f"{softmax.place}." if softmax.place else ""
        scale_first = "query_scaled" in parts
        if "masked" in parts:
            rename(parts["masked"], f"{base}masked")
        if parts["product"] is not parts.get("masked"):
            rename(parts["product"], f"{base}{'scaled' if scale_first else 'scores'}")
        if scale_first:
            rename(parts["query_scaled"], f"{base}query_scaled")
        if "scaled" in parts:
            rename(parts["scaled"], f"{base}scaled")
        rename(softmax, f"{base}weights")
        rename(parts["heads"], f"{base}heads")


def attentions(trace: Trace) -> Iterator[Attention]:
    """All calls of attention, in order."""
    trace.name_axes()
    after = consumers(trace.steps)
    for step in list(trace.steps):
        if step.op == "scaled_dot_product_attention":
            inside = {one.name.rpartition(".")[2].partition("_")[0]: one for one in trace.open(step)}
            scores, weights = inside["scores"], inside["weights"]
            yield Attention(
                step.place,
                step.operands["query"],
                step.operands["key"],
                step.operands["value"],
                scores,
                inside["scaled"],
                inside.get("masked", inside["scaled"]),
                weights,
                step,
                projection(step, after),
            )
        elif step.op == "softmax" and (parts := parts_of(step, after)):
            yield _from_products(trace, step, parts, after)


def _from_products(trace: Trace, softmax: Step, parts: dict[str, Step], after: dict[Step, list[Step]]) -> Attention:
    product, query, key = parts["product"], parts["query"], parts["key"]
    scores, scaled = product, parts.get("scaled", product)
    if product is parts.get("masked"):
        scores = scaled = trace.aside(softmax, "scaled", "scores", query=query, key=key)
        trace.stands_beside[scaled] = product, 1.0
    if "query_scaled" in parts:
        query = next(iter(parts["query_scaled"].operands.values()))
        scores = trace.aside(softmax, "scores", "scores", query=query, key=key)
        scale = scale_of(parts["query_scaled"])
        assert scale is not None
        scores.difference = largest_difference(scores.value * scale, scaled.value)
        trace.stands_beside[scores] = product, scale
    for step in (product, scaled, scores, parts.get("masked"), softmax):
        if step is not None:
            step.axes = (*scores.axes[:-2], Axis("query", query.axes[-2].labels), Axis("key", key.axes[-2].labels))
    value = parts["heads"].operands["other"]
    masked = parts.get("masked", scaled)
    return Attention(
        softmax.place,
        query,
        key,
        value,
        scores,
        scaled,
        masked,
        softmax,
        parts["heads"],
        projection(parts["heads"], after),
    )


def parts_of(softmax: Step, after: dict[Step, list[Step]]) -> dict[str, Step] | None:
    """The steps around a softmax that make it an attention; None if it is none."""
    parts: dict[str, Step] = {}
    step = softmax.operands.get("input")
    while step is not None and step.op not in PRODUCTS:
        if step.op == "baddbmm":  # a product with the mask added at once
            parts["masked"] = step
            break
        if step.op in HIDING and "masked" not in parts:
            parts["masked"] = step
        elif step.op in ("mul", "div", "truediv") and scale_of(step) is not None:
            parts["scaled"] = step
        elif step.op not in PASSING:
            return None
        step = next(
            (
                one
                for one in step.operands.values()
                if one.dtype.is_floating_point and not one.leaf and len(one.shape) > 1
            ),
            None,
        )
    if step is None:
        return None
    query, other = (step.operands.get(role) for role in FACTORS[step.op == "baddbmm"])
    if query is None or other is None or other.op not in TURNED:
        return None
    parts["product"], parts["query"], parts["key"] = step, query, next(iter(other.operands.values()))
    if query.op in ("mul", "div", "truediv") and "scaled" not in parts and scale_of(query) is not None:
        parts["query_scaled"] = query
    found = following(softmax, (*PASSING, "mul"), PRODUCTS, after)
    if found is None:
        return None
    parts["heads"] = found
    return parts


def scale_of(step: Step) -> float | None:
    """The number that a step multiplies by, if it is one number."""
    other = step.settings.get("other")
    if isinstance(other, Role):
        held = step.operands[other.name]
        if held.shape.numel() != 1:
            return None
        other = float(held.value)
    if not isinstance(other, int | float):
        return None
    return 1 / other if step.op in ("div", "truediv") else float(other)


def projection(heads: Step, after: dict[Step, list[Step]]) -> Step | None:
    """The layer that mixes the heads again."""
    return following(heads, JOINING, ("linear",), after)


def following(step: Step, through: Sequence[str], until: Sequence[str], after: dict[Step, list[Step]]) -> Step | None:
    """The first step of a kind after this one, with nothing but others of a kind between."""
    for made in after.get(step, []):
        if made.op in until and next(iter(made.operands.values())) is step:
            return made
        if made.op in through and (found := following(made, through, until, after)):
            return found
    return None


def consumers(steps: Sequence[Step]) -> dict[Step, list[Step]]:
    found: dict[Step, list[Step]] = {}
    for step in steps:
        for operand in dict.fromkeys(step.operands.values()):
            found.setdefault(operand, []).append(step)
    return found
