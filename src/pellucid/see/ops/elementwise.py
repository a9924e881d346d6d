"""Operations on each number by itself: arithmetic of two tensors, functions of one, activations."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.expression import Difference, Expression, Function, Number, Power, Product, Quotient, Sum
from pellucid.see.operation import Axis, Call, Index, Operation, fitted

Rule = Callable[[Call], Any]


class Arithmetic(Operation):
    """Two tensors, or a tensor and a number, cell by cell, the smaller repeated along the larger (broadcast)."""

    def gradients(self, call: Call) -> tuple[Any, Any]:
        """dy/dinput and dy/dother, each as something that multiplies the upstream gradient."""
        raise NotImplementedError

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        local = dict(zip(("input", "other"), self.gradients(call), strict=True))
        return {role: fitted(upstream * local[role], one.shape) for role, one in call.differentiable()}

    def told(self, a: Expression, b: Expression) -> Expression:
        """One cell, of the two that it was made of."""
        raise NotImplementedError

    def explain(self, call: Call, cell: Index) -> Expression:
        a, b, *_ = (call.aligned(role, cell) for role in call.step.settings)
        return self.told(a, b)

    def axes(self, call: Call) -> tuple[Axis, ...] | None:
        named = [one.axes for one in call.step.operands.values() if len(one.axes) == call.output.dim()]
        return (
            tuple(
                next((axis for axis, size in zip(axes, sizes, strict=True) if size == call.output.size(d)), axes[0])
                for d, axes in enumerate(zip(*named, strict=True))
                for sizes in [[one.shape[d] for one in call.step.operands.values() if len(one.shape) == len(named[0])]]
            )
            if named
            else None
        )


def scaled(call: Call, cell: Index) -> Expression:
    """alpha times the other."""
    other = call.aligned("other", cell)
    return other if call.alpha == 1 else Product([Number(call.alpha), other])


class Add(Arithmetic):
    names = ("add", "radd")
    formula = r"y = a + \alpha b"
    text = "y = a + alpha b"

    def forward(self, input: Any, other: Any, *, alpha: float = 1) -> Any:
        return torch.add(input, other, alpha=alpha) if isinstance(input, Tensor) else input + alpha * other

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return 1, call.alpha

    def explain(self, call: Call, cell: Index) -> Expression:
        return Sum([call.aligned("input", cell), scaled(call, cell)])


class Subtract(Arithmetic):
    names = ("sub", "subtract")
    formula = r"y = a - \alpha b"
    text = "y = a - alpha b"

    def forward(self, input: Any, other: Any, *, alpha: float = 1) -> Any:
        return input - other if alpha == 1 else input - alpha * other

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return 1, -call.alpha

    def explain(self, call: Call, cell: Index) -> Expression:
        return Difference(call.aligned("input", cell), scaled(call, cell))


class ReverseSubtract(Arithmetic):
    names = ("rsub",)
    formula = r"y = b - a"
    text = "y = b - a"

    def forward(self, input: Any, other: Any) -> Any:
        return other - input

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return -1, 1

    def told(self, a: Expression, b: Expression) -> Expression:
        return Difference(b, a)


class Multiply(Arithmetic):
    names = ("mul", "multiply", "rmul")
    formula = r"y = a\,b"
    text = "y = a b"

    def forward(self, input: Any, other: Any) -> Any:
        return input * other

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return call.other, call.input

    def told(self, a: Expression, b: Expression) -> Expression:
        return Product([a, b])


class Divide(Arithmetic):
    names = ("div", "divide", "true_divide", "truediv")
    formula = r"y = a / b"
    text = "y = a / b"

    def forward(self, input: Any, other: Any) -> Any:
        return input / other

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return 1 / call.other, -call.input / (call.other * call.other)

    def told(self, a: Expression, b: Expression) -> Expression:
        return Quotient(a, b)


class ReverseDivide(Arithmetic):
    names = ("rdiv", "rtruediv")
    formula = r"y = b / a"
    text = "y = b / a"

    def forward(self, input: Any, other: Any) -> Any:
        return other / input

    def gradients(self, call: Call) -> tuple[Any, Any]:
        return -call.other / (call.input * call.input), 1 / call.input

    def told(self, a: Expression, b: Expression) -> Expression:
        return Quotient(b, a)


class Raise(Arithmetic):
    names = ("pow",)
    formula = r"y = a^b"
    text = "y = a^b"

    def forward(self, input: Any, exponent: Any) -> Any:
        return torch.pow(input, exponent)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        a, b = call.input, call.exponent
        local: dict[str, Callable[[], Tensor]] = {
            "input": lambda: b * torch.pow(a, b - 1),
            "exponent": lambda: call.output * torch.as_tensor(a).log(),
        }
        return {role: fitted(upstream * local[role](), one.shape) for role, one in call.differentiable()}

    def told(self, a: Expression, b: Expression) -> Expression:
        return Power(a, b)


class Larger(Arithmetic):
    names = ("maximum",)
    formula = r"y = \max(a, b)"
    text = "y = max(a, b)"

    def forward(self, input: Tensor, other: Tensor) -> Tensor:
        return torch.maximum(input, other)

    def gradients(self, call: Call) -> tuple[Any, Any]:
        a, b = call.input, call.other
        half = (a == b).to(a.dtype) / 2  # where both are the largest each takes half, as PyTorch has it
        return (a > b) + half, (b > a) + half

    def told(self, a: Expression, b: Expression) -> Expression:
        return Function("max", [a, b])


class Smaller(Larger):
    names = ("minimum",)
    formula = r"y = \min(a, b)"
    text = "y = min(a, b)"

    def forward(self, input: Tensor, other: Tensor) -> Tensor:
        return torch.minimum(input, other)

    def gradients(self, call: Call) -> tuple[Any, Any]:
        larger, smaller = super().gradients(call)
        return smaller, larger

    def told(self, a: Expression, b: Expression) -> Expression:
        return Function("min", [a, b])


class OfOne(Operation):
    """A function of each number: y = f(x), with its derivative f'."""

    def __init__(self, name: str, formula: str, text: str, function: Any, derivative: Rule, told: Any) -> None:
        self.names = (name,)
        self.formula, self.text = formula, text
        self.function, self.derivative, self.told = function, derivative, told

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)  # type: ignore[no-any-return]

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": upstream * self.derivative(call)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return self.told(call.cell("input", cell))  # type: ignore[no-any-return]


