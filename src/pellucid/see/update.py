"""The arithmetic of one optimizer step for one number: gradient, clipping, moments, decay, new value.

SGD (Robbins & Monro, 1951) with momentum (Polyak, 1964) and Nesterov's (1983), RMSProp (Tieleman & Hinton, 2012), Adam
(Kingma & Ba, 2014) with AMSGrad (Reddi et al., 2018), AdamW (Loshchilov & Hutter, 2017), Muon (Jordan et al., 2024),
each as torch.optim computes it.
"""

import copy
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pellucid.see.expression import Cell, Difference, Expression, Function, Number, Power, Product, Quotient, Sum
from pellucid.see.operation import Index
from pellucid.see.trace import TraceError

KINDS = {
    torch.optim.SGD: "SGD",
    torch.optim.Adam: "Adam",
    torch.optim.AdamW: "AdamW",
    torch.optim.RMSprop: "RMSprop",
}
ONE = Number(1.0)
SETTINGS_OF_MUON = ("momentum", "ns_steps", "ns_coefficients")  # of a group of matrices
AS_ADAM = 0.2  # of Muon's updates, where they are to be as large as Adam's (Liu et al., 2025)
ROUNDING = 1e-6  # of a number; a larger part by the number format is shown as a term of its sum
WEIGHT_DIGITS = 3  # more than of other numbers: a step is often a thousandth of its weight


@dataclass(frozen=True)
class Line:
    """One quantity: its formula in plain text and LaTeX, the numbers in it, its value.

    `name` is gradient, penalized, limited, factor, clipped, negated, decayed, buffer, ahead, orthogonal, exp_avg,
    exp_avg_sq, max_exp_avg_sq, exp_avg_hat, exp_avg_sq_hat, square_avg, grad_avg, scaled, moved or new: what PyTorch
    calls it where it has a name.
    """

    name: str
    text: str
    latex: str
    expression: Expression

    @property
    def value(self) -> float:
        return self.expression.value

    def digits(self, digits: int) -> int:
        """How many to show where others have so many, that the change of a weight is seen."""
        return digits + WEIGHT_DIGITS if self.name in ("new", "moved") else digits

    @property
    def exact(self) -> str:
        """Arithmetic on full-precision numbers whose result is the value."""
        return self.expression.exact()


@dataclass(frozen=True)
class Rule:
    """How an optimizer moves one parameter: which it is, the settings of its group, what it remembers so far."""

    kind: str
    settings: Mapping[str, Any]
    state: Mapping[str, Any]

    def setting(self, name: str) -> float:
        return float(self.settings[name])

    def beta(self, number: int) -> float:
        return float(self.settings["betas"][number])

    @property
    def step(self) -> int:
        """The number of this update: 1 for the first."""
        return int(self.state.get("step", 0)) + 1

    def remembered(self, name: str, index: Index) -> float | None:
        held = self.state.get(name)
        return None if held is None else float(held[index])


def rule_of(optimizer: torch.optim.Optimizer, parameter: Tensor) -> Rule:
    """Raises TraceError for an optimizer that is neither of KINDS nor Muon, or if it does not hold the parameter."""
    for group in optimizer.param_groups:
        if any(one is parameter for one in group["params"]):
            return Rule(kind_of(optimizer, group), group, optimizer.state.get(parameter, {}))
    raise TraceError("the optimizer does not hold this parameter", "Give the one that trains it.")


