"""Taking a trace: a model runs as it is, and each function it calls is written down with its place in the model.

A `TorchFunctionMode` sees the functions by their textbook names, hooks before and after each module give the place;
both are gone when the capture ends, however it ends. The model, its buffers, its gradients and the random state are
left as they were. Values are copies, so that what a later step writes in place does not change what was seen.
"""

import dataclasses
import inspect
import random
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pellucid.see.attention import name_parts
from pellucid.see.imaginary import Imaginary
from pellucid.see.operation import Axis, Made, NotOpenedError, Operation, Role, Step, filled, taken_apart
from pellucid.see.ops import OPERATIONS
from pellucid.see.ops.discrete import followed
from pellucid.see.ops.dropout import drawn
from pellucid.see.ops.recurrent import masks_between_layers, rate_between_layers
from pellucid.see.positions import name_positions
from pellucid.see.trace import WHOLE, Trace, TraceError, free_name
from pellucid.see.training import TrainingStep, remembered

Labels = Mapping[str, Sequence[str]]

# Their values do not depend on the values that go in, or not smoothly: what comes out is a constant to the trace.
STARTS_ANEW = (
    *("new_", "empty", "zeros", "ones", "rand", "full", "bernoulli", "normal", "uniform", "zero_", "fill_"),
    *("exponential", "log_normal", "cauchy", "geometric"),
)
WITHOUT_GRADIENT = {
    *("ge", "gt", "le", "lt", "eq", "ne", "greater", "less", "sign", "floor", "ceil", "round", "trunc", "argmax"),
    *("argmin", "argsort", "isnan", "isinf", "isfinite", "one_hot", "item", "tolist", "multinomial"),
}
IN_PLACE_OPERATORS = {
    "__iadd__": "add",
    "__isub__": "sub",
    "__imul__": "mul",
    "__itruediv__": "div",
    "__ipow__": "pow",
    "__setitem__": "setitem",
}
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "feature_dropout")
AXES_OF_INPUT = {
    1: ("position",),
    2: ("batch", "position"),
    3: ("batch", "position", "feature"),
    4: ("batch", "channel", "row", "column"),
}


def capture(
    model: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    labels: Labels | None = None,
    training_step: int | None = None,
    objective: Callable[..., Any] | None = None,
    scale: float = 1.0,
    clip: float | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    **named: Any,
) -> Trace:
    """What `model(*inputs, **named)` computes, and with `loss` (of its output) all gradients as well.

    `labels` names the positions of inputs, by input, and the rows of parameters, such as the tokens of a vocabulary:
    {"source": ["Hello", "world"], "embedding.weight": [...]}. `objective` is called in the model's stead where a loop
    calls more than the model. `scale` is a GradScaler's: gradients are computed with it and shown without it. `clip` is
    the largest norm that the loop allows, `optimizer` what takes the step: `trace.why_moved` and `trace.flow` tell of
    them. Raises TraceError if the loss is not one number.
    """
    called = objective or model
    bound = inspect.signature(objective or model.forward).bind(*inputs, **named)
    tensors: dict[str, Tensor] = {}

    def apart(path: str, value: Any) -> Any:
        """The argument with a Role where a tensor stands."""
        if isinstance(value, Tensor):
            tensors[path] = value
            return Role(path)
        if isinstance(value, dict):
            return {key: apart(str(key), one) for key, one in value.items()}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
            return Made(type(value), {name: apart(name, one) for name, one in fields.items()})
        if type(value) in (list, tuple):
            return type(value)(apart(f"{path}.{number}", one) for number, one in enumerate(value))
        return value

    given = {name: apart(name, value) for name, value in bound.arguments.items()}

    def run(replaced: Mapping[str, Tensor]) -> Any:
        arguments = {name: filled(value, replaced) for name, value in given.items()}
        whole = inspect.BoundArguments(bound.signature, arguments)
        return called(*whole.args, **whole.kwargs)

    trace = record(model, run, tensors, loss, labels, training_step, scale)
    if clip is not None or scale != 1 or optimizer is not None:
        TrainingStep([trace], clip, scale != 1, *remembered(model, optimizer), training_step)
    return trace


