"""Positions: tables of sines and cosines, one row a position, and the rotation of queries and keys by them.

A position p has one angle for each pair of features, p theta_i with theta_i = base^(-2i/d): fast for the first pair,
slow for the last. Added to a word as sin and cos of the angles (sinusoidal), or used to turn each pair of features of
a query or a key by its angle (rotary), so that their product depends on how far apart they stand.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.see.expression import Cell, Difference, Expression, Function, Number, Power, Product, Quotient, Sum
from pellucid.see.operation import Axis, Call, Index, Operation, Step, cell_of, fitted
from pellucid.see.ops import moving

CLOSE = 4  # units in the last place by which a written-out angle may miss the number that the model computed


class Sinusoids(Operation):
    """A table of sines and cosines; nothing is trained. Source: Vaswani et al., 2017, section 3.5."""

    names = ("sinusoids",)
    formula = r"PE_{p,2i} = \sin\frac{p}{b^{2i/d}},\quad PE_{p,2i+1} = \cos\frac{p}{b^{2i/d}},\quad b = 10000"
    text = (
        "PE[p] = sin(p / 10000^(2i/d)) or cos(p / 10000^(2i/d)), p the position, i the number of the pair of features"
    )

    def forward(
        self,
        shape: Sequence[int],
        start: int,
        base: float,
        kinds: Sequence[str],
        pairs: Sequence[int],
        width: float,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Column j is sin or cos (`kinds`) of p / base^(pairs[j] / width), p from `start` on."""
        position = torch.arange(start, start + shape[-2], dtype=torch.float64)[:, None]
        angle = position / base ** (torch.tensor(pairs, dtype=torch.float64) / width)
        table = torch.where(torch.tensor([kind == "sin" for kind in kinds]), angle.sin(), angle.cos())
        return table.to(dtype).view(*shape)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """It was made of nothing that could move."""
        return {}

    def explain(self, call: Call, cell: Index) -> Expression:
        position, column = cell[-2:]
        exponent = Quotient(Number(float(call.pairs[column] * 2)), Number(float(call.width * 2)))
        angle = Quotient(Number(float(call.start + position)), Power(Number(float(call.base)), exponent))
        return Function(call.kinds[column], [angle])

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return (*(Axis(f"d{dim}") for dim in range(call.output.dim() - 2)), Axis("position"), Axis("model"))


class Positions(moving.Moving):
    """The rows of such a table for the positions of a sentence."""

    formula = Sinusoids.formula
    text = Sinusoids.text

    def __init__(self) -> None:
        super().__init__(Tensor.__getitem__, "positions")

    def explain(self, call: Call, cell: Index) -> Expression:
        found = self.origin(call, int(self.numbers(call)[cell]))
        if found is None or found[0].op not in Sinusoids.names:
            return super().explain(call, cell)
        return Sinusoids().explain(Call(found[0]), found[1])


