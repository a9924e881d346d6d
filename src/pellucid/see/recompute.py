"""Values that a trace did not keep, computed anew from those that it did."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pellucid.see.operation import Step, result
from pellucid.see.ops import OPERATIONS
from pellucid.see.trace import WHOLE, TraceError


def recompute(wanted: Step) -> Tensor:
    """The value of a step whose own was not kept. Raises TraceError if something that it needs is gone."""
    if wanted.leaf:
        raise TraceError(
            f"{wanted.name} was not kept, and this trace has no model to read it from", keeping(wanted.name)
        )
    values: dict[Step, Tensor] = {}
    with torch.no_grad():
        for step in needed(wanted):
            try:
                given = {role: read(one, values) for role, one in step.operands.items()}
                values[step] = result(OPERATIONS.get(step.op, WHOLE), step, given)
            except (LookupError, TraceError) as error:
                mend = error.mend if isinstance(error, TraceError) else keeping(step.name)
                raise TraceError(f"{wanted.name} was not kept and cannot be computed anew: {error}", mend) from error
    return values[wanted]


def keeping(name: str) -> str:
    return f'Capture with only=[..., "{name}"].'


def read(step: Step, values: Mapping[Step, Tensor]) -> Tensor:
    """The value just computed, or the one that the step has: reading that may itself compute."""
    return values[step] if step in values else step.value  # noqa: SIM401


def needed(wanted: Step) -> list[Step]:
    """The steps without a value on which one depends, and itself, in the order in which they are computed."""
    order: dict[Step, None] = {}
    waiting = [wanted]
    while waiting:
        step = waiting[-1]
        missing = [one for one in step.operands.values() if not one.kept and one not in order and one.op != "parameter"]
        if missing:
            waiting += missing
            continue
        order[waiting.pop()] = None
    return list(order)


def of_parameter(parameter: Tensor) -> Callable[[Step], Tensor]:
    """How the value of a parameter that was not kept is read: from the model, while nothing has written into it."""
    version = parameter._version

    def read_from_model(step: Step) -> Tensor:
        if parameter._version != version:
            raise TraceError(f"{step.name} was not kept, and has changed in the model since", keeping(step.name))
        return parameter.detach().clone()

    return read_from_model
