"""Products: a layer's weighted sums, matrix products with and without a batch, and Einstein sums."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Expression, Number, Product, Sum
from pellucid.see.operation import Axis, Call, Index, Operation, cell_of, fitted


class Linear(Operation):
    """A layer of neurons: each output is a weighted sum of all inputs, and a bias."""

    names = ("linear",)
    formula = r"y_{j} = \sum_k x_{k} W_{jk} + b_j"
    text = "y[j] = sum_k x[k] W[j,k] + b[j]"

    def forward(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.linear(input, weight, bias)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """dx = u W,  dW = u^T x and db = u, added up over all positions."""
        up, x = upstream.reshape(-1, upstream.size(-1)), call.input.reshape(-1, call.input.size(-1))
        found = {"input": upstream @ call.weight, "weight": up.T @ x}
        return found if call.bias is None else {**found, "bias": up.sum(dim=0)}

    def explain(self, call: Call, cell: Index) -> Expression:
        *row, j = cell
        terms: list[Expression] = [
            Product([call.cell("input", (*row, k)), call.cell("weight", (j, k))]) for k in range(call.weight.size(1))
        ]
        return Sum(terms if call.bias is None else [*terms, call.cell("bias", (j,))])

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        weight, x = call.operand("weight"), call.operand("input")
        return (*x.axes[:-1], weight.axes[0])


class MatrixProduct(Operation):
    """y_ij = sum_k a_ik b_kj, for each matrix of a batch; a vector stands for a row or a column."""

    names: tuple[str, ...] = ("matmul", "rmatmul", "mm", "bmm", "mv", "dot")
    formula = r"y_{ij} = \sum_k a_{ik} b_{kj}"
    text = "y[i,j] = sum_k a[i,k] b[k,j]"

    def forward(self, input: Tensor, other: Tensor) -> Tensor:
        return torch.matmul(input, other)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """da = u b^T,  db = a^T u."""
        a, b = call.input, call.other
        rows, columns = a.dim() > 1, b.dim() > 1
        a2, b2 = a if rows else a[None], b if columns else b[:, None]
        up = upstream if rows else upstream.unsqueeze(-2 if columns else -1)
        up = up if columns else up.unsqueeze(-1)
        up = up if rows or columns else upstream.reshape(1, 1)
        da, db = fitted(up @ b2.transpose(-2, -1), a2.shape), fitted(a2.transpose(-2, -1) @ up, b2.shape)
        found = {"input": da.reshape(a.shape), "other": db.reshape(b.shape)}
        return {role: found[role] for role, _ in call.differentiable()}

    def explain(self, call: Call, cell: Index) -> Expression:
        a, b = call.input, call.other
        index = list(cell)
        column = [index.pop()] if b.dim() > 1 else []
        row = [index.pop()] if a.dim() > 1 else []
        return Sum(
            [
                Product([batched(call, "input", index, (*row, k)), batched(call, "other", index, (k, *column))])
                for k in range(a.size(-1))
            ]
        )

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        a, b = call.operand("input"), call.operand("other")
        if len(a.axes) < 2 or len(b.axes) < 2:
            return None
        longer = a if len(a.axes) >= len(b.axes) else b
        return (*longer.axes[:-2], a.axes[-2], b.axes[-1])


class Scores(Operation):
    """How well each query fits each key: the product of queries and transposed keys."""

    names = ("scores",)
    formula = r"s_{ij} = \sum_k q_{ik} k_{jk}"
    text = "s[i,j] = sum_k q[i,k] k[j,k]"

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return query @ key.transpose(-2, -1)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        found = {"query": upstream @ call.key, "key": upstream.transpose(-2, -1) @ call.query}
        return {role: fitted(found[role], one.shape) for role, one in call.differentiable()}

    def explain(self, call: Call, cell: Index) -> Expression:
        *batch, i, j = cell
        return Sum(
            [
                Product([batched(call, "query", batch, (i, k)), batched(call, "key", batch, (j, k))])
                for k in range(call.query.size(-1))
            ]
        )

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        query, key = call.operand("query").axes, call.operand("key").axes
        return (*query[:-2], Axis("query", query[-2].labels), Axis("key", key[-2].labels))


class AddedProduct(MatrixProduct):
    """beta input + alpha a b, as addmm and baddbmm have it."""

    names = ("addmm", "baddbmm", "addmv")
    formula = r"y = \beta\,c + \alpha\,a b"
    text = "y[i,j] = beta c[i,j] + alpha sum_k a[i,k] b[k,j]"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """PyTorch calls what is multiplied mat1 and mat2, batch1 and batch2, or mat and vec."""
        own = {**dict.fromkeys(("batch1", "mat"), "mat1"), **dict.fromkeys(("batch2", "vec"), "mat2")}
        return super().bind(args, {own.get(name, name): value for name, value in kwargs.items()})

    def forward(  # type: ignore[override]
        self, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        return beta * input + alpha * (mat1 @ mat2)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        vector = call.mat2.dim() == 1
        up, b = (one.unsqueeze(-1) if vector else one for one in (upstream, call.mat2))
        found = {
            "input": call.beta * upstream,
            "mat1": call.alpha * up @ b.transpose(-2, -1),
            "mat2": (call.alpha * call.mat1.transpose(-2, -1) @ up).reshape(call.mat2.shape),
        }
        return {role: fitted(found[role], one.shape) for role, one in call.differentiable()}

    def explain(self, call: Call, cell: Index) -> Expression:
        index = list(cell)
        column = [index.pop()] if call.mat2.dim() > 1 else []
        *batch, i = index
        terms: list[Expression] = []
        for k in range(call.mat1.size(-1)):
            factors: list[Expression] = [
                call.cell("mat1", (*batch, i, k)),
                call.cell("mat2", (*batch, k, *column) if column else (k,)),
            ]
            terms.append(Product(factors if call.alpha == 1 else [Number(float(call.alpha)), *factors]))
        added = call.aligned("input", cell)
        return Sum([*terms, added if call.beta == 1 else Product([Number(float(call.beta)), added])])

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        a, b = call.operand("mat1").axes, call.operand("mat2").axes
        return (*a[:-1], *b[-1:]) if len(b) > 1 else a[:-1]


class Einsum(Operation):
    """Products of cells, summed over every letter that the result does not have."""

    names = ("einsum",)
    formula = r"y_{out} = \sum_{\text{other letters}} \prod_n a^{(n)}"
    text = "y[letters after ->] = sum over the other letters of the product of all operands"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        equation, *operands = args
        if len(operands) == 1 and isinstance(operands[0], list | tuple):
            operands = list(operands[0])
        return {"equation": equation, "operands": tuple(operands)}

    def forward(self, equation: str, operands: Sequence[Tensor]) -> Tensor:
        return torch.einsum(equation, *operands)

    def letters(self, call: Call) -> tuple[list[str], str]:
        """Of each operand and of the result; an ellipsis becomes capital letters, counted from the right."""
        left, arrow, right = call.equation.replace(" ", "").partition("->")
        parts = left.split(",")
        hidden = max(
            (one.dim() - len(part) + 3 for part, one in zip(parts, call.operands, strict=True) if "..." in part),
            default=0,
        )
        capitals = "ZYXWVUTSRQPONMLKJIHGFEDCBA"[:hidden][::-1]
        full = [
            part.replace("...", capitals[hidden - (one.dim() - len(part) + 3) :] if hidden else "")
            for part, one in zip(parts, call.operands, strict=True)
        ]
        if not arrow:
            joined = "".join(full)
            right = "..." + "".join(sorted(x for x in set(joined) if joined.count(x) == 1 and x not in capitals))
        return full, right.replace("...", capitals)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """Each operand's gradient is the Einstein sum of the upstream gradient and all other operands."""
        full, out = self.letters(call)
        sizes = {
            x: n for part, one in zip(full, call.operands, strict=True) for x, n in zip(part, one.shape, strict=True)
        }
        found = {}
        for number, part in enumerate(full):
            others = [(p, one) for k, (p, one) in enumerate(zip(full, call.operands, strict=True)) if k != number]
            wanted = "".join(dict.fromkeys(part))
            missing = [x for x in wanted if x not in out and all(x not in p for p, _ in others)]
            ones = [(x, upstream.new_ones(sizes[x])) for x in missing]
            terms = [(out, upstream), *others, *ones]
            gradient = torch.einsum(f"{','.join(p for p, _ in terms)}->{wanted}", *(one for _, one in terms))
            if len(wanted) < len(part):  # a diagonal
                whole = torch.zeros_like(call.operands[number])
                torch.einsum(f"{part}->{wanted}", whole).copy_(gradient)
                gradient = whole
            found[f"operands.{number}"] = gradient
        return found

    def explain(self, call: Call, cell: Index) -> Expression:
        full, out = self.letters(call)
        sizes = {
            x: n for part, one in zip(full, call.operands, strict=True) for x, n in zip(part, one.shape, strict=True)
        }
        fixed = dict(zip(out, cell, strict=True))
        summed = [x for x in sizes if x not in fixed]
        steps = [call.step.operands[f"operands.{number}"] for number in range(len(full))]
        terms = []
        for values in product(*(range(sizes[x]) for x in summed)):
            at = {**fixed, **dict(zip(summed, values, strict=True))}
            terms.append(
                Product([cell_of(step, [at[x] for x in part]) for step, part in zip(steps, full, strict=True)])
            )
        return Sum(terms)

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        full, out = self.letters(call)
        known: dict[str, Axis] = {}
        for number, part in enumerate(full):
            for x, axis in zip(part, call.step.operands[f"operands.{number}"].axes, strict=True):
                known.setdefault(x, axis)
        return tuple(known[x] for x in out)


def batched(call: Call, role: str, batch: Sequence[int], rest: Sequence[int]) -> Expression:
    """A cell of an operand whose batch dimensions may be repeated."""
    shape = call.operand(role).shape
    own = len(shape) - len(rest)
    tail = batch[len(batch) - own :] if own else []
    return call.cell(role, (*(0 if size == 1 else i for i, size in zip(tail, shape[:own], strict=True)), *rest))


OPERATIONS: tuple[Operation, ...] = (Linear(), MatrixProduct(), Scores(), AddedProduct(), Einsum())
