"""Operations that take numbers to other places and change none: reshaping, transposing, indexing, joining, filling.

All are explained and differentiated alike: the operation is done once more on the numbers of its cells, which shows
where each number of the output comes from; on the way back each gradient returns to that place, and where a number
was used several times, its gradients add up. Looking up an embedding is of this kind.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from operator import mul
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Expression, Number
from pellucid.see.operation import Axis, Call, Index, NotOpenedError, Operation, Step, cell_of, fitted, result

Place = tuple[Step, Index]
STRIDED: dict[Any, Tensor | None] = {}  # views without numbers, by what was done to which shape
AXES: dict[Any, tuple[Axis, ...] | None] = {}
MOST_AXES = 4096  # kept of either
JOINING = ("cat", "concat", "concatenate", "stack", "where", "setitem")  # numbers of several operands
BEYOND = 2**40  # cells are numbered from here on, so that no whole number that is filled in is taken for one of them
ORDINARY = {"index_put": 3, "scatter": 4}  # arguments of a call that neither adds up nor multiplies
FEATURES = ("model", "unit", "feature")  # axes that are cut into heads


class Moving(Operation):
    """y[cell] = x[where it came from], or a constant that was filled in."""

    formula = r"y_{i} = x_{\pi(i)}"
    text = "y[cell] = x[the place it comes from]"

    def __init__(self, function: Callable[..., Any], *names: str) -> None:
        self.function, self.names = function, names

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if not args and "input" in kwargs:
            args, kwargs = (kwargs["input"],), {name: one for name, one in kwargs.items() if name != "input"}
        return {"given": tuple(args), **kwargs}

    def forward(self, given: Sequence[Any], **kwargs: Any) -> Any:
        return self.function(*given, **kwargs)

    def numbers(self, call: Call) -> Tensor:
        """For each cell of the output the number, from 1, of the operands' cell that it comes from; 0 or less: none."""
        values: dict[str, Any] = {role: operand.value for role, operand in call.step.operands.items()}
        start = BEYOND + 1
        for role, operand in self.sources(call):
            count = operand.shape.numel()
            numbers = torch.arange(start, start + count, device=call.output.device).view(operand.shape)
            values[role] = torch.empty_like(operand.value, dtype=torch.int64).copy_(numbers)  # laid out alike
            start += count
        step = Step(
            call.step.name, call.step.op, call.step.held, settings=unfilled(call.step.settings), part=call.step.part
        )
        return self.moved(step, values).long() - BEYOND

    def moved(self, step: Step, values: dict[str, Any]) -> Tensor:
        return result(self, step, values)  # type: ignore[no-any-return]

    def strided(self, call: Call) -> Tensor | None:
        """The output as a view of its operand without numbers, where it is one: the strides say what came from where.

        Only where a call is no view do all places have to be worked out.
        """
        step = call.step
        if step.op not in VIEWING or len(step.operands) != 1:
            return None
        ((role, operand),) = step.operands.items()
        key = (step.op, step.part, repr(step.settings), operand.shape)
        if key not in STRIDED:
            if len(STRIDED) > MOST_AXES:
                STRIDED.clear()
            with torch.no_grad():
                whole = torch.empty(operand.shape, device="meta")
                view = self.moved(step, {role: whole})
            STRIDED[key] = view if view._base is whole else None
        found = STRIDED[key]
        return found if found is not None and found.shape == step.shape else None

    def number(self, call: Call, cell: Index) -> int:
        """As `numbers`, of one cell."""
        view = self.strided(call)
        return int(self.numbers(call)[cell]) if view is None else numbered(view, cell)

    def sources(self, call: Call) -> list[tuple[str, Step]]:
        """The operands whose numbers are moved: real ones, or ids (the first, where others only say which)."""
        if call.output.is_floating_point():
            return list(call.differentiable())
        same = [(role, one) for role, one in call.step.operands.items() if one.dtype == call.output.dtype]
        return same if call.step.op in JOINING else same[:1]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        view = self.strided(call)
        if view is not None:
            return {role: returned(upstream, view, one.shape) for role, one in call.differentiable()}
        operands = list(call.differentiable())
        gathered = upstream.new_zeros(1 + sum(operand.shape.numel() for _, operand in operands))
        gathered.index_add_(0, self.numbers(call).clamp_min(0).flatten(), upstream.flatten())
        sizes = [1, *(operand.shape.numel() for _, operand in operands)]
        parts = torch.split(gathered, sizes)[1:]
        return {role: part.view(one.shape) for (role, one), part in zip(operands, parts, strict=True)}

    def explain(self, call: Call, cell: Index) -> Expression:
        found = self.origin(call, self.number(call, cell))
        return Number(float(call.output[cell])) if found is None else cell_of(*found)

    def origin(self, call: Call, number: int) -> Place | None:
        """The operand and cell of that number."""
        number -= 1
        if number < 0:
            return None
        for _, operand in self.sources(call):
            if number < operand.shape.numel():
                return operand, unraveled(number, operand.shape)
            number -= operand.shape.numel()
        return None

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        """Those of the axes along which the output's numbers come."""
        step = call.step
        sizes = step.shape
        if not sizes.numel():
            return None
        first = step.operands.get("given.0")
        if step.op in IN_ITS_PLACE and first is not None and first.shape == sizes:
            return first.axes
        view = self.strided(call)
        if view is None:
            return self._axes(call, None)
        # The same in every layer of a network: worked out once for all of them.
        ((_, operand),) = step.operands.items()
        key = (step.op, step.part, repr(step.settings), operand.shape, operand.axes)
        if key not in AXES:
            if len(AXES) > MOST_AXES:
                AXES.clear()
            AXES[key] = self._axes(call, view)
        return AXES[key]

    def _axes(self, call: Call, view: Tensor | None) -> tuple[Axis, ...] | None:
        sizes = call.step.shape
        numbers = None if view is not None else self.numbers(call)

        def origin(dim: int, i: int) -> Place | None:
            """Of the cell at `i` of one dimension, and 0 of the others."""
            cell = tuple(i if d == dim else 0 for d in range(len(sizes)))
            return self.origin(call, numbered(view, cell) if numbers is None else int(numbers[cell]))

        first = origin(0, 0)
        if first is None:
            return None
        free = [axis for axis, size in zip(first[0].axes, first[0].shape, strict=True) if size == 1]
        found = []
        for dim, size in enumerate(sizes):
            if size == 1:
                found.append(free.pop(0) if free else Axis(f"d{dim}"))
                continue
            axis = self._along(sizes, dim, first, origin(dim, 1))
            if axis is not None and axis.labels and size < len(axis.labels):
                axis = with_labels(axis, first[0], [origin(dim, i) for i in range(size)])
            found.append(axis or Axis(f"d{dim}"))
        return tuple(found)

    def _along(self, sizes: Sequence[int], dim: int, first: Place, place: Place | None) -> Axis | None:
        """The axis of the source along which the output's numbers come, as far as the second of them tells."""
        if place is None or place[0] is not first[0]:
            return None
        source, size = first[0], sizes[dim]
        strides = [b - a for a, b in zip(first[1], place[1], strict=True)]
        changed = [d for d, stride in enumerate(strides) if stride]
        if len(changed) != 1:
            return None
        (d,) = changed
        axis, whole = source.axes[d], source.shape[d]
        if (size == whole and strides[d] == 1) or (axis.labels and size < whole):
            return axis
        if size < whole and axis.name in FEATURES:
            return Axis("head" if strides[d] > 1 else "d_k")
        if size < whole and axis.name == "d_k" and strides[d] == sizes[-1] > 1:  # of queries, keys and values at once
            return Axis("head")
        if size > whole and axis.name == "d_k":
            return Axis("model")
        return Axis(axis.name) if size < whole else None


