"""Each number's own arithmetic: what is printed for a cell, read by something that knows only arithmetic, gives it."""

import math
import random
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
from pellucid.see.operation import Opened, Step, Whole
from pellucid.see.ops import OPERATIONS
from pellucid.see.trace import Trace
from tests.see.cases import CASES, trace_of
from tests.see.networks import NETWORKS
from tests.see.witnesses import calculated

CELLS = 200  # of each rule
OF_A_CASE = 20
SINGLE = ("type", "fused cross-entropy of training")  # cases in float32
RULES = sorted({operation.names[0] for operation in OPERATIONS.values() if not isinstance(operation, Opened | Whole)})


@cache
def steps_of_rules() -> dict[str, list[tuple[Trace, Step]]]:
    """All steps that a rule computed, in all cases."""
    found: dict[str, list[tuple[Trace, Step]]] = {}
    for name in CASES:
        trace, _ = trace_of(name)
        for step in trace.flat():
            if not step.leaf and not step.inside and step.value.numel():
                found.setdefault(trace.operation(step).names[0], []).append((trace, step))
    return found


def random_cells(
    steps: list[tuple[Trace, Step]], count: int, chance: random.Random
) -> Iterator[tuple[Trace, Step, tuple[int, ...]]]:
    for number in range(count):
        trace, step = steps[number] if number < len(steps) else chance.choice(steps)  # each step once at least
        yield trace, step, tuple(chance.randrange(size) for size in step.value.shape)


def check(trace: Trace, step: Step, cell: tuple[int, ...]) -> None:
    found = trace.explain(step.address(cell))
    assert found.value == float(step.value[cell]) or math.isnan(found.value)
    if not math.isfinite(found.value):
        return
    tolerance = 1e-10 if step.value.dtype == torch.float64 else 1e-5 if step.value.dtype == torch.float32 else 1e-2
    assert calculated(found.exact) == pytest.approx(found.value, rel=tolerance, abs=tolerance), found.address
    for operand in found.operands:
        assert float(trace.value(operand.address)) == operand.value


@pytest.mark.parametrize("rule", RULES)
def test_the_arithmetic_printed_for_a_number_gives_the_number(rule: str) -> None:
    steps = steps_of_rules()[rule]
    for trace, step, cell in random_cells(steps, CELLS, random.Random(0)):
        check(trace, step, cell)


@pytest.mark.parametrize("name", CASES)
def test_every_form_of_a_call_is_explained(name: str) -> None:
    trace, _ = trace_of(name)
    steps = [(trace, step) for step in trace if not step.leaf and step.value.numel()]
    for _, step, cell in random_cells(steps, OF_A_CASE, random.Random(0)):
        check(trace, step, cell)


@pytest.mark.parametrize("name", CASES)
def test_what_pulls_at_a_number_adds_up_to_its_gradient(name: str) -> None:
    trace, _ = trace_of(name)
    chance = random.Random(0)
    steps = [step for step in trace.gradients if step.value.numel() and step.value.is_floating_point()]
    for _ in range(12):
        step = chance.choice(steps)
        cell = tuple(chance.randrange(size) for size in step.value.shape)
        found = trace.explain(step.address(cell), backward=True)
        double = step.value.dtype == torch.float64 and name not in SINGLE
        tolerance = 1e-2 if name == "types" else 1e-8 if double else 1e-5
        assert calculated(found.exact) == pytest.approx(found.value, rel=tolerance, abs=tolerance), found.address


@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_of_whole_networks_are_explained_down_to_inputs_and_parameters(name: str) -> None:
    """From random cells along their largest operand, until nothing is left to explain."""
    _, trace = NETWORKS[name].traced()
    chance = random.Random(0)
    steps = [step for step in trace if not step.leaf and step.value.is_floating_point() and step.value.numel()]
    for _ in range(8):
        step = chance.choice(steps)
        address = step.address(tuple(chance.randrange(size) for size in step.value.shape))
        for _ in range(400):
            step, cell = trace.cell(address)
            if step.leaf:
                break
            check(trace, step, cell)
            operands = trace.explain(address).operands
            if not operands:  # a number that was filled in
                break
            address = chance.choice(operands).address
        else:
            raise AssertionError(f"{address} has no beginning")


NUMBERS = st.floats(-9, 9).filter(lambda x: abs(x) > 0.1) | st.integers(1, 4).map(float)
LEAVES = NUMBERS.map(Number) | NUMBERS.map(lambda x: Cell("a[0]", x))


def composed(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=1, max_size=4)
    small = st.sampled_from([Number(2.0), Number(3.0), Number(-1.0), Product([Number(1.0), Number(2.0)])])
    return st.one_of(
        several.map(Sum),
        several.map(Product),
        st.tuples(parts, parts).map(lambda two: Difference(*two)),
        st.tuples(parts, parts).map(lambda two: Quotient(*two)),
        st.tuples(parts, small).map(lambda two: Power(*two)),
        parts.map(lambda one: Function("tanh", [one])),
        several.map(lambda some: Function("max", some)),
    )


@given(st.recursive(LEAVES, composed, max_leaves=12))
def test_what_is_printed_reads_as_it_is_meant_however_it_is_composed(expression: Expression) -> None:
    """Both forms: the exact one, and the shown one with all its digits and terms."""
    try:
        value = expression.value
    except (ZeroDivisionError, OverflowError):
        return
    if not math.isfinite(value) or abs(value) > 1e12:
        return
    shown = expression.text(17, 100).replace("^", "**")
    for text in (expression.exact(), shown):
        try:
            found = calculated(text)
        except ZeroDivisionError:
            continue
        scale = max(1.0, *(abs(cell.value) for cell in expression.cells()), abs(value))
        assert found == pytest.approx(value, rel=1e-6, abs=1e-6 * scale), text
