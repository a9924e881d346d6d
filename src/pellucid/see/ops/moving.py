"""Operations that take numbers to other places and change none: reshaping, transposing, indexing, joining, filling.

All are explained and differentiated alike: the operation is done once more on the numbers of its cells, which shows
where each number of the output comes from; on the way back each gradient returns to that place, and where a number
was used several times, its gradients add up. Looking up an embedding is of this kind.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Expression, Number
from pellucid.see.operation import Axis, Call, Index, NotOpenedError, Operation, Step, cell_of, result

Place = tuple[Step, Index]
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
        return {"given": tuple(args), **kwargs}

    def forward(self, given: Sequence[Any], **kwargs: Any) -> Any:
        return self.function(*given, **kwargs)

    def numbers(self, call: Call) -> Tensor:
        """For each cell of the output the number, from 1, of the operands' cell that it comes from; 0 or less: none."""
        values: dict[str, Any] = {role: operand.value for role, operand in call.step.operands.items()}
        start = BEYOND + 1
        for role, operand in self.sources(call):
            count = operand.value.numel()
            numbers = torch.arange(start, start + count, device=operand.value.device).view(operand.value.shape)
            values[role] = torch.empty_like(operand.value, dtype=torch.int64).copy_(numbers)  # laid out alike
            start += count
        step = Step(
            call.step.name, call.step.op, call.step.value, settings=unfilled(call.step.settings), part=call.step.part
        )
        return self.moved(step, values).long() - BEYOND

    def moved(self, step: Step, values: dict[str, Any]) -> Tensor:
        return result(self, step, values)  # type: ignore[no-any-return]

    def sources(self, call: Call) -> list[tuple[str, Step]]:
        """The operands whose numbers are moved: real ones, or ids (the first, where others only say which)."""
        if call.output.is_floating_point():
            return list(call.differentiable())
        same = [(role, one) for role, one in call.step.operands.items() if one.value.dtype == call.output.dtype]
        return same if call.step.op in JOINING else same[:1]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        operands = list(call.differentiable())
        gathered = upstream.new_zeros(1 + sum(operand.value.numel() for _, operand in operands))
        gathered.index_add_(0, self.numbers(call).clamp_min(0).flatten(), upstream.flatten())
        sizes = [1, *(operand.value.numel() for _, operand in operands)]
        parts = torch.split(gathered, sizes)[1:]
        return {role: part.view(one.value.shape) for (role, one), part in zip(operands, parts, strict=True)}

    def explain(self, call: Call, cell: Index) -> Expression:
        found = self.origin(call, int(self.numbers(call)[cell]))
        return Number(float(call.output[cell])) if found is None else cell_of(*found)

    def origin(self, call: Call, number: int) -> Place | None:
        """The operand and cell of that number."""
        number -= 1
        if number < 0:
            return None
        for _, operand in self.sources(call):
            if number < operand.value.numel():
                return operand, unraveled(number, operand.value.shape)
            number -= operand.value.numel()
        return None

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        """Those of the axes along which the output's numbers come."""
        if not call.output.numel():
            return None
        numbers = self.numbers(call)
        places = [self.origin(call, int(numbers[(0,) * numbers.dim()]))]
        for dim, size in enumerate(numbers.shape):
            places.append(
                self.origin(call, int(numbers[tuple(int(d == dim and size > 1) for d in range(numbers.dim()))]))
            )
        first = places[0]
        if first is None:
            return None
        free = [axis for axis, size in zip(first[0].axes, first[0].value.shape, strict=True) if size == 1]
        found = []
        for dim, place in enumerate(places[1:]):
            if numbers.size(dim) == 1:
                found.append(free.pop(0) if free else Axis(f"d{dim}"))
                continue
            found.append(self._along(call, numbers, dim, first, place) or Axis(f"d{dim}"))
        return tuple(found)

    def _along(self, call: Call, numbers: Tensor, dim: int, first: Place, place: Place | None) -> Axis | None:
        if place is None or place[0] is not first[0]:
            return None
        source, size = first[0], numbers.size(dim)
        strides = [b - a for a, b in zip(first[1], place[1], strict=True)]
        changed = [d for d, stride in enumerate(strides) if stride]
        if len(changed) != 1:
            return None
        (d,) = changed
        axis, whole = source.axes[d], source.value.size(d)
        if size == whole and strides[d] == 1:
            return axis
        if axis.labels and size < whole:  # some of them: the labels go along
            line = numbers[tuple(slice(None) if k == dim else 0 for k in range(numbers.dim()))]
            rows = [self.origin(call, int(number)) for number in line]
            if all(row is not None and row[0] is source for row in rows):
                return Axis(axis.name, tuple(axis.labels[row[1][d]] for row in rows if row))
        if size < whole and strides[d] > 1 and axis.name in FEATURES:
            return Axis("head")
        if size < whole and strides[d] == 1 and axis.name in FEATURES:
            return Axis("d_k")
        if size > whole and axis.name == "d_k":
            return Axis("model")
        return Axis(axis.name) if size < whole else None


class Cast(Moving):
    """The same numbers in another type, or a copy of them."""

    def moved(self, step: Step, values: dict[str, Any]) -> Tensor:
        return next(value for value in values.values() if isinstance(value, Tensor))

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {role: upstream.to(one.value.dtype) for role, one in list(call.differentiable())[:1]}

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
        found = super().backward(call, upstream)
        padding = call.padding_idx
        if padding is not None:
            found["weight"][padding] = 0
        return found

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return (*call.operand("input").axes, Axis("model"))


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
    *("triu", "masked_fill", "chunk", "split", "split_with_sizes", "unbind", "tensor_split", "hsplit", "vsplit"),
    *("masked_select", "masked_scatter", "index_fill", "index_copy", "select_scatter", "slice_scatter", "broadcast_to"),
    *("moveaxis", "ravel", "rot90", "diag", "adjoint"),
)
COPYING = ("to", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous", "clone")
OPERATIONS: tuple[Operation, ...] = (
    *(Moving(getattr(Tensor, name), name) for name in PLACING),
    Moving(lambda x: x.T, "T"),
    Moving(lambda x: x.mT, "mT"),
    Moving(Tensor.__getitem__, "getitem"),
    Moving(_assigned, "setitem"),
    Moving(torch.cat, "cat", "concat", "concatenate"),
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
