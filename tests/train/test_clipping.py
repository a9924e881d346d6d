"""Clipping, beside PyTorch's own."""

import math

import pytest
import torch
from torch import nn

from pellucid.train.clipping import clip_gradients


def made(scale: float) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(1)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((3, 4), (5,), (2, 2, 2), (1,))]
    for parameter in parameters[:-1]:  # the last one has no gradient
        parameter.grad = scale * torch.randn(parameter.shape, generator=draw)
    return parameters


def gradients(parameters: list[nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


@pytest.mark.parametrize("scale", [0.0, 1e-3, 0.2, 0.21, 1.0, 1e4, math.inf])
@pytest.mark.parametrize("largest", [0.1, 1.0, 25.0])
def test_gradients_are_clipped_as_pytorch_clips_them_to_the_bit(scale: float, largest: float) -> None:
    ours, theirs = made(scale), made(scale)
    norm = clip_gradients(gradients(ours), largest)
    expected = nn.utils.clip_grad_norm_(theirs, largest).item()
    assert norm == expected or (math.isnan(norm) and math.isnan(expected))
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert torch.equal(one.grad.nan_to_num(nan=7.0), other.grad.nan_to_num(nan=7.0))  # type: ignore[union-attr]


@pytest.mark.parametrize("scale", [0.0, 0.2, 1e4, math.inf])
def test_a_single_tensor_is_clipped_alike(scale: float) -> None:
    ours, theirs = made(scale)[:1], made(scale)[:1]
    norm = clip_gradients(gradients(ours), 0.1)
    expected = nn.utils.clip_grad_norm_(theirs, 0.1).item()
    assert norm == expected or (math.isnan(norm) and math.isnan(expected))
    assert torch.equal(ours[0].grad.nan_to_num(nan=7.0), theirs[0].grad.nan_to_num(nan=7.0))  # type: ignore[union-attr]


def test_the_clipped_norm_is_the_largest_allowed() -> None:
    parameters = made(1.0)
    clip_gradients(gradients(parameters), 0.5)
    assert math.sqrt(sum(float(p.grad.square().sum()) for p in parameters[:-1])) == pytest.approx(0.5)  # type: ignore[union-attr]


def test_without_gradients_there_is_nothing_to_clip() -> None:
    assert clip_gradients([], 1.0) == 0.0
