"""The multilayer perceptron against PyTorch's own layers put together by hand."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

from pellucid.models.mlp import MLP, MLPConfig


def test_without_hidden_layers_it_is_linear() -> None:
    model = MLP(MLPConfig(depth=0), inputs=3, outputs=2)
    x = torch.randn(5, 3)
    expected = x @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(model(x), expected)
    assert sum(p.numel() for p in model.parameters()) == 3 * 2 + 2


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("relu", F.relu),
        ("leaky-relu", nn.LeakyReLU(0.01)),
        ("elu", nn.ELU()),
        ("gelu", nn.GELU()),
        ("silu", nn.SiLU()),
        ("tanh", nn.Tanh()),
        ("sigmoid", nn.Sigmoid()),
        ("softplus", nn.Softplus()),
    ],
)
def test_it_equals_the_same_layers_put_together_by_hand(name: str, function: nn.Module) -> None:
    config = MLPConfig.parse({"width": 8, "depth": 3, "activation": name})
    model = MLP(config, inputs=4, outputs=1)
    x = torch.randn(6, 4)
    expected = x
    for layer in model.layers:
        expected = function(F.linear(expected, layer.linear.weight, layer.linear.bias))
    torch.testing.assert_close(model(x), F.linear(expected, model.output.weight, model.output.bias))


def test_residuals_add_what_came_in_from_the_second_layer_on() -> None:
    model = MLP(MLPConfig(width=4, depth=2, residual=True), inputs=3, outputs=1)
    x = torch.randn(5, 3)
    first = torch.relu(model.layers[0].linear(x))
    second = first + torch.relu(model.layers[1].linear(first))
    torch.testing.assert_close(model(x), model.output(second))


def test_dropout_acts_in_training_only() -> None:
    model = MLP(MLPConfig(width=64, depth=1, dropout=0.5), inputs=3, outputs=1)
    x = torch.randn(5, 3)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ValidationError):
        MLPConfig(width=0)


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_norms_stand_between_the_weights_and_the_activation_as_pytorchs(norm: str) -> None:
    model = MLP(MLPConfig(width=4, depth=2, norm=norm), inputs=3, outputs=1)
    theirs = [nn.LayerNorm(4) if norm == "layer" else nn.BatchNorm1d(4) for _ in range(2)]
    x = y = torch.randn(7, 3)
    for layer, one in zip(model.layers, theirs, strict=True):
        y = one(nn.functional.linear(y, layer.linear.weight, layer.linear.bias)).relu()
    torch.testing.assert_close(model(x), model.output(y))
    single = model(x[:1])  # a batch of one row has no variance of its own
    assert torch.isfinite(single).all()


def test_without_a_norm_the_states_of_before_still_fit() -> None:
    assert set(MLP(MLPConfig(depth=1), 3, 1).state_dict()) == {
        "layers.0.linear.weight",
        "layers.0.linear.bias",
        "output.weight",
        "output.bias",
    }
