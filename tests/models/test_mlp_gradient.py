"""The perceptron's own gradients against autograd's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from pellucid.models.mlp import MLP, MLPConfig
from pellucid.models.mlp_gradient import MLPGradient
from pellucid.nn.dense import ACTIVATIONS
from pellucid.nn.derivatives import DERIVATIVES
from pellucid.nn.loss import cross_entropy_and_gradient, with_gradient


def with_gradients(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return model


networks = st.builds(
    lambda **fields: MLPConfig.parse(fields),
    depth=st.integers(0, 4),
    width=st.integers(1, 33),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    dropout=st.sampled_from([0.0, 0.3]),
    residual=st.booleans(),
)


@given(
    config=networks,
    batch=st.integers(1, 40),
    inputs=st.integers(1, 20),
    outputs=st.integers(1, 12),
    seed=st.integers(0, 2**31),
    is_training=st.booleans(),
)
def test_loss_and_gradients_are_those_of_autograd(
    config: MLPConfig, batch: int, inputs: int, outputs: int, seed: int, is_training: bool
) -> None:
    torch.manual_seed(seed)
    model = with_gradients(MLP(config, inputs, outputs).train(is_training))
    assert isinstance(model, MLP)
    x, target = torch.randn(batch, inputs), torch.randint(outputs, (batch,))
    torch.manual_seed(seed)  # of the masks of dropout
    loss = F.cross_entropy(model(x), target)
    expected = torch.autograd.grad(loss, list(model.parameters()))
    own = MLPGradient(model)
    torch.manual_seed(seed)
    found, upstream = cross_entropy_and_gradient(own.forward(x), target)
    assert torch.equal(found, loss)
    own.backward(upstream, add=False)
    for (name, parameter), gradient in zip(model.named_parameters(), expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-7, msg=name)


@given(seed=st.integers(0, 2**31), factor=st.floats(0.1, 2))
def test_gradients_of_several_batches_add_up(seed: int, factor: float) -> None:
    torch.manual_seed(seed)
    model = with_gradients(MLP(MLPConfig(width=5, depth=2, residual=True), 3, 2))
    assert isinstance(model, MLP)
    batches = [(torch.randn(4, 3), torch.randn(4, 2)) for _ in range(3)]
    total = torch.stack([factor * F.mse_loss(model(x), y) for x, y in batches]).sum()
    expected = torch.autograd.grad(total, list(model.parameters()))
    own = MLPGradient(model)
    for number, (x, y) in enumerate(batches):
        _, upstream = with_gradient(lambda outputs, y=y: factor * F.mse_loss(outputs, y), own.forward(x))
        own.backward(upstream, add=number > 0)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_has_its_derivative_to_the_bit(name: str) -> None:
    x = torch.cat([torch.linspace(-30, 30, 601), torch.tensor([0.0, -0.0, 1e-30, 20.0, 20.1])]).requires_grad_()
    y = ACTIVATIONS[name](x)
    upstream = torch.randn(x.shape)
    (expected,) = torch.autograd.grad(y, x, upstream)
    assert torch.equal(DERIVATIVES[name](upstream, x.detach(), y.detach()), expected)


@given(batch=st.integers(1, 40), classes=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_the_gradient_of_the_cross_entropy_is_autograds_to_the_bit(batch: int, classes: int, seed: int) -> None:
    torch.manual_seed(seed)
    logits, target = 5 * torch.randn(batch, classes), torch.randint(classes, (batch,))
    expected_loss, expected = with_gradient(lambda z: F.cross_entropy(z, target), logits)
    loss, gradient = cross_entropy_and_gradient(logits, target)
    assert torch.equal(loss, expected_loss)
    assert torch.equal(gradient, expected)


def test_a_network_without_places_for_its_gradients_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\.grad"):
        MLPGradient(MLP(MLPConfig(), 2, 2))
