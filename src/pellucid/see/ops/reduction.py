"""Operations that make one number of many: sums, means, the largest."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from pellucid.see.expression import Expression, Function, Number, Product, Quotient, Sum
from pellucid.see.operation import Adding, Axis, Call, Index, NotOpenedError, Opened, Operation, Step

Dims = int | list[int] | tuple[int, ...] | None


def listed(dim: Dims, dims: int) -> list[int]:
    """The dimensions that a reduction goes over, counted from the first."""
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return list(range(dims))
    return [d % dims if dims else 0 for d in ([dim] if isinstance(dim, int) else dim)]


class Reduction(Operation):
    """Goes over the dimensions `dim`, all when none is given."""

    def group(self, call: Call, cell: Index) -> Iterator[Expression]:
        """The cells of the input that went into one cell of the output."""
        shape, over = call.input.shape, listed(call.dim, call.input.dim())
        kept = iter(cell if not call.keepdim else [i for d, i in enumerate(cell) if d not in over])
        ranges = [range(size) if d in over else [next(kept)] for d, size in enumerate(shape)]
        return (call.cell("input", index) for index in product(*ranges))

    def spread(self, call: Call, tensor: Tensor) -> Tensor:
        """A tensor of the output's shape, repeated over the dimensions that were reduced."""
        for dim in sorted(listed(call.dim, call.input.dim())) if not call.keepdim else ():
            tensor = tensor.unsqueeze(dim)
        return tensor.expand(call.input.shape)

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        over = listed(call.dim, call.input.dim())
        axes = call.operand("input").axes
        if call.keepdim:
            return tuple(Axis(axis.name) if d in over else axis for d, axis in enumerate(axes))
        return tuple(axis for d, axis in enumerate(axes) if d not in over)


