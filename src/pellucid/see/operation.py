"""What an operation is to the glass: its formula, its value, its way back, and one cell of it in numbers.

A *rule* computes, differentiates and explains itself. An *opened* operation is told as steps of other operations
and needs no more than that: its gradient and its explanation are those of its steps. An operation that is neither
is kept whole, and differentiated by PyTorch.

The engine finds an operation by the name of the function that the model called; the parameters of `forward` are
those of that function, so that arguments bind as Python binds them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pellucid.see.address import cell_address
from pellucid.see.displayed import Displayed
from pellucid.see.expression import Cell, Expression, Number

Index = tuple[int, ...]
NOTHING = object()  # no argument is this
PLAIN = (int, float, bool, str, type(None))  # settings that hold no operand


@dataclass(frozen=True, slots=True)
class Axis:
    """The meaning of one dimension, and the names of its positions where they have some."""

    name: str
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """Stands in the settings of a step where an operand is put in."""

    name: str


@dataclass(frozen=True, slots=True)
class Made:
    """Stands for an argument that is a dataclass: what it is made of, with a Role for each tensor."""

    kind: Callable[..., Any]
    fields: dict[str, Any]


@dataclass(eq=False)
class Step(Displayed):
    """One computation, or an input, parameter or constant (`op` says which).

    `held` is its value as it is kept: perhaps in a narrower number format than `dtype`, in which it was computed; on
    the meta device, a shape without numbers, if it was not kept. `value` is for reading: in the format in which it
    was computed, and computed anew by `again` where it was not kept.
    `operands` are the steps that went in, by role; `settings` hold the rest of the arguments, with a Role where an
    operand stands; `how` is captured, opened, not kept, recomputed or whole; `difference` is the largest absolute one
    between an opened form and the fused value; `inside` are the steps into which it was opened.
    """

    name: str
    op: str
    held: Tensor
    operands: dict[str, "Step"] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    axes: tuple[Axis, ...] = ()
    place: str = ""
    how: str = "captured"
    difference: float | None = None
    held_gradient: Tensor | None = None
    inside: list["Step"] = field(default_factory=list)
    function: Callable[..., Any] | None = None
    part: int | None = None
    autocast: torch.dtype | None = None
    narrowed: torch.dtype | None = None  # the format in which it was computed, where a narrower one is kept
    narrowed_gradient: torch.dtype | None = None
    again: Callable[["Step"], Tensor] | None = None

    @property
    def value(self) -> Tensor:
        """All its numbers. Raises TraceError if they were not kept and cannot be computed anew."""
        if self.held.is_meta and self.again is not None:
            self.held, self.narrowed = self.again(self), None
            self.how = "recomputed" if self.how == "not kept" else self.how
        return self.held if self.narrowed is None else self.held.to(self.narrowed)

    @value.setter
    def value(self, new: Tensor) -> None:
        self.held, self.narrowed = new, None

    @property
    def gradient(self) -> Tensor | None:
        """PyTorch's gradient of it, where there is a loss and it was kept."""
        held = self.held_gradient
        return held if held is None or self.narrowed_gradient is None else held.to(self.narrowed_gradient)

    @gradient.setter
    def gradient(self, new: Tensor | None) -> None:
        self.held_gradient, self.narrowed_gradient = new, None

    @property
    def kept(self) -> bool:
        return self.again is None or not self.held.is_meta

    @property
    def shape(self) -> torch.Size:
        return self.held.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.narrowed or self.held.dtype

    def number(self, index: Index) -> float:
        """One of its numbers."""
        return float(self.held[index]) if self.kept else float(self.value[index])

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def leaf(self) -> bool:
        return self.op in ("input", "parameter", "constant")

    def address(self, index: Index) -> str:
        return cell_address(self.name, self.axis_names, index)

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `forward`, with values[role] where an operand stands."""
        return {name: filled(setting, values) for name, setting in self.settings.items()}

    def __repr__(self) -> str:
        return f"Step({self.name!r}, {self.op}, {tuple(self.shape)}, {self.how})"


class Call:
    """A step as its operation reads it: `call.weight` is an argument's value, `call.cell` a number of an operand."""

    def __init__(self, step: Step, widen: bool = False, shapes: bool = False) -> None:
        """With `widen`, half-precision values are read as float32, as gradients are computed.

        With `shapes`, a value that is not kept stands there without numbers, rather than being computed anew.
        """
        self.step = step
        self.widen, self.shapes = widen, shapes

    def read(self, step: Step) -> Tensor:
        value = step.held if self.shapes else step.value
        return widened(value) if self.widen else value

    @cached_property
    def output(self) -> Tensor:
        return self.read(self.step)

    @cached_property
    def given(self) -> dict[str, Any]:
        return self.step.arguments({role: self.read(operand) for role, operand in self.step.operands.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return self.given[name]
        except KeyError:
            raise AttributeError(name) from None

    def operand(self, role: str) -> Any:
        """The step that went in as this argument, or the plain value that was given instead."""
        setting = self.step.settings[role]
        return self.step.operands[setting.name] if isinstance(setting, Role) else setting

    def cell(self, role: str, index: Sequence[int]) -> Expression:
        """One number of an operand; a plain number stands for itself."""
        operand = self.operand(role)
        if not isinstance(operand, Step):
            return Number(float(operand))
        return cell_of(operand, index)

    def aligned(self, role: str, index: Sequence[int]) -> Expression:
        """As `cell`, where the operand is broadcast to the output, whose index is given."""
        operand = self.operand(role)
        if not isinstance(operand, Step):
            return Number(float(operand))
        shape = operand.shape
        tail = index[len(index) - len(shape) :]
        return cell_of(operand, [0 if size == 1 else i for i, size in zip(tail, shape, strict=True)])

    def differentiable(self) -> Iterator[tuple[str, Step]]:
        for role, operand in self.step.operands.items():
            if operand.dtype.is_floating_point:
                yield role, operand


def widened(value: Tensor) -> Tensor:
    return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value


def cell_of(step: Step, index: Sequence[int]) -> Cell:
    index = tuple(index)
    return Cell(step.address(index), step.number(index))


class Operation:
    """A rule, if it has `backward` and `explain`; `names` are those of the functions that it stands for."""

    names: tuple[str, ...] = ()
    formula = ""  # LaTeX
    text = ""  # the same in one line of plain text

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self.forward).parameters)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by the names that `forward` has for them. Raises TypeError if they do not fit.

        By hand, because `Signature.bind` took half the time of writing a step down (bench/see.py).
        """
        found: dict[str, Any] = dict(kwargs)
        positions = iter(args)
        bound: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                value = next(positions, NOTHING)
                if value is not NOTHING:
                    bound[name] = value
                    continue
            value = found.pop(name, parameter.default)
            if value is inspect.Parameter.empty:
                raise TypeError(f"{self.names[0]} lacks {name}")
            bound[name] = value
        if found or next(positions, NOTHING) is not NOTHING:
            raise TypeError(f"{self.names[0]} has no such arguments")
        return bound

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """The gradient of each operand that has one, from that of the output."""
        raise NotImplementedError

    def explain(self, call: Call, cell: Index) -> Expression:
        """What one cell of the output was made of."""
        raise NotImplementedError

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        """The meaning of the output's axes; None: that of the first operand if the shape is its, else unknown."""
        return None

    def operand_axes(self, call: Call) -> Mapping[Step, tuple[Axis, ...]]:
        """Of steps that went in the axes that only this operation tells, such as those of a first state."""
        return {}


