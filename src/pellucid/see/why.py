"""Why a number of a parameter moved: the examples that pushed it, what clipping left, the optimizer's arithmetic."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.see.address import Address
from pellucid.see.examples import pushes
from pellucid.see.expression import SHOWN, Cell, Difference, Expression, Function, Number, Product, Quotient, Sum
from pellucid.see.operation import Index, Step
from pellucid.see.trace import Trace, TraceError
from pellucid.see.training import CLIP_EPSILON, Penalty, TrainingStep
from pellucid.see.update import Line, cell_name, rule_of, update_lines

DIGITS = 4
WIDTH = 80
ROUNDING = 1e-5  # of a gradient; a larger part is shown as a term of its sum


@dataclass(frozen=True)
class Push:
    """The share of one example (or position) in the gradient: `batch` counts the batches that were added up.

    `index` is None for what the loss has of the parameter by itself, or where examples cannot be told apart.
    """

    batch: int
    index: tuple[int, ...] | None
    labels: tuple[str, ...]
    value: float

    @property
    def name(self) -> str:
        if self.index is None:
            return "the loss itself"
        return ", ".join(self.labels)


@dataclass(frozen=True)
class Why:
    """One optimizer step of one number, `old` to `new`.

    `pushes` add up to `gradient`, which is before clipping, but for `rounding`: they are computed in float32, the
    gradient is PyTorch's, in the number format of the pass. Where examples cannot be told apart there are none.
    `difference` is how far `new` is from what PyTorch's own step makes of it.
    """

    address: str
    optimizer: str
    step: int | None
    old: float
    gradient: float
    norm: float
    clip: float | None
    factor: float
    skipped: bool
    lines: Sequence[Line]
    pushes: Sequence[Push]
    rounding: float
    difference: float

    @property
    def new(self) -> float:
        return self.old if self.skipped else self.lines[-1].value

    def line(self, name: str) -> Line:
        """The line of that name. Raises KeyError if the optimizer has none."""
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(name)

    def json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "optimizer": self.optimizer,
            "step": self.step,
            "old": self.old,
            "new": self.new,
            "gradient": self.gradient,
            "norm": self.norm,
            "clip": self.clip,
            "factor": self.factor,
            "skipped": self.skipped,
            "difference_from_pytorch": self.difference,
            "lines": [
                {"name": one.name, "text": one.text, "latex": one.latex, "exact": one.exact, "value": one.value}
                for one in self.lines
            ],
            "pushes": [
                {"batch": one.batch, "index": one.index, "name": one.name, "gradient": one.value} for one in self.pushes
            ],
            "rounding": self.rounding,
        }

    def text(self, digits: int = DIGITS, shown: int = SHOWN, width: int = WIDTH) -> str:
        """Each quantity with its formula, the numbers in it and its value; then the largest pushes."""
        found = [f"{self.address}, {'' if self.step is None else f'step {self.step} of '}{self.optimizer}"]
        longest = max(len(line.name) for line in self.lines)
        for line in self.lines:
            head = f"  {line.name:{longest}}  {line.text}"
            few = line.digits(digits)
            numbers = f"= {line.expression.text(few, shown)} = {line.value:.{few}g}"
            found.append(head)
            found += textwrap.wrap(
                numbers, width, initial_indent=" " * (longest + 4), subsequent_indent=" " * (longest + 6)
            )
        if self.skipped:
            found.append("  The gradients are not all finite: the scaler leaves this step out.")
        found.append(f"  {self.old:.{few}g} -> {self.new:.{few}g}, {self.difference:.1g} from PyTorch's own step")
        if self.pushes:
            found.append(f"  pushed by (their sum is the gradient but for {self.rounding:.1g}, by rounding):")
            order = sorted(self.pushes, key=lambda push: -abs(push.value))
            named = [push for push in order[: 2 * shown] if push.value] or order[:1]
            found += [f"    {f'{push.value:+.{digits}g}':<{digits + 7}} {push.name}" for push in named]
            rest = order[len(named) :]
            if rest:
                found.append(f"    {f'{sum(push.value for push in rest):+.{digits}g}':<{digits + 7}} {len(rest)} more")
        return "\n".join(found)

    def __str__(self) -> str:
        return self.text()


def why_moved(
    training: TrainingStep, address: str, optimizer: torch.optim.Optimizer | None = None, by: Sequence[int] = (0,)
) -> Why:
    """As `Trace.why_moved`."""
    step, cell, live, optimizer = found_in(training, address, optimizer)
    name, old = step.name, float(step.value[cell])
    gradients = training.gradients
    if name not in gradients:
        raise TraceError(f"no gradient reaches {name}: the optimizer leaves it as it is", "Capture with loss=.")
    gradient = float(gradients[name][cell])
    axes = step.axis_names
    rule = rule_of(optimizer, live)
    shares = shares_of(training, name, cell, by)
    rounding = gradient - math.fsum(share.value for share in shares) if shares else 0.0
    lines = gradient_lines(training, name, axes, cell, old, gradient, shares, rounding)
    given = Cell(cell_name(name, training.given(name), axes, cell), float(training.clipped()[name][cell]))
    lines += update_lines(rule, name, axes, cell, old, given, training.clipped()[name], shrinking(training, name))
    torchs = old if training.skipped else float(training.after(optimizer, {name: live})[name][cell])
    new = old if training.skipped else lines[-1].value
    return Why(
        step.address(cell),
        rule.kind,
        rule.step if "step" in rule.state or rule.kind.startswith("Adam") else training.number,
        old,
        gradient,
        training.norm,
        training.clip,
        training.factor,
        training.skipped,
        lines,
        shares,
        rounding,
        abs(new - torchs),
    )


def found_in(
    training: TrainingStep, address: str, optimizer: torch.optim.Optimizer | None
) -> tuple[Step, Index, Tensor, torch.optim.Optimizer]:
    """The parameter's step and cell, the tensor that the optimizer holds, and the optimizer, now or remembered."""
    trace = next((trace for trace in training.traces if Address.parse(address).name in trace), training.traces[0])
    step, cell = trace.cell(address)
    if step.op != "parameter":
        raise TraceError(f"{step.name} is no parameter: no optimizer moves it", "Name one, such as 0.weight[1, 2].")
    parameters = training.traces[0].parameters if optimizer is not None else training.parameters
    optimizer = optimizer or training.optimizer
    if optimizer is None:
        raise TraceError("no optimizer is known to this trace", "Give it: trace.why_moved(address, optimizer).")
    live = parameters.get(step.name)
    if live is None:
        raise TraceError(f"the model of {step.name} is not in memory", "Capture with the model that is trained.")
    if has_moved(live.detach()[cell], step.value[cell]):
        raise TraceError(
            f"{step.address(cell)} has moved since the trace was captured",
            "Ask before optimizer.step(), or capture with optimizer=.",
        )
    return step, cell, live, optimizer


