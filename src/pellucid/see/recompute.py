"""Values that a trace did not keep, computed anew from those that it did."""

import weakref
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pellucid.see.operation import Step, result
from pellucid.see.ops import OPERATIONS
from pellucid.see.trace import WHOLE, TraceError


def recompute(wanted: Step) -> Tensor:
    """The value of a step whose own was not kept. Raises TraceError if something that it needs is gone."""
    values: dict[Step, Tensor] = {}
    with torch.no_grad():
        for step in needed(wanted):
            if step.leaf:
                raise TraceError(
                    f"{step.name} was not kept, so {wanted.name} cannot be computed anew",
                    f'Capture it with only=[..., "{step.name}"].',
                )
            given = {role: read(one, values) for role, one in step.operands.items()}
            try:
                values[step] = result(OPERATIONS.get(step.op, WHOLE), step, given)
            except LookupError as error:
                raise TraceError(
                    f"{wanted.name} was not kept: {error}", f'Capture it with only=[..., "{step.name}"].'
                ) from error
    return values[wanted]


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
    """How the value of a parameter that was not kept is read: from the model, while it has not changed."""
    held, version = weakref.ref(parameter), parameter._version

    def read(step: Step) -> Tensor:
        now = held()
        if now is None or now._version != version:
            what = "is gone" if now is None else "has changed"
            raise TraceError(
                f"{step.name} was not kept, and the model's {what} since", f'Capture it with only=[..., "{step.name}"].'
            )
        return now.detach().clone()

    return read


def without_numbers(shape: Mapping[str, object]) -> Tensor:
    """A shape and number format on the meta device, which stands for a value that is not kept."""
    return torch.empty(shape["shape"], dtype=getattr(torch, str(shape["dtype"])), device="meta")  # type: ignore[call-overload, no-any-return]
