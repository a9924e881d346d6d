"""Taking a trace: a model runs as it is, and each function it calls is written down with its place in the model.

A `TorchFunctionMode` sees the functions by their textbook names, hooks before and after each module give the place;
both are gone when the capture ends, however it ends. The model, its buffers, its gradients and the random state are
left as they were. What is written in place, by a later step or after the pass, does not change what was seen.
"""

import dataclasses
import inspect
import random
import types
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from pellucid.see.attention import name_parts
from pellucid.see.imaginary import Imaginary
from pellucid.see.keeping import FullError, Keeping, UnseenWriteError
from pellucid.see.operation import Axis, Made, NotOpenedError, Operation, Role, Step, filled, taken_apart
from pellucid.see.ops import OPERATIONS
from pellucid.see.ops.discrete import followed
from pellucid.see.ops.dropout import drawn
from pellucid.see.ops.recurrent import masks_between_layers, rate_between_layers
from pellucid.see.positions import name_positions
from pellucid.see.recompute import of_parameter, recompute
from pellucid.see.size import Count, Size, bytes_of, free_memory
from pellucid.see.trace import WHOLE, Trace, TraceError, free_name
from pellucid.see.training import TrainingStep, remembered

Labels = Mapping[str, Sequence[str]]
EMPTY = torch.empty(0)  # the value of a step before it has its own

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
# Asked again and again, of no tensor's numbers: passed on before anything else is looked at.
QUESTIONS = {
    "size",
    "dim",
    "ndimension",
    "numel",
    "stride",
    "is_floating_point",
    "is_complex",
    "is_contiguous",
    "element_size",
    "storage_offset",
    "data_ptr",
    "__len__",
    "__hash__",
    "__bool__",
    "__format__",
    "__repr__",
    "requires_grad_",
    "get_device",
}
# Arguments, by name and position, that a function writes into without counting it as a write.
WRITES_SILENTLY = dict.fromkeys(("batch_norm", "instance_norm"), (("running_mean", 1), ("running_var", 2)))
HARMLESS = 4  # of what is free a fourth is kept without having been counted first
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
    only: str | Sequence[str] | None = None,
    precision: torch.dtype | None = None,
    memory_limit: int | str | None = None,
    objective: Callable[..., Any] | None = None,
    scale: float = 1.0,
    clip: float | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    **named: Any,
) -> Trace:
    """What `model(*inputs, **named)` computes, and with `loss` (of its output) all gradients as well.

    `labels` names the positions of inputs, by input, and the rows of parameters, such as the tokens of a vocabulary:
    {"source": ["Hello", "world"], "embedding.weight": [...]}.

    For large models: `only` is a pattern, or several, of the names or places whose values are kept ("decoder.*",
    "*.weights"), the others being computed anew when they are asked for; `precision` is the number format in which
    values are kept (torch.bfloat16 halves them); `memory_limit`, such as "2 GB", is what they may take, else what is
    free. With `only` or `memory_limit` the model runs once more, as nothing is kept before it is known to fit.

    Of a training: `objective` is called in the model's stead where a loop calls more than the model. `scale` is a
    GradScaler's: gradients are computed with it and shown without it. `clip` is the largest norm that the loop allows,
    `optimizer` what takes the step: `trace.why_moved` and `trace.flow` tell of them.

    Raises TraceError if the loss is not one number, if the trace would not fit, or if `only` fits nothing.
    """
    run, tensors = called_with(objective or model, inputs, named)
    trace = record(model, run, tensors, loss, labels, training_step, scale, Keep.of(only, precision, memory_limit))
    if clip is not None or scale != 1 or optimizer is not None:
        TrainingStep([trace], clip, scale != 1, *remembered(model, optimizer), training_step)
    return trace


def size_of(
    model: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    only: str | Sequence[str] | None = None,
    precision: torch.dtype | None = None,
    **named: Any,
) -> Size:
    """What `capture` with these arguments would take, found by a pass that keeps no values: print it."""
    run, tensors = called_with(model, inputs, named)
    return counted(Pass(model, run, tensors, loss), Keep.of(only, precision))


