"""The convolutional network against PyTorch's functions put together by hand, and its parameters counted."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

from pellucid.errors import ConfigError
from pellucid.models.cnn import Cnn, CnnConfig, ConvolutionShape, Shape, final_shape, fully_connected_parameters, shapes
from pellucid.models.parameters import count_parameters

IMAGE = Shape(1, 12, 10)


def trained(model: nn.Module) -> nn.Module:
    """As if trained: no weight is what it began as, and the averages of the norms are not 0 and 1."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + (0.5 if "var" in name else 0))
    return model.eval()


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("head", ["flatten", "average"])
def test_it_equals_pytorchs_functions_with_the_same_weights(pooling: str, head: str) -> None:
    config = CnnConfig.parse({"channels": [4, 6], "pooling": pooling, "head": head, "hidden": [8]})
    model = trained(Cnn(config, IMAGE, 3))
    images = torch.randn(5, 1, 12, 10)
    weights = model.state_dict()
    x = images
    for stage in range(2):
        for layer in range(2):
            place = f"stages.{stage}.convolutions.{layer}"
            x = F.conv2d(x, weights[f"{place}.convolution.weight"], padding=1)
            norm = [weights[f"{place}.norm.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
            x = F.relu(F.batch_norm(x, *norm))
        x = F.max_pool2d(x, 2) if pooling == "max" else F.avg_pool2d(x, 2)
    x = x.flatten(1) if head == "flatten" else F.adaptive_avg_pool2d(x, 1).flatten(1)
    x = F.relu(F.linear(x, weights["hidden.0.weight"], weights["hidden.0.bias"]))
    torch.testing.assert_close(model(images), F.linear(x, weights["output.weight"], weights["output.bias"]))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channels": [3], "kernel": 5, "padding": 0, "convolutions": 1},
        {"channels": [3, 4], "stride": 2, "pooling": "none", "norm": "none"},
        {"channels": [3, 4], "residual": True, "stride": 2, "head": "average", "pooling": "none"},
        {"channels": [2, 2], "kernel": 2, "padding": 1, "window": 3},
    ],
)
def test_the_shapes_foretold_are_those_that_are_made(fields: dict[str, object]) -> None:
    config = CnnConfig.parse(fields)
    model = Cnn(config, IMAGE, 3).eval()
    seen: list[tuple[int, ...]] = []
    for stage in model.stages:
        stage.register_forward_hook(lambda _m, _i, made: seen.append(tuple(made.shape[1:])))
    assert model(torch.randn(2, 1, 12, 10)).shape == (2, 3)
    assert [(s.channels, s.height, s.width) for s in shapes(config, IMAGE) if isinstance(s, Shape)] == seen
    assert final_shape(config, IMAGE).as_list() == list(seen[-1])


def test_parameters_of_convolutions_are_counted_right() -> None:
    config = CnnConfig(channels=[4, 6], head="flatten")
    model = Cnn(config, IMAGE, 3)
    convolutions = sum(shape.parameters for shape in shapes(config, IMAGE) if isinstance(shape, ConvolutionShape))
    head = (final_shape(config, IMAGE).numbers + 1) * 3
    assert convolutions + head == count_parameters(model)


def test_the_fully_connected_network_is_counted_as_one_that_is_built() -> None:
    config = CnnConfig(channels=[2, 3], convolutions=1, hidden=[5])
    built = nn.ModuleList([nn.Linear(120, 2 * 120), nn.Linear(2 * 30, 3 * 30), nn.Linear(3 * 6, 5), nn.Linear(5, 4)])
    assert [s.numbers for s in shapes(config, IMAGE) if isinstance(s, Shape)] == [2 * 30, 3 * 6]
    assert fully_connected_parameters(config, IMAGE, 4) == count_parameters(built)


def test_a_convolution_is_a_fully_connected_layer_that_shares_its_weights() -> None:
    """The matrix that a convolution is has h w times as many numbers, and computes the same."""
    convolution = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    basis = torch.eye(2 * 4 * 4).view(-1, 2, 4, 4)
    matrix = convolution(basis).flatten(1)
    x = torch.randn(5, 2, 4, 4)
    torch.testing.assert_close(x.flatten(1) @ matrix, convolution(x).flatten(1), atol=1e-5, rtol=1e-5)
    assert (matrix == 0).sum() > matrix.numel() / 2
    assert matrix.numel() == 32 * 48 > 28 * convolution.weight.numel()


def test_an_image_too_small_for_its_stages_is_told() -> None:
    with pytest.raises(ConfigError, match="nothing is left of an image of 8 x 8 pixels in stage 4") as error:
        Cnn(CnnConfig(channels=[4, 4, 4, 4]), Shape(1, 8, 8), 2)
    assert "larger images" in error.value.mend


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kernel": 4}, "needs an odd kernel"),
        ({"residual": True, "padding": 0}, "padding='same'"),
        ({"channels": []}, "at least 1"),
        ({"channels": [0]}, "at least 1"),
        ({"padding": -1}, "negative"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CnnConfig.model_validate(fields)


def test_weights_begin_with_the_variance_that_keeps_the_signal() -> None:
    weight = Cnn(CnnConfig(channels=[256]), IMAGE, 3).stages[0].convolutions[1].convolution.weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.02)