def numbered(view: Tensor | None, cell: Index) -> int:
    """The number of the cell, from 1, of which a cell of a view is the same."""
    assert view is not None
    return int(1 + view.storage_offset() + sum(map(mul, cell, view.stride())))


def with_labels(axis: Axis, source: Step, line: Sequence[Place | None]) -> Axis:
    """Some of an axis: the labels go along where all come from it."""
    d = source.axes.index(axis)
    if axis.labels and all(place is not None and place[0] is source for place in line):
        return Axis(axis.name, tuple(axis.labels[place[1][d]] for place in line if place))
    return Axis(axis.name)


def returned(upstream: Tensor, view: Tensor, shape: Sequence[int]) -> Tensor:
    """The gradient of a tensor of that shape from that of a view of it."""
    repeated = [d for d, (size, stride) in enumerate(zip(view.shape, view.stride(), strict=True)) if size > 1 > stride]
    up = upstream.sum(repeated, keepdim=True) if repeated else upstream
    whole = up.new_zeros(tuple(shape))
    whole.as_strided(up.shape, view.stride(), view.storage_offset()).copy_(up)
    return whole


class Cast(Moving):
    """The same numbers in another type, or a copy of them."""

    def moved(self, step: Step, values: dict[str, Any]) -> Tensor:
        return next(value for value in values.values() if isinstance(value, Tensor))

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {role: upstream.to(one.dtype) for role, one in list(call.differentiable())[:1]}

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return None


