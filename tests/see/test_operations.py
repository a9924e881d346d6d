"""Every operation that the glass knows, held against PyTorch: value, gradient, and each number's own arithmetic."""

import random

import pytest
import torch
from torch import Tensor

from pellucid.see.ops import OPERATIONS
from tests.see.cases import CASES, trace_of

SINGLE = ("type", "fused cross-entropy of training")  # cases in float32
CONSTANT = ("types", "detach")  # what reaches the input is by intention not the slope: rounded numbers, a stopped path
DRAWS = 20  # cells a case for finite differences
# Other names under which Python may hand over the same function with the same arguments.
OTHER_SPELLINGS = {"radd", "rmul", "rmatmul", "truediv", "rtruediv", "dropout1d", "dropout2d", "feature_dropout"}


def test_every_operation_is_tried_under_every_name() -> None:
    tried = {step.op for name in CASES for step in trace_of(name)[0].flat()}
    assert set(OPERATIONS) - tried - OTHER_SPELLINGS == set()


@pytest.mark.parametrize("name", CASES)
def test_an_operation_has_pytorchs_value_and_gradients(name: str) -> None:
    trace, _ = trace_of(name)
    gradients = trace.gradients
    assert not [step.name for step in trace if step.how == "whole"]
    tolerance = 1e-12 if name not in SINGLE else 1e-6
    for step in trace.flat():
        if not step.value.is_floating_point():
            continue
        assert (step.difference or 0) <= tolerance * max(1, float(step.value.abs().nan_to_num(posinf=0).max()))
        if step.gradient is not None:
            ours = gradients.get(step, torch.zeros_like(step.gradient))
            near = {"rtol": 1e-5, "atol": 1e-6} if name in SINGLE else {"rtol": 1e-9, "atol": 1e-10}
            torch.testing.assert_close(ours.to(step.gradient.dtype), step.gradient, **near)
    inputs = [step for step in trace if step.op == "input" and step.value.is_floating_point()]
    assert inputs
    assert all(step.gradient is not None for step in inputs)


@pytest.mark.parametrize("name", [name for name in CASES if name not in CONSTANT])
def test_gradients_agree_with_finite_differences(name: str) -> None:
    function, inputs = CASES[name]
    trace, weights = trace_of(name)
    chance, small = random.Random(1), 1e-6 if name not in SINGLE else 1e-2  # float32 does not see a smaller one

    def loss(*given: Tensor) -> float:
        torch.manual_seed(0)
        return float((function(*given) * weights).sum())

    for _ in range(DRAWS):
        number = chance.choice([place for place, one in enumerate(inputs) if one.is_floating_point()])
        cell = tuple(chance.randrange(size) for size in inputs[number].shape)
        up, down = ([one.clone() for one in inputs] for _ in range(2))
        up[number][cell] += small
        down[number][cell] -= small
        slope = (loss(*up) - loss(*down)) / (2 * small)
        step = [one for one in trace if one.op == "input"][number]
        assert float(trace.gradients[step][cell]) == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_every_operation_has_a_formula() -> None:
    assert [name for name, operation in OPERATIONS.items() if not operation.text or not operation.formula] == []