def named(name: str) -> Callable[[Expression], Expression]:
    return lambda x: Function(name, [x])


ONE = Number(1.0)

FUNCTIONS = (
    OfOne("neg", "y = -x", "y = -x", torch.neg, lambda c: -1, lambda x: Product([Number(-1.0), x])),
    OfOne("exp", "y = e^x", "y = exp(x)", torch.exp, lambda c: c.output, named("exp")),
    OfOne("log", r"y = \ln x", "y = log(x)", torch.log, lambda c: 1 / c.input, named("log")),
    OfOne("sqrt", r"y = \sqrt{x}", "y = sqrt(x)", torch.sqrt, lambda c: 0.5 / c.output, named("sqrt")),
    OfOne(
        "rsqrt",
        r"y = 1/\sqrt{x}",
        "y = 1 / sqrt(x)",
        torch.rsqrt,
        lambda c: -0.5 * c.output**3,
        lambda x: Quotient(ONE, Function("sqrt", [x])),
    ),
    OfOne("square", "y = x^2", "y = x^2", torch.square, lambda c: 2 * c.input, lambda x: Product([x, x])),
    OfOne("abs", "y = |x|", "y = |x|", torch.abs, lambda c: c.input.sign(), named("abs")),
    OfOne("reciprocal", "y = 1/x", "y = 1 / x", torch.reciprocal, lambda c: -(c.output**2), lambda x: Quotient(ONE, x)),
    OfOne("sin", r"y = \sin x", "y = sin(x)", torch.sin, lambda c: c.input.cos(), named("sin")),
    OfOne("cos", r"y = \cos x", "y = cos(x)", torch.cos, lambda c: -c.input.sin(), named("cos")),
    OfOne(
        "erf",
        r"y = \mathrm{erf}\,x",
        "y = erf(x)",
        torch.erf,
        lambda c: 2 / math.sqrt(math.pi) * torch.exp(-(c.input**2)),
        named("erf"),
    ),
    OfOne(
        "sigmoid",
        r"y = \frac{1}{1 + e^{-x}}",
        "y = 1 / (1 + exp(-x))",
        torch.sigmoid,
        lambda c: c.output * (1 - c.output),
        named("sigmoid"),
    ),
    OfOne("tanh", r"y = \tanh x", "y = tanh(x)", torch.tanh, lambda c: 1 - c.output**2, named("tanh")),
)


class Relu(Operation):
    """Lets positive numbers pass and stops the others. Source: Nair and Hinton, 2010."""

    names = ("relu",)
    formula = r"y = \max(0, x)"
    text = "y = max(0, x)"

    def forward(self, input: Tensor, inplace: bool = False) -> Tensor:
        return F.relu(input)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": upstream * (call.input > 0)}

    def explain(self, call: Call, cell: Index) -> Expression:
        return Function("max", [Number(0.0), call.cell("input", cell)])