def record(
    model: nn.Module,
    run: Callable[[Mapping[str, Tensor]], Any],
    inputs: Mapping[str, Tensor],
    loss: Callable[[Any], Tensor] | None = None,
    labels: Labels | None = None,
    training_step: int | None = None,
    scale: float = 1.0,
) -> Trace:
    """As `capture`, where `run` calls the model, given copies of `inputs` by name."""
    recorder = Recorder(model, labels)
    leaves = {
        name: value.detach().clone().requires_grad_(loss is not None) if value.is_floating_point() else value
        for name, value in inputs.items()
    }
    copies = {name: leaf.clone() if leaf.requires_grad else leaf for name, leaf in leaves.items()}
    for name, leaf in leaves.items():
        recorder.input(name, copies[name], leaf, (labels or {}).get(name))
    parameters = [one for one in model.parameters() if one.requires_grad] if loss is not None else []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(buffers_kept(model))
        stack.enter_context(torch.set_grad_enabled(loss is not None))
        with recorder.watching():
            output = run(copies)
            total = loss(output) if loss is not None else None
        if total is not None:
            if total.numel() != 1:
                raise TraceError(f"the loss has {total.numel()} numbers, not one", "Take its mean or its sum.")
            wanted = [*parameters, *(leaf for leaf in leaves.values() if leaf.requires_grad)]
            if wanted and total.requires_grad:
                gradients = torch.autograd.grad(total * scale, wanted, allow_unused=True)
                recorder.gradients(dict(zip(map(id, wanted), gradients, strict=True)))
                recorder.unscale(scale)
        kept = {step for step in map(recorder.known, floats_of(output)) if step is not None}
        fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        name_positions(recorder.steps, recorder.rename, kept | recorder.layer_outputs(), fixed)
        name_parts(recorder.steps, recorder.rename)
        made = recorder.outputs or list(floats_of(output))
        outputs = [step.name for step in map(recorder.known, made) if step is not None]
        last = recorder.known(total) if total is not None else None
    trace = Trace(recorder.steps, recorder.aliases, outputs, last.name if last else None, training_step)
    trace.parameters = dict(model.named_parameters())
    return trace


