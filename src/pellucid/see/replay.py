"""What if: a cell is set, a head switched off, a step left out, and all that depends on it is computed anew.

The model is not touched; the trace is not changed. Each step is computed as its operation computes it, from the
values of the trace where nothing changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.see.address import Address, AddressError, region_of
from pellucid.see.operation import Step, result
from pellucid.see.trace import Trace, largest_difference


@dataclass(frozen=True)
class Replay:
    """The values of all steps that came out otherwise, by name."""

    trace: Trace
    values: Mapping[str, Tensor]

    def value(self, name: str) -> Tensor:
        name = self.trace[name].name
        return self.values.get(name, self.trace[name].value)

    @property
    def loss(self) -> float | None:
        return None if self.trace.loss is None else float(self.value(self.trace.loss))

    @property
    def differences(self) -> dict[str, float]:
        """The largest absolute difference of each step that changed, in the order of the computation."""
        return {name: largest_difference(value, self.trace[name].value) for name, value in self.values.items()}


def replay(trace: Trace, edits: Mapping[str, Any] | None = None, skip: Sequence[str] = ()) -> Replay:
    """The pass once more with `edits`, address to value, and without the steps named in `skip`.

    An address may leave axes out, which means all along them: "…weights[head=2]": 0 switches a head off. A skipped step
    hands on its first operand of the same shape: skip the scaling, the mask, a normalization, or (at an addition) the
    branch that was added. Raises AddressError where an address names nothing.
    """
    parsed = [(Address.parse(address), value) for address, value in (edits or {}).items()]
    changed: dict[Step, list[tuple[Any, Any]]] = {}
    for address, value in parsed:
        step = trace[address.name]
        changed.setdefault(step, []).append((region_of(address, step.axis_names, step.shape), value))
    left_out = {trace[name] for name in skip}
    values: dict[Step, Tensor] = {}
    with torch.no_grad():
        for step in trace.flat():
            value = computed(trace, step, values, step in left_out)
            for where, new in changed.get(step, []):
                value = value.clone()
                value[where] = torch.as_tensor(new, dtype=value.dtype)
            if value is not step.value:
                values[step] = value
    return Replay(trace, {step.name: value for step, value in values.items()})


def computed(trace: Trace, step: Step, values: Mapping[Step, Tensor], left_out: bool) -> Tensor:
    """The value of a step, its own where nothing it was made of has changed."""
    if left_out:
        same = [one for one in step.operands.values() if one.shape == step.shape]
        if not same:
            raise AddressError(f"{step.name} cannot be left out: nothing of its shape goes in")
        return values.get(same[0], same[0].value)
    if step.inside:
        return values.get(step.inside[-1], step.value)
    if not any(operand in values for operand in step.operands.values()):
        return step.value
    given = {role: values.get(operand, operand.value) for role, operand in step.operands.items()}
    return result(trace.operation(step), step, given)  # type: ignore[no-any-return]
