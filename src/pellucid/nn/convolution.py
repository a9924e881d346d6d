"""Convolution: one small window of weights slides over the whole image, so that what is learned at one place is known
at all of them.

Stands between the pixels and the fully connected layers of a CNN. A layer is convolution, batch norm and activation;
a residual block is several layers around which what came in is carried past.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.feedforward import ACTIVATIONS


def windows(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """How many places a window has along one side: floor((size + 2 padding - kernel) / stride) + 1; 0 if it fits none.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 6.
    """
    return max((size + 2 * padding - kernel) // stride + 1, 0)


class BatchNorm(nn.BatchNorm2d):
    """Each channel moved to mean 0 and variance 1 over the batch, then scaled and moved by what is learned.

        y = (x - mean_c) / sqrt(var_c + 1e-5) w_c + b_c

    While training, mean and variance are those of the batch, and running averages of them are kept, by which it goes in
    evaluation. A batch with one number in a channel has no variance: it goes by the averages as well.
    Shapes: (batch, channel, height, width) -> the same. Source: Ioffe & Szegedy, "Batch Normalization", 2015.
    """

    def forward(self, x: Float[Tensor, "batch channel row column"]) -> Float[Tensor, "batch channel row column"]:
        if self.training and x.numel() > x.size(1):
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, eps=self.eps)


class ConvolutionLayer(nn.Module):
    """y = g(norm(x * W + b)), where (x * W)_op = sum_ck x_c(p s + k - a) W_ock: stride s, padding a, activation g.

    Without an activation it ends at the norm. A convolution before a norm has no bias, which the norm would take away
    again. Shapes: (batch, channel, height, width) -> (batch, out channel, out height, out width).
    Raises ValueError for an unknown activation. Source: LeCun et al., "Gradient-Based Learning Applied to Document
    Recognition", 1998.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int = 1,
        norm: bool = True,
        activation: str | None = "relu",
    ) -> None:
        super().__init__()
        if activation is not None and activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is none of {', '.join(ACTIVATIONS)}")
        self.convolution = nn.Conv2d(channels, out_channels, kernel, stride, padding, bias=not norm)
        self.norm = BatchNorm(out_channels) if norm else nn.Identity()
        self.activation = ACTIVATIONS[activation] if activation else None

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        x = self.norm(self.convolution(x))
        return x if self.activation is None else self.activation(x)


class ResidualBlock(nn.Module):
    """y = g(f(x) + shortcut(x)): the layers f learn what to add to what came in; gradients have a straight way back.

    The shortcut is x itself, or a 1 x 1 convolution where the layers change the number of channels or, by a stride, the
    size. Shapes: (batch, channel, height, width) -> (batch, out channel, out height, out width).
    Source: He et al., "Deep Residual Learning for Image Recognition", 2015.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        layers: int = 2,
        kernel: int = 3,
        stride: int = 1,
        norm: bool = True,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.layers = chained(
            channels,
            out_channels,
            layers=layers,
            kernel=kernel,
            stride=stride,
            padding=kernel // 2,
            norm=norm,
            activations=[*[activation] * (layers - 1), None],
        )
        same = channels == out_channels and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else ConvolutionLayer(
                channels, out_channels, kernel=1, stride=stride, padding=0, norm=norm, activation=None
            )
        )
        self.activation = ACTIVATIONS[activation]

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        return self.activation(self.layers(x) + self.shortcut(x))


class Pooling(nn.Module):
    """Each window of `size` x `size` places becomes one: its largest number, or the mean of all.

    What lies in an incomplete window at the edge is left out.
    Shapes: (batch, channel, height, width) -> (batch, channel, height / size, width / size), rounded down.
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind, self.size = kind, size

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel out_height out_width"]:
        return F.max_pool2d(x, self.size) if self.kind == "max" else F.avg_pool2d(x, self.size)

    def extra_repr(self) -> str:
        return f"{self.kind}, {self.size}"


def chained(
    channels: int,
    out_channels: int,
    *,
    layers: int,
    kernel: int,
    stride: int,
    padding: int,
    norm: bool,
    activations: Sequence[str | None],
) -> nn.Sequential:
    """Layers one behind the other; the first changes the number of channels and takes the stride."""
    return nn.Sequential(
        *(
            ConvolutionLayer(
                channels if number == 0 else out_channels,
                out_channels,
                kernel=kernel,
                stride=stride if number == 0 else 1,
                padding=padding,
                norm=norm,
                activation=activations[number],
            )
            for number in range(layers)
        )
    )
