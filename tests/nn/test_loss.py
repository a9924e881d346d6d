"""The fused cross-entropy beside PyTorch's, in value and gradients."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.nn.loss import SLICE, cross_entropy, projected_cross_entropy


def reference(hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float) -> tuple[Tensor, Tensor, Tensor]:
    hidden, weight = hidden.double().requires_grad_(), weight.double().requires_grad_()
    loss = F.cross_entropy(hidden @ weight.T, target, label_smoothing=smoothing)
    return loss.detach(), *torch.autograd.grad(loss, (hidden, weight))


def example(tokens: int = 2 * SLICE + 37) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(tokens, 16), torch.randn(300, 16) * 0.3, torch.randint(0, 300, (tokens,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_fused_loss_and_gradients_equal_the_plain_ones(smoothing: float) -> None:
    hidden, weight, target = example()
    hidden.requires_grad_()
    weight.requires_grad_()
    loss = projected_cross_entropy(hidden, weight, target, smoothing)
    (loss * 3).backward()
    expected, grad_hidden, grad_weight = reference(hidden.detach(), weight.detach(), target, smoothing)
    torch.testing.assert_close(loss.double(), expected, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(hidden.grad, (3 * grad_hidden).float(), atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(weight.grad, (3 * grad_weight).float(), atol=1e-7, rtol=1e-4)


def test_under_bfloat16_the_fused_loss_is_within_the_error_of_that_type() -> None:
    hidden, weight, target = example()
    hidden.requires_grad_()
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = projected_cross_entropy(hidden, weight, target, 0.1)
    loss.backward()
    expected, grad_hidden, grad_weight = reference(hidden.detach(), weight.detach(), target, 0.1)
    assert abs(loss.item() - expected.item()) < 0.01
    for ours, theirs in ((hidden.grad, grad_hidden), (weight.grad, grad_weight)):
        assert ours is not None
        assert (ours - theirs).norm() / theirs.norm() < 0.01


def test_a_target_that_the_model_calls_impossible_gives_a_finite_loss() -> None:
    hidden = torch.tensor([[1.0, 0.0]], requires_grad=True)
    weight = torch.tensor([[500.0, 0.0], [-500.0, 0.0]], requires_grad=True)
    loss = projected_cross_entropy(hidden, weight, torch.tensor([1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(hidden.grad).all()  # type: ignore[union-attr]


def test_the_plain_loss_is_the_mean_surprise() -> None:
    logits = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    expected = -(torch.tensor(0.75).log() + torch.tensor(0.5).log()) / 2
    torch.testing.assert_close(cross_entropy(logits, torch.tensor([1, 0])), expected)