class Total(Reduction):
    names = ("sum",)
    formula = r"y = \sum_i x_i"
    text = "y = sum_i x[i]"

    def forward(self, input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return torch.sum(input, listed(dim, input.dim()), keepdim, dtype=dtype)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": self.spread(call, upstream)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Sum(list(self.group(call, cell)))


class Mean(Reduction):
    names = ("mean",)
    formula = r"y = \frac{1}{n}\sum_i x_i"
    text = "y = sum_i x[i] / n"

    def forward(self, input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return torch.mean(input, listed(dim, input.dim()), keepdim, dtype=dtype)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        over = listed(call.dim, call.input.dim())
        return {"input": self.spread(call, upstream) / prod(call.input.size(d) for d in over)}

    def explain(self, call: Call, cell: Index) -> Expression:
        terms = list(self.group(call, cell))
        return Quotient(Sum(terms), Number(float(len(terms))))


class Largest(Reduction):
    names = ("amax", "max")
    formula = r"y = \max_i x_i"
    text = "y = max_i x[i]"

    def forward(self, input: Tensor, dim: Dims = None, keepdim: bool = False) -> Any:
        return torch.amax(input, listed(dim, input.dim()), keepdim)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        largest = (call.input == self.spread(call, call.output)).to(upstream.dtype)
        over = listed(call.dim, call.input.dim())
        # Where several are the largest they share, as PyTorch's amax has it.
        return {"input": largest * self.spread(call, upstream) / largest.sum(over, keepdim=True)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("max", list(self.group(call, cell)))


class Smallest(Largest):
    names = ("amin", "min")
    formula = r"y = \min_i x_i"
    text = "y = min_i x[i]"

    def forward(self, input: Tensor, dim: Dims = None, keepdim: bool = False) -> Any:
        return torch.amin(input, listed(dim, input.dim()), keepdim)

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("min", list(self.group(call, cell)))


class LargestAlong(Reduction):
    """The largest along one dimension; its gradient goes to the first that is it."""

    names = ("max_along",)
    formula = r"y = \max_i x_i"
    text = "y = max_i x[i]"

    def forward(self, input: Tensor, dim: int, keepdim: bool = False) -> Any:
        return torch.max(input, dim, keepdim)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        index = call.input.max(call.dim, keepdim=True).indices
        up = upstream if call.keepdim else upstream.unsqueeze(call.dim)
        return {"input": torch.zeros_like(call.input, dtype=upstream.dtype).scatter_(call.dim, index, up)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("max", list(self.group(call, cell)))


class Variance(Opened):
    """The mean square of the distance from the mean; with `correction` 1 over n - 1."""

    names = ("var",)
    function: Any = staticmethod(torch.var)
    formula = r"y = \frac{1}{n - c}\sum_i (x_i - \bar x)^2"
    text = "y = sum_i (x[i] - mean)^2 / (n - c)"

    def forward(
        self,
        input: Tensor,
        dim: Dims = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Tensor:
        return self.function(  # type: ignore[no-any-return]
            input, listed(dim, input.dim()), correction=degrees(unbiased, correction), keepdim=keepdim
        )

    def open(self, add: Adding, call: Call) -> Step:
        over = listed(call.dim, call.input.dim())
        count = prod(call.input.size(d) for d in over)
        mean = add("mean", "mean", input=call.operand("input"), dim=over, keepdim=True)
        centered = add("centered", "sub", input=call.operand("input"), other=mean)
        squares = add("squares", "square", input=centered)
        total = add("total", "sum", input=squares, dim=over, keepdim=call.keepdim)
        return add("variance", "div", input=total, other=float(count - degrees(call.unbiased, call.correction)))


def degrees(unbiased: bool | None, correction: float | None) -> float:
    if correction is not None:
        return correction
    return 0 if unbiased is False else 1


class Deviation(Variance):
    names = ("std",)
    formula = r"y = \sqrt{\mathrm{var}(x)}"
    text = "y = sqrt(var(x))"

    function = staticmethod(torch.std)

    def open(self, add: Adding, call: Call) -> Step:
        return add("deviation", "sqrt", input=super().open(add, call))


class LogSumExp(Opened):
    names = ("logsumexp",)
    formula = r"y = \ln \sum_i e^{x_i}"
    text = "y = log(sum_i exp(x[i]))"

    def forward(self, input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        return torch.logsumexp(input, listed(dim, input.dim()), keepdim)

    def open(self, add: Adding, call: Call) -> Step:
        over = listed(call.dim, call.input.dim())
        largest = add.constant("largest", call.input.amax(over, keepdim=True))
        shifted = add("shifted", "sub", input=call.operand("input"), other=largest)
        exponentials = add("exponentials", "exp", input=shifted)
        total = add("total", "sum", input=exponentials, dim=over, keepdim=call.keepdim)
        logarithm = add("logarithm", "log", input=total)
        back = add.constant("largest_back", call.input.amax(over, keepdim=call.keepdim))
        return add("result", "add", input=logarithm, other=back)


class Multiplied(Reduction):
    """The product of all; of each, the product of the others is its derivative."""

    names = ("prod",)
    formula = r"y = \prod_i x_i"
    text = "y = prod_i x[i]"

    def forward(self, input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        if dim is None:
            return torch.prod(input, dtype=dtype)
        return torch.prod(input, dim, keepdim, dtype=dtype)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        x = call.input if call.dim is not None else call.input.reshape(-1)
        dim = call.dim if call.dim is not None else 0
        ones = torch.ones_like(x.narrow(dim, 0, 1))
        before = torch.cat([ones, x.narrow(dim, 0, x.size(dim) - 1)], dim).cumprod(dim)
        behind = torch.cat([x.narrow(dim, 1, x.size(dim) - 1), ones], dim).flip(dim).cumprod(dim).flip(dim)
        return {"input": self.spread(call, upstream) * (before * behind).view(call.input.shape)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Product(list(self.group(call, cell)))


class RunningTotal(Operation):
    """Each place has the sum of all up to it."""

    names = ("cumsum",)
    formula = r"y_i = \sum_{j \le i} x_j"
    text = "y[i] = sum_{j <= i} x[j]"

    def forward(self, input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        return torch.cumsum(input, dim, dtype=dtype)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": upstream.flip(call.dim).cumsum(call.dim).flip(call.dim)}

    def explain(self, call: Call, cell: Index) -> Expression:
        dim = call.dim % call.input.dim()
        return Sum([call.cell("input", (*cell[:dim], j, *cell[dim + 1 :])) for j in range(cell[dim] + 1)])


class Norm(Opened):
    """The length of a vector: of its numbers' squares the root of their sum (p = 2), or the sum of their sizes."""

    names: tuple[str, ...] = ("norm",)
    formula = r"y = \left(\sum_i |x_i|^p\right)^{1/p}"
    text = "y = (sum_i |x[i]|^p)^(1/p)"

    def forward(self, input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return torch.norm(input, p, dim, keepdim, dtype=dtype)

    def open(self, add: Adding, call: Call) -> Step:
        power = 2.0 if call.p in ("fro", None) else call.p
        return self.length(add, call, power)

    def length(self, add: Adding, call: Call, power: Any) -> Step:
        over = listed(call.dim, call.input.dim())
        # Where all is zero the root has no slope; PyTorch passes nothing back there.
        if power not in (1, 2) or call.dtype is not None or (power == 2 and bool((call.output == 0).any())):
            raise NotOpenedError("a norm of another kind")
        name, op = ("squares", "square") if power == 2 else ("sizes", "abs")
        total = add("total", "sum", input=add(name, op, input=call.operand("input")), dim=over, keepdim=call.keepdim)
        return add("length", "sqrt", input=total) if power == 2 else total


OPERATIONS: tuple[Operation, ...] = (
    Multiplied(),
    RunningTotal(),
    Norm(),
    Total(),
    Mean(),
    Largest(),
    Smallest(),
    LargestAlong(),
    Variance(),
    Deviation(),
    LogSumExp(),
)
