"""How a cell is made, as data: what `explain` says of one cell, said once for all cells of a step.

An operation explains a cell whose indices are left open; what comes out is its expression with each leaf a place in an
operand that depends on the cell. Written down as JSON, a page that has no Python puts numbers into it and arrives at
the same arithmetic. Python reads it back with `tell`, by which tests hold it against `explain`.

    ["n", 0.5]                                      a constant
    ["x", 1, 3, [[0, 8], [-1, 1]], [...]]           operand 1 at 3 + 8 cell[0] + the innermost... loop variable -1
    ["+", [...]]  ["*", [...]]  ["-", a, b]  ["/", a, b]  ["^", a, b]  ["f", "exp", [...]]
    ["each", [4, 3], body]                          within a sum or function: body for -1 = 0..3 and -2 = 0..2
    ["?", of, a, b]                                 a where `of` is above 0, else b
    ["i", 3, [[0, 1]]]                              the number 3 + cell[0]
    ["at", 1, [...]]                                the number in this list at cell[1]
    ["case", 1, [0, 1, ...], [a, b]]                the expression of which the list gives the number at cell[1]
    ["cells", [...], [...]]                         each by itself: forms, and for each cell one with its numbers
    ["map"]                                         a cell of an operand, by a table that lists one for each cell

A place counts cells of the operand in their order. Where it might lie outside (a window on padding), the fifth entry
says what has to be within which size; a term of which one lies outside is left out.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from pellucid.see.expression import (
    Cell,
    Difference,
    Expression,
    Function,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
)
from pellucid.see.operation import Call, Index, Operation, Role, Step, cell_of
from pellucid.see.ops import OPERATIONS
from pellucid.see.ops.activations import Elu, Selu, Softplus, softplus_of
from pellucid.see.ops.convolution import AdaptivePooling, AveragePooling
from pellucid.see.ops.discrete import OneHot
from pellucid.see.ops.elementwise import ONE, LeakyRelu
from pellucid.see.ops.linear import Einsum
from pellucid.see.ops.moving import Moving, unraveled
from pellucid.see.ops.positions import Sinusoids
from pellucid.see.ops.reduction import RunningTotal

Json = Any
Variable = tuple[int, int]  # a dimension of the cell, and by what its index is divided (rounded down)


class Position:
    """An index that is not known yet: a whole number plus multiples of the cell's indices, and how large it can get."""

    def __init__(self, constant: int, factors: dict[Variable, int], sizes: Sequence[int]) -> None:
        self.constant = constant
        self.factors = {variable: factor for variable, factor in factors.items() if factor}
        self.sizes = sizes

    def __add__(self, other: "Position | int") -> "Position":
        if isinstance(other, int):
            return Position(self.constant + other, self.factors, self.sizes)
        both = {v: self.factors.get(v, 0) + other.factors.get(v, 0) for v in {*self.factors, *other.factors}}
        return Position(self.constant + other.constant, both, self.sizes)

    __radd__ = __add__

    def __mul__(self, factor: int) -> "Position":
        return Position(self.constant * factor, {v: f * factor for v, f in self.factors.items()}, self.sizes)

    __rmul__ = __mul__

    def __neg__(self) -> "Position":
        return self * -1

    def __sub__(self, other: "Position | int") -> "Position":
        return self + -other

    def __rsub__(self, other: int) -> "Position":
        return -self + other

    def __floordiv__(self, divisor: int) -> "Position | int":
        low, high = self.range
        if low // divisor == high // divisor:
            return low // divisor
        if not any(one % divisor for one in (self.constant, *self.factors.values())):
            return Position(self.constant // divisor, {v: f // divisor for v, f in self.factors.items()}, self.sizes)
        if self.constant or len(self.factors) > 1 or next(iter(self.factors.values())) != 1:
            raise UndescribedError("the part of a sum")
        ((dim, before),) = self.factors
        return Position(0, {(dim, before * divisor): 1}, self.sizes)

    def _whether(self, other: "Position | int") -> bool:
        """A window's question whether it is inside: put off until the cell is known."""
        return True

    __lt__ = __le__ = __gt__ = __ge__ = _whether

    @property
    def range(self) -> tuple[int, int]:
        ends = [factor * ((self.sizes[dim] - 1) // by) for (dim, by), factor in self.factors.items()]
        return self.constant + sum(min(end, 0) for end in ends), self.constant + sum(max(end, 0) for end in ends)


class UndescribedError(Exception):
    """What a cell was made of depends on more than its place."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A cell of an operand whose place is open."""

    operand: int
    index: tuple[Position | int, ...]
    shape: tuple[int, ...]
    within: tuple[Position, ...] = ()  # not below 0, or the term is left out


class OpenCall(Call):
    """A step read as its operation reads it, with leaves in the place of cells."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self.roles = list(step.operands)

    def leaf(self, role: str, index: Sequence[Any]) -> Leaf:
        return Leaf(self.roles.index(role), tuple(index), tuple(self.step.operands[role].value.shape))

    def cell(self, role: str, index: Sequence[Any]) -> Any:
        operand = self.operand(role)
        if not isinstance(operand, Step):
            return Number(float(operand))
        setting = self.step.settings[role]
        assert isinstance(setting, Role)
        return self.leaf(setting.name, index)

    def aligned(self, role: str, index: Sequence[Any]) -> Any:
        operand = self.operand(role)
        if not isinstance(operand, Step):
            return Number(float(operand))
        shape = operand.value.shape
        tail = index[len(index) - len(shape) :]
        return self.cell(role, [0 if size == 1 else i for i, size in zip(tail, shape, strict=True)])


@dataclass(frozen=True)
class Recipe:
    """How each cell of a step is made; `table` has for each cell the place it comes from, where there is no rule."""

    body: Json
    table: Tensor | None = None


def describe(step: Step, operation: Operation) -> Recipe | None:
    """The recipe of a step that is a rule; None if what its cells are made of cannot be said for all at once."""
    try:
        if isinstance(operation, Moving):
            return moved(step, operation) if type(operation).explain is Moving.explain else None
        sizes = tuple(step.value.shape)
        cell: Any = tuple(Position(0, {(d, 1): 1}, sizes) if size > 1 else 0 for d, size in enumerate(sizes))
        call = OpenCall(step)
        tree = SPECIAL.get(type(operation), lambda call, cell: operation.explain(call, cell))(call, cell)
        return Recipe(written(tree))
    except (UndescribedError, AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError):
        return None


def moved(step: Step, operation: Moving) -> Recipe | None:
    """A rule where numbers come from evenly spaced places of one operand, else a table."""
    call = Call(step)
    if not step.value.numel():
        return None
    if not any(True for _ in call.differentiable()):  # made of whole numbers or truth values: its own origin
        return Recipe(["map", []])
    numbers = operation.numbers(call)
    first = int(numbers[(0,) * numbers.dim()])
    strides = [
        int(numbers[tuple(int(k == d) for k in range(numbers.dim()))]) - first if size > 1 else 0
        for d, size in enumerate(numbers.shape)
    ]
    even = torch.full_like(numbers, first)
    for d, (size, stride) in enumerate(zip(numbers.shape, strides, strict=True)):
        even += (torch.arange(size) * stride).view([size if k == d else 1 for k in range(numbers.dim())])
    roles = list(step.operands)
    place = operation.origin(call, first)
    last = operation.origin(call, int(numbers.max())) if place else None
    if place and last and place[0] is last[0] and bool((even == numbers).all()) and int(numbers.min()) > 0:
        before, number = 0, 0
        for role, operand in call.differentiable():
            if operand is place[0] and before < first <= before + operand.value.numel():
                number = roles.index(role)
                break
            before += operand.value.numel()
        factors = [[d, stride] for d, stride in enumerate(strides) if stride]
        return Recipe(["x", number, first - 1 - before, factors])
    floats = [roles.index(role) for role, _ in call.differentiable()]
    return Recipe(["map", floats], numbers.clamp_min(0).to(torch.int32))


def einsum(call: OpenCall, cell: Any) -> Any:
    full, out = Einsum().letters(call)
    sizes = {x: n for part, one in zip(full, call.operands, strict=True) for x, n in zip(part, one.shape, strict=True)}
    fixed = dict(zip(out, cell, strict=True))
    summed = [x for x in sizes if x not in fixed]
    terms: list[Any] = []
    for values in product(*(range(sizes[x]) for x in summed)):
        at = {**fixed, **dict(zip(summed, values, strict=True))}
        factors: list[Any] = [call.leaf(f"operands.{n}", [at[x] for x in part]) for n, part in enumerate(full)]
        terms.append(Product(factors))
    return Sum(terms)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of two expressions: the first where a cell is above 0."""

    of: Any
    above: Any
    below: Any


def leaky(call: OpenCall, cell: Any) -> Any:
    x = call.cell("input", cell)
    return Choice(x, x, Product([Number(call.negative_slope), x]))


def averaged(call: OpenCall, cell: Any) -> Any:
    """The mean of a window, where all windows count as many numbers."""
    pooling = OPERATIONS[call.step.op]
    assert isinstance(pooling, AveragePooling)
    counts = pooling.counts(call)
    if bool((counts != counts.flatten()[0]).any()):
        raise UndescribedError("windows of several sizes")
    return Quotient(Sum([call.cell("input", at) for at in pooling.inside(call, cell)]), Number(float(counts.max())))


def adapted(call: OpenCall, cell: Any) -> Any:
    """The mean of a window, where the windows cut the input into equal parts."""
    pooling = OPERATIONS[call.step.op]
    assert isinstance(pooling, AdaptivePooling)
    sizes, outs = call.input.shape[-pooling.dims :], call.output.shape[-pooling.dims :]
    if any(size % out for size, out in zip(sizes, outs, strict=True)):
        raise UndescribedError("windows of several sizes")
    widths = [size // out for size, out in zip(sizes, outs, strict=True)]
    before, places = cell[: -pooling.dims], cell[-pooling.dims :]
    terms: list[Any] = [
        call.cell("input", (*before, *(p * width + k for p, width, k in zip(places, widths, offsets, strict=True))))
        for offsets in product(*map(range, widths))
    ]
    return Quotient(Sum(terms), Number(float(len(terms))))


@dataclass(frozen=True, slots=True)
class Counted:
    """A constant that is an index of the cell."""

    position: Position | int


@dataclass(frozen=True, slots=True)
class Listed:
    """A constant that a list has for each index of a dimension."""

    dim: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """Of several expressions the one that a list names for the index of a dimension."""

    dim: int
    which: tuple[int, ...]
    parts: tuple[Any, ...]


def softened(call: OpenCall, cell: Any) -> Any:
    x = call.cell("input", cell)
    scaled: Any = x if call.beta == 1 else Product([Number(float(call.beta)), x])
    bent: Any = softplus_of(scaled)
    if call.beta != 1:
        bent = Quotient(bent, Number(float(call.beta)))
    return Choice(Difference(scaled, Number(float(call.threshold))), x, bent)


def bent(call: OpenCall, cell: Any) -> Any:
    operation = OPERATIONS[call.step.op]
    assert isinstance(operation, Elu)
    alpha, scale = operation.constants(call)
    x: Any = call.cell("input", cell)
    below: Any = Product([Number(alpha), Difference(Function("exp", [x]), ONE)])
    if scale == 1:
        return Choice(x, x, below)
    return Choice(x, Product([Number(scale), x]), Product([Number(scale), below]))


def running(call: OpenCall, cell: Any) -> Any:
    """The sum of all cells up to this one: of all along the dimension those that are not beyond it."""
    dim = call.dim % call.input.dim()
    terms: list[Any] = []
    for j in range(call.input.size(dim)):
        leaf = call.cell("input", (*cell[:dim], j, *cell[dim + 1 :]))
        terms.append(replace(leaf, within=(cell[dim] - j,)) if isinstance(cell[dim], Position) else leaf)
    return Sum(terms)


def waves(call: OpenCall, cell: Any) -> Any:
    position, dim = cell[-2], call.output.dim() - 1
    above = Listed(dim, tuple(float(pair * 2) for pair in call.pairs))
    exponent: Any = Quotient(above, Number(float(call.width * 2)))  # type: ignore[arg-type]
    angle = Quotient(Counted(position + call.start), Power(Number(float(call.base)), exponent))  # type: ignore[arg-type]
    kinds = tuple(dict.fromkeys(call.kinds))
    return Cases(dim, tuple(map(kinds.index, call.kinds)), tuple(Function(kind, [angle]) for kind in kinds))


def hot(call: OpenCall, cell: Any) -> Any:
    of_class: Any = Counted(cell[-1])
    return Function("equal", [call.cell("input", cell[:-1]), of_class])


SPECIAL: dict[type, Any] = {
    OneHot: hot,
    Softplus: softened,
    Elu: bent,
    Selu: bent,
    RunningTotal: running,
    Sinusoids: waves,
    Einsum: einsum,
    LeakyRelu: leaky,
    AveragePooling: averaged,
    AdaptivePooling: adapted,
}


# --- writing ---------------------------------------------------------------------------------------------------------


def written(tree: Any) -> Json:
    match tree:
        case Sum():
            return ["+", listed(tree.terms)]
        case Function():
            return ["f", tree.name, listed(tree.arguments)]
        case Product():
            return ["*", [written(one) for one in tree.factors]]
        case Difference():
            return ["-", written(tree.of), written(tree.less)]
        case Quotient():
            return ["/", written(tree.of), written(tree.by)]
        case Power():
            return ["^", written(tree.base), written(tree.exponent)]
        case Choice():
            return ["?", written(tree.of), written(tree.above), written(tree.below)]
        case Number():
            return numbered(tree.value)
        case Leaf():
            return flat(tree)
        case Counted(position):
            return ["n", position] if isinstance(position, int) else ["i", position.constant, factors_of(position)]
        case Listed():
            return ["at", tree.dim, list(tree.values)]
        case Cases():
            return ["case", tree.dim, list(tree.which), [written(part) for part in tree.parts]]
    raise UndescribedError(repr(tree))


def numbered(value: float) -> Json:
    """A constant; JSON has no word for one that is not finite."""
    return ["n", value if math.isfinite(value) else str(value)]


def flat(leaf: Leaf) -> Json:
    """A leaf by its place in the order of the operand's cells."""
    place: Position | int = 0
    bounds = []
    for index, size in zip(leaf.index, leaf.shape, strict=True):
        place = place * size + index
        low, high = index.range if isinstance(index, Position) else (index, index)
        if isinstance(index, Position) and (low < 0 or high >= size):
            bounds.append([index.constant, factors_of(index), size])
    bounds += [[one.constant, factors_of(one), one.range[1] + 1] for one in leaf.within if one.range[0] < 0]
    if isinstance(place, int):
        place = Position(place, {}, ())
    found: Json = ["x", leaf.operand, place.constant, factors_of(place)]
    return [*found, bounds] if bounds else found


def factors_of(position: Position) -> Json:
    return [[dim, factor] if by == 1 else [dim, factor, by] for (dim, by), factor in sorted(position.factors.items())]


@dataclass(frozen=True, slots=True)
class Term:
    """A term with its constants taken out: those of the first, and of each loop around it the count and the steps."""

    skeleton: Json
    constants: tuple[int, ...]
    loops: tuple[tuple[int, tuple[int, ...]], ...] = ()


def listed(terms: Sequence[Any]) -> Json:
    """Terms with those that differ by even steps told as loops."""
    found = []
    for one in terms:
        constants: list[int] = []
        found.append(Term(parted(written(one), constants), tuple(constants)))
    while True:
        shorter = list(runs(found))
        if len(shorter) == len(found):
            return [joined(term) for term in shorter]
        found = shorter


def runs(terms: Sequence[Term]) -> Iterator[Term]:
    start = 0
    while start < len(terms):
        first, end = terms[start], start + 1
        step: tuple[int, ...] | None = None
        while end < len(terms) and (terms[end].skeleton, terms[end].loops) == (first.skeleton, first.loops):
            between = tuple(b - a for a, b in zip(terms[end - 1].constants, terms[end].constants, strict=True))
            if step is not None and between != step:
                break
            step, end = between, end + 1
        if step is None or end - start < 3:
            yield first
            start += 1
            continue
        yield Term(first.skeleton, first.constants, (*first.loops, (end - start, step)))
        start = end


def parted(body: Json, constants: list[int]) -> Json:
    """The body as a tuple, with the constants of its places moved to a list."""
    if isinstance(body, list) and body and body[0] == "x":
        constants.append(body[2])
        bounds = []
        for constant, factors, size in body[4] if len(body) > 4 else []:
            constants.append(constant)
            bounds.append((tuple(map(tuple, factors)), size))
        return ("x", body[1], tuple(map(tuple, body[3])), tuple(bounds))
    return tuple(parted(one, constants) for one in body) if isinstance(body, list) else body


def joined(term: Term) -> Json:
    constants = list(range(len(term.constants)))
    outwards = term.loops[::-1]

    def factors(known: Any, number: int) -> Json:
        own = [[-1 - depth, steps[number]] for depth, (_, steps) in enumerate(outwards) if steps[number]]
        return [*map(list, known), *own]

    def whole(body: Any) -> Json:
        if isinstance(body, tuple) and body and body[0] == "x":
            number = constants.pop(0)
            found: Json = ["x", body[1], term.constants[number], factors(body[2], number)]
            bounds = []
            for known, size in body[3]:
                at = constants.pop(0)
                bounds.append([term.constants[at], factors(known, at), size])
            return [*found, bounds] if bounds else found
        return [whole(one) for one in body] if isinstance(body, tuple) else body

    body = whole(term.skeleton)
    return ["each", [count for count, _ in outwards], body] if outwards else body


# --- cell by cell ----------------------------------------------------------------------------------------------------

MOST = 2048  # cells that are described one by one


def described_by_cell(step: Step, operation: Operation, place_of: Callable[[str], tuple[int, int]]) -> Json | None:
    """Where no rule says it for all cells: what `explain` says of each, expressions of the same form written once.

    `place_of` has for an address the number of its step and the place of the cell. None if there are too many cells.
    """
    if step.value.numel() > MOST:
        return None
    forms: dict[str, int] = {}
    bodies: list[Json] = []
    cells: list[Json] = []
    try:
        for number in range(step.value.numel()):
            numbers: list[float | int] = []
            form = formed(operation.explain(Call(step), unraveled(number, step.value.shape)), numbers, place_of)
            key = repr(form)
            if key not in forms:
                forms[key] = len(bodies)
                bodies.append(form)
            cells.append([forms[key], *numbers])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError, NotImplementedError):
        return None
    return ["cells", bodies, cells]


def formed(tree: Any, numbers: list[float | int], place_of: Callable[[str], tuple[int, int]]) -> Json:
    """The form of an expression; its constants and places go to `numbers`, in their order."""

    def leaf(part: Cell | Number) -> Json:
        if isinstance(part, Cell):
            numbers.extend(place_of(part.address))
            return ["s"]
        if not math.isfinite(part.value):
            raise ValueError("a constant that JSON cannot hold")
        numbers.append(part.value)
        return ["c"]

    return structured(tree, leaf)


def structured(tree: Any, leaf: Callable[[Cell | Number], Json]) -> Json:
    """An expression as nested lists, what is done first in each; `leaf` says what stands for a cell or a number."""

    def of(part: Any) -> Json:
        return structured(part, leaf)

    match tree:
        case Cell() | Number():
            return leaf(tree)
        case Sum():
            return ["+", [of(term) for term in tree.terms]]
        case Function():
            return ["f", tree.name, [of(argument) for argument in tree.arguments]]
        case Product():
            return ["*", [of(factor) for factor in tree.factors]]
        case Difference():
            return ["-", of(tree.of), of(tree.less)]
        case Quotient():
            return ["/", of(tree.of), of(tree.by)]
        case Power():
            return ["^", of(tree.base), of(tree.exponent)]
    raise ValueError(repr(tree))


# --- reading ---------------------------------------------------------------------------------------------------------


def tell(recipe: Recipe, step: Step, cell: Index) -> Expression:
    """The expression of one cell."""
    operands = list(step.operands.values())

    def place(constant: int, factors: Json, loops: Sequence[int]) -> int:
        found = constant
        for variable, factor, *by in factors:
            found += factor * ((loops[-1 - variable] if variable < 0 else cell[variable]) // (by[0] if by else 1))
        return found

    def at(operand: Step, number: int) -> Cell:
        return cell_of(operand, unraveled(number, operand.value.shape))

    def many(bodies: Json, loops: Sequence[int]) -> Iterator[Expression]:
        for body in bodies:
            if body[0] == "each":
                for values in product(*map(range, body[1])):
                    yield from many([body[2]], values)
            elif (found := one(body, loops)) is not None:
                yield found

    def one(body: Json, loops: Sequence[int]) -> Any:
        match body:
            case ["n", value]:
                return Number(float(value) if isinstance(value, str) else value)
            case ["i", constant, factors]:
                return Number(float(place(constant, factors, loops)))
            case ["at", dim, values]:
                return Number(values[cell[dim]])
            case ["case", dim, which, parts]:
                return one(parts[which[cell[dim]]], loops)
            case ["x", operand, constant, factors, *bounds]:
                for low, steps, size in bounds[0] if bounds else ():
                    if not 0 <= place(low, steps, loops) < size:
                        return None
                return at(operands[operand], place(constant, factors, loops))
            case ["map", floats]:
                number = -1 if recipe.table is None else int(recipe.table[cell]) - 1
                for operand in floats if number >= 0 else ():
                    if number < operands[operand].value.numel():
                        return at(operands[operand], number)
                    number -= operands[operand].value.numel()
                return Number(float(step.value[cell]))
            case ["+", terms]:
                return Sum(list(many(terms, loops)))
            case ["f", name, arguments]:
                return Function(name, list(many(arguments, loops)))
            case ["*", factors]:
                parts = [one(factor, loops) for factor in factors]
                return None if None in parts else Product(parts)
            case ["?", of, above, below]:
                return one(above if one(of, loops).value > 0 else below, loops)
            case [sign, a, b]:
                kind = {"-": Difference, "/": Quotient, "^": Power}[sign]
                return kind(one(a, loops), one(b, loops))
        raise ValueError(f"{body!r} is no recipe")

    return one(recipe.body, ())  # type: ignore[no-any-return]
