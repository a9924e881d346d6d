"""The Plural-Forms of a catalog's header: how many forms a plural has, and which of them a number takes.

    nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);

The expression is C's, of one variable. It is parsed by precedence and evaluated here; nothing of it is run as code.
Source: GNU gettext manual, "Additional functions for plural forms".
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

Value = Callable[[int], int]
FIELD = re.compile(r"nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*([^;]+?)\s*;?\s*$")
TOKEN = re.compile(r"\s*(\d+|n|&&|\|\||[=!<>]=|[<>%*/+\-!?:()])")
MOST_FORMS = 16  # no language has more than six
DEEPEST = 60  # brackets within brackets; no rule has more than four
EXAMPLES = range(1001)  # the rules of all languages show their forms up to 1000, but for millions
LEVELS = (["||"], ["&&"], ["==", "!="], ["<", ">", "<=", ">="], ["+", "-"], ["*", "/", "%"])  # weakest first
OPERATORS: dict[str, Callable[[int, int], int]] = {
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
    "%": operator.mod,
}


@dataclass(frozen=True)
class PluralForms:
    """The number of forms, and the expression that says which one a number takes."""

    count: int
    expression: str

    @cached_property
    def _form(self) -> Value:
        return parsed(self.expression)

    def form(self, number: int) -> int:
        """Raises ValueError for a division by zero or a form that there is not."""
        try:
            found = self._form(number)
        except ZeroDivisionError:
            raise ValueError(f"{self.expression!r} divides by zero") from None
        if not 0 <= found < self.count:
            raise ValueError(f"{self.expression!r} gives {number} the form {found}, of {self.count}")
        return found

    @cached_property
    def examples(self) -> dict[int, list[int]]:
        """For each form the numbers up to 1000 that take it."""
        found: dict[int, list[int]] = {form: [] for form in range(self.count)}
        for number in EXAMPLES:
            found[self.form(number)].append(number)
        return found

    def __str__(self) -> str:
        return f"nplurals={self.count}; plural={self.expression};"


def plural_forms(field: str) -> PluralForms | None:
    """The rule of a header field, or None if it holds none (as in a template).

    Raises ValueError, saying why, for one that cannot be evaluated.
    """
    found = FIELD.search(field)
    if found is None:
        return None
    rule = PluralForms(int(found[1]), found[2])
    if not 1 <= rule.count <= MOST_FORMS:
        raise ValueError(f"nplurals is {rule.count}")
    _ = rule.examples
    return rule


def parsed(expression: str) -> Value:
    """The function of n that a C expression means. Raises ValueError if it is none."""
    tokens: list[str] = []
    place = 0
    while place < len(expression.rstrip()):
        found = TOKEN.match(expression, place)
        if found is None:
            raise ValueError(f"{expression!r} cannot be read from {expression[place:].strip()[:10]!r} on")
        tokens.append(found[1])
        place = found.end()
    reader = _Reader(tokens, expression)
    value = reader.choice(0)
    if reader.tokens:
        raise ValueError(f"{expression!r} goes on with {reader.tokens[-1]!r} where it should end")
    return value


class _Reader:
    """What is left to read, the next token last."""

    def __init__(self, tokens: list[str], expression: str) -> None:
        self.tokens, self.expression = tokens[::-1], expression

    def next(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def take(self, wanted: str) -> None:
        if self.next() != wanted:
            raise ValueError(f"{self.expression!r} lacks a {wanted!r}")
        self.tokens.pop()

    def choice(self, depth: int) -> Value:
        """condition ? one : other, which binds weakest and to the right."""
        if depth > DEEPEST:
            raise ValueError("the expression is nested too deeply")
        condition = self.binary(0, depth)
        if self.next() != "?":
            return condition
        self.take("?")
        one = self.choice(depth + 1)
        self.take(":")
        other = self.choice(depth + 1)
        return lambda n: one(n) if condition(n) else other(n)

    def binary(self, level: int, depth: int) -> Value:
        if level == len(LEVELS):
            return self.unary(depth)
        left = self.binary(level + 1, depth)
        while self.next() in LEVELS[level]:
            left = _joined(self.tokens.pop(), left, self.binary(level + 1, depth))
        return left

    def unary(self, depth: int) -> Value:
        if depth > DEEPEST:
            raise ValueError("the expression is nested too deeply")
        token = self.next()
        if not token:
            raise ValueError(f"{self.expression!r} ends too early")
        self.tokens.pop()
        if token == "!":
            inner = self.unary(depth + 1)
            return lambda n: int(not inner(n))
        if token == "(":
            inner = self.choice(depth + 1)
            self.take(")")
            return inner
        if token == "n":
            return lambda n: n
        if token.isdigit():
            number = int(token[:9])
            return lambda n: number
        raise ValueError(f"{self.expression!r} has {token!r} where a number or n should stand")


def _joined(token: str, left: Value, right: Value) -> Value:
    """As in C, && and || do not look at their right side where the left one decides."""
    if token == "&&":
        return lambda n: int(bool(left(n) and right(n)))
    if token == "||":
        return lambda n: int(bool(left(n) or right(n)))
    combined = OPERATORS[token]
    return lambda n: combined(left(n), right(n))
