"""The trace of one pass through a model: every computation by address, opened when it is asked for.

A trace is all that the terminal, a notebook and a page read. It holds values as they were, needs no model, and can be
saved to one safetensors file with its graph as JSON in the header.
"""

import difflib
import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pellucid.errors import PellucidError, RunError
from pellucid.files import read_tensors, write_tensors
from pellucid.see.address import Address, AddressError, index_of
from pellucid.see.displayed import Displayed, Listed
from pellucid.see.operation import (
    Adding,
    Axis,
    Call,
    NotOpenedError,
    Opened,
    Operation,
    Role,
    Step,
    Whole,
    axes_of,
    plain_axes,
    prefix_of,
    result,
    taken_apart,
)
from pellucid.see.ops import OPERATIONS

if TYPE_CHECKING:
    from pellucid.see.attention import Attention
    from pellucid.see.chain import Paths
    from pellucid.see.decoding import Decoding
    from pellucid.see.explain import Explanation
    from pellucid.see.flow import Flow
    from pellucid.see.replay import Replay
    from pellucid.see.selection import Selection
    from pellucid.see.training import TrainingStep
    from pellucid.see.why import Why

FORMAT = "pellucid.trace.1"
WHOLE = Whole()


class TraceError(PellucidError):
    """A trace cannot be taken, or a file is not one."""


