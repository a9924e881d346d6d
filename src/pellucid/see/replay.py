"""What if: a cell is set, a token swapped, a head or a layer switched off, a step left out, and all that depends on it
is computed anew.

The model is not touched; the trace is not changed. Each step is computed as its operation computes it, from the
values of the trace where nothing changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.see.address import Address, AddressError, region_of
from pellucid.see.attention import PRODUCTS
from pellucid.see.displayed import Displayed
from pellucid.see.operation import Step, result
from pellucid.see.residuals import Residual, residuals
from pellucid.see.trace import Trace, TraceError, largest_difference

WIDTH = 80
SHOWN = 30  # rows of a table


@dataclass(frozen=True)
class Change:
    """What became of a layer: the last of its steps that came out otherwise, by how much at most, and in proportion.

    `relative` is the norm of the difference over the norm of what it was.
    """

    layer: str
    step: str
    largest: float
    relative: float

    def json(self) -> dict[str, Any]:
        return {"layer": self.layer, "step": self.step, "largest": self.largest, "relative": self.relative}


@dataclass(frozen=True)
class Replay(Displayed):
    """The values of all steps that came out otherwise, by name.

    `unknown` are steps that cannot be computed anew: kept whole, in a trace whose model is not in memory.
    """

    trace: Trace
    values: Mapping[str, Tensor]
    unknown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        before = self.trace.loss and float(self.trace.value(self.trace.loss))
        loss = "" if before is None else f", loss {before:.6g} -> {self.loss:.6g}"
        return f"Replay({len(self.values)} steps came out otherwise{loss})"

    def value(self, name: str) -> Tensor:
        """What came out. Raises TraceError where it could not be computed anew."""
        name = self.trace[name].name
        if name in self.unknown:
            raise TraceError(
                f"{name} cannot be computed anew from a saved trace: {self.unknown[0]} was kept whole",
                "Capture the model again and replay that trace.",
            )
        return self.values.get(name, self.trace[name].value)

    @property
    def loss(self) -> float | None:
        if self.trace.loss is None or self.trace[self.trace.loss].name in self.unknown:
            return None
        return float(self.value(self.trace.loss))

    @property
    def differences(self) -> dict[str, float]:
        """The largest absolute difference of each step that changed, in the order of the computation."""
        return {name: largest_difference(value, self.trace[name].value) for name, value in self.values.items()}

    def changes(self) -> list[Change]:
        """The same layer by layer, told at the end of each."""
        last: dict[str, str] = {}
        for name, value in self.values.items():
            if value.is_floating_point() and self.trace[name].op not in ("input", "constant"):
                layer = layer_of(self.trace[name])
                last.pop(layer, None)
                last[layer] = name
        found = []
        for layer, name in last.items():
            before, after = self.trace[name].value, self.values[name]
            size = float(before.double().nan_to_num(posinf=0, neginf=0).norm())
            apart = (after.double() - before.double()).nan_to_num(posinf=0, neginf=0)
            relative = float(apart.norm()) / size if size else 0.0
            found.append(Change(layer, name, largest_difference(after, before), relative))
        return found

    def text(self, width: int = WIDTH, shown: int = SHOWN) -> str:
        """A table of the changes, and the loss before and after."""
        changes = self.changes()
        if not changes and not self.unknown:
            return "nothing changes"
        room = width - 26
        names = [one.layer if len(one.layer) <= room else f"...{one.layer[3 - room :]}" for one in changes[:shown]]
        first = max(map(len, [*names, "layer"]))
        lines = [f"{'layer':{first}}  largest change  relative"]
        for name, change in zip(names, changes, strict=False):
            lines.append(f"{name:{first}}  {change.largest:>14.4g} {change.relative:>9.2%}")
        if len(changes) > shown:
            lines.append(f"{len(changes) - shown} more layers")
        if self.unknown:
            lines.append(f"unknown from {self.unknown[0]} on: it was kept whole, and its model is not in memory")
        if self.trace.loss is not None and self.loss is not None:
            before = float(self.trace[self.trace.loss].value)
            lines.append(f"loss {before:.6g} -> {self.loss:.6g} ({self.loss - before:+.4g})")
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"layers": [change.json() for change in self.changes()], "unknown": list(self.unknown)}
        if self.trace.loss is not None:
            found["loss"] = {"before": float(self.trace[self.trace.loss].value), "after": self.loss}
        return found

    def __str__(self) -> str:
        return self.text()


def replay(trace: Trace, edits: Mapping[str, Any] | None = None, skip: Sequence[str] = ()) -> Replay:
    """The pass once more with `edits`, address to value, and without what is named in `skip`.

    An address may leave axes out, which means all along them. An id of the input may be edited like any number: the
    token is looked up anew, and the masks that hang on it follow. What can be skipped:

    - a head of attention, "decoder.1.cross_attention[head=2]", or any other part of a tensor: it counts as 0;
    - an attention's scaling or mask, "...scaled", "...masked": the scores go on as they are;
    - a layer with a residual connection, "encoder.0.feed_forward": it adds nothing, y = x;
    - the residual connection itself, by its addition, "encoder.0.feed_forward_residual.add": y = f(x);
    - any other step from whose operands one has its shape, a normalization or an activation: the first is handed on.

    Raises AddressError where an address names nothing, a value does not fit, or a step cannot be left out.
    """
    changed: dict[Step, list[tuple[Any, Any]]] = {}
    for text, value in (edits or {}).items():
        address = Address.parse(text)
        step = trace[address.name]
        where = region_of(address, step.axis_names, step.shape)
        if step in trace.stands_beside:  # told beside what the model computed in its place, a multiple of it
            step, factor = trace.stands_beside[step]
            value = torch.as_tensor(value) * factor
        changed.setdefault(step, []).append((where, value))
    left_out: dict[Step, Step | None] = {}
    for text in skip:
        leave_out(trace, Address.parse(text), changed, left_out)
    values: dict[Step, Tensor] = {}
    unknown: dict[Step, None] = {}
    with torch.no_grad():
        for step in trace.flat():
            if unreachable(trace, step, values, unknown) and step not in left_out:
                unknown[step] = None
                continue
            value = computed(trace, step, values, left_out)
            for where, new in changed.get(step, []):
                value = value.clone()
                value[where] = fitting(step, value[where], new)
            if value is not step.value and not torch.equal(value, step.value):
                values[step] = value
    return Replay(trace, {step.name: value for step, value in values.items()}, tuple(step.name for step in unknown))


def leave_out(
    trace: Trace, address: Address, changed: dict[Step, list[tuple[Any, Any]]], left_out: dict[Step, Step | None]
) -> None:
    """Note what one entry of `skip` means: cells that become 0, or steps and what is handed on in their place."""
    calls = {call.place: call for call in trace.attentions()}
    if address.cell is not None:
        named = calls[address.name].heads if address.name in calls else trace[address.name]
        changed.setdefault(named, []).append((region_of(address, named.axis_names, named.shape), 0))
        return
    known = residuals(trace)
    layers = [one for one in known if one.layer == address.name]
    if layers:
        left_out.update({one.addition: one.skip for one in layers})
        return
    step = trace[address.name]
    residual: Residual | None = next((one for one in known if one.addition is step), None)
    if residual:
        left_out[step] = residual.branch
        return
    for call in calls.values():
        scaled_first = call.scaled is step and step.op in PRODUCTS and step is not call.scores
        if scaled_first and step.operands["input"].name.rpartition(".")[2].startswith("query_scaled"):
            step = step.operands["input"]  # the queries were scaled, before the product
    left_out[step] = None


def unreachable(trace: Trace, step: Step, values: Mapping[Step, Tensor], unknown: Mapping[Step, None]) -> bool:
    """Whether a step hangs on one that can be computed by its model alone, which is gone."""
    operands = [step.inside[-1]] if step.inside else list(step.operands.values())
    if any(operand in unknown for operand in operands):
        return True
    alone = step.op.startswith("whole:") and step.function is None
    return alone and any(operand in values for operand in operands)


def computed(trace: Trace, step: Step, values: Mapping[Step, Tensor], left_out: Mapping[Step, Step | None]) -> Tensor:
    """The value of a step, its own where nothing it was made of has changed."""
    if step in left_out:
        same = [one for one in step.operands.values() if one.shape == step.shape]
        onward = left_out[step] or next(iter(same), None)
        if onward is None:
            raise AddressError(f"{step.name} cannot be left out: nothing of its shape goes in")
        return values.get(onward, onward.value)
    if step.inside:
        return values.get(step.inside[-1], step.value)
    if not any(operand in values for operand in step.operands.values()):
        return step.value
    given = {role: values.get(operand, operand.value) for role, operand in step.operands.items()}
    try:
        return result(trace.operation(step), step, given)  # type: ignore[no-any-return]
    except IndexError as error:
        raise AddressError(
            f"{step.name} cannot look up a changed id: {error}", "Give an id that its table has."
        ) from error


def fitting(step: Step, before: Tensor, new: Any) -> Tensor:
    """A new value in the type of the old. Raises AddressError where it has another shape or is no whole number."""
    given = torch.as_tensor(new)
    if not step.value.is_floating_point() and given.is_floating_point() and bool((given != given.round()).any()):
        raise AddressError(f"{step.name} holds whole numbers, not {new}", "Give an id.")
    try:
        return given.to(before.dtype).expand(before.shape)
    except RuntimeError:
        shapes = f"{tuple(given.shape)} into {tuple(before.shape)}"
        raise AddressError(f"{step.name}: the new value does not fit, {shapes}", "Give one number.") from None


def layer_of(step: Step) -> str:
    """The layer in whose row a step is told: its place down to the part of a numbered block."""
    parts = (step.place or step.name).split(".")
    numbered = next((number for number, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: (0 if numbered is None else numbered + 1) + 1])
