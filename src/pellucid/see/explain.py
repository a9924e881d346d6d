"""One number explained: of what it was made going forward, or what pulled at it going backward.

Forward, an operation tells its formula and puts this cell's numbers in. Backward, each number made from this one
contributes its own gradient times the local derivative.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.see.address import Address
from pellucid.see.displayed import Displayed
from pellucid.see.expression import SHOWN, Cell, Expression, Number, Product, Sum
from pellucid.see.operation import Call, Index, Operation, Step, Whole
from pellucid.see.trace import Trace

DIGITS = 4


@dataclass(frozen=True)
class Explanation(Displayed):
    """`expression` is None for an input, a parameter, a constant, or a number of an operation that is kept whole."""

    address: str
    value: float
    formula: str
    latex: str
    expression: Expression | None
    how: str
    backward: bool = False

    @property
    def operands(self) -> list[Cell]:
        """The cells that it was made of, to walk on to."""
        return list(self.expression.cells()) if self.expression is not None else []

    @property
    def exact(self) -> str:
        """Arithmetic on full-precision numbers whose result is the value."""
        return self.expression.exact() if self.expression is not None else repr(self.value)

    @property
    def difference(self) -> float:
        """How far the value is from what the expression gives, by rounding."""
        return abs(self.expression.value - self.value) if self.expression is not None else 0.0

    def text(self, digits: int = DIGITS, shown: int = SHOWN) -> str:
        """Formula, numbers, value, on one line each."""
        name = f"dL/d {self.address}" if self.backward else self.address
        if self.expression is None:
            return f"{name} = {self.value:.{digits}g}, {self.formula}"
        numbers = self.expression.text(digits, shown)
        return f"{self.formula}\n{name} = {numbers} = {self.value:.{digits}g}"

    def __str__(self) -> str:
        return self.text()


LEAVES = {"input": "an input", "parameter": "a parameter", "constant": "a constant"}


def explain(trace: Trace, address: str | Address, backward: bool = False) -> Explanation:
    """The number at an address with a cell. Raises AddressError if there is none there."""
    step, cell = trace.cell(address)
    if backward:
        return explain_gradient(trace, step, cell)
    name, value = step.address(cell), step.number(cell)
    while trace.open(step):
        step = step.inside[-1]
    operation = trace.operation(step)
    if step.leaf or step.how == "whole":
        formula = LEAVES.get(step.op) or operation.text
        return Explanation(name, value, formula, operation.formula, None, step.how)
    expression = operation.explain(Call(step), cell)
    return Explanation(name, value, operation.text, operation.formula, expression, step.how)


def explain_gradient(trace: Trace, step: Step, cell: Index) -> Explanation:
    """dL/dx = sum over all cells y made from x of dL/dy dy/dx."""
    gradients = trace.gradients
    own = gradients.get(step)
    name = step.address(cell)
    formula, latex = "dL/dx = sum over y made of x: dL/dy dy/dx", r"\frac{dL}{dx} = \sum_y \frac{dL}{dy}\frac{dy}{dx}"
    if own is None:
        return Explanation(name, 0.0, "no path leads from it to the loss", "", None, step.how, True)
    value = float(own[cell])
    terms = [
        Product([Cell(made.address(index), float(gradients[made][index])), Number(local)])
        for made, index, local in derivatives(trace, step, cell)
    ]
    if not terms:
        return Explanation(name, value, "the loss itself" if value == 1 else formula, latex, None, step.how, True)
    return Explanation(name, value, formula, latex, Sum(terms), step.how, True)


def derivatives(trace: Trace, step: Step, cell: Index) -> list[tuple[Step, Index, float]]:
    """Each cell made of this one, where a gradient reaches it, with the local derivative."""
    found: list[tuple[Step, Index, float]] = []
    if step in trace.stands_beside:
        made, factor = trace.stands_beside[step]
        return [(made, cell, factor)]
    for made in trace.made_of(step):
        if made not in trace.gradients:
            continue
        if made.inside:
            found.append((made, cell, 1.0))
            continue
        local = local_derivative(trace, made, step, cell)
        found += [(made, tuple(index), float(local[tuple(index)])) for index in local.nonzero().tolist()]
    return found


def local_derivative(trace: Trace, made: Step, step: Step, cell: Index) -> Tensor:
    """How every cell of `made` moves with one cell of `step`, all else kept.

    An operation's way back takes u to g = u dy/dx, which is linear in u: the derivative of one cell of g by u is
    how y moves with that cell of x. (PyTorch's own forward mode needs a second to start, for its first number.)
    """
    operation = trace.operation(made)
    call = Call(made, widen=True)
    upstream = torch.zeros(made.shape, dtype=call.output.dtype, device=call.output.device, requires_grad=True)
    with torch.enable_grad():
        if isinstance(operation, Whole) or type(operation).backward is Operation.backward:
            found = Whole().gradients(made, call, upstream, twice=True)
        else:
            found = operation.backward(call, upstream)
        pulls = [gradient[cell] for role, gradient in found.items() if made.operands.get(role) is step]
    moved = None
    if pulls and (pull := torch.stack(pulls).sum()).requires_grad:
        (moved,) = torch.autograd.grad(pull, upstream, allow_unused=True)
    return torch.zeros_like(upstream) if moved is None else moved
