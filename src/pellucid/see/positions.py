"""Positions found in a trace: tables of sines and cosines, and queries and keys that are turned by them.

A model computes them from products, sums and slices, each its own way; what it computes is known by its shape and its
numbers. A rotation becomes one step, with the angle in its explanation; a table tells of which angle each number is.
"""

import math
from collections.abc import Callable, Iterator, Set

import torch
from torch import Tensor

from pellucid.see.attention import PASSING, PRODUCTS, TURNED, consumers
from pellucid.see.operation import Axis, Role, Step
from pellucid.see.ops.positions import PLACES, Frequencies, RotaryHalves, RotaryPairs, Sinusoids
from pellucid.see.trace import largest_difference

BASE = 10000.0  # of the paper
FARTHEST = 4096  # the largest position at which a table is looked for to start
KINDS = (RotaryHalves(), RotaryPairs())
MULTIPLIED = ("mul", "rmul", "multiply")

Renaming = Callable[[Step, str], None]


def name_positions(
    steps: list[Step], rename: Renaming, kept: Set[Step] = frozenset(), fixed: Set[str] = frozenset()
) -> None:
    """Give what has to do with positions its name and its operation.

    Steps that a rotation was made of are taken out, but for those in `kept`; `fixed` names parameters that are not
    trained, among which tables are looked for as among constants.
    """
    turned = [step for step in list(steps) if rotation(step)]
    for step in turned:
        gather(step, steps, kept)
    after = consumers(steps)
    for step in steps:
        if (step.op == "constant" or step.name in fixed) and step.kept and step.dtype.is_floating_point:
            name_table(step, after, rename)
    for step in turned:
        name_angles(step, rename)
        place = f"{step.place}." if step.place else ""
        rename(step, f"{place}{use_of(step, after)}rotated")


# --- rotations -----------------------------------------------------------------------------------------------------


