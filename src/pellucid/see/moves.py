"""How one optimizer step moves all weights, as a page reads it: tensors, and how each of their cells is made.

What the optimizer is given and remembers (the gradient, its moments, what Muon made orthogonal) is kept as it is. What
follows from it cell by cell (the clipped gradient, the new moments, the new weight) is told as recipes: the arithmetic
of update.py, read off one cell, since it is the same for all cells of a parameter.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pellucid.see.address import Address
from pellucid.see.examples import AllPushes, all_pushes
from pellucid.see.expression import Cell, Expression, Number
from pellucid.see.operation import Axis, Step
from pellucid.see.recipe import Json, numbered, structured
from pellucid.see.trace import TraceError, largest_difference
from pellucid.see.training import TrainingStep
from pellucid.see.update import Line, Rule, cell_name, last_round, looked_ahead, rule_of, update_lines
from pellucid.see.why import Push, Why, gradient_lines, has_moved, shares_of, shrinking, why_moved

REMEMBERED = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "grad_avg")
ROUNDED = ("penalized", "limited", "clipped")  # to the number format of the gradient, as the optimizer gets them
BEFORE = "before"
GIVEN = {"grad": "the gradient of the step", "orthogonal": "o = a x + sum_k B_k x_k"}
MOST_PUSHES = 400_000  # of all examples on all weights, up to which each is worked out
MOST_ROWS = 64  # examples (or positions), each of which takes one pass backward


@dataclass(frozen=True, eq=False)
class Part:
    """A tensor of a parameter's step, as `0.weight.exp_avg`: its value, or how its cells are made of `operands`.

    What Muon makes orthogonal has both: each of its numbers is a sum over a column of another matrix.
    """

    name: str
    kind: str
    formula: str
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]
    value: Tensor | None = None
    operands: tuple[str, ...] = ()
    body: Json | None = None
    dtype: torch.dtype = torch.float64  # to which what is made is rounded


@dataclass(frozen=True, eq=False)
class Told:
    """A line of the arithmetic: what it is called, its formula, and the part that it makes.

    `body` is its recipe where that is not the part's: constants alone, or numbers before they are rounded.
    """

    name: str
    text: str
    part: str | None
    body: Json | None = None


@dataclass(frozen=True, eq=False)
class Move:
    """How one parameter moves. `rounds` are the last round's matrices of what is made orthogonal.

    `difference` is the largest from what PyTorch's own step makes of the weights; `old` and `gradient` and `update` are
    norms. `pushes` is what each example adds to the gradient: one more axis, the examples, at the end.
    """

    parameter: Step
    optimizer: str
    number: int | None
    parts: Sequence[Part]
    rounds: Sequence[Part]
    lines: Sequence[Told]
    difference: float
    weights: float
    gradient: float
    update: float
    pushes: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Moves:
    """All moves of a step by the name of the parameter; `still` says why the others stay. `who` names the pushes.

    `why` is the number that the page was asked for, with its pushes as `why_moved` finds them.
    """

    training: TrainingStep
    moved: Mapping[str, Move]
    still: Mapping[str, str] = field(default_factory=dict)
    who: Sequence[Push] = ()
    why: Why | None = None


def moves_of(
    training: TrainingStep,
    asked: str | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    by: Sequence[int] = (0,),
) -> Moves:
    """All moves of a step. Raises TraceError as `why_moved`: weights that have moved since, an unknown optimizer."""
    why = None if asked is None else why_moved(training, asked, optimizer, by)
    trace = training.traces[0]
    parameters = trace.parameters if optimizer is not None else training.parameters
    optimizer = optimizer or training.optimizer
    if optimizer is None:
        raise TraceError("no optimizer is known to this trace", "Give it: trace.html(path, optimizer=optimizer).")
    clipped = training.clipped()
    held = {id(one) for group in optimizer.param_groups for one in group["params"]}
    steps = [step for step in trace if step.op == "parameter"]
    still = {}
    moving: list[Step] = []
    for step in steps:
        live = parameters.get(step.name)
        if step.name not in clipped:
            still[step.name] = "no gradient"
        elif live is None or id(live) not in held:
            still[step.name] = "not held"
        elif has_moved(live.detach(), step.value):
            raise TraceError(
                f"{step.name} has moved since the trace was captured",
                "Ask before optimizer.step(), or capture with optimizer=.",
            )
        else:
            moving.append(step)
    after = training.after(optimizer, {step.name: parameters[step.name] for step in moving})
    asked_step = None if why is None else trace[Address.parse(why.address).name]
    who, pushed = pushes_within(training, moving, asked_step, by)
    moved = {}
    for step in moving:
        live = parameters[step.name]
        rule = rule_of(optimizer, live)
        told = arithmetic(training, step, rule, clipped[step.name])
        new = step.value if training.skipped else after[step.name]
        ours = step.value.double() if training.skipped else last_value(told.parts, step)
        moved[step.name] = Move(
            step,
            rule.kind,
            rule.step if "step" in rule.state or rule.kind.startswith("Adam") else training.number,
            told.parts,
            told.rounds,
            told.lines,
            largest_difference(ours, new.double()),
            norm(step.value),
            norm(training.gradients[step.name]),
            norm(new.double() - step.value.double()),
            pushed.get(step.name),
        )
    return Moves(training, moved, still, who, why)


def norm(value: Tensor) -> float:
    return float(torch.linalg.vector_norm(value.double()))


@dataclass(frozen=True, eq=False)
class Arithmetic:
    parts: Sequence[Part]
    rounds: Sequence[Part]
    lines: Sequence[Told]


def arithmetic(training: TrainingStep, step: Step, rule: Rule, clipped: Tensor) -> Arithmetic:
    """The parts and lines of one parameter, read off its first cell."""
    name, first = step.name, (0,) * step.value.dim()
    gradient = training.gradients[name]
    kept = {"grad": gradient}
    kept |= {f"{one}.{BEFORE}": rule.state[one] for one in REMEMBERED if rule.state.get(one) is not None}
    rounds: list[Part] = []
    if rule.kind == "Muon":
        last = last_round(looked_ahead(rule, clipped), rule.settings)
        kept["orthogonal"] = last.made.mT if last.on_its_side else last.made
        axes = (Axis("d0"), Axis("d1"))
        for part, value in (("x", last.x), ("B", last.turn)):
            rounds.append(Part(f"{name}.{part}", part, f"{part} of the last round", axes, tuple(value.shape), value))
    held = {
        f"{name}.{part}": Part(
            f"{name}.{part}", part, GIVEN.get(part, "what the optimizer remembers"), step.axes, tuple(step.shape), value
        )
        for part, value in kept.items()
    }
    orthogonal = held.pop(f"{name}.orthogonal", None)
    parts = dict(held)
    told = []
    for line in first_lines(training, step, rule, clipped, first):
        full = f"{name}.{line.name}"
        if line.name == "gradient":
            told.append(Told(line.name, line.text, f"{name}.grad"))
        elif line.name == "factor":
            told.append(Told(line.name, line.text, None, form(line.expression, [], step)))
        elif orthogonal is not None and line.name == "orthogonal":
            told.append(Told(line.name, line.text, full))
            parts[full] = summed(orthogonal, rounds, last.keeps, last.on_its_side)
        else:
            operands: list[str] = []
            body = rounded = form(line.expression, operands, step)
            dtype = torch.float64
            if line.name in ROUNDED:
                dtype = gradient.dtype
            if line.name == "clipped":  # as `TrainingStep.clipped` has it, which the optimizer gets
                factor = float(torch.tensor(training.factor).to(gradient))
                rounded = ["*", [numbered(factor), *body[1][1:]]]
            parts[full] = Part(
                full, line.name, line.text, step.axes, tuple(step.shape), None, tuple(operands), rounded, dtype
            )
            told.append(Told(line.name, line.text, full, None if body is rounded else body))
    return Arithmetic(list(parts.values()), rounds, told)


def first_lines(training: TrainingStep, step: Step, rule: Rule, clipped: Tensor, cell: tuple[int, ...]) -> list[Line]:
    """As `why_moved` tells them of a cell, but for who pushed."""
    name, axes = step.name, step.axis_names
    old = float(step.value[cell])
    lines = gradient_lines(training, name, axes, cell, old, float(training.gradients[name][cell]), [], 0.0)
    given = Cell(cell_name(name, training.given(name), axes, cell), float(clipped[cell]))
    return lines + update_lines(rule, name, axes, cell, old, given, clipped, shrinking(training, name))


def form(tree: Expression, operands: list[str], step: Step) -> Json:
    """An expression of cells at one place as a recipe for all places; the tensors it reads go to `operands`."""

    def leaf(part: Cell | Number) -> Json:
        if isinstance(part, Number):
            return numbered(part.value)
        name = Address.parse(part.address).name
        if name not in operands:
            operands.append(name)
        steps = [[d, stride] for d, stride in enumerate(torch.empty(step.shape, device="meta").stride())]
        return ["x", operands.index(name), 0, steps]

    return structured(tree, leaf)


def summed(part: Part, rounds: Sequence[Part], keeps: float, on_its_side: bool) -> Part:
    """o[i, j] = a x[i, j] + sum_k B[i, k] x[k, j], and what rounding adds; of a matrix on its side, i and j change."""
    x, turn = rounds
    count, width = x.shape
    row, column = (1, 0) if on_its_side else (0, 1)
    first = ["*", [numbered(keeps), ["x", 0, 0, [[row, width], [column, 1]]]]]
    product = ["*", [["x", 1, 0, [[row, count], [-1, 1]]], ["x", 0, 0, [[-1, width], [column, 1]]]]]
    body = ["rounded", ["+", [first, ["each", [count], product]]]]
    return Part(part.name, part.kind, part.formula, part.axes, part.shape, part.value, (x.name, turn.name), body)


def last_value(parts: Sequence[Part], step: Step) -> Tensor:
    """The new weights, from the recipes of all parts, in double precision."""
    known = {step.name: step.value.double()}
    for part in parts:
        if part.value is not None:
            known[part.name] = part.value.double()
        else:
            made = evaluated(part.body, [known[name] for name in part.operands])
            known[part.name] = made.to(part.dtype).double()
    return known[f"{step.name}.new"]


def evaluated(body: Json, operands: Sequence[Tensor]) -> Tensor:
    """A recipe of single cells at one place, for all places at once."""

    def of(part: Json) -> Tensor:
        return evaluated(part, operands)

    match body:
        case ["n", value]:
            return torch.tensor(float(value), dtype=torch.float64)
        case ["x", int(operand), *_]:
            return operands[operand]
        case ["+", terms]:
            return functools.reduce(torch.add, map(of, terms))
        case ["*", factors]:
            return functools.reduce(torch.mul, map(of, factors))
        case ["f", "sqrt", [one]]:
            return of(one).sqrt()
        case ["f", "max", [one, other]]:
            return torch.maximum(of(one), of(other))
        case ["f", "min", [one, other]]:
            return torch.minimum(of(one), of(other))
        case ["f", "greater", [one, other]]:
            return (of(one) > of(other)).double()
        case ["f", "less", [one, other]]:
            return (of(one) < of(other)).double()
        case ["-", one, other]:
            return of(one) - of(other)
        case ["/", one, other]:
            return of(one) / of(other)
        case ["^", one, other]:
            return of(one) ** of(other)
    raise ValueError(f"{body!r} is no recipe of single cells")


# --- who pushed ------------------------------------------------------------------------------------------------------


def pushes_within(
    training: TrainingStep, moving: Sequence[Step], asked: Step | None, by: Sequence[int]
) -> tuple[Sequence[Push], dict[str, Tensor]]:
    """The names of all pushes, and for each weight of these parameters its pushes.

    Of all parameters where they are few, else of the one that was asked for, where it is small enough.
    """
    if not moving:
        return (), {}
    found = shares_of(training, moving[0].name, (0,) * moving[0].value.dim(), by)
    who = [one for one in found if one.index is not None]
    chosen = [step.name for step in moving]
    if len(who) * sum(step.value.numel() for step in moving) > MOST_PUSHES:
        chosen = [asked.name] if asked is not None and len(who) * asked.value.numel() <= MOST_PUSHES else []
    if not chosen or not 0 < len(who) <= MOST_ROWS:
        return who, {}
    batches = [all_pushes(trace, by) for trace in training.traces]
    for number, (batch, trace) in enumerate(zip(batches, training.traces, strict=True)):
        if any(bool(batch.rest[trace[name]].any()) for name in chosen if name in trace and trace[name] in batch.rest):
            who.append(Push(number, None, (f"batch={number}",) if len(batches) > 1 else (), 0.0))
    return who, {name: pushed(training, name, who, batches) for name in chosen}


def pushed(training: TrainingStep, name: str, who: Sequence[Push], batches: Sequence[AllPushes]) -> Tensor:
    """The pushes on all cells of one parameter, in the order of `who` along one more axis at the end."""
    found = []
    for one in who:
        trace, parts = training.traces[one.batch], batches[one.batch]
        gradients = parts.rest if one.index is None else parts.rows[one.index]
        none = torch.zeros(training.gradients[name].shape)
        found.append(gradients.get(trace[name], none) if name in trace else none)
    return torch.stack(found, -1)