class LeakyRelu(Operation):
    """Lets a small share of negative numbers through, so that a neuron cannot die. Source: Maas et al., 2013."""

    names = ("leaky_relu",)
    formula = r"y = \max(x, a x)"
    text = "y = x if x > 0 else a x"

    def forward(self, input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
        return F.leaky_relu(input, negative_slope)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": torch.where(call.input > 0, upstream, upstream * call.negative_slope)}

    def explain(self, call: Call, cell: Index) -> Expression:
        x = call.cell("input", cell)
        return x if x.value > 0 else Product([Number(call.negative_slope), x])


class Clamp(Operation):
    """Keeps numbers within bounds; where one is outside, the gradient goes to the bound, if that is no constant."""

    names: tuple[str, ...] = ("clamp", "clip")
    formula = r"y = \min(\max(x, a), b)"
    text = "y = min(max(x, a), b)"
    lower, upper = "min", "max"  # the arguments

    def forward(self, input: Tensor, min: Any = None, max: Any = None) -> Tensor:
        return torch.clamp(input, min, max)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        low, high = call.given.get(self.lower), call.given.get(self.upper)
        inside, below = torch.ones_like(call.input, dtype=torch.bool), torch.zeros_like(call.input, dtype=torch.bool)
        if low is not None:
            inside, below = inside & (call.input >= low), below | (call.input < low)
        above = ~inside & ~below
        if high is not None:
            above = torch.maximum(call.input, torch.as_tensor(low)) > high if low is not None else call.input > high
            inside, below = inside & ~above, below & ~above
        masks = {"input": inside, self.lower: below, self.upper: above}
        return {role: fitted(upstream * masks[role], one.value.shape) for role, one in call.differentiable()}

    def explain(self, call: Call, cell: Index) -> Expression:
        found = call.aligned("input", cell)
        if call.given.get(self.lower) is not None:
            found = Function("max", [found, call.aligned(self.lower, cell)])
        return found if call.given.get(self.upper) is None else Function("min", [found, call.aligned(self.upper, cell)])


class ClampMin(Clamp):
    names = ("clamp_min",)
    formula = r"y = \max(x, a)"
    text = "y = max(x, a)"

    def forward(self, input: Tensor, min: Any) -> Tensor:  # type: ignore[override]
        return torch.clamp_min(input, min)


class ClampMax(Clamp):
    names = ("clamp_max",)
    formula = r"y = \min(x, b)"
    text = "y = min(x, b)"

    def forward(self, input: Tensor, max: Any) -> Tensor:  # type: ignore[override]
        return torch.clamp_max(input, max)


class HardTanh(Clamp):
    """As clamp, but nothing passes at the bounds themselves."""

    names = ("hardtanh",)
    lower, upper = "min_val", "max_val"

    def forward(self, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
        return F.hardtanh(input, min_val, max_val)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        return {"input": upstream * ((call.input > call.min_val) & (call.input < call.max_val))}


class Relu6(HardTanh):
    """ReLU with a ceiling. Source: Howard et al., "MobileNets", 2017."""

    names = ("relu6",)
    formula = r"y = \min(\max(x, 0), 6)"
    text = "y = min(max(x, 0), 6)"

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return super().bind((args[0] if args else kwargs["input"], 0.0, 6.0), {})


class Silu(Operation):
    """x sigmoid(x), also called swish. Source: Elfwing et al., 2017."""

    names = ("silu",)
    formula = r"y = x\,\sigma(x)"
    text = "y = x sigmoid(x)"

    def forward(self, input: Tensor, inplace: bool = False) -> Tensor:
        return F.silu(input)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        share = torch.sigmoid(call.input)
        return {"input": upstream * share * (1 + call.input * (1 - share))}

    def explain(self, call: Call, cell: Index) -> Expression:
        x = call.cell("input", cell)
        return Product([x, Function("sigmoid", [x])])


class Gelu(Operation):
    """x times the chance that a standard normal number is below x. Source: Hendrycks and Gimpel, 2016."""

    names = ("gelu",)
    formula = r"y = \tfrac{x}{2}\left(1 + \mathrm{erf}\tfrac{x}{\sqrt 2}\right)"
    text = "y = x/2 (1 + erf(x / sqrt(2))), or x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))"

    def forward(self, input: Tensor, approximate: str = "none") -> Tensor:
        return F.gelu(input, approximate=approximate)

    def backward(self, call: Call, upstream: Tensor) -> dict[str, Tensor]:
        x = call.input
        if call.approximate == "tanh":
            factor = math.sqrt(2 / math.pi)
            t = torch.tanh(factor * (x + 0.044715 * x**3))
            return {"input": upstream * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * factor * (1 + 3 * 0.044715 * x * x))}
        density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return {"input": upstream * (0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density)}

    def explain(self, call: Call, cell: Index) -> Expression:
        x = call.cell("input", cell)
        if call.approximate == "tanh":
            inner = Sum([x, Product([Number(0.044715), x, x, x])])
            share: Expression = Function("tanh", [Product([Number(math.sqrt(2 / math.pi)), inner])])
        else:
            share = Function("erf", [Quotient(x, Number(math.sqrt(2)))])
        return Product([Number(0.5), x, Sum([ONE, share])])


OPERATIONS: tuple[Operation, ...] = (
    Add(),
    Subtract(),
    ReverseSubtract(),
    Multiply(),
    Divide(),
    ReverseDivide(),
    Raise(),
    Larger(),
    Smaller(),
    *FUNCTIONS,
    Relu(),
    LeakyRelu(),
    Clamp(),
    ClampMin(),
    ClampMax(),
    HardTanh(),
    Relu6(),
    Silu(),
    Gelu(),
)