class Recorder(TorchFunctionMode):
    """Writes down each function call as a step while it watches."""

    def __init__(self, model: nn.Module, labels: Labels | None = None) -> None:
        super().__init__()
        self.model = model
        self.labels = labels or {}
        self.places = {module: name for name, module in model.named_modules()}
        self.steps: list[Step] = []
        self.aliases: dict[str, str] = {}
        self._names: dict[str, Step] = {}
        self._known: dict[int, Step] = {}
        self._imaginary: dict[int, Imaginary] = {}
        self._alive: list[Tensor] = []  # so that no id is given twice
        self._parameters = {id(one): name for name, one in model.named_parameters()}
        self._tables = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
        self._buffers = {id(one): name for name, one in model.named_buffers()}
        self._stack: list[str] = []
        self._leaves: dict[int, Step] = {}  # by the id of the tensor whose gradient is theirs
        self._own = False
        self.outputs: list[Tensor] = []  # of the model itself, each time it was called

    # --- watching --------------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Modules hooked, the mode on, fast paths that would bypass both off; all undone at the end."""
        with ExitStack() as stack:
            fast = torch.backends.mha.get_fastpath_enabled()
            torch.backends.mha.set_fastpath_enabled(False)
            stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
            for module in self.places:
                stack.callback(module.register_forward_pre_hook(self._enter).remove)
                stack.callback(module.register_forward_hook(self._leave, always_call=True).remove)
            stack.enter_context(self._custom_functions())
            with self:
                yield

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._stack.append(self.places[module])

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        place = self._stack.pop()
        if module is self.model:
            self.outputs += floats_of(output)
        step = self.known(output) if isinstance(output, Tensor) else None
        if not place or step is None:
            return
        if step.place == place and not any(module.children()) and place not in self._names:
            if type(module).__name__ == "Dropout" and step.op == "mul" and "other" in step.operands:
                self.rename(step.operands["other"], f"{place}.mask")
            self.rename(step, place)
        else:
            self.aliases.setdefault(place, step.name)

    def layer_outputs(self) -> set[Step]:
        """Steps by which a layer is known that others have computed."""
        return {self._names[name] for name in self.aliases.values() if name in self._names}

    def rename(self, step: Step, name: str) -> None:
        del self._names[step.name]
        self.aliases = {place: name if held == step.name else held for place, held in self.aliases.items()}
        step.name = free_name(name, self._names)
        self._names[step.name] = step

    @contextmanager
    def _custom_functions(self) -> Iterator[None]:
        """A person's own autograd functions, which the mode does not see."""
        function = torch.autograd.Function
        original = function.__dict__["apply"]
        recorder = self

        def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
            def call(*given: Any, **named: Any) -> Any:
                return original.__func__(cls, *given, **named)

            call.__name__ = cls.__name__
            return recorder._record(call, cls.__name__, args, kwargs)

        function.apply = classmethod(apply)  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            function.apply = original  # type: ignore[method-assign]

    def __torch_function__(
        self, func: Any, types_: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = name_of(func)
        kwargs = dict(kwargs or {})
        if self._own or name.startswith("__get__:"):
            return func(*args, **kwargs)
        return self._record(func, name, args, kwargs)

    # --- recording -------------------------------------------------------------------------------------------------

    def _record(self, func: Callable[..., Any], name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        plain, in_place = functional(name, kwargs)
        anew = plain.startswith(STARTS_ANEW) or plain in WITHOUT_GRADIENT
        before = self._resolved(args, kwargs) if in_place and not anew else None
        base = args[0]._base if in_place and args and isinstance(args[0], Tensor) and args[0]._is_view() else None
        if base is not None:
            self._step_of(base)
        draws = plain in DROPOUTS or rate_in_attention(plain, args, kwargs) or rate_between_layers(plain, args)
        state = torch.get_rng_state() if draws else None
        known = plain in OPERATIONS and func is not F.unfold  # which is not what Tensor.unfold does
        if not known and isinstance(func, types.FunctionType) and func.__module__ == F.__name__:
            return self._reentered(func, args, kwargs)
        self._own = True
        try:
            output = func(*args, **kwargs)
        finally:
            self._own = False
        if name == "__setitem__":
            output, returned = args[0], None
        else:
            returned = output
        if not in_place and any(output is one for one in args):  # nothing was to do, as for x.float() of a float
            return output
        if isinstance(output, Tensor) and output.is_complex():
            self._imaginary[id(output)] = Imaginary(func, *(before or self._resolved(args, kwargs)))
            self._alive.append(output)
            return returned
        found = list(floats_of(output))
        if not found or anew:
            for tensor in [*found, *(one for one in (kwargs.get("out"),) if isinstance(one, Tensor))]:
                self._known.pop(id(tensor), None)
            if not found and isinstance(output, Tensor):
                self._follow(plain, args, kwargs, output, in_place)
            if in_place and found:  # what looks at the same memory has constants there from now on
                self._step_of(found[0])
                self._refresh(found[0], base)
            return returned
        given, named = before or self._resolved(args, kwargs)
        if any(isinstance(one, Imaginary) for one in flattened([given, named])):
            through = Imaginary(func, given, named)
            func, plain, given, named = through.function_of_steps(), f"{plain}_of_complex", through.steps(), {}
        if any(isinstance(one, Step) for one in flattened([given, named])):
            self._write(func, plain, given, named, output, state, args)
            if in_place:
                self._refresh(found[0], base)
        return returned

    def _follow(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor, in_place: bool
    ) -> None:
        """Ids and masks that were computed from ids of the input; what is written into is known no more."""
        if in_place:
            self._known.pop(id(output), None)
            return
        given = [self._known.get(id(one)) for one in flattened([list(args), dict(kwargs)]) if isinstance(one, Tensor)]
        if not followed(name, output) or not any(one and not one.value.is_floating_point() for one in given):
            return
        try:
            bound = OPERATIONS[name].bind(*self._resolved(args, kwargs))
        except TypeError:
            return
        self._derived(name, bound, output)

    def _write(
        self,
        func: Callable[..., Any],
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output: Any,
        state: Tensor | None,
        raw: Sequence[Any],
    ) -> None:
        kwargs = {key: value for key, value in kwargs.items() if key != "inplace" or name in OPERATIONS}
        op = chosen(name, args, kwargs)
        if op in DROPOUTS:
            op, args, kwargs = self._dropout(op, args, kwargs, state)
        elif state is not None and name == "scaled_dot_product_attention":
            shape = (*raw[0].shape[:-1], raw[1].size(-2))
            with self._unseen():
                rate = rate_in_attention(name, args, kwargs)
                mask = drawn("dropout", torch.ones(shape, dtype=raw[0].dtype), rate, state)
            kwargs["drawn"] = self._constant("dropout_mask", mask)
        elif state is not None:
            with self._unseen():
                masks = masks_between_layers(raw, state)
            kwargs["drawn"] = [self._constant(f"dropout_mask_{layer}", mask) for layer, mask in enumerate(masks)]
        operation: Operation = OPERATIONS.get(op, WHOLE)
        try:
            bound = operation.bind(args, kwargs)
        except (TypeError, NotOpenedError):
            operation, bound = WHOLE, WHOLE.bind(args, kwargs)
        settings, operands = taken_apart(bound)
        several = isinstance(output, tuple | list)
        for part, tensor in enumerate(output if several else [output]):
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                continue
            step = Step(
                "",
                op if operation is not WHOLE else f"whole:{op}",
                tensor.detach().clone(),
                dict(operands),
                settings,
                place=self._stack[-1] if self._stack else "",
                how="captured" if operation is not WHOLE else "whole",
                function=func,
                part=part if several else None,
                autocast=autocast_of(tensor.device.type),
            )
            self._add(step, f"{op}_{part}" if several else op, tensor)

    def _add(self, step: Step, name: str, tensor: Tensor) -> None:
        name = f"{step.place}.{name}" if step.place else name
        step.name = free_name(name, self._names)
        self._names[step.name] = step
        self.steps.append(step)
        self._known[id(tensor)] = step
        self._alive.append(tensor)
        if tensor.requires_grad and not step.leaf and step.op not in ("overwrite", "as_strided"):
            tensor.register_hook(lambda gradient: note_gradient(step, gradient))  # type: ignore[no-untyped-call]

    def _dropout(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], state: Tensor | None
    ) -> tuple[str, Sequence[Any], dict[str, Any]]:
        names = ("input", "p", "training")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        step, rate = given["input"], given.get("p", 0.5)
        if not given.get("training", True) or not rate:
            return "alias", (step,), {}
        assert state is not None
        with self._unseen():
            mask = drawn(name, torch.ones_like(step.value), rate, state)
        return "dropout", (), {"input": step, "mask": self._constant("mask", mask)}

    def _constant(self, name: str, value: Tensor) -> Step:
        place = self._stack[-1] if self._stack else ""
        step = Step("", "constant", value.detach().clone(), place=place)
        self._add(step, name, value)
        return step

    def _reentered(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A function written in Python of others: those are recorded. It would call itself again if it saw the mode."""
        checks = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
        kept = {check: getattr(F, check) for check in checks}

        def once(*_: Any) -> bool:
            for check, original in kept.items():
                setattr(F, check, original)
            return False

        for check in checks:
            setattr(F, check, once)
        try:
            with self:
                return func(*args, **kwargs)
        finally:
            once()

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        before, self._own = self._own, True
        try:
            yield
        finally:
            self._own = before

    def _refresh(self, tensor: Tensor, base: Tensor | None) -> None:
        """What else looks at memory that was written into: the tensor under a view, and its other views."""
        if base is not None:
            region = (tuple(tensor.size()), tuple(tensor.stride()), tensor.storage_offset())
            bound = {"given": (self._known[id(base)], self._known[id(tensor)], *region)}
            self._derived("overwrite", bound, base)
        under = tensor if base is None else base
        memory = under.untyped_storage().data_ptr()
        for other in list(self._alive):
            if other is tensor or other is under or not other.is_floating_point() or id(other) not in self._known:
                continue
            if other.untyped_storage().data_ptr() == memory and other._base is under:
                region = (tuple(other.size()), tuple(other.stride()), other.storage_offset())
                self._derived("as_strided", {"given": (self._known[id(under)], *region)}, other)

    def _derived(self, op: str, bound: dict[str, Any], tensor: Tensor) -> None:
        settings, operands = taken_apart(bound)
        place = self._stack[-1] if self._stack else ""
        with self._unseen():
            self._add(Step("", op, tensor.detach().clone(), operands, settings, place=place), op, tensor)

    # --- tensors and steps -----------------------------------------------------------------------------------------

    def known(self, tensor: Tensor) -> Step | None:
        return self._known.get(id(tensor))

    def input(self, name: str, tensor: Tensor, leaf: Tensor, labels: Sequence[str] | None) -> None:
        names = list(AXES_OF_INPUT.get(tensor.dim(), [f"d{d}" for d in range(tensor.dim())]))
        if tensor.dim() == 2 and tensor.is_floating_point():
            names[1] = "feature"
        at = 1 if tensor.dim() > 1 else 0
        if labels is not None and (not tensor.dim() or len(labels) != tensor.size(at)):
            raise TraceError(f"{name} has shape {tuple(tensor.shape)}, not {len(labels)} labels")
        axes = tuple(Axis(one, tuple(labels) if labels and d == at else None) for d, one in enumerate(names))
        step = Step("", "input", tensor.detach().clone(), axes=axes, how="captured")
        self._add(step, name, tensor)
        self._leaves[id(leaf)] = step

    def gradients(self, found: Mapping[int, Tensor | None]) -> None:
        """Give inputs and parameters theirs."""
        for key, gradient in found.items():
            step = self._leaves.get(key)
            if step is not None and gradient is not None:
                step.gradient = gradient.detach().clone()

    def unscale(self, scale: float) -> None:
        """Gradients of the loss, where they were computed of a multiple of it."""
        for step in self.steps if scale != 1 else ():
            if step.gradient is not None:
                step.gradient = step.gradient * (1 / scale)

    def _resolved(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        given, named = (
            self._resolve(list(args)),
            {name: self._resolve(one) for name, one in kwargs.items() if name != "out"},
        )
        return tuple(given), named

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_complex():
            return self._imaginary.get(id(value), value)
        if isinstance(value, Tensor):
            return self._step_of(value)
        if isinstance(value, list | tuple):
            parts = [self._resolve(one) for one in value]
            return parts if isinstance(value, list) else tuple(parts)
        return value

    def _step_of(self, tensor: Tensor) -> Step:
        """The step that made a tensor; a parameter, a buffer, or else a constant that came from outside."""
        step = self._known.get(id(tensor))
        if step is not None:
            return step
        with self._unseen():
            if id(tensor) in self._parameters:
                name = self._parameters[id(tensor)]
                axes = axes_of_parameter(tensor, id(tensor) in self._tables, self.labels.get(name))
                step = Step("", "parameter", tensor.detach().clone(), axes=axes)
                self._leaves[id(tensor)] = step
            else:
                place = "" if id(tensor) in self._buffers else self._stack[-1] if self._stack else ""
                step = Step("", "constant", tensor.detach().clone(), place=place)
                name = self._buffers.get(id(tensor), "constant")
            self._add(step, name, tensor)
        return step


def axes_of_parameter(tensor: Tensor, table: bool = False, labels: Sequence[str] | None = None) -> tuple[Axis, ...]:
    """Of a layer's weights or, if it is a `table`, of embeddings; `labels` are those of its rows."""
    names: dict[int, tuple[str, ...]] = {
        1: ("unit",),
        2: ("unit", "input"),
        3: ("channel", "input", "position"),
        4: ("channel", "input", "row", "column"),
    }
    chosen = ("token", "model") if table else names.get(tensor.dim(), tuple(f"d{d}" for d in range(tensor.dim())))
    if labels is not None and (not tensor.dim() or len(labels) != tensor.size(0)):
        raise TraceError(f"a parameter has shape {tuple(tensor.shape)}, not {len(labels)} labels")
    return tuple(Axis(name, tuple(labels) if labels and d == 0 else None) for d, name in enumerate(chosen))


def note_gradient(step: Step, gradient: Tensor | None) -> None:
    if gradient is not None:  # of several outputs some may have none
        step.gradient = gradient.detach().clone()


def name_of(func: Any) -> str:
    """The plain name of a function or method; of a property "__get__:" and its name, unless it computes something."""
    name = getattr(func, "__name__", str(func))
    if name == "__get__":
        attribute = str(getattr(func.__self__, "__name__", ""))
        return attribute if attribute in ("T", "mT", "real", "imag") else f"__get__:{attribute}"
    return str(name)


def functional(name: str, kwargs: Mapping[str, Any]) -> tuple[str, bool]:
    """The name of the same function without side effect, and whether this one writes into its first argument."""
    if name in IN_PLACE_OPERATORS:
        return IN_PLACE_OPERATORS[name], True
    if name.startswith("__") and name.endswith("__"):
        return name.strip("_"), False
    if name.endswith("_") and not name.startswith("_") and name not in ("requires_grad_",):
        return (name if name.startswith(STARTS_ANEW) else name[:-1]), True
    return name, bool(kwargs.get("inplace")) or kwargs.get("out") is not None


def chosen(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The operation of a name that means several."""
    if name in ("max", "min") and (len(args) > 1 or kwargs):
        other = args[1] if len(args) > 1 else kwargs.get("other")
        if isinstance(other, Step):
            return "maximum" if name == "max" else "minimum"
        return "max_along" if name == "max" else name
    return "neg" if name == "negative" else name


def rate_in_attention(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """The dropout of the weights of a fused attention."""
    if name != "scaled_dot_product_attention":
        return 0.0
    return float(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0))


def autocast_of(device: str) -> torch.dtype | None:
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def floats_of(value: Any) -> Iterator[Tensor]:
    """The floating-point tensors of an output, whatever holds them."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from floats_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from floats_of(one)


def flattened(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from flattened(one)
    else:
        yield value


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """What a pass writes into buffers (running means) or puts in their places is undone; so is Python's chance."""
    kept = [
        (module, name, one, one.detach().clone())
        for module in model.modules()
        for name, one in module._buffers.items()
        if one is not None
    ]
    chance = random.getstate()
    try:
        yield
    finally:
        random.setstate(chance)
        with torch.no_grad():
            for module, name, buffer, before in kept:
                module._buffers[name] = buffer
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