class Frequencies(Operation):
    """How far each pair of features is turned from one position to the next."""

    names = ("frequencies",)
    formula = r"\theta_i = b^{-2i/d},\quad b = 10000"
    text = "theta[i] = 10000^(-2i/d)"

    def forward(self, base: float, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return (base ** (-torch.arange(count, dtype=torch.float64) / count)).to(dtype)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Power(Number(float(call.base)), Quotient(Number(-2.0 * cell[-1]), Number(2.0 * call.count)))

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        return (Axis("pair"),)


class RotaryHalves(Operation):
    """Feature i is turned together with feature i + d/2. Source: Su et al., "RoFormer", 2021, as in GPT-NeoX, Llama."""

    names: tuple[str, ...] = ("rotary_halves",)
    formula = (
        r"y_{i} = x_{i}\cos p\theta_i - x_{i+d/2}\sin p\theta_i,\quad"
        r" y_{i+d/2} = x_{i+d/2}\cos p\theta_i + x_{i}\sin p\theta_i,\quad \theta_i = b^{-2i/d}"
    )
    text = (
        "rotated[i] = x[i] cos(p theta_i) - x[i+d/2] sin(p theta_i), "
        "rotated[i+d/2] = x[i+d/2] cos(p theta_i) + x[i] sin(p theta_i), theta_i = 10000^(-2i/d)"
    )

    def turned(self, x: Tensor) -> Tensor:
        """Each pair (a, b) as (-b, a): a quarter turn."""
        first, second = x.chunk(2, dim=-1)
        return torch.cat((-second, first), dim=-1)

    def whole(self, table: Tensor, width: int) -> Tensor:
        """A table of one number a pair, repeated for both features of it."""
        return table if table.size(-1) == width else torch.cat((table, table), dim=-1)

    def folded(self, gradient: Tensor, table: Tensor) -> Tensor:
        """The gradient of such a table."""
        same = table.size(-1) == gradient.size(-1)
        return fitted(gradient if same else gradient.reshape(*gradient.shape[:-1], 2, -1).sum(-2), table.shape)

    def pair(self, feature: int, width: int) -> int:
        return feature % (width // 2)

    def partner(self, feature: int, width: int) -> int:
        return (feature + width // 2) % width

    def first(self, feature: int, width: int) -> bool:
        """Whether it is the first of its pair."""
        return feature < width // 2

    def forward(self, input: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        width = input.size(-1)
        return input * self.whole(cos, width) + self.turned(input) * self.whole(sin, width)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        """dx is u turned back by the same angle; dcos = x u, dsin = turned(x) u."""
        cos, sin = (self.whole(table, upstream.size(-1)) for table in (call.cos, call.sin))
        found = {
            "input": fitted(upstream * cos - self.turned(upstream * sin), call.input.shape),
            "cos": self.folded(upstream * call.input, call.cos),
            "sin": self.folded(upstream * self.turned(call.input), call.sin),
        }
        return {role: found[role] for role, _ in call.differentiable()}

    def explain(self, call: Call, cell: Index) -> Expression:
        *place, feature = cell
        width = call.input.size(-1)
        cos, sin = (written_out(self.table_cell(call, role, cell)) for role in ("cos", "sin"))
        own = Product([call.cell("input", cell), cos])
        other = call.cell("input", (*place, self.partner(feature, width)))
        turned = Product([other, sin])
        return Difference(own, turned) if self.first(feature, width) else Sum([own, turned])

    def table_cell(self, call: Call, role: str, cell: Index) -> tuple[Step, Index]:
        """The cosine or sine that a cell of the output is multiplied by."""
        step, width = call.operand(role), call.input.size(-1)
        shape = step.value.shape
        *place, feature = cell[len(cell) - len(shape) :]
        index = [0 if size == 1 else i for i, size in zip(place, shape[:-1], strict=True)]
        return step, (*index, feature if shape[-1] == width else self.pair(feature, width))


class RotaryPairs(RotaryHalves):
    """Feature 2i is turned together with feature 2i + 1. Source: Su et al., "RoFormer", 2021; GPT-J."""

    names = ("rotary_pairs",)
    formula = (
        r"y_{2i} = x_{2i}\cos p\theta_i - x_{2i+1}\sin p\theta_i,\quad"
        r" y_{2i+1} = x_{2i+1}\cos p\theta_i + x_{2i}\sin p\theta_i,\quad \theta_i = b^{-2i/d}"
    )
    text = (
        "rotated[2i] = x[2i] cos(p theta_i) - x[2i+1] sin(p theta_i), "
        "rotated[2i+1] = x[2i+1] cos(p theta_i) + x[2i] sin(p theta_i), theta_i = 10000^(-2i/d)"
    )

    def turned(self, x: Tensor) -> Tensor:
        return torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)

    def whole(self, table: Tensor, width: int) -> Tensor:
        return table if table.size(-1) == width else table.repeat_interleave(2, dim=-1)

    def folded(self, gradient: Tensor, table: Tensor) -> Tensor:
        same = table.size(-1) == gradient.size(-1)
        return fitted(gradient if same else gradient.reshape(*gradient.shape[:-1], -1, 2).sum(-1), table.shape)

    def pair(self, feature: int, width: int) -> int:
        return feature // 2

    def partner(self, feature: int, width: int) -> int:
        return feature ^ 1

    def first(self, feature: int, width: int) -> bool:
        return feature % 2 == 0


def written_out(place: tuple[Step, Index]) -> Expression:
    """A cosine or sine as that of its angle, p theta, where this is what the model computed; else its cell."""
    step, cell = place
    whole = cell_of(step, cell)
    found = angle_form(step, cell)
    epsilon = torch.finfo(step.value.dtype).eps
    return found if found is not None and abs(found.value - whole.value) <= CLOSE * epsilon else whole


def angle_form(step: Step, cell: Index) -> Expression | None:
    step, cell = source(step, cell)
    if step.op == "sinusoids":
        return Sinusoids().explain(Call(step), cell)
    if step.op not in ("cos", "sin"):
        return None
    angle, at = source(step.operands["input"], cell)
    if angle.op == "mul" and len(angle.operands) == 2:
        call = Call(angle)
        return Function(step.op, [Product([call.aligned("input", at), call.aligned("other", at)])])
    return Function(step.op, [Cell(angle.address(at), float(angle.value[at]))])


def source(step: Step, cell: Index) -> tuple[Step, Index]:
    """Where a number was computed that has been moved, copied or multiplied by 1 since."""
    while True:
        operation = PLACES.get(step.op)
        if step.op in moving.COPYING or is_one(step):
            step = next(iter(step.operands.values()))
        elif operation is not None:
            call = Call(step)
            found = operation.origin(call, int(operation.numbers(call)[cell]))
            if found is None:
                return step, cell
            step, cell = found
        else:
            return step, cell


def is_one(step: Step) -> bool:
    return step.op == "mul" and len(step.operands) == 1 and step.settings.get("other") == 1


POSITIONS = Positions()
PLACES: dict[str, moving.Moving] = {
    name: one for one in (*moving.OPERATIONS, POSITIONS) if isinstance(one, moving.Moving) for name in one.names
}
OPERATIONS: tuple[Operation, ...] = (Sinusoids(), POSITIONS, Frequencies(), RotaryHalves(), RotaryPairs())