def called_with(
    called: Callable[..., Any], inputs: Sequence[Any], named: Mapping[str, Any]
) -> tuple[Callable[[Mapping[str, Tensor]], Any], dict[str, Tensor]]:
    """How the model is called with other tensors in these arguments, and the tensors by name."""
    signature = inspect.signature(called.forward if isinstance(called, nn.Module) else called)
    bound = signature.bind(*inputs, **named)
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

    return run, tensors


@dataclass(frozen=True)
class Keep:
    """Which values are kept: those whose names fit a pattern (all without), in which format, in how much memory."""

    only: tuple[str, ...] = ()
    precision: torch.dtype | None = None
    memory_limit: int | str | None = None

    @classmethod
    def of(
        cls, only: str | Sequence[str] | None, precision: torch.dtype | None, memory_limit: int | str | None = None
    ) -> "Keep":
        return cls((only,) if isinstance(only, str) else tuple(only or ()), precision, memory_limit)


@dataclass(frozen=True)
class Pass:
    """What is run: `run` calls the model, given tensors by the names of `inputs`; `scale` multiplies the loss."""

    model: nn.Module
    run: Callable[[Mapping[str, Tensor]], Any]
    inputs: Mapping[str, Tensor]
    loss: Callable[[Any], Tensor] | None = None
    labels: Labels = field(default_factory=dict)
    scale: float = 1.0


def record(
    model: nn.Module,
    run: Callable[[Mapping[str, Tensor]], Any],
    inputs: Mapping[str, Tensor],
    loss: Callable[[Any], Tensor] | None = None,
    labels: Labels | None = None,
    training_step: int | None = None,
    scale: float = 1.0,
    keep: Keep = Keep(),
) -> Trace:
    """As `capture`, where `run` calls the model, given copies of `inputs` by name.

    A trace of moderate size is taken at once. Where one may be large it is counted first, in a pass that keeps no
    values, and only taken if it fits.
    """
    once = Pass(model, run, inputs, loss, labels or {}, scale)
    devices = {one.device for one in (*inputs.values(), *islice(model.parameters(), 1))}
    free = min((found for found in map(free_memory, devices) if found is not None), default=None)
    allowed = None if keep.memory_limit is None else bytes_of(keep.memory_limit)
    size = None
    if keep.only or keep.memory_limit is not None:
        size = counted(once, keep)
        size.check(allowed, free)
    copying = False
    while True:
        most = free // HARMLESS if size is None and free is not None else None
        wanted = size.wanted if size is not None and keep.only else None
        try:
            return taken(once, Keeping(keep.precision, wanted, copying=copying, most=most), size, training_step)
        except FullError:
            size = counted(once, keep)
            size.check(allowed, free)
        except UnseenWriteError:
            copying = True


def counted(once: Pass, keep: Keep) -> Size:
    """What a trace would hold, from a pass that keeps shapes only. Raises TraceError if `only` fits nothing."""
    recorder = Recorder(once.model, Keeping(counting=True), once.labels)
    # Nothing goes back, so nothing need be saved for it.
    with torch.autograd.graph.saved_tensors_hooks(lambda _: EMPTY, lambda kept: kept):
        passed(once, recorder)
    return Size.of(recorder.taken, recorder.signature, recorder.aliases, recorder.counts, keep.only, keep.precision)


def taken(once: Pass, keeping: Keeping, size: Size | None, training_step: int | None) -> Trace:
    """The trace of a pass whose values are kept."""
    recorder = Recorder(once.model, keeping, once.labels)
    outputs, last = passed(once, recorder)
    if size is not None and size.signature != tuple(recorder.signature):
        raise TraceError(
            "the model computes something else each time that it is called, so its trace cannot be counted beforehand",
            "Capture it without only= and memory_limit=.",
        )
    recorder.forget()
    keeping.finish(recorder.steps)
    aliases = {place: step.name for place, step in recorder.aliases.items()}
    trace = Trace(recorder.steps, aliases, outputs, last, training_step)
    trace.parameters = recorder.parameters
    return trace


