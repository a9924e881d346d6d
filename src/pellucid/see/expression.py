"""Arithmetic that can be read: what one number was made of, as a small tree of cells, sums, products and functions.

An expression knows its value (in double precision, from its leaves), its plain text with rounded numbers, and an exact
form that any calculator repeats. Its leaves are cells of a trace, so that a reader can walk on from each.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WHOLE = 1e6  # constants below it that are whole numbers are written so
SHOWN = 4  # terms of a sum that are written out before the rest is added up

FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "both": lambda a, b: float(bool(a) and bool(b)),
    "cos": math.cos,
    "either": lambda a, b: float(bool(a) or bool(b)),
    "equal": lambda a, b: float(a == b),
    "erf": math.erf,
    "exp": math.exp,
    "greater": lambda a, b: float(a > b),
    "greater_or_equal": lambda a, b: float(a >= b),
    "less": lambda a, b: float(a < b),
    "less_or_equal": lambda a, b: float(a <= b),
    "log": lambda x: math.log(x) if x > 0 else -math.inf,
    "max": lambda *x: max(x),
    "min": lambda *x: min(x),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "unequal": lambda a, b: float(a != b),
}


@dataclass(frozen=True, slots=True)
class Number:
    """A constant that is no cell of the trace: an epsilon, a count."""

    value: float

    def text(self, digits: int, shown: int) -> str:
        whole = self.value.is_integer() and abs(self.value) < WHOLE
        return signed(f"{self.value:.0f}") if whole else rounded(self.value, digits)

    def exact(self) -> str:
        return signed(repr(self.value))

    def cells(self) -> Iterator["Cell"]:
        return iter(())


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of the trace, by its address."""

    address: str
    value: float

    def text(self, digits: int, shown: int) -> str:
        return rounded(self.value, digits)

    def exact(self) -> str:
        return signed(repr(self.value))

    def cells(self) -> Iterator["Cell"]:
        yield self


@dataclass(frozen=True, slots=True)
class Sum:
    """a + b + ...; written with its largest terms first and the rest added up."""

    terms: Sequence["Expression"]

    @property
    def value(self) -> float:
        return total(term.value for term in self.terms)

    def text(self, digits: int, shown: int) -> str:
        if len(self.terms) == 1:
            return self.terms[0].text(digits, shown)
        order = sorted(self.terms, key=lambda term: -abs(term.value)) if len(self.terms) > shown else list(self.terms)
        parts = [enclosed(term, digits, shown, Sum) for term in order[:shown]]
        if len(order) > shown:
            rest = total(term.value for term in order[shown:])
            parts.append(f"{rounded(rest, digits)} (of {len(order) - shown} more)")
        return " + ".join(parts) or "0"

    def exact(self) -> str:
        return f"({' + '.join(term.exact() for term in self.terms) or '0.0'})"

    def cells(self) -> Iterator[Cell]:
        for term in self.terms:
            yield from term.cells()


@dataclass(frozen=True, slots=True)
class Product:
    """a * b * ..."""

    factors: Sequence["Expression"]

    @property
    def value(self) -> float:
        return math.prod(factor.value for factor in self.factors)

    def text(self, digits: int, shown: int) -> str:
        return "*".join(enclosed(factor, digits, shown, Product) for factor in self.factors)

    def exact(self) -> str:
        return "*".join(factor.exact() for factor in self.factors)

    def cells(self) -> Iterator[Cell]:
        for factor in self.factors:
            yield from factor.cells()


@dataclass(frozen=True, slots=True)
class Difference:
    """of - less."""

    of: "Expression"
    less: "Expression"

    @property
    def value(self) -> float:
        return self.of.value - self.less.value

    def text(self, digits: int, shown: int) -> str:
        return f"{self.of.text(digits, shown)} - {enclosed(self.less, digits, shown, Difference)}"

    def exact(self) -> str:
        return f"({self.of.exact()} - {self.less.exact()})"

    def cells(self) -> Iterator[Cell]:
        yield from self.of.cells()
        yield from self.less.cells()


@dataclass(frozen=True, slots=True)
class Quotient:
    """of / by."""

    of: "Expression"
    by: "Expression"

    @property
    def value(self) -> float:
        below = self.by.value
        return self.of.value / below if below else math.copysign(math.inf, self.of.value) if self.of.value else math.nan

    def text(self, digits: int, shown: int) -> str:
        return f"{enclosed(self.of, digits, shown, Quotient)} / {enclosed(self.by, digits, shown, Quotient)}"

    def exact(self) -> str:
        return f"({self.of.exact()} / {self.by.exact()})"

    def cells(self) -> Iterator[Cell]:
        yield from self.of.cells()
        yield from self.by.cells()


@dataclass(frozen=True, slots=True)
class Power:
    """base ** exponent."""

    base: "Expression"
    exponent: "Expression"

    @property
    def value(self) -> float:
        return float(self.base.value**self.exponent.value)

    def text(self, digits: int, shown: int) -> str:
        return f"{enclosed(self.base, digits, shown, Power)}^{enclosed(self.exponent, digits, shown, Power)}"

    def exact(self) -> str:
        return f"({self.base.exact()}) ** {self.exponent.exact()}"

    def cells(self) -> Iterator[Cell]:
        yield from self.base.cells()
        yield from self.exponent.cells()


@dataclass(frozen=True, slots=True)
class Function:
    """name(a, b, ...), with a name of FUNCTIONS."""

    name: str
    arguments: Sequence["Expression"]

    @property
    def value(self) -> float:
        return float(FUNCTIONS[self.name](*(argument.value for argument in self.arguments)))

    def text(self, digits: int, shown: int) -> str:
        arguments = [argument.text(digits, shown) for argument in self.arguments]
        if len(arguments) > shown + 1:
            arguments[shown:] = [f"{len(arguments) - shown} more"]
        return f"{self.name}({', '.join(arguments)})"

    def exact(self) -> str:
        return f"{self.name}({', '.join(argument.exact() for argument in self.arguments)})"

    def cells(self) -> Iterator[Cell]:
        for argument in self.arguments:
            yield from argument.cells()


Expression = Number | Cell | Sum | Product | Difference | Quotient | Power | Function


def total(values: Iterator[float]) -> float:
    """Exact summation, except where infinities meet."""
    found = list(values)
    return math.fsum(found) if all(map(math.isfinite, found)) else sum(found)


def rounded(value: float, digits: int) -> str:
    """At most `digits` significant digits; a negative number in brackets where a minus might stand before it."""
    return signed(f"{value:.{digits}g}")


def signed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def enclosed(part: Expression, digits: int, shown: int, within: type) -> str:
    """The text of a part, in brackets where the reading would otherwise change."""
    text = part.text(digits, shown)
    loose = (isinstance(part, Sum) and len(part.terms) > 1) or isinstance(part, Difference)
    tight = within in (Quotient, Power) and isinstance(part, Product | Quotient)
    return f"({text})" if (loose and within is not Sum) or tight else text
