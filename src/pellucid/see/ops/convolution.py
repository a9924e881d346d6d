"""Convolution and pooling: the same few weights, or the same rule, applied at every place of a sequence or an image."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Expression, Function, Number, Product, Quotient, Sum
from pellucid.see.operation import Axis, Call, Index, NotOpenedError, Operation

SPACE = {1: ("position",), 2: ("row", "column"), 3: ("depth", "row", "column")}


def many(value: Any, count: int) -> list[int]:
    found = list(value) if isinstance(value, list | tuple) else [value]
    return found * count if len(found) == 1 else found


class Convolution(Operation):
    """One small set of weights slides over the input: a neuron that looks at a window, the same everywhere.

    Source: LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition", 1989.
    """

    formula = r"y_{o,p} = \sum_{c,k} x_{c,\;p s + k d - a}\,W_{o,c,k} + b_o"
    text = "y[o,p] = sum_{c,k} x[c, p stride + k dilation - padding] W[o,c,k] + b[o]"

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.names = (f"conv{dims}d",)
        self.function = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]

    def forward(
        self,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        return self.function(input, weight, bias, stride, padding, dilation, groups)

    def padding(self, call: Call) -> list[int]:
        """Zeros before the first place of each dimension."""
        if isinstance(call.padding, str):
            spans = [d * (k - 1) for d, k in zip(many(call.dilation, self.dims), call.weight.shape[2:], strict=True)]
            return [span // 2 if call.padding == "same" else 0 for span in spans]
        return many(call.padding, self.dims)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """Every product is undone: dx gathers u W over the windows it was in, dW gathers u x over all places."""
        x, weight = call.input, call.weight
        unbatched = x.dim() == self.dims + 1
        up = upstream[None] if unbatched else upstream
        padded = self.padded(call, x[None] if unbatched else x)
        stride, dilation = many(call.stride, self.dims), many(call.dilation, self.dims)
        batch, groups = padded.size(0), call.groups
        up_groups = up.reshape(batch, groups, up.size(1) // groups, *up.shape[2:])
        grouped = padded.reshape(batch, groups, padded.size(1) // groups, *padded.shape[2:])
        w = weight.reshape(groups, weight.size(0) // groups, *weight.shape[1:])
        dx, dw = torch.zeros_like(grouped, dtype=up.dtype), torch.zeros_like(w, dtype=up.dtype)
        for k in product(*(range(size) for size in weight.shape[2:])):
            window: list[Any] = [
                slice(i * d, i * d + (n - 1) * s + 1, s)
                for i, d, n, s in zip(k, dilation, up.shape[2:], stride, strict=True)
            ]
            place: Any = (slice(None), slice(None), slice(None), *window)
            kernel: Any = (slice(None), slice(None), slice(None), *k)
            dx[place] += torch.einsum("bgo...,goc->bgc...", up_groups, w[kernel])
            flat_up, flat_x = up_groups.flatten(3), grouped[place].flatten(3)
            dw[kernel] = torch.einsum("bgop,bgcp->goc", flat_up, flat_x)
        inside = [slice(a, a + n) for a, n in zip(self.padding(call), x.shape[-self.dims :], strict=True)]
        gradient = dx.reshape(padded.shape)[(slice(None), slice(None), *inside)]
        found = {"input": gradient[0] if unbatched else gradient, "weight": dw.reshape(weight.shape)}
        return found if call.bias is None else {**found, "bias": up.sum(dim=[0, *range(2, up.dim())])}

    def padded(self, call: Call, x: Tensor) -> Tensor:
        """With zeros before and, as many as any window needs, behind."""
        sizes: list[int] = []
        for d in reversed(range(self.dims)):
            before = self.padding(call)[d]
            reach = (
                (call.output.shape[d - self.dims] - 1) * many(call.stride, self.dims)[d]
                + (call.weight.shape[d - self.dims] - 1) * many(call.dilation, self.dims)[d]
                + 1
            )
            sizes += [before, max(reach - before - x.shape[d - self.dims], 0)]
        return F.pad(x, sizes)

    def explain(self, call: Call, cell: Index) -> Expression:
        places = cell[-self.dims :]
        channel, batch = cell[-self.dims - 1], cell[: -self.dims - 1]
        per_group = call.weight.size(1)
        first = channel // (call.weight.size(0) // call.groups) * per_group
        stride, dilation, padding = many(call.stride, self.dims), many(call.dilation, self.dims), self.padding(call)
        terms: list[Expression] = []
        for c, *k in product(range(per_group), *(range(size) for size in call.weight.shape[2:])):
            at = [p * s + i * d - a for p, s, i, d, a in zip(places, stride, k, dilation, padding, strict=True)]
            if all(0 <= x < size for x, size in zip(at, call.input.shape[-self.dims :], strict=True)):
                source = (*batch, first + c, *at)
                terms.append(Product([call.cell("input", source), call.cell("weight", (channel, c, *k))]))
        return Sum(terms if call.bias is None else [*terms, call.cell("bias", (channel,))])

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return around(call, self.dims)


class Pooling(Operation):
    """One number for each window."""

    def __init__(self, dims: int) -> None:
        self.dims = dims

    def padding(self, call: Call) -> list[int]:
        return many(call.padding, self.dims)

    def windows(self, call: Call) -> list[tuple[int, int, int]]:
        """Of each dimension: size, stride and dilation."""
        size = many(call.kernel_size, self.dims)
        stride = many(call.stride, self.dims) if call.stride not in (None, [], ()) else size
        dilation = many(call.given.get("dilation", 1), self.dims)
        return list(zip(size, stride, dilation, strict=True))

    def inside(self, call: Call, cell: Index) -> list[Index]:
        """The input cells in the window of one output cell."""
        places, before = cell[-self.dims :], cell[: -self.dims]
        ranges = [
            [x for x in (p * s + i * d - a for i in range(n)) if 0 <= x < size]
            for p, (n, s, d), a, size in zip(
                places, self.windows(call), self.padding(call), call.input.shape[-self.dims :], strict=True
            )
        ]
        return [(*before, *at) for at in product(*ranges)]

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return around(call, self.dims)


class MaxPooling(Pooling):
    formula = r"y_p = \max_{k} x_{p s + k}"
    text = "y[p] = max_k x[p stride + k]"

    def __init__(self, dims: int) -> None:
        super().__init__(dims)
        self.names = (f"max_pool{dims}d", f"max_pool{dims}d_with_indices")
        self.function: Any = (F.max_pool1d, F.max_pool2d)[dims - 1]

    def forward(
        self,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        return self.function(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """The gradient goes to the first number that was the largest of its window."""
        settings = {**call.given, "return_indices": True}
        _, index = self.forward(**settings)
        flat = upstream.new_zeros(call.input.shape).flatten(-self.dims)
        flat.scatter_add_(-1, index.flatten(-self.dims), upstream.flatten(-self.dims))
        return {"input": flat.view(call.input.shape)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("max", [call.cell("input", at) for at in self.inside(call, cell)])


class AveragePooling(Pooling):
    formula = r"y_p = \frac{1}{n}\sum_{k} x_{p s + k}"
    text = "y[p] = sum_k x[p stride + k] / n"

    def __init__(self, dims: int) -> None:
        super().__init__(dims)
        self.names = (f"avg_pool{dims}d",)
        self.function: Any = (F.avg_pool1d, F.avg_pool2d)[dims - 1]

    def forward(
        self,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        if divisor_override is not None:
            raise NotOpenedError("a divisor of its own")
        return self.function(input, kernel_size, stride, padding, ceil_mode, count_include_pad)  # type: ignore[no-any-return]

    def counts(self, call: Call) -> Tensor:
        """Numbers of each window: its padding counts unless told otherwise, what a ceiling added does not."""
        ones = torch.ones(1, 1, *call.input.shape[-self.dims :], dtype=torch.float64)
        padding, windows = self.padding(call), self.windows(call)
        if call.count_include_pad:
            ones = F.pad(ones, [a for a in reversed(padding) for _ in range(2)], value=1.0)
            padding = [0] * self.dims
        sums = torch.zeros(1, 1, *call.output.shape[-self.dims :], dtype=torch.float64)
        for place in product(*(range(n) for n in call.output.shape[-self.dims :])):
            window = tuple(
                slice(max(p * s - a, 0), max(p * s - a + n, 0))
                for p, (n, s, _), a in zip(place, windows, padding, strict=True)
            )
            sums[0, 0][place] = ones[0, 0][window].sum()
        return sums[0, 0]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        shares = upstream / self.counts(call).to(upstream.dtype)
        padding = self.padding(call)
        sizes = [n + 2 * a for n, a in zip(call.input.shape[-self.dims :], padding, strict=True)]
        sizes = [
            max(size, (out - 1) * s + n)
            for size, out, (n, s, _) in zip(sizes, shares.shape[-self.dims :], self.windows(call), strict=True)
        ]
        whole = shares.new_zeros(*call.input.shape[: -self.dims], *sizes)
        for k in product(*(range(n) for n, _, _ in self.windows(call))):
            window = [
                slice(i, i + (out - 1) * s + 1, s)
                for i, out, (_, s, _) in zip(k, shares.shape[-self.dims :], self.windows(call), strict=True)
            ]
            region: Any = (..., *window)
            whole[region] += shares
        inside = [slice(a, a + n) for a, n in zip(padding, call.input.shape[-self.dims :], strict=True)]
        kept: Any = (..., *inside)
        return {"input": whole[kept]}

    def explain(self, call: Call, cell: Index) -> Expression:
        count = float(self.counts(call)[tuple(cell[-self.dims :])])
        return Quotient(Sum([call.cell("input", at) for at in self.inside(call, cell)]), Number(count))


class AdaptivePooling(Operation):
    """The mean over windows that cut the input into as many parts as were asked for."""

    formula = AveragePooling.formula
    text = AveragePooling.text

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self.names = (f"adaptive_avg_pool{dims}d",)
        self.function: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d)[dims - 1]

    def forward(self, input: Tensor, output_size: Any) -> Tensor:
        return self.function(input, output_size)  # type: ignore[no-any-return]

    def window(self, call: Call, places: Sequence[int]) -> list[slice]:
        sizes, outs = call.input.shape[-self.dims :], call.output.shape[-self.dims :]
        return [slice(p * n // out, -(-(p + 1) * n // out)) for p, n, out in zip(places, sizes, outs, strict=True)]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        found = upstream.new_zeros(call.input.shape)
        for places in product(*(range(n) for n in call.output.shape[-self.dims :])):
            window: Any = (..., *self.window(call, places))
            place: Any = (..., *(slice(p, p + 1) for p in places))
            count = prod(found[window].shape[-self.dims :])
            found[window] += upstream[place] / count
        return {"input": found}

    def explain(self, call: Call, cell: Index) -> Expression:
        ranges = [range(one.start, one.stop) for one in self.window(call, cell[-self.dims :])]
        terms = [call.cell("input", (*cell[: -self.dims], *at)) for at in product(*ranges)]
        return Quotient(Sum(terms), Number(float(len(terms))))

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return around(call, self.dims)


def around(call: Call, dims: int) -> tuple[Axis, ...]:
    """Batch, channel, places."""
    batch = (Axis("batch"),) if call.output.dim() > dims + 1 else ()
    return (*batch, Axis("channel"), *(Axis(name) for name in SPACE[dims]))


OPERATIONS: tuple[Operation, ...] = (
    Convolution(1),
    Convolution(2),
    Convolution(3),
    MaxPooling(1),
    MaxPooling(2),
    AveragePooling(1),
    AveragePooling(2),
    AdaptivePooling(1),
    AdaptivePooling(2),
)