class Opened(Operation):
    """Told in steps of other operations: `open` adds them one by one and returns the last, its value.

    The steps of an `inline` operation are named as if the place itself had taken them.
    """

    inline = False

    def open(self, add: "Adding", call: Call) -> Step:
        raise NotImplementedError


class Adding:
    """Makes steps under one name: add("mean", "mean", input=x, dim=-1) computes it, and returns the step."""

    def __init__(self, above: Step, operations: Mapping[str, Operation]) -> None:
        self.above = above
        self.operations = operations
        self.prefix = prefix_of(above, operations[above.op])
        self.steps: list[Step] = []

    def __call__(self, name: str, op: str, /, **arguments: Any) -> Step:
        bound = arguments if "given" in arguments else self.operations[op].bind((), arguments)
        settings, operands = taken_apart(bound)
        step = Step(self.prefix + name, op, torch.empty(0), operands, settings, place=self.above.place, how="opened")
        step.value = result(self.operations[op], step, {role: one.value for role, one in operands.items()})
        step.axes = axes_of(self.operations[op], step)
        self.steps.append(step)
        return step

    def constant(self, name: str, value: Tensor, axes: tuple[Axis, ...] | None = None) -> Step:
        step = Step(self.prefix + name, "constant", value, place=self.above.place, how="opened")
        step.axes = axes if axes is not None else plain_axes(value)
        self.steps.append(step)
        return step


def prefix_of(step: Step, operation: Operation) -> str:
    """What the names of the steps begin with into which this one opens."""
    if isinstance(operation, Opened) and operation.inline:
        return f"{step.place}." if step.place else ""
    return f"{step.name}."