def passed(once: Pass, recorder: "Recorder") -> tuple[list[str], str | None]:
    """One pass, forward and with a loss backward; the names of the output and of the loss."""
    model, loss = once.model, once.loss
    leaves = {
        name: value.detach().clone().requires_grad_(loss is not None) if value.is_floating_point() else value
        for name, value in once.inputs.items()
    }
    copies = {name: leaf.clone() if leaf.requires_grad else leaf for name, leaf in leaves.items()}
    for name, leaf in leaves.items():
        recorder.input(name, copies[name], leaf, once.labels.get(name))
    parameters = [one for one in recorder.parameters.values() if one.requires_grad] if loss is not None else []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng())
        stack.enter_context(buffers_kept(model, lambda buffer: recorder.keeping.before_writing(buffer, recorder.taken)))
        stack.enter_context(torch.set_grad_enabled(loss is not None))
        with recorder.watching():
            output = once.run(copies)
            total = loss(output) if loss is not None else None
        if total is not None:
            if total.numel() != 1:
                raise TraceError(f"the loss has {total.numel()} numbers, not one", "Take its mean or its sum.")
            leaves_wanted = [*parameters, *(leaf for leaf in leaves.values() if leaf.requires_grad)]
            if leaves_wanted and total.requires_grad and not recorder.keeping.counting:
                recorder.go_back(total, leaves_wanted, once.scale)
        recorder.keeping.check()
        told = {step for step in map(recorder.known, floats_of(output)) if step is not None}
        fixed = {name for name, parameter in recorder.parameters.items() if not parameter.requires_grad}
        name_positions(recorder.steps, recorder.rename, told | set(recorder.aliases.values()), fixed)
        name_parts(recorder.steps, recorder.rename)
        made = recorder.outputs or list(floats_of(output))
        outputs = [step.name for step in map(recorder.known, made) if step is not None]
        last = recorder.known(total) if total is not None else None
    return outputs, last.name if last else None


