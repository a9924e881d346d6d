"""Convolutions, batch norm and pooling against PyTorch's own functions with the same weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.nn.convolution import BatchNorm, ConvolutionLayer, Pooling, ResidualBlock, windows


@pytest.mark.parametrize("size", [1, 5, 8, 28])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (3, 2, 0), (5, 3, 2), (4, 2, 1)])
def test_there_are_as_many_windows_as_pytorchs_convolution_makes(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    if size + 2 * padding < kernel:
        assert windows(size, kernel, stride, padding) == 0
        return
    made = F.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), stride=stride, padding=padding)
    assert windows(size, kernel, stride, padding) == made.size(-1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (5, 2, 0), (2, 2, 1)])
def test_a_layer_is_convolution_norm_and_activation(training: bool, kernel: int, stride: int, padding: int) -> None:
    layer = ConvolutionLayer(3, 4, kernel=kernel, stride=stride, padding=padding, activation="silu")
    with torch.no_grad():
        layer.norm.weight.uniform_(0.5, 2)
        layer.norm.bias.normal_()
        layer.norm.running_mean.normal_()
        layer.norm.running_var.uniform_(0.5, 2)
    mean, variance = layer.norm.running_mean.clone(), layer.norm.running_var.clone()
    x = torch.randn(6, 3, 9, 7)
    expected = F.conv2d(x, layer.convolution.weight, None, stride, padding)
    expected = F.silu(F.batch_norm(expected, mean, variance, layer.norm.weight, layer.norm.bias, training))
    torch.testing.assert_close(layer.train(training)(x), expected)


def test_without_a_norm_a_layer_has_a_bias_instead() -> None:
    layer = ConvolutionLayer(2, 3, norm=False, activation=None)
    x = torch.randn(1, 2, 5, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.convolution.weight, layer.convolution.bias, padding=1))
    assert ConvolutionLayer(2, 3).convolution.bias is None


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="activation='step' is none of relu, gelu, silu"):
        ConvolutionLayer(1, 1, activation="step")


def test_batch_norm_keeps_the_averages_that_pytorchs_keeps() -> None:
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
    for _ in range(5):
        x = torch.randn(4, 3, 6, 6) * 3 + 1
        torch.testing.assert_close(ours(x), theirs(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), theirs.buffers(), strict=True))


def test_one_number_in_a_channel_goes_by_the_averages_and_changes_none() -> None:
    norm = BatchNorm(2)
    norm(torch.randn(8, 2, 3, 3))
    before = [buffer.clone() for buffer in norm.buffers()]
    x = torch.randn(1, 2, 1, 1)
    expected = (x - norm.running_mean.view(1, 2, 1, 1)) / (norm.running_var.view(1, 2, 1, 1) + norm.eps).sqrt()
    torch.testing.assert_close(norm(x), expected)
    assert all(torch.equal(a, b) for a, b in zip(norm.buffers(), before, strict=True))


@pytest.mark.parametrize(("out", "stride"), [(3, 1), (5, 1), (3, 2)])
def test_a_residual_block_adds_what_came_in_to_what_its_layers_make(out: int, stride: int) -> None:
    block = ResidualBlock(3, out, stride=stride, layers=2, activation="relu").eval()
    x = torch.randn(2, 3, 8, 8)
    first, second = block.layers
    made = F.relu(first.norm(F.conv2d(x, first.convolution.weight, None, stride, 1)))
    made = second.norm(F.conv2d(made, second.convolution.weight, None, 1, 1))
    straight = x
    if (out, stride) != (3, 1):
        straight = block.shortcut.norm(F.conv2d(x, block.shortcut.convolution.weight, None, stride))
    torch.testing.assert_close(block(x), F.relu(made + straight))


@pytest.mark.parametrize(("kind", "function"), [("max", F.max_pool2d), ("average", F.avg_pool2d)])
def test_pooling_leaves_out_what_is_no_whole_window(kind: str, function: object) -> None:
    x = torch.randn(2, 3, 7, 8)
    made = Pooling(kind, 2)(x)
    assert made.shape == (2, 3, 3, 4)
    cells = x[:, :, :6].unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2)
    torch.testing.assert_close(made, cells.amax(-1) if kind == "max" else cells.mean(-1))