def rotation(step: Step) -> bool:
    """Whether a step is the sum of x cos and turned x sin; it becomes that operation then."""
    for x, cos, sin in (*summed(step), *joined(step)):
        if x.shape != step.shape or x.shape[-1] % 2 or not x.dtype.is_floating_point:
            continue
        if not all(one.kept for one in (x, cos, sin, step)):  # known by its numbers
            continue
        for kind in KINDS:
            if cos.shape[-1] not in (x.shape[-1], x.shape[-1] // 2):
                continue
            difference = largest_difference(kind.forward(x.value, cos.value, sin.value), step.value)
            if difference <= 4 * torch.finfo(step.value.dtype).eps * float(step.value.abs().max()):
                step.op, step.difference = kind.names[0], difference
                step.operands = {"input": x, "cos": cos, "sin": sin}
                step.settings = {role: Role(role) for role in step.operands}
                return True
    return False


def summed(step: Step) -> Iterator[tuple[Step, Step, Step]]:
    """x, cos and sin of x cos + turned(x) sin, in either order."""
    parts = list(step.operands.values())
    if step.op != "add" or not all(len(factors(one)) == 2 for one in parts):
        return
    for own, other in (parts, parts[::-1]):
        for x, cos in both_orders(own):
            for turned, sin in both_orders(other):
                if turned.op in ("cat", "concat", *RESHAPING) and turned is not x and x in origins(turned):
                    yield x, cos, sin


def joined(step: Step) -> Iterator[tuple[Step, Step, Step]]:
    """x, cos and sin of (a cos - b sin) and (b cos + a sin) put together again."""
    under = step
    if step.op in RESHAPING:
        under = next(iter(step.operands.values()))
    parts = list(under.operands.values())
    if under.op not in ("cat", "concat", "stack") or [one.op for one in parts] != ["sub", "add"]:
        return
    if not all(len(factors(one)) == 2 for part in parts for one in part.operands.values()):
        return
    first, second = parts[0].operands.values()
    for a, cos in both_orders(first):
        for b, sin in both_orders(second):
            for x in origins(a):
                if x in origins(b) and x.shape == step.shape:
                    yield x, cos, sin


RESHAPING = ("flatten", "reshape", "view")


def factors(step: Step) -> list[Step]:
    return list(step.operands.values()) if step.op in MULTIPLIED else []


def both_orders(product: Step) -> Iterator[tuple[Step, Step]]:
    a, b = factors(product)
    yield a, b
    yield b, a


def origins(step: Step) -> set[Step]:
    """What a step was made of by moving numbers and changing signs."""
    found: set[Step] = set()
    waiting = [step]
    while waiting:
        one = waiting.pop()
        found.add(one)
        if one.op in PLACES or one.op == "neg":
            waiting += [operand for operand in one.operands.values() if operand not in found]
    return found


def gather(step: Step, steps: list[Step], kept: Set[Step]) -> None:
    """Take out what nothing else was made of than this rotation."""
    before = steps.index(step)
    for one in reversed(steps[:before]):
        after = [made for made in steps if one in made.operands.values()]
        if not after and not one.leaf and one not in kept and one.place == step.place and one.op in WITHIN:
            steps.remove(one)


WITHIN = (*MULTIPLIED, *RESHAPING, "add", "sub", "neg", "cat", "concat", "stack", "getitem", "chunk", "split", "unbind")


def use_of(step: Step, after: dict[Step, list[Step]]) -> str:
    """query_ or key_, if it goes into an attention."""
    through = (*PASSING, *PLACES, "mul", "div", "truediv")
    for made in after.get(step, []):
        if made.op == "scaled_dot_product_attention":
            return next((f"{role}_" for role in ("query", "key") if made.operands.get(role) is step), "")
        if made.op in PRODUCTS:
            return "query_" if made.operands["input"] is step else "key_"
        if made.op in through and (found := use_of(made, after)):
            return found
    return ""


def name_angles(step: Step, rename: Renaming) -> None:
    """The product of position and frequency, of which cosine and sine were taken."""
    for one in origins_through(step.operands["cos"]):
        if one.op == "cos":
            for angle in origins(one.operands["input"]):
                if angle.op in MULTIPLIED and angle.name.rpartition(".")[2].startswith("mul"):
                    rename(angle, f"{angle.place}.angles" if angle.place else "angles")


def origins_through(step: Step) -> Iterator[Step]:
    """As `origins`, and through a multiplication by one number, as long contexts have it."""
    for one in origins(step):
        yield one
        if one.op in MULTIPLIED and len(one.operands) == 1:
            yield from origins_through(one.operands["input"])


# --- tables --------------------------------------------------------------------------------------------------------


def name_table(step: Step, after: dict[Step, list[Step]], rename: Renaming) -> None:
    """Tell of a table of sines and cosines, or of the frequencies of a rotation, how it was computed."""
    value = step.value
    if value.dim() == 1 and value.numel() > 1 and following_cosine(step, after):
        found = frequencies(value)
        if found:
            step.op, step.settings, step.how = Frequencies.names[0], found, "recomputed"
            step.axes = (Axis("pair"),)
    elif value.dim() > 1 and value.numel() == value.size(-1) * value.size(-2) and value.size(-1) > 1:
        found = sinusoids(value)
        if found:
            step.op, step.settings, step.how = Sinusoids.names[0], found, "recomputed"
            for made in after.get(step, []):
                if made.op == "getitem":
                    made.op = "positions"
                    if made.name.rpartition(".")[2].startswith("getitem"):
                        rename(made, f"{made.place}.positions" if made.place else "positions")


def following_cosine(step: Step, after: dict[Step, list[Step]]) -> bool:
    through = (*PASSING, *PLACES, *MULTIPLIED, *PRODUCTS, *TURNED, "einsum")
    return any(
        made.op in ("cos", "sin") or (made.op in through and following_cosine(made, after))
        for made in after.get(step, [])
    )


def frequencies(value: Tensor) -> dict[str, object] | None:
    """The settings of base^(-i/n), if it is that."""
    if float(value[0]) != 1 or not 0 < float(value[1]) < 1:
        return None
    count = value.numel()
    settings: dict[str, object] = {"base": base_of(float(value[1]), count), "count": count, "dtype": value.dtype}
    close = largest_difference(Frequencies().forward(**settings), value) <= 1e-6  # type: ignore[arg-type]
    return settings if close else None


def base_of(second: float, count: float) -> float:
    """The base of which the second frequency is base^(-1/count); a whole number where it is close to one."""
    base = second**-count
    return float(round(base)) if abs(base - round(base)) <= 1e-3 * base else base


def sinusoids(value: Tensor) -> dict[str, object] | None:
    """The settings of a table of sines and cosines, if it is one in any of the usual orders of its columns."""
    table = value.detach().double().view(value.shape[-2:])
    if len(table) < 2 or float(table.abs().max()) > 1 + 1e-2:
        return None
    for measured in (False, True):  # another base than the paper's is the last guess
        for kinds, pairs, count in orders(table.size(-1)):
            for width in dict.fromkeys((float(count), float(max(count - 1, 1)))):
                found = fitting(table, kinds, pairs, width, measured)
                if found:
                    return {"shape": tuple(value.shape), **found, "dtype": value.dtype}
    return None


def orders(columns: int) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], int]]:
    """Kinds and pairs of the columns: in turn (Vaswani), half and half (fairseq, Marian), of one kind (rotary)."""
    half = columns // 2
    if columns % 2 == 0:
        yield ("sin", "cos") * half, tuple(column // 2 for column in range(columns)), half
        yield ("sin",) * half + ("cos",) * half, (*range(half), *range(half)), half
        for kind in ("cos", "sin"):
            yield (kind,) * columns, (*range(half), *range(half)), half
            yield (kind,) * columns, tuple(column // 2 for column in range(columns)), half
    for kind in ("cos", "sin"):
        yield (kind,) * columns, tuple(range(columns)), columns


def fitting(
    table: Tensor, kinds: tuple[str, ...], pairs: tuple[int, ...], width: float, measured: bool
) -> dict[str, object] | None:
    """Start and base with which a table of these columns is this one; the base is the paper's, or else measured."""
    start = start_of(table, kinds, pairs)
    base = None if start is None else measured_base(table, kinds, pairs, width, start) if measured else BASE
    if base is None or start is None:
        return None
    found: dict[str, object] = {"start": start, "kinds": kinds, "pairs": pairs, "width": width, "base": base}
    rough = float(torch.finfo(torch.float32).eps) * (start + len(table)) * 4 + 1e-5
    for rows in (2, len(table)):  # most are ruled out by the first two
        full = {**found, "shape": (rows, table.size(1)), "dtype": torch.float64}
        if largest_difference(Sinusoids().forward(**full), table[:rows]) > rough:  # type: ignore[arg-type]
            return None
    return found


def start_of(table: Tensor, kinds: tuple[str, ...], pairs: tuple[int, ...]) -> int | None:
    """The position of the first row, by the columns of the fastest pair."""
    fast = [column for column, pair in enumerate(pairs) if pair == 0]
    positions = torch.arange(FARTHEST, dtype=torch.float64)
    lines = [positions.sin() if kinds[column] == "sin" else positions.cos() for column in fast]
    apart = torch.stack([(line - table[0, column]).abs() for line, column in zip(lines, fast, strict=True)]).amax(0)
    start = int(apart.argmin())
    return start if float(apart[start]) <= 1e-2 else None


def measured_base(
    table: Tensor, kinds: tuple[str, ...], pairs: tuple[int, ...], width: float, start: int
) -> float | None:
    """The base that the second pair of features tells, from the first position on."""
    if start or 1 not in pairs:
        return None
    column = pairs.index(1)
    number = min(max(float(table[1, column]), -1.0), 1.0)
    angle = math.asin(number) if kinds[column] == "sin" else math.acos(number)
    return base_of(angle, width) if 0 < angle < 1 else None
