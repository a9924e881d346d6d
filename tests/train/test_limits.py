"""Limits of gradients: cases worked out by hand, and PyTorch's own functions."""

import math

import pytest
import torch
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.train.limits import limit_gradients


def parameters(*gradients: list[float]) -> list[nn.Parameter]:
    found = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for parameter, gradient in zip(found, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return found


def given(found: list[nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.grad for parameter in found if parameter.grad is not None]


def gradients(found: list[nn.Parameter]) -> list[list[float]]:
    return [parameter.grad.tolist() for parameter in found]  # type: ignore[union-attr]


def test_by_norm_the_direction_stays_and_the_length_is_the_limit() -> None:
    found = parameters([3.0, 0.0], [4.0])  # norm 5
    assert limit_gradients(given(found), TrainingConfig(clip=2.5)) == 5.0
    assert gradients(found) == [pytest.approx([1.5, 0.0], rel=1e-6), pytest.approx([2.0], rel=1e-6)]


def test_by_value_each_number_is_cut_by_itself() -> None:
    found = parameters([3.0, -0.5], [-4.0])
    norm = limit_gradients(given(found), TrainingConfig(clip=0, clip_value=1.0))
    assert norm == pytest.approx(math.sqrt(9 + 0.25 + 16))
    assert gradients(found) == [[1.0, -0.5], [-1.0]]


def test_with_both_values_are_cut_first_and_the_norm_told_is_the_one_before() -> None:
    found = parameters([3.0, 0.0], [-4.0])
    assert limit_gradients(given(found), TrainingConfig(clip=0.5, clip_value=1.0)) == 5.0
    scale = 0.5 / math.sqrt(2)
    assert gradients(found) == [pytest.approx([scale, 0.0], rel=1e-5), pytest.approx([-scale], rel=1e-5)]


def test_switched_off_nothing_is_touched_and_the_norm_is_still_told() -> None:
    found = parameters([3e8, 0.0], [-4e8])
    assert limit_gradients(given(found), TrainingConfig(clip=0)) == 5e8
    assert gradients(found) == [[3e8, 0.0], [-4e8]]


@pytest.mark.parametrize("scale", [0.01, 1.0, 1e4])
def test_both_are_pytorchs_own_to_the_bit(scale: float) -> None:
    draw = torch.Generator().manual_seed(2)
    values = [(scale * torch.randn(size, generator=draw)).tolist() for size in (7, 3)]
    ours, theirs = parameters(*values), parameters(*values)
    limit_gradients(given(ours), TrainingConfig(clip=0.7, clip_value=0.3))
    nn.utils.clip_grad_value_(theirs, 0.3)
    nn.utils.clip_grad_norm_(theirs, 0.7)
    assert gradients(ours) == gradients(theirs)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("settings", [{"clip": 0}, {"clip_value": 1.0}, {"clip": 0, "clip_value": 1.0}])
def test_a_gradient_that_is_not_finite_is_told(bad: float, settings: dict[str, float]) -> None:
    assert not math.isfinite(limit_gradients(given(parameters([bad, 1.0])), TrainingConfig.parse(settings)))