def shares_of(training: TrainingStep, name: str, cell: Index, by: Sequence[int]) -> list[Push]:
    """The shares of all examples of all batches; none where those of one batch cannot be told apart."""
    shares: list[Push] = []
    for batch, trace in enumerate(training.traces):
        if name not in trace:
            continue
        found = pushes(trace, trace[name], cell, by)
        if found is None:
            return []
        names = row_names(trace, by)
        prefix = (f"batch={batch}",) if len(training.traces) > 1 else ()
        for index in (
            torch.cartesian_prod(*(torch.arange(size) for size in found.rows.shape)).view(-1, len(by)).tolist()
        ):
            words = [named(axis, labels, i) for (axis, labels), i in zip(names, index, strict=True)]
            shares.append(Push(batch, tuple(index), (*prefix, *words), float(found.rows[tuple(index)])))
        if found.rest:
            shares.append(Push(batch, None, prefix, found.rest))
    return shares


def row_names(trace: Trace, by: Sequence[int]) -> list[tuple[str, Sequence[str] | None]]:
    """What the positions along these axes of the output are called: the batch's are examples."""
    from pellucid.see.examples import outputs_by_row

    axes = outputs_by_row(trace, by)[0].axes
    return [("example" if axes[one].name == "batch" else axes[one].name, axes[one].labels) for one in by]


