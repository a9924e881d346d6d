"""What `pellucid see --json` writes: the walk, one number or one tensor, with all digits.

Infinities, which JSON has no number for, are the strings "inf" and "-inf"; what is no number is "nan".
"""

import math
from typing import Any

from torch import Tensor

from pellucid.cli.opened import View
from pellucid.see.explain import Explanation
from pellucid.see.operation import Axis, Step
from pellucid.see.trace import Trace
from pellucid.see.walk import Stage, Walk
from pellucid.words import LANGUAGES


def walk_as_json(trace: Trace, view: View) -> dict[str, Any]:
    """All that the walk shows, and what it only names."""
    walk = Walk(trace, view.layer, view.head)
    stages = [stage_as_json(trace, stage, view) for stage in walk.stages()]
    loss = float(trace["loss"].value)
    return {**trace.about, "layer": view.layer, "head": view.head, "loss": loss, "stages": stages}


def stage_as_json(trace: Trace, stage: Stage, view: View) -> dict[str, Any]:
    return {
        "number": stage.number,
        "key": stage.key,
        "title": {language: stage.title(language) for language in LANGUAGES},
        "sentence": {language: stage.sentence(language) for language in LANGUAGES},
        "facts": stage.facts,
        "steps": [step_as_json(trace, trace[name], view) for name in stage.steps],
    }


def step_as_json(trace: Trace, step: Step, view: View, where: tuple[Any, ...] = ()) -> dict[str, Any]:
    """A step, or the part of it at `where`: an index or a slice for each axis; with --head, of that head alone."""
    cut = list(where) or [slice(None)] * step.value.dim()
    if view.head is not None and "head" in step.axis_names:
        cut[step.axis_names.index("head")] = view.head
    fixed = {axis.name: index for axis, index in zip(step.axes, cut, strict=True) if isinstance(index, int)}
    axes = [axis for axis, index in zip(step.axes, cut, strict=True) if not isinstance(index, int)]
    gradient = trace.gradients.get(step) if view.backward else None
    return {
        "address": step.name,
        "cell": fixed,
        "op": step.op,
        "how": step.how,
        "difference": step.difference,
        "dtype": str(step.value.dtype).removeprefix("torch."),
        "operands": {role: operand.name for role, operand in step.operands.items()},
        "axes": [axis_as_json(axis, size) for axis, size in zip(axes, step.value[tuple(cut)].shape, strict=True)],
        "values": numbers(step.value[tuple(cut)]),
        **({"gradient": None if gradient is None else numbers(gradient[tuple(cut)])} if view.backward else {}),
    }


def axis_as_json(axis: Axis, size: int) -> dict[str, Any]:
    return {"name": axis.name, "size": size, "labels": axis.labels}


def explanation_as_json(explanation: Explanation, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "address": explanation.address,
        "value": speakable(explanation.value),
        "labels": labels,
        "backward": explanation.backward,
        "formula": explanation.formula,
        "latex": explanation.latex,
        "text": explanation.text(),
        "exact": explanation.exact,
        "how": explanation.how,
        "operands": [{"address": cell.address, "value": speakable(cell.value)} for cell in explanation.operands],
    }


def numbers(values: Tensor) -> Any:
    """Nested lists of numbers."""
    found = values.tolist()
    return found if values.isfinite().all() else spoken(found)


def spoken(value: Any) -> Any:
    return [spoken(one) for one in value] if isinstance(value, list) else speakable(value)


def speakable(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