class Trace(Displayed):
    """Steps in the order in which they were computed; inputs, parameters and constants stand among them."""

    def __init__(
        self,
        steps: list[Step],
        aliases: Mapping[str, str],
        outputs: list[str],
        loss: str | None = None,
        training_step: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """`about` is what else is to be kept with it, such as the sentence that went through; it must be JSON."""
        self.steps = steps
        self.aliases = dict(aliases)
        self.outputs = outputs
        self.loss = loss
        self.training_step = training_step
        self.parameters: dict[str, Tensor] = {}  # the model's own, by name; none in a trace that was loaded
        self.training: TrainingStep | None = None  # of which this pass is a part, where it is of one
        self.about = dict(about or {})
        self.decoding: Decoding | None = None  # how its target was decoded, for one who wants it kept with the trace
        self._gradients: dict[Step, Tensor] | None = None
        self._branches: dict[Step, list[tuple[Step, Tensor]]] = {}
        self._made: dict[Step, list[Step]] = {}
        self.stands_beside: dict[Step, tuple[Step, float]] = {}  # what the model has in place of it: factor times it
        self._attentions: Listed[Attention] | None = None
        self._named = {step.name: step for step in steps}
        self._opened: set[Step] = set()
        self._has_axes = False

    def __repr__(self) -> str:
        computed = sum(not step.leaf for step in self.steps)
        loss = f", {self.loss} = {float(self[self.loss].value):.6g}" if self.loss else ""
        return f"Trace({computed} steps from {len(self.steps) - computed} inputs, parameters and constants{loss})"

    # --- finding ---------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Step:
        """The step of that name; what a fused operation is made of is opened on the way. Raises AddressError."""
        self.name_axes()
        name = self.aliases.get(name, name) if name not in self._named else name
        if name not in self._named:
            self.attentions()  # names the scores of those computed as products
        while name not in self._named:
            above = next((step for step in self._named.values() if self._may_hold(step, name)), None)
            if above is None:
                near = difflib.get_close_matches(name, [*self._named, *self.aliases], n=3)
                near = near or [known for known in self._named if name.rpartition(".")[2] in known][:3]
                raise AddressError(
                    f"the trace has no {name}",
                    f"Near it: {', '.join(near)}." if near else "trace.select('*') lists all, as --at '*' does.",
                )
            self.open(above)
        return self._named[name]

    def _may_hold(self, step: Step, name: str) -> bool:
        operation = self.operation(step)
        return (
            isinstance(operation, Opened) and step not in self._opened and name.startswith(prefix_of(step, operation))
        )

    def __contains__(self, name: str) -> bool:
        try:
            self[name]
        except AddressError:
            return False
        return True

    def __iter__(self) -> Iterator[Step]:
        self.name_axes()
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def rename(self, step: Step, name: str) -> None:
        """Give a step the name by which people call it; the old one still leads to it."""
        old = step.name
        del self._named[old]
        step.name = free_name(name, self._named)
        self._named[step.name] = step
        self.aliases = {place: step.name if held == old else held for place, held in self.aliases.items()}
        self.aliases[old] = step.name
        self.outputs = [step.name if one == old else one for one in self.outputs]
        self.loss = step.name if self.loss == old else self.loss

    def cell(self, address: str | Address) -> tuple[Step, tuple[int, ...]]:
        """The step and the position that an address of one cell names."""
        parsed = address if isinstance(address, Address) else Address.parse(address)
        if parsed.step is not None and parsed.step != self.training_step:
            raise AddressError(f"{parsed} is of training step {parsed.step}, the trace of {self.training_step}")
        step = self[parsed.name]
        return step, index_of(parsed, step.axis_names, step.shape)

    def value(self, address: str | Address) -> Tensor:
        """The number at an address with a cell, the tensor at one without."""
        parsed = address if isinstance(address, Address) else Address.parse(address)
        if parsed.cell is None:
            return self[parsed.name].value
        step, index = self.cell(parsed)
        return step.value[index]

    def select(self, pattern: str = "*", op: str = "*", axis: str | None = None) -> "Selection":
        """Steps whose name fits a shell pattern, such as "decoder.*.scores", opened ones included.

        A part may be given as in an address: "*.weights[head=2]". `op` is a pattern of the operation's name; with
        `axis`, only steps that have it.
        """
        from pellucid.see.selection import Selection, taken_apart

        self.name_axes()
        names, cell = taken_apart(pattern)
        if names.rpartition(".")[2] != "*" or op != "*":
            self.attentions()
            self._open_within(names)
        found = [
            step
            for step in self._all()
            if fnmatch.fnmatchcase(step.name, names) and fnmatch.fnmatchcase(step.op, op)
            if axis is None or axis in step.axis_names
        ]
        return Selection(self, found, pattern).where(**cell)

    def _open_within(self, pattern: str) -> None:
        """Open whatever may hold a step whose name fits."""
        waiting = list(self._named.values())
        for step in waiting:  # grows as it goes
            operation = self.operation(step)
            if not isinstance(operation, Opened) or step in self._opened:
                continue
            prefix = prefix_of(step, operation)
            if any(fnmatch.fnmatchcase(prefix, pattern[:end]) for end in range(len(pattern) + 1)):
                waiting += self.open(step)

    def _all(self) -> Iterator[Step]:
        """All steps known so far in the order of the computation; those beside it come last."""
        found: dict[Step, None] = {}

        def walk(steps: list[Step]) -> None:
            for step in steps:
                walk(step.inside)
                found[step] = None

        walk(self.steps)
        return iter({**found, **dict.fromkeys(self._named.values())})

    # --- opening ---------------------------------------------------------------------------------------------------

    def operation(self, step: Step) -> Operation:
        return OPERATIONS.get(step.op, WHOLE)

    def open(self, step: Step) -> list[Step]:
        """The steps of a fused operation, held against its value; none where it is elementary or has no opened form."""
        operation = self.operation(step)
        if step in self._opened or not isinstance(operation, Opened):
            return step.inside
        self._opened.add(step)
        self.name_axes()
        add = Adding(step, OPERATIONS)
        try:
            with torch.no_grad():
                last = operation.open(add, Call(step, widen=True))
        except NotOpenedError:
            step.how = "whole"
            return []
        if not add.steps or last is not add.steps[-1]:  # the value comes last
            add("value", "alias", given=(last,))
        step.inside = add.steps
        step.difference = largest_difference(step.inside[-1].value, step.value)
        for one in step.inside:
            one.name = free_name(one.name, self._named)
            one.difference = step.difference
            self._named[one.name] = one
        return step.inside

    def aside(self, beside: Step, name: str, op: str, /, **operands: Step) -> Step:
        """A value that the model never computed, beside those it did; nothing flows through it.

        Its gradient is that of the step it stands beside, if `stands_beside` says so.
        """
        full = free_name(f"{beside.place}.{name}" if beside.place else name, self._named)
        settings, found = taken_apart(operands)
        step = Step(full, op, beside.value, found, settings, place=beside.place, how="opened")
        with torch.no_grad():
            step.value = result(OPERATIONS[op], step, {role: one.value for role, one in found.items()})
        step.axes = axes_of(OPERATIONS[op], step)
        self._named[full] = step
        return step

    def attentions(self) -> "Listed[Attention]":
        """Every call of attention, in order, with the parts that the textbook has."""
        if self._attentions is None:
            from pellucid.see.attention import attentions

            self._attentions = Listed(attentions(self))
        return self._attentions

    def flat(self, steps: list[Step] | None = None) -> Iterator[Step]:
        """All elementary steps in order; a fused one comes after those it is made of."""
        self.name_axes()
        for step in self.steps if steps is None else steps:
            if not step.leaf:
                yield from self.flat(self.open(step))
            yield step

    def name_axes(self) -> None:
        """Give each axis its meaning, from the inputs on."""
        if self._has_axes:
            return
        self._has_axes = True
        for step in self.steps:
            if step.axes and len(step.axes) == len(step.shape):
                continue
            known = step.op in OPERATIONS and not step.leaf
            try:
                for operand, axes in OPERATIONS[step.op].operand_axes(Call(step, shapes=True)).items() if known else ():
                    operand.axes = axes
                step.axes = axes_of(OPERATIONS[step.op], step) if known else plain_axes(step.held)
            except (IndexError, ValueError, RuntimeError, StopIteration, TraceError):
                step.axes = plain_axes(step.held)

    # --- backward --------------------------------------------------------------------------------------------------

    @property
    def gradients(self) -> dict[Step, Tensor]:
        """The gradient of each step by our own backpropagation; `step.gradient` is PyTorch's."""
        if self._gradients is None:
            from pellucid.see.backpropagation import backpropagate

            self.attentions()
            self._gradients, self._branches = backpropagate(self)
            for beside, (step, factor) in self.stands_beside.items():
                if step in self._gradients:
                    self._gradients[beside] = self._gradients[step] * factor
                    self._branches[beside] = [(step, self._gradients[beside])]
        return self._gradients

    def branches(self, name: str) -> list[tuple[Step, Tensor]]:
        """The parts of a gradient, one for each step that was made of this one."""
        step = self[name]
        return self._branches.get(step, []) if self.gradients else []

    def made_of(self, step: Step) -> list[Step]:
        """The elementary steps into which this one went; of a fused step's last, the fused step."""
        if not self._made:
            for one in self.flat():
                for operand in dict.fromkeys([one.inside[-1]] if one.inside else one.operands.values()):
                    self._made.setdefault(operand, []).append(one)
        return self._made.get(step, [])

    def explain(self, address: str | Address, backward: bool = False) -> "Explanation":
        """One number: its formula, the numbers in it, and the value; backward, what pulled at it."""
        from pellucid.see.explain import explain

        return explain(self, address, backward)

    def html(
        self,
        path: str | Path,
        *,
        title: str = "",
        megabytes: float | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        at: str = "",
    ) -> Path:
        """Write one self-contained page, to be opened in a browser without a network; returns its path.

        Of tensors for which `megabytes` (10 without) are too few some rows are kept, and the page says which. It opens
        `at` an address. With `optimizer`, or where the pass was captured with one, each weight tells why it moves in
        the step to come; an optimizer whose arithmetic is not known is left out, unless it is given here: then
        TraceError says so. Raises AddressError if there is no such address.
        """
        from pellucid.see.html import MEGABYTES, write_page

        room = MEGABYTES if megabytes is None else megabytes
        if optimizer is not None:
            return self._step().html(path, optimizer=optimizer, title=title, megabytes=room, at=at)
        moves = None
        if self.training is not None and self.training.optimizer is not None and self.training.traces[0] is self:
            from pellucid.see.moves import moves_of

            with suppress(TraceError):
                moves = moves_of(self.training)
        return write_page(self, path, title=title, megabytes=room, moves=moves, at=at)

    # --- training --------------------------------------------------------------------------------------------------

    def why_moved(
        self, parameter: str, optimizer: torch.optim.Optimizer | None = None, by: Sequence[int] = (0,)
    ) -> "Why":
        """How one optimizer step moves a number of a parameter, and which examples pushed it.

        Ask before `optimizer.step()`, or capture with `optimizer=`. `by` are the axes of the model's output whose
        positions are told apart: 0, its rows, are the examples. Raises TraceError where there is no gradient, the
        weights have moved since, or the optimizer's arithmetic is not known.
        """
        return self._step().why_moved(parameter, optimizer, by)

    def flow(self, optimizer: torch.optim.Optimizer | None = None) -> "Flow":
        """The norms of activations, gradients and updates, place by place in the order of the data."""
        return self._step().flow(optimizer)

    def _step(self) -> "TrainingStep":
        from pellucid.see.training import TrainingStep

        return self.training or TrainingStep([self])

    def paths(self, address: str | Address, most: int = 300) -> "Paths":
        """The chain rule from a number (or a tensor) to the loss, path by path, or in groups beyond `most`."""
        from pellucid.see.chain import all_paths

        return all_paths(self, address, most)

    def replay(self, edits: Mapping[str, Any] | None = None, skip: Sequence[str] = ()) -> "Replay":
        """What if: the pass once more with cells set, heads or layers off, tokens swapped. The model is not touched."""
        from pellucid.see.replay import replay

        return replay(self, edits, skip)

    # --- size ------------------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> int:
        """What its values and gradients take, opened ones included; those that share memory count once."""
        tensors = [one for step in self._named.values() for one in (step.held, step.held_gradient)]
        memories = [one.untyped_storage() for one in tensors if one is not None and not one.is_meta]
        return sum({memory.data_ptr(): memory.nbytes() for memory in memories}.values())

    # --- disk ------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """One safetensors file; the graph is JSON in its header. Opened steps are not kept: they open again."""
        self.name_axes()
        tensors = {}
        graph = []
        for step in self.steps:
            if step.kept:
                tensors[step.name] = step.held
            if step.held_gradient is not None:
                tensors[f"gradient:{step.name}"] = step.held_gradient
            graph.append(
                {
                    "name": step.name,
                    "op": step.op,
                    # Pairs, because their order means something and that of an object's keys is not kept.
                    "operands": [[role, operand.name] for role, operand in step.operands.items()],
                    "settings": {name: encoded(setting) for name, setting in step.settings.items()},
                    "axes": [[axis.name, axis.labels] for axis in step.axes],
                    "place": step.place,
                    "how": step.how,
                    "part": step.part,
                    "autocast": plain(step.autocast),
                    "narrowed": plain(step.narrowed),
                    "narrowed_gradient": plain(step.narrowed_gradient),
                    "kept": None if step.kept else {"shape": list(step.shape), "dtype": plain(step.dtype)},
                }
            )
        head = {
            "format": FORMAT,
            "aliases": self.aliases,
            "outputs": self.outputs,
            "loss": self.loss,
            "training_step": self.training_step,
            "about": self.about,
            "steps": graph,
        }
        if self.decoding is not None:
            from pellucid.see.decoding import stored

            head["decoding"], kept = stored(self.decoding)
            tensors |= kept
        write_tensors(Path(path), apart(tensors), head)

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """A trace that `save` wrote. Raises TraceError if the file is damaged or something else."""
        from pellucid.see.recompute import recompute

        try:
            tensors, head = read_tensors(Path(path))
        except RunError as error:
            raise TraceError(error.message, "Make it anew with trace.save() or `pellucid see --save`.") from error
        if head.get("format") != FORMAT:
            raise TraceError(
                f"{path}: no trace of this version", "Make it anew with trace.save() or `pellucid see --save`."
            )
        try:
            steps: dict[str, Step] = {}
            for entry in head["steps"]:
                name = entry["name"]
                steps[name] = Step(
                    name,
                    entry["op"],
                    tensors[name] if entry["kept"] is None else without_numbers(entry["kept"]),
                    {role: steps[operand] for role, operand in entry["operands"]},
                    {key: decoded(setting) for key, setting in entry["settings"].items()},
                    tuple(Axis(axis, tuple(labels) if labels else None) for axis, labels in entry["axes"]),
                    entry["place"],
                    entry["how"],
                    held_gradient=tensors.get(f"gradient:{name}"),
                    part=entry["part"],
                    autocast=dtype_of(entry["autocast"]),
                    narrowed=dtype_of(entry["narrowed"]),
                    narrowed_gradient=dtype_of(entry["narrowed_gradient"]),
                    again=None if entry["kept"] is None else recompute,
                )
            about = head.get("about", {})
            trace = cls(
                list(steps.values()), head["aliases"], head["outputs"], head["loss"], head["training_step"], about
            )
            for name in [*trace.outputs, *([] if trace.loss is None else [trace.loss])]:
                if name not in trace:
                    raise KeyError(name)
            if "decoding" in head:
                from pellucid.see.decoding import restored

                trace.decoding = restored(head["decoding"], tensors)
            return trace
        except (KeyError, TypeError, ValueError) as error:
            raise TraceError(
                f"{path}: damaged ({error!r})", "Make it anew with trace.save() or `pellucid see --save`."
            ) from error


def free_name(name: str, taken: Mapping[str, Any], last: dict[str, int] | None = None) -> str:
    """The name, numbered if another step has it; `last` remembers the numbers that were given."""
    if name not in taken:
        return name
    count = (last or {}).get(name, 1) + 1
    while f"{name}_{count}" in taken:
        count += 1
    if last is not None:
        last[name] = count
    return f"{name}_{count}"


def largest_difference(a: Tensor, b: Tensor) -> float:
    """The largest absolute difference of two tensors; equal infinities differ by nothing."""
    if not a.numel():
        return 0.0
    largest = float((a.double() - b.double()).abs_().max())
    if math.isfinite(largest):
        return largest
    a, b = a.double(), b.double()
    apart = torch.where((a == b) | (a.isnan() & b.isnan()), 0.0, (a - b).abs())
    return float(apart.max()) if not apart.isnan().any() else math.nan


def apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each in a memory of its own and in order, as a file wants them."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage().data_ptr()
        own = tensor.is_contiguous() and memory not in seen and tensor.untyped_storage().nbytes() == tensor.nbytes
        found[name] = tensor if own else tensor.clone(memory_format=torch.contiguous_format)
        seen.add(memory)
    return found


def without_numbers(kept: Mapping[str, Any]) -> Tensor:
    """A shape and number format on the meta device, which stands for a value that is not kept."""
    return torch.empty(kept["shape"], dtype=dtype_of(kept["dtype"]), device="meta")


def plain(dtype: torch.dtype | None) -> str | None:
    return None if dtype is None else str(dtype).removeprefix("torch.")


def dtype_of(name: str | None) -> torch.dtype | None:
    return getattr(torch, name) if name else None


def encoded(setting: Any) -> Any:
    """A setting as JSON."""
    match setting:
        case Role():
            return {"role": setting.name}
        case tuple():
            return {"tuple": [encoded(one) for one in setting]}
        case list():
            return [encoded(one) for one in setting]
        case slice():
            return {"slice": [setting.start, setting.stop, setting.step]}
        case torch.dtype():
            return {"dtype": str(setting).removeprefix("torch.")}
        case None | bool() | int() | float() | str():
            return setting
    return {"ellipsis": None} if setting is Ellipsis else {"text": str(setting)}


def decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    match kind:
        case "role":
            return Role(held)
        case "tuple":
            return tuple(decoded(one) for one in held)
        case "slice":
            return slice(*held)
        case "dtype":
            return getattr(torch, held)
        case "ellipsis":
            return Ellipsis
    return held