class NotOpenedError(Exception):
    """This call has a form that is not told in steps; it is kept whole."""


class Whole(Operation):
    """An operation without an opened form: PyTorch computes and differentiates it, nothing of it is explained."""

    names = ("whole",)
    text = "computed and differentiated by PyTorch as a whole"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {"given": tuple(args), "named": tuple(kwargs.items())}

    def gradients(
        self, step: Step, call: Call, upstream: Tensor, operation: Operation | None = None, twice: bool = False
    ) -> dict[str, Tensor]:
        """Of each operand, by `operation` where that has no way back of its own; with `twice`, such that they can be
        differentiated by `upstream`.
        """
        operands = dict(call.differentiable())
        values: dict[str, Any] = {role: operand.value for role, operand in step.operands.items()}
        leaves = {role: values[role].detach().clone().requires_grad_() for role in operands}
        with torch.enable_grad():
            found = result(operation or self, step, {**values, **leaves})
            whole = upstream.to(found.dtype).clone()  # not a part of other memory, which complex numbers refuse
            gradients = torch.autograd.grad(found, list(leaves.values()), whole, allow_unused=True, create_graph=twice)
        return {role: one for role, one in zip(leaves, gradients, strict=True) if one is not None}

    def compute(self, step: Step, values: Mapping[str, Any]) -> Any:
        if step.function is None:
            raise LookupError(f"{step.name}: {step.op} can only be computed anew while its model is in memory")
        # A function that writes in place must not write into what the trace holds.
        copies = {role: one.clone() if isinstance(one, Tensor) else one for role, one in values.items()}
        arguments = step.arguments(copies)
        return step.function(*arguments["given"], **dict(arguments["named"]))


def result(operation: Operation, step: Step, values: Mapping[str, Any]) -> Any:
    """The value of a step, computed anew from the values of its operands, as it was the first time."""
    device = next((one.device.type for one in values.values() if isinstance(one, Tensor)), step.held.device.type)
    with numbers_as_then(step, device):
        if isinstance(operation, Whole):
            found = operation.compute(step, values)
        else:
            found = operation.forward(**step.arguments(values))
    return found if step.part is None else found[step.part]


def numbers_as_then(step: Step, device: str) -> Any:
    """The number formats of autocast as they were when the step was taken."""
    if device == "meta":
        return nullcontext()
    if step.autocast is None and not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, step.autocast or torch.bfloat16, enabled=step.autocast is not None)


def axes_of(operation: Operation, step: Step) -> tuple[Axis, ...]:
    found = operation.axes(Call(step, shapes=True))
    shape = step.shape
    if found is None:
        like = next((one for one in step.operands.values() if one.shape == shape), None)
        found = like.axes if like else None
    if found is None or len(found) != len(shape):
        return plain_axes(step.held)
    return unique_axes(found)


def plain_axes(value: Tensor) -> tuple[Axis, ...]:
    return tuple(Axis(f"d{number}") for number in range(value.dim()))


def unique_axes(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """A name that two axes share is numbered in the second."""
    if len({axis.name for axis in axes}) == len(axes):
        return tuple(axes)
    names: list[str] = []
    found = []
    for axis in axes:
        name, count = axis.name, 1
        while name in names:
            count += 1
            name = f"{axis.name}{count}"
        names.append(name)
        found.append(Axis(name, axis.labels))
    return tuple(found)


def taken_apart(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Step]]:
    """Settings with a Role for each step among the arguments, also within lists, and the steps by role."""
    operands: dict[str, Step] = {}

    def apart(path: str, value: Any) -> Any:
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, Step):
            operands[path] = value
            return Role(path)
        if isinstance(value, (list, tuple)):
            parts = [apart(f"{path}.{number}", one) for number, one in enumerate(value)]
            return parts if isinstance(value, list) else tuple(parts)
        return value

    return {name: apart(name, value) for name, value in arguments.items()}, operands


def filled(setting: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(setting, PLAIN):
        return setting
    if isinstance(setting, Role):
        return values[setting.name]
    if isinstance(setting, Made):
        return setting.kind(**filled(setting.fields, values))
    if isinstance(setting, dict):
        return {name: filled(one, values) for name, one in setting.items()}
    if isinstance(setting, (list, tuple)):
        parts = [filled(one, values) for one in setting]
        return parts if isinstance(setting, list) else tuple(parts)
    return setting


def fitted(gradient: Tensor, shape: Sequence[int]) -> Tensor:
    """A gradient added up over the dimensions along which its operand was broadcast."""
    return gradient.sum_to_size(tuple(shape)) if gradient.shape != torch.Size(shape) else gradient