def kind_of(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> str:
    """Muon is known by the settings of its matrices; what else it holds goes by AdamW."""
    kind = KINDS.get(type(optimizer))
    if kind is None and any(set(SETTINGS_OF_MUON) <= set(one) for one in optimizer.param_groups):
        kind = "Muon" if "ns_steps" in group else "AdamW"
    if kind is None:
        raise TraceError(
            f"the arithmetic of {type(optimizer).__name__} is not told in numbers",
            f"It is for {', '.join(KINDS.values())} and Muon; flow() measures the updates of every optimizer.",
        )
    return kind


def update_lines(
    rule: Rule,
    name: str,
    axes: Sequence[str],
    index: Index,
    weight: float,
    gradient: Cell,
    whole: Tensor,
    shrinking: float | None = None,
) -> list[Line]:
    """From the gradient as the optimizer gets it, `whole` and at `index`, to the new value of `name` there.

    With `shrinking`, an l1, the optimizer's own result is followed by the proximal step.
    """
    arithmetic = Arithmetic(rule, name, axes, index, Cell(cell_name(name, "", axes, index), weight))
    if rule.kind == "Muon":
        lines = list(arithmetic.muon(gradient, whole))
    elif rule.kind == "SGD":
        lines = list(arithmetic.sgd(gradient))
    else:
        lines = list(arithmetic.rmsprop(gradient) if rule.kind == "RMSprop" else arithmetic.adam(gradient))
    if shrinking is not None:
        moved = replace(lines[-1], name="moved")
        lines[-1:] = [moved, arithmetic.shrunk(arithmetic.cell(moved), shrinking, lines)]
    return lines


def cell_name(name: str, part: str, axes: Sequence[str], index: Index) -> str:
    """The address of what belongs to a parameter's cell: `0.weight.exp_avg[unit=1, input=2]`."""
    cell = ", ".join(f"{axis}={i}" for axis, i in zip(axes, index, strict=True))
    return f"{name}{'.' if part else ''}{part}{f'[{cell}]' if cell else ''}"


@dataclass
class Arithmetic:
    """The lines of a rule for one cell, `weight`; each line's value is a cell in those after it."""

    rule: Rule
    name: str
    axes: Sequence[str]
    index: Index
    weight: Cell

    def cell(self, line: Line) -> Cell:
        return Cell(cell_name(self.name, line.name, self.axes, self.index), line.value)

    def held(self, name: str) -> Cell | None:
        value = self.rule.remembered(name, self.index)
        return None if value is None else Cell(cell_name(self.name, f"{name}.before", self.axes, self.index), value)

    def number(self, name: str) -> Number:
        return Number(self.rule.setting(name))

    def turned(self, gradient: Cell) -> Iterator[Line]:
        """With `maximize` the optimizer climbs: it takes the gradient with the other sign."""
        if self.rule.settings.get("maximize"):
            yield Line("negated", "g = -g", r"g \leftarrow -g", Product([Number(-1.0), gradient]))

    def coupled(self, gradient: Cell) -> Line:
        """L2: the decay is added to the gradient, and goes through whatever becomes of that."""
        decay = Product([self.number("weight_decay"), self.weight])
        return Line("decayed", "g = g + wd w", r"g \leftarrow g + \lambda w", Sum([gradient, decay]))

    def sgd(self, gradient: Cell) -> Iterator[Line]:
        """g <- g + wd w;  b <- mu b + (1 - tau) g;  w <- w - lr b, or with Nesterov w - lr (g + mu b)."""
        rule = self.rule
        for line in self.turned(gradient):
            yield line
            gradient = self.cell(line)
        if rule.setting("weight_decay"):
            line = self.coupled(gradient)
            yield line
            gradient = self.cell(line)
        pull, symbol, latex = gradient, "g", "g"
        if rule.setting("momentum"):
            momentum = self.number("momentum")
            before = self.held("momentum_buffer")
            if before is None:
                line = Line("buffer", "b = g", r"b = g", gradient)
            else:
                parts = [
                    Product([momentum, before]),
                    Product([Difference(ONE, self.number("dampening")), gradient]),
                ]
                line = Line("buffer", "b = mu b + (1 - tau) g", r"b \leftarrow \mu b + (1 - \tau) g", Sum(parts))
            yield line
            pull, symbol, latex = self.cell(line), "b", "b"
            if rule.settings["nesterov"]:
                look_ahead = Sum([gradient, Product([momentum, pull])])
                line = Line("ahead", "d = g + mu b", r"d = g + \mu b", look_ahead)
                yield line
                pull, symbol, latex = self.cell(line), "d", "d"
        moved = Difference(self.weight, Product([self.number("lr"), pull]))
        yield Line("new", f"w = w - lr {symbol}", rf"w \leftarrow w - \eta {latex}", moved)

    def adam(self, gradient: Cell) -> Iterator[Line]:
        """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

        Adam adds the decay to g; AdamW takes lr wd w off the weight instead.
        """  # noqa: E501 - one equation
        rule, weight, settings = self.rule, self.weight, self.rule.settings
        for line in self.turned(gradient):
            yield line
            gradient = self.cell(line)
        decoupled = rule.kind == "AdamW" or settings.get("decoupled_weight_decay", False)
        if rule.setting("weight_decay") and decoupled:
            kept = Difference(ONE, Product([self.number("lr"), self.number("weight_decay")]))
            line = Line("decayed", "w = w (1 - lr wd)", r"w \leftarrow w (1 - \eta \lambda)", Product([weight, kept]))
            yield line
            weight = self.cell(line)
        elif rule.setting("weight_decay"):
            line = self.coupled(gradient)
            yield line
            gradient = self.cell(line)
        moments = []
        for number, (name, symbol, power) in enumerate((("exp_avg", "m", ""), ("exp_avg_sq", "v", "^2")), start=1):
            beta = Number(rule.beta(number - 1))
            before = self.held(name) or Number(0.0)
            fresh = Product([Difference(ONE, beta), gradient, *([gradient] if power else [])])
            line = Line(
                name,
                f"{symbol} = b{number} {symbol} + (1 - b{number}) g{power}",
                rf"{symbol} \leftarrow \beta_{number} {symbol} + (1 - \beta_{number}) g{power}",
                Sum([Product([beta, before]), fresh]),
            )
            yield line
            moments.append(self.cell(line))
        mean, square = moments
        if settings["amsgrad"]:
            largest = Function("max", [self.held("max_exp_avg_sq") or Number(0.0), square])
            line = Line("max_exp_avg_sq", "v = max(v_before, v)", r"v \leftarrow \max(v_{\max}, v)", largest)
            yield line
            square = self.cell(line)
        corrected = []
        for number, (name, symbol, moment) in enumerate(
            (("exp_avg_hat", "m", mean), ("exp_avg_sq_hat", "v", square)), start=1
        ):
            bias = Difference(ONE, Power(Number(rule.beta(number - 1)), Number(float(rule.step))))
            line = Line(
                name,
                f"{symbol}^ = {symbol} / (1 - b{number}^t)",
                rf"\hat {symbol} = {symbol} / (1 - \beta_{number}^t)",
                Quotient(moment, bias),
            )
            yield line
            corrected.append(self.cell(line))
        below = Sum([Function("sqrt", [corrected[1]]), self.number("eps")])
        moved = Difference(weight, Quotient(Product([self.number("lr"), corrected[0]]), below))
        latex = r"w \leftarrow w - \eta \hat m / (\sqrt{\hat v} + \epsilon)"
        yield Line("new", "w = w - lr m^ / (sqrt(v^) + eps)", latex, moved)

    def rmsprop(self, gradient: Cell) -> Iterator[Line]:
        """v <- a v + (1 - a) g^2;  s = g / (sqrt(v) + eps);  w <- w - lr s, with momentum w - lr b, b <- mu b + s.

        Centered, m <- a m + (1 - a) g, and v - m^2 stands in place of v.
        """
        rule = self.rule
        for line in self.turned(gradient):
            yield line
            gradient = self.cell(line)
        if rule.setting("weight_decay"):
            line = self.coupled(gradient)
            yield line
            gradient = self.cell(line)
        alpha = self.number("alpha")
        fresh = Difference(ONE, alpha)
        averaged = Sum([Product([alpha, self.held("square_avg") or Number(0.0)]), Product([fresh, gradient, gradient])])
        line = Line("square_avg", "v = a v + (1 - a) g^2", r"v \leftarrow \alpha v + (1 - \alpha) g^2", averaged)
        yield line
        variance: Expression = self.cell(line)
        below, below_latex = "v", "v"
        if rule.settings["centered"]:
            mean = Sum([Product([alpha, self.held("grad_avg") or Number(0.0)]), Product([fresh, gradient])])
            line = Line("grad_avg", "m = a m + (1 - a) g", r"m \leftarrow \alpha m + (1 - \alpha) g", mean)
            yield line
            variance = Difference(variance, Product([self.cell(line), self.cell(line)]))
            below, below_latex = "v - m^2", "v - m^2"
        scale = Sum([Function("sqrt", [variance]), self.number("eps")])
        latex = rf"s = g / (\sqrt{{{below_latex}}} + \epsilon)"
        line = Line("scaled", f"s = g / (sqrt({below}) + eps)", latex, Quotient(gradient, scale))
        yield line
        pull, symbol = self.cell(line), "s"
        if rule.setting("momentum"):
            before = self.held("momentum_buffer") or Number(0.0)
            buffer = Sum([Product([self.number("momentum"), before]), pull])
            line = Line("buffer", "b = mu b + s", r"b \leftarrow \mu b + s", buffer)
            yield line
            pull, symbol = self.cell(line), "b"
        moved = Difference(self.weight, Product([self.number("lr"), pull]))
        yield Line("new", f"w = w - lr {symbol}", rf"w \leftarrow w - \eta {symbol}", moved)

    def shrunk(self, moved: Cell, penalty: float, lines: Sequence[Line]) -> Line:
        """The proximal step of l1, sign(w) max(|w| - lr l1 / s, 0), written without a sign.

        s is what the optimizer divides by: sqrt(v^) + eps of Adam, sqrt(v) + eps of RMSProp, 1 - mu with momentum.
        """
        made = {line.name: self.cell(line) for line in lines}
        amount: Expression = Product([self.number("lr"), Number(penalty)])
        text, latex = "lr l1", r"\eta \lambda_1"
        square: Expression | None = made.get("exp_avg_sq_hat", made.get("square_avg"))
        if square is not None:
            text, latex = f"{text} / s", rf"{latex} / s"
            if "grad_avg" in made:
                square = Difference(square, Product([made["grad_avg"], made["grad_avg"]]))
            amount = Quotient(amount, Sum([Function("sqrt", [square]), self.number("eps")]))
        if self.rule.settings.get("momentum") and self.rule.kind != "Muon":
            text, latex = text.removesuffix(" / s") + " / s", latex.removesuffix(" / s") + " / s"
            kept: Expression = Difference(ONE, self.number("momentum"))
            if self.rule.settings.get("dampening"):
                kept = Quotient(kept, Difference(ONE, self.number("dampening")))
            amount = Quotient(amount, kept)
        zero = Number(0.0)
        above = Function("max", [Difference(moved, amount), zero])
        under = Function("min", [Sum([moved, amount]), zero])
        told = f"w = max(w - {text}, 0) + min(w + {text}, 0)"
        return Line("new", told, rf"w \leftarrow \max(w - {latex}, 0) + \min(w + {latex}, 0)", Sum([above, under]))

    def muon(self, gradient: Cell, whole: Tensor) -> Iterator[Line]:
        """m <- mu m + (1 - mu) g;  d = mu m + (1 - mu) g;  o = orthogonal(d);  w <- w (1 - lr wd) - lr s o.

        The number at one cell of o depends on all of d: of the iteration that makes it so, the last round is shown.
        """
        rule, settings, weight = self.rule, self.rule.settings, self.weight
        momentum = rule.setting("momentum")
        fresh = Product([Difference(ONE, Number(momentum)), gradient])
        before = self.held("momentum_buffer") or Number(0.0)
        averaged = Sum([Product([Number(momentum), before]), fresh])
        line = Line("buffer", "m = mu m + (1 - mu) g", r"m \leftarrow \mu m + (1 - \mu) g", averaged)
        yield line
        if settings["nesterov"]:
            looking = Sum([Product([Number(momentum), self.cell(line)]), fresh])
            yield Line("ahead", "d = mu m + (1 - mu) g", r"d = \mu m + (1 - \mu) g", looking)
        line = self.orthogonal(looked_ahead(rule, whole))
        yield line
        turned = self.cell(line)
        if rule.setting("weight_decay"):
            kept = Difference(ONE, Product([self.number("lr"), self.number("weight_decay")]))
            line = Line("decayed", "w = w (1 - lr wd)", r"w \leftarrow w (1 - \eta \lambda)", Product([weight, kept]))
            yield line
            weight = self.cell(line)
        rows, columns = whole.shape
        as_adam = settings["adjust_lr_fn"] == "match_rms_adamw"
        size = AS_ADAM * math.sqrt(max(rows, columns)) if as_adam else math.sqrt(max(1, rows / columns))
        moved = Difference(weight, Product([self.number("lr"), Number(size), turned]))
        text = "0.2 sqrt(max(out, in))" if as_adam else "sqrt(max(1, out / in))"
        latex = r"0.2 \sqrt{\max(out, in)}" if as_adam else r"\sqrt{\max(1, out / in)}"
        yield Line("new", f"w = w - lr {text} o", rf"w \leftarrow w - \eta {latex}\, o", moved)

    def orthogonal(self, ahead: Tensor) -> Line:
        """The last round of x <- a x + (b A + c A A) x with A = x x^T, from x = d / |d| on, a tall d on its side."""
        last = last_round(ahead, self.rule.settings)
        row, column = reversed(self.index) if last.on_its_side else self.index
        found = float(last.made[row, column])

        def cell(part: str, i: int, j: int, value: Tensor) -> Cell:
            return Cell(f"{self.name}.{part}[{i}, {j}]", float(value[i, j]))

        terms: list[Expression] = [Product([Number(last.keeps), cell("x", row, column, last.x)])]
        terms += [Product([cell("B", row, k, last.turn), cell("x", k, column, last.x)]) for k in range(last.x.size(0))]
        rounding = found - Sum(terms).value
        if abs(rounding) > ROUNDING * abs(found):
            terms.append(Number(rounding))
        return Line("orthogonal", "o = a x + sum_k B_k x_k", r"o = a x + \sum_k B_{k} x_{k}", Sum(terms))


def looked_ahead(rule: Rule, whole: Tensor) -> Tensor:
    """The momentum that Muon makes orthogonal, from a whole gradient."""
    momentum, whole = rule.setting("momentum"), whole.float()
    ahead = torch.lerp(rule.state.get("momentum_buffer", torch.zeros_like(whole)).float(), whole, 1 - momentum)
    return torch.lerp(whole, ahead, momentum) if rule.settings["nesterov"] else ahead


@dataclass(frozen=True, eq=False)
class Round:
    """The last round of Newton and Schulz: made = keeps x + turn x, of a matrix that may lie on its side."""

    keeps: float
    x: Tensor
    turn: Tensor
    made: Tensor
    on_its_side: bool


def last_round(ahead: Tensor, settings: Mapping[str, Any]) -> Round:
    """What Muon makes of a whole matrix, with the settings of its group."""
    a, b, c = settings["ns_coefficients"]
    tall = ahead.size(0) > ahead.size(1)
    x = ahead.to(settings.get("dtype", torch.bfloat16))
    x = x.mT if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for left in reversed(range(settings["ns_steps"])):
        square = x @ x.mT
        turn = torch.addmm(square, square, square, beta=b, alpha=c)
        made = torch.addmm(x, turn, x, beta=a)
        if left:
            x = made
    return Round(a, x, turn, made, tall)


# --- PyTorch's own step, on copies ------------------------------------------------------------------------------------


def twin_of(
    optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]
) -> tuple[torch.optim.Optimizer, dict[Tensor, Tensor]]:
    """A copy of an optimizer that holds copies of these of its parameters, and which copy is whose. It has no hooks."""
    twins = {one: one.detach().clone().requires_grad_() for one in parameters}
    state: dict[Tensor, Any] = defaultdict(dict)
    for one, twin in twins.items():
        if one in optimizer.state:
            state[twin] = copy.deepcopy(dict(optimizer.state[one]))
    groups = [
        {**group, "params": [twins[one] for one in group["params"] if one in twins]} for group in optimizer.param_groups
    ]
    found = object.__new__(type(optimizer))
    found.__setstate__({"defaults": dict(optimizer.defaults), "state": state, "param_groups": groups})
    return found, twins


def stepped_twin(
    optimizer: torch.optim.Optimizer, gradients: Mapping[Tensor, Tensor]
) -> tuple[torch.optim.Optimizer, dict[Tensor, Tensor]]:
    """A copy that has made its own step with these gradients, and what that made of the parameters, by those given."""
    twin, twins = twin_of(optimizer, list(gradients))
    for one, gradient in gradients.items():
        twins[one].grad = gradient.detach().clone().to(one.dtype)
    twin.step()
    return twin, twins