class Recorder(TorchFunctionMode):
    """Writes down each function call as a step while it watches."""

    def __init__(self, model: nn.Module, keeping: Keeping, labels: Labels | None = None) -> None:
        super().__init__()
        self.model = model
        self.keeping = keeping
        self.labels = labels or {}
        self.places: dict[nn.Module, str] = {}
        self.parameters: dict[str, Tensor] = {}
        self._parameters: dict[int, str] = {}
        self._buffers: dict[int, str] = {}
        self._tables: set[int] = set()
        for place, module in model.named_modules():  # once, for all
            self.places[module] = place
            before = f"{place}." if place else ""
            for name, one in module._parameters.items():
                if one is not None and self._parameters.setdefault(id(one), before + name) == before + name:
                    self.parameters[before + name] = one
            for name, buffer in module._buffers.items():
                self._buffers.setdefault(id(buffer), before + name)
            if isinstance(module, nn.Embedding):
                self._tables.add(id(module.weight))
        self.steps: list[Step] = []
        self.taken: list[Step] = []  # the same, with those that are told as one afterwards
        self.signature: list[tuple[str, tuple[int, ...]]] = []  # of those: what was done, and the shape
        self.counts: list[Count] = []  # their bytes
        self.aliases: dict[str, Step] = {}
        self._names: dict[str, Step] = {}
        self._taken: dict[str, int] = {}  # the last number that was given to a name
        self._known: dict[int, tuple[weakref.ref[Tensor], Step]] = {}  # by id, which a later tensor may have again
        self._imaginary: dict[int, tuple[weakref.ref[Tensor], Imaginary]] = {}
        self._views: dict[int, list[weakref.ref[Tensor]]] = {}  # by the id of the tensor that they look at
        self._stack: list[str] = []
        self._hooked: set[nn.Module] = set()
        self._leaves: dict[int, Step] = {}  # by the id of the tensor whose gradient is theirs
        self._edges: list[tuple[Step, GradientEdge]] = []  # where in PyTorch's graph the gradient of a step passes
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
            # One hook for all modules, which takes a fourth of the time of one for each (bench/see.py); behind the
            # hooks of a person, which may change what a module hands on, one of its own.
            stack.callback(register_module_forward_pre_hook(self._enter).remove)
            stack.callback(register_module_forward_hook(self._leave_unhooked, always_call=True).remove)
            for module in self.places:
                if module._forward_hooks:
                    self._hooked.add(module)
                    stack.callback(module.register_forward_hook(self._leave, always_call=True).remove)
            stack.enter_context(self._custom_functions())
            with self:
                yield

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        place = self.places.get(module)
        if place is not None:
            self._stack.append(place)

    def _leave_unhooked(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if module in self.places and module not in self._hooked:
            self._leave(module, inputs, output)

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
            self.aliases.setdefault(place, step)

    def rename(self, step: Step, name: str) -> None:
        del self._names[step.name]
        self._taken.pop(step.name.rpartition("_")[0], None)
        self._name(step, name)

    def _name(self, step: Step, name: str) -> None:
        step.name = free_name(name, self._names, self._taken)
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
        kwargs = kwargs or {}
        name = name_of(func)
        if self._own or name in QUESTIONS or name.startswith("__get__:"):
            return func(*args, **kwargs)
        return self._record(func, name, args, kwargs)

    # --- recording -------------------------------------------------------------------------------------------------

    def _record(self, func: Callable[..., Any], name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        plain, in_place, anew = kind_of(name)
        in_place = in_place or bool(kwargs.get("inplace")) or kwargs.get("out") is not None
        if plain in DROPOUTS and (masked := self._dropout(func, args, kwargs, in_place)) is not None:
            return masked
        known = plain in OPERATIONS and func is not F.unfold  # which is not what Tensor.unfold does
        if not known and isinstance(func, types.FunctionType) and func.__module__ == F.__name__:
            return self._reentered(func, args, kwargs)
        base, before = None, None
        if in_place:
            base, before = self._before_writing(args, kwargs, anew)
        for role, place in WRITES_SILENTLY.get(plain, ()):
            written = args[place] if len(args) > place else kwargs.get(role)
            if isinstance(written, Tensor):
                self.keeping.before_writing(written, self.taken)
        draws = rate_in_attention(plain, args, kwargs) or rate_between_layers(plain, args)
        state = torch.get_rng_state() if draws else None
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
            self._imaginary[id(output)] = (
                weakref.ref(output),
                Imaginary(func, *(before or self._resolved(args, kwargs))),
            )
            return returned
        found = next(floats_of(output), None)
        if anew:
            self._started_anew(output, args, kwargs, in_place, base)
        if found is None and isinstance(output, Tensor):
            self._follow(plain, args, kwargs, output, in_place)
        if anew or found is None:
            return returned
        given, named = before or self._resolved(args, kwargs)
        if self._imaginary and any(isinstance(one, Imaginary) for one in flattened([given, named])):
            through = Imaginary(func, given, named)
            func, plain, given, named = through.function_of_steps(), f"{plain}_of_complex", through.steps(), {}
        self._write(func, plain, given, named, output, state, args)
        if in_place and self.known(found) is not None:
            self._refresh(found, base)
        return returned

    def _before_writing(self, args: Sequence[Any], kwargs: Mapping[str, Any], anew: bool) -> tuple[Tensor | None, Any]:
        """Keep what an operation in place is about to write over: the tensor under a view, and the operands."""
        written = written_into(args, kwargs)
        base = written._base if written is not None and written._is_view() else None
        if base is not None:
            self._step_of(base)
        before = None if anew else self._resolved(args, kwargs)
        if written is not None:
            self.keeping.before_writing(written, self.taken)
        return base, before

    def _started_anew(
        self,
        output: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        in_place: bool,
        base: Tensor | None,
    ) -> None:
        """What comes out does not depend on what went in: a constant, from when it is first used."""
        for tensor in (*floats_of(output), kwargs.get("out")):
            if isinstance(tensor, Tensor):
                self._known.pop(id(tensor), None)
        written = written_into(args, kwargs) if in_place else None
        if written is None or not written.is_floating_point():
            return
        if base is not None or any(other is not None and other._base is written for other in self._seen_in(written)):
            self._constant("constant", written)
            self._refresh(written, base)

    def _follow(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor, in_place: bool
    ) -> None:
        """Ids and masks that were computed from ids of the input; what is written into is known no more."""
        if in_place:
            self._known.pop(id(output), None)
            return
        if not followed(name, output):
            return
        given = [self.known(one) for one in flattened([list(args), dict(kwargs)]) if isinstance(one, Tensor)]
        if not any(one is not None and not one.dtype.is_floating_point for one in given):
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
        if op in DROPOUTS and "mask" not in kwargs:  # nothing is dropped
            op, args, kwargs = "alias", (args[0] if args else kwargs["input"],), {}
        if state is not None and name == "scaled_dot_product_attention":
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
        if not operands:
            return
        several = isinstance(output, tuple | list)
        for part, tensor in enumerate(output if several else [output]):
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                continue
            step = Step(
                "",
                op if operation is not WHOLE else f"whole:{op}",
                EMPTY,
                dict(operands),
                settings,
                place=self._stack[-1] if self._stack else "",
                how="captured" if operation is not WHOLE else "whole",
                function=func,
                part=part if several else None,
                autocast=autocast_of(tensor.device.type),
            )
            self._add(step, f"{op}_{part}" if several else op, tensor)

    def _add(self, step: Step, name: str, tensor: Tensor, copy: bool = False) -> None:
        base = tensor._base if tensor._is_view() else None
        # What belongs to the model is copied, and so are views of it.
        shares = base is not None and self.known(base) is not None and not self._belongs_to_model(base)
        kept = step.op in ("input", "constant") or tensor.numel() == 1 or self.keeping.wants(len(self.taken))
        if self.keeping.counting:
            known = step.op == "constant" or tensor.numel() == 1  # steps are told apart by these numbers
            step.held = tensor.detach() if known else tensor.detach().to("meta")
            step.again = None if known else recompute
            self.counts.append(Count(tensor.nbytes, shares, tensor.requires_grad and step.op != "constant"))
        elif kept:
            self.keeping.hold(step, tensor, copy, shares)
        else:
            step.held = tensor.detach().to("meta")
            step.again = of_parameter(tensor) if step.op == "parameter" else recompute
            step.how = "not kept" if step.how == "captured" else step.how
        self._name(step, f"{step.place}.{name}" if step.place else name)
        self.steps.append(step)
        self.taken.append(step)
        self.signature.append((step.op, tuple(step.shape)))
        reference = weakref.ref(tensor)
        self._known[id(tensor)] = reference, step
        if base is not None:
            self._views.setdefault(id(base), []).append(reference)
            if not shares and tensor.numel() == base.numel() and tensor.is_contiguous():
                # PyTorch made it of a tensor that nobody has seen, as a linear layer does, under another shape.
                self._known[id(base)] = weakref.ref(base), step
        if kept and tensor.grad_fn is not None and not step.leaf and step.op not in ("overwrite", "as_strided"):
            self._edges.append((step, GradientEdge(tensor.grad_fn, tensor.output_nr)))

    def _dropout(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], in_place: bool
    ) -> Tensor | None:
        """Dropout as a product with the mask that it would have drawn, bit for bit; None if nothing is dropped."""
        given = {**dict(zip(("input", "p", "training"), args, strict=False)), **kwargs}
        x, rate, training = given["input"], given.get("p", 0.5), given.get("training", given.get("train", True))
        if not training or not rate or not x.is_floating_point():
            return None
        step = self._step_of(x)
        output: Tensor
        with self._unseen():
            mask = func(torch.ones_like(x, requires_grad=False), rate, True)
            if in_place:
                base = x._base if x._is_view() else None
                if base is not None:
                    self._step_of(base)
                self.keeping.before_writing(x, self.taken)
                output = x.mul_(mask)
            else:
                output = x * mask
        self._write(func, "dropout", (), {"input": step, "mask": self._constant("mask", mask)}, output, None, ())
        if in_place:
            self._refresh(output, base)
        return output

    def _constant(self, name: str, value: Tensor) -> Step:
        step = Step("", "constant", EMPTY, place=self._stack[-1] if self._stack else "")
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
            self._derived("overwrite", {"given": (self._step_of(base), self._step_of(tensor), *region)}, base)
        under = tensor if base is None else base
        for other in self._seen_in(under):
            if other is None or other is tensor or other._base is not under or self.known(other) is None:
                continue
            region = (tuple(other.size()), tuple(other.stride()), other.storage_offset())
            self._derived("as_strided", {"given": (self._step_of(under), *region)}, other)

    def _seen_in(self, tensor: Tensor) -> list[Tensor | None]:
        """The views of a tensor that are still there, perhaps among those of an earlier one that had its id."""
        return [reference() for reference in self._views.get(id(tensor), ())]

    def _belongs_to_model(self, tensor: Tensor) -> bool:
        return id(tensor) in self._parameters or id(tensor) in self._buffers

    def _derived(self, op: str, bound: dict[str, Any], tensor: Tensor) -> None:
        settings, operands = taken_apart(bound)
        step = Step("", op, EMPTY, operands, settings, place=self._stack[-1] if self._stack else "")
        whole = self.known(tensor)
        with self._unseen():
            if op == "overwrite" and whole is not None and whole.shape != tensor.shape:  # known by a view of all of it
                self._add(step, op, tensor.view(whole.shape))
                self._known[id(tensor)] = weakref.ref(tensor), step
            else:
                self._add(step, op, tensor)

    # --- tensors and steps -----------------------------------------------------------------------------------------

    def known(self, tensor: Tensor) -> Step | None:
        found = self._known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def input(self, name: str, tensor: Tensor, leaf: Tensor, labels: Sequence[str] | None) -> None:
        names = list(AXES_OF_INPUT.get(tensor.dim(), [f"d{d}" for d in range(tensor.dim())]))
        if tensor.dim() == 2 and tensor.is_floating_point():
            names[1] = "feature"
        at = 1 if tensor.dim() > 1 else 0
        if labels is not None and (not tensor.dim() or len(labels) != tensor.size(at)):
            raise TraceError(f"{name} has shape {tuple(tensor.shape)}, not {len(labels)} labels")
        axes = tuple(Axis(one, tuple(labels) if labels and d == at else None) for d, one in enumerate(names))
        step = Step("", "input", EMPTY, axes=axes)
        self._add(step, name, tensor)
        self._leaves[id(leaf)] = step

    def go_back(self, total: Tensor, leaves: Sequence[Tensor], scale: float) -> None:
        """Give inputs, parameters and all steps on the way to the loss their gradients, computed with a `scale`."""
        known = [(step, leaf) for leaf in leaves if (step := self._leaves.get(id(leaf))) is not None and step.kept]
        steps = [*(step for step, _ in known), *(step for step, _ in self._edges)]
        wanted: list[Any] = [*(leaf for _, leaf in known), *(edge for _, edge in self._edges)]
        if not wanted:
            return
        scaled = total if scale == 1 else total * scale
        for step, gradient in zip(steps, torch.autograd.grad(scaled, wanted, allow_unused=True), strict=True):
            if gradient is not None:  # of several outputs some may have none
                self.keeping.hold_gradient(step, gradient if scale == 1 else gradient * (1 / scale))

    def forget(self) -> None:
        """Let go of all that belongs to the pass."""
        self._known.clear()
        self._imaginary.clear()
        self._views.clear()
        self._edges.clear()
        self.outputs.clear()
        self.taken.clear()

    def _resolved(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        given, named = (
            self._resolve(list(args)),
            {name: self._resolve(one) for name, one in kwargs.items() if name != "out"},
        )
        return tuple(given), named

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_complex():
            reference, through = self._imaginary.get(id(value), (None, None))
            return through if reference is not None and reference() is value else value.detach().clone()
        if isinstance(value, Tensor):
            return self._step_of(value)
        if isinstance(value, (list, tuple)):
            parts = [self._resolve(one) for one in value]
            return parts if isinstance(value, list) else tuple(parts)
        return value

    def _step_of(self, tensor: Tensor) -> Step:
        """The step that made a tensor; a parameter, a buffer, or else a constant that came from outside."""
        step = self.known(tensor)
        if step is not None:
            return step
        before, self._own = self._own, True
        if id(tensor) in self._parameters:
            name = self._parameters[id(tensor)]
            axes = axes_of_parameter(tensor, id(tensor) in self._tables, self.labels.get(name))
            step = Step("", "parameter", EMPTY, axes=axes)
            self._leaves[id(tensor)] = step
            self._add(step, name, tensor, copy=True)
        elif id(tensor) in self._buffers:
            step = Step("", "constant", EMPTY)
            self._add(step, self._buffers[id(tensor)], tensor, copy=True)
        else:
            step = self._constant("constant", tensor)
        self._own = before
        return step


AXES_OF_PARAMETER = {
    1: ("unit",),
    2: ("unit", "input"),
    3: ("channel", "input", "position"),
    4: ("channel", "input", "row", "column"),
}


def axes_of_parameter(tensor: Tensor, table: bool = False, labels: Sequence[str] | None = None) -> tuple[Axis, ...]:
    """Of a layer's weights or, if it is a `table`, of embeddings; `labels` are those of its rows."""
    plain = tuple(f"d{d}" for d in range(tensor.dim()))
    chosen = ("token", "model") if table else AXES_OF_PARAMETER.get(tensor.dim(), plain)
    if labels is not None and (not tensor.dim() or len(labels) != tensor.size(0)):
        raise TraceError(f"a parameter has shape {tuple(tensor.shape)}, not {len(labels)} labels")
    return tuple(Axis(name, tuple(labels) if labels and d == 0 else None) for d, name in enumerate(chosen))


def name_of(func: Any) -> str:
    """The plain name of a function or method; of a property "__get__:" and its name, unless it computes something."""
    name = getattr(func, "__name__", str(func))
    if name == "__get__":
        attribute = str(getattr(func.__self__, "__name__", ""))
        return attribute if attribute in ("T", "mT", "real", "imag") else f"__get__:{attribute}"
    return str(name)


@cache
def kind_of(name: str) -> tuple[str, bool, bool]:
    """The name of the same function without side effect; whether by its name it writes into its first argument; and
    whether what comes out is a constant."""
    plain, in_place = name, False
    if name in IN_PLACE_OPERATORS:
        plain, in_place = IN_PLACE_OPERATORS[name], True
    elif name.startswith("__") and name.endswith("__"):
        plain = name.strip("_")
    elif name.endswith("_") and not name.startswith("_") and name not in ("requires_grad_",):
        plain, in_place = (name if name.startswith(STARTS_ANEW) else name[:-1]), True
    return plain, in_place, plain.startswith(STARTS_ANEW) or plain in WITHOUT_GRADIENT


def written_into(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The tensor that an operation in place writes into."""
    first = args[0] if args else kwargs.get("input")
    written = first if kwargs.get("out") is None else kwargs["out"]
    return written if isinstance(written, Tensor) else None


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


def flattened(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from flattened(one)
    else:
        yield value


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


@contextmanager
def buffers_kept(model: nn.Module, before_writing: Callable[[Tensor], None] = lambda _: None) -> Iterator[None]:
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
                    before_writing(buffer)
                    buffer.copy_(before)