def named(axis: str, labels: Sequence[str] | None, index: int) -> str:
    return f"{axis}={index}" + (f" {labels[index]!r}" if labels else "")


def has_moved(live: Tensor, before: Tensor) -> bool:
    """Whether weights are others than they were; nan that stays nan has not moved."""
    return not torch.allclose(live.to(before), before, rtol=0, atol=0, equal_nan=True)


def shrinking(training: TrainingStep, name: str) -> float | None:
    """The l1 by which a parameter is moved towards 0 after the step, if it is."""
    return training.penalty.l1 if training.penalty.shrinks(name) else None


def gradient_lines(
    training: TrainingStep,
    name: str,
    axes: Sequence[str],
    cell: Index,
    old: float,
    gradient: float,
    shares: Sequence[Push],
    rounding: float,
) -> list[Line]:
    """The gradient of the loss, what the penalty adds, what is cut of it, the factor: what the optimizer gets."""
    known = Cell(cell_name(name, "grad", axes, cell), gradient)
    lines = []
    if shares:
        pushing = [share for share in shares if share.value] or shares[:1]
        terms: list[Expression] = [Cell(f"{known.address}({share.name})", share.value) for share in pushing]
        if abs(rounding) > ROUNDING * abs(gradient):
            terms.append(Number(rounding))
        lines.append(Line("gradient", "g = sum_i g_i", r"g = \sum_i g_i", Sum(terms)))
    else:
        lines.append(Line("gradient", "g = dL/dw", r"g = \frac{\partial L}{\partial w}", known))
    if training.penalty.adds_to(name):
        lines.append(penalty_line(training.penalty, known, Cell(cell_name(name, "", axes, cell), old)))
        known = Cell(cell_name(name, "penalized", axes, cell), float(training.penalized[name][cell]))
    if training.clip_value is not None:
        most = training.clip_value
        cut = Function("min", [Function("max", [known, Number(-most)]), Number(most)])
        lines.append(Line("limited", "g = min(max(g, -v), v)", r"g \leftarrow \min(\max(g, -v), v)", cut))
        known = Cell(cell_name(name, "limited", axes, cell), float(training.limited[name][cell]))
    if training.clip is None:
        return lines
    limit, norm = Number(training.clip), Number(training.norm)
    factor = Function("min", [Number(1.0), Quotient(limit, Sum([norm, Number(CLIP_EPSILON)]))])
    lines.append(
        Line("factor", "c = min(1, clip / (norm + 1e-6))", r"c = \min(1, \frac{c_{max}}{\|g\| + 10^{-6}})", factor)
    )
    clipped = Product([Number(factor.value), known])
    lines.append(Line("clipped", "g = c g", r"g \leftarrow c g", clipped))
    return lines


def penalty_line(penalty: Penalty, gradient: Cell, weight: Cell) -> Line:
    """g + l2 w + l1 sign(w), with sign(w) = [w > 0] - [w < 0], which is 0 at 0."""
    terms: list[Expression] = [gradient]
    text, latex = "g = g", r"g \leftarrow g"
    if penalty.l2:
        terms.append(Product([Number(penalty.l2), weight]))
        text, latex = f"{text} + l2 w", rf"{latex} + \lambda_2 w"
    if penalty.subgradient:
        zero = Number(0.0)
        sign = Difference(Function("greater", [weight, zero]), Function("less", [weight, zero]))
        terms.append(Product([Number(penalty.subgradient), sign]))
        text, latex = f"{text} + l1 sign(w)", rf"{latex} + \lambda_1 \operatorname{{sign}}(w)"
    return Line("penalized", text, latex, Sum(terms))