class Detach(Cast):
    """The same numbers, through which no gradient passes."""

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {}


class Placed(Moving):
    """Numbers put at places that are given one by one, the last of those put at the same place staying."""

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) + len(kwargs) > ORDINARY[self.names[0]]:
            raise NotOpenedError("what is there already is counted in")
        return super().bind(args, kwargs)


class Embedding(Moving):
    """Each token id takes the row of a table: the same as its one-hot vector times the table."""

    names = ("embedding",)
    formula = r"y_{t} = E_{id_t} = \mathrm{onehot}(id_t)\,E"
    text = "y[t] = E[id of t]"

    def __init__(self) -> None:
        super().__init__(F.embedding, "embedding")

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return Operation.bind(self, args, kwargs)

    def forward(  # type: ignore[override]
        self,
        input: Tensor,
        weight: Tensor,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Tensor:
        return weight[input]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        gradient = torch.zeros_like(call.weight, dtype=upstream.dtype)
        gradient.index_add_(0, call.input.flatten(), upstream.reshape(-1, upstream.size(-1)))
        if call.padding_idx is not None:
            gradient[call.padding_idx] = 0
        return {"weight": gradient}

    def number(self, call: Call, cell: Index) -> int:
        *place, column = cell
        return 1 + int(call.input[tuple(place)]) * call.step.operands["weight"].shape[1] + column

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return (*call.operand("input").axes, Axis("model"))


class Hiding(Moving):
    """Where a mask is set, one number for all."""

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        operands = dict(call.differentiable())
        if operands.keys() != {"given.0"} or "given.1" not in call.step.operands:  # the number has a gradient too
            return super().backward(call, upstream)
        hidden = upstream.masked_fill(call.step.operands["given.1"].value, 0)
        return {"given.0": fitted(hidden, operands["given.0"].shape)}


class Joining(Moving):
    """Tensors one after the other, along an axis that they have."""

    def dim(self, call: Call) -> int:
        settings = call.step.settings
        found = settings["given"][1] if len(settings["given"]) > 1 else settings.get("dim", settings.get("axis", 0))
        return int(found) % len(call.step.shape)

    def whole(self, call: Call) -> bool:
        """Whether all that is joined has as many axes as the result: PyTorch lets empty vectors join anything."""
        shapes = [one.shape for one in call.step.operands.values()]
        joined = [*call.step.settings["given"], call.step.settings.get("tensors", ())][0]
        return len(shapes) == len(joined) and {*map(len, shapes)} == {len(call.step.shape)}

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        if not self.whole(call):
            return super().backward(call, upstream)
        dim, operands = self.dim(call), call.step.operands
        parts = torch.split(upstream, [one.shape[dim] for one in operands.values()], dim)
        return dict(zip(operands, parts, strict=True))

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        """Those of the first; along the one that grows, the labels of all."""
        if not self.whole(call):
            return super().axes(call)
        dim, parts = self.dim(call), list(call.step.operands.values())
        axes = list(parts[0].axes)
        labels = [label for part in parts for label in part.axes[dim].labels or ()]
        axes[dim] = Axis(axes[dim].name, tuple(labels) if len(labels) == call.step.shape[dim] else None)
        return tuple(axes)


class Overwrite(Moving):
    """A tensor after a view of it was written into: within the region the new numbers, elsewhere the old."""

    names = ("overwrite",)

    def __init__(self) -> None:
        super().__init__(_overwritten, "overwrite")


def unfilled(setting: Any) -> Any:
    """Settings in which each constant that may be filled in is 0, so that it cannot be taken for a cell's number."""
    if isinstance(setting, dict):
        return {name: unfilled(one) for name, one in setting.items()}
    if isinstance(setting, tuple | list):
        parts = [unfilled(one) for one in setting]
        return parts if isinstance(setting, list) else tuple(parts)
    return 0 if isinstance(setting, float) else setting


def unraveled(number: int, shape: Sequence[int]) -> Index:
    index = []
    for dim in range(len(shape)):
        below = prod(shape[dim + 1 :])
        index.append(number // below)
        number %= below
    return tuple(index)


def _pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    if mode == "constant":
        return F.pad(input, list(pad), mode, value or 0)
    return F.pad(input.double(), list(pad), mode).to(input.dtype)


def _overwritten(input: Tensor, new: Tensor, size: Sequence[int], stride: Sequence[int], offset: int) -> Tensor:
    """`input` with the region of its memory that has this size, stride and offset put anew.

    torch.as_strided_scatter does so as well, but its gradient (of PyTorch 2.13) keeps the part that was overwritten.
    """
    order = sorted(range(input.dim()), key=lambda d: -input.stride()[d])  # as the numbers lie in memory
    laid = input.permute(order)
    places = torch.arange(input.numel(), device=input.device).as_strided(size, stride, offset)
    flat = laid.reshape(-1).index_put((places.reshape(-1),), new.reshape(-1))
    return flat.view(laid.shape).permute([order.index(d) for d in range(input.dim())])


def _copied(input: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """`input.copy_(source)`, as a function."""
    return source.expand_as(input).to(input.dtype)


def _assigned(input: Tensor, index: Any, value: Any) -> Tensor:
    """`input[index] = value`, as a function."""
    found = input.clone()
    found[index] = value
    return found


PLACING = (
    *(
        "view",
        "view_as",
        "reshape",
        "reshape_as",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
    ),
    *("t", "swapaxes", "swapdims", "movedim", "expand", "expand_as", "repeat", "repeat_interleave", "tile", "narrow"),
    *("select", "index_select", "gather", "take_along_dim", "diagonal", "as_strided", "unfold", "flip", "roll", "tril"),
    *("triu", "chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit"),
    *("masked_select", "masked_scatter", "index_fill", "index_copy", "select_scatter", "slice_scatter", "broadcast_to"),
    *("moveaxis", "ravel", "rot90", "diag", "adjoint"),
)
# Those whose result may be a view that holds no cell of its operand twice, but for the repetitions of expand.
VIEWING = {*PLACING, "T", "mT", "getitem"} - {"as_strided", "unfold"}
IN_ITS_PLACE = ("masked_fill", "tril", "triu", "setitem", "overwrite")  # each number stays where it was
COPYING = ("to", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous", "clone")
OPERATIONS: tuple[Operation, ...] = (
    *(Moving(getattr(Tensor, name), name) for name in PLACING),
    Moving(lambda x: x.T, "T"),
    Moving(lambda x: x.mT, "mT"),
    Moving(Tensor.__getitem__, "getitem"),
    Moving(_assigned, "setitem"),
    Hiding(Tensor.masked_fill, "masked_fill"),
    Joining(torch.cat, "cat", "concat", "concatenate"),
    Moving(torch.stack, "stack"),
    Moving(torch.vstack, "vstack"),
    Moving(torch.hstack, "hstack"),
    Moving(torch.broadcast_tensors, "broadcast_tensors"),
    Moving(F.pixel_shuffle, "pixel_shuffle"),
    Moving(F.pixel_unshuffle, "pixel_unshuffle"),
    Moving(_copied, "copy"),
    Placed(torch.index_put, "index_put"),
    Placed(torch.scatter, "scatter"),
    Moving(torch.where, "where"),
    Moving(_pad, "pad"),
    *(Cast(getattr(Tensor, name), name) for name in COPYING),
    Cast(lambda x: x, "alias"),
    Detach(Tensor.detach, "detach"),
    Embedding(),
    Overwrite(),
)
