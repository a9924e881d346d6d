"""The convolutional network that tells images apart.

An image goes through stages: each is some convolutions, then a pooling that halves the image. What is left is read by
a fully connected layer, one score for each class. A window of 3 x 3 weights serves all places of the image, which is
why such a network needs so much fewer parameters than a fully connected one of equal width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pellucid.config import Config
from pellucid.errors import ConfigError
from pellucid.nn.convolution import Pooling, ResidualBlock, chained, windows
from pellucid.nn.dropout import Dropout
from pellucid.nn.feedforward import ACTIVATIONS


class CnnConfig(Config):
    """The size and kind of a convolutional network."""

    channels: list[int] = Field([16, 32], min_length=1, description="feature maps of each stage, one number a stage")
    convolutions: int = Field(2, ge=1, le=100, description="convolutions in each stage")
    kernel: int = Field(3, ge=1, description="side of the window of weights, in pixels")
    stride: int = Field(1, ge=1, description="pixels from one window to the next, in each stage's first convolution")
    padding: Literal["same"] | int = Field(
        "same", description="rows of zeros around what is convolved; same: as many as keep its size"
    )
    norm: Literal["batch", "none"] = Field("batch", description="batch norm behind each convolution, or none")
    activation: Literal["relu", "gelu", "silu"] = Field("relu", description="behind each convolution")
    residual: bool = Field(False, description="carry what comes into a stage past its convolutions and add it")
    pooling: Literal["max", "average", "none"] = Field("max", description="what a stage ends with")
    window: int = Field(2, ge=2, description="side of the window that pooling makes one pixel of")
    head: Literal["flatten", "average"] = Field(
        "flatten", description="what the last layers read: each pixel of the last maps, or each map's mean"
    )
    hidden: list[int] = Field([], description="neurons of fully connected layers before the last; none when empty")
    dropout: float = Field(0.25, ge=0, lt=1, description="share of numbers switched off before each last layer")

    @model_validator(mode="after")
    def _fits_together(self) -> "CnnConfig":
        if any(width < 1 for width in (*self.channels, *self.hidden)):
            raise ValueError("channels and hidden must be at least 1 each")
        if self.padding == "same" and self.kernel % 2 == 0:
            raise ValueError(f"padding='same' needs an odd kernel, not {self.kernel}")
        if self.padding != "same" and self.padding < 0:
            raise ValueError(f"padding={self.padding} is negative")
        if self.residual and self.margin != self.kernel // 2:
            raise ValueError("residual adds what comes in to what goes out: it needs padding='same'")
        return self

    @property
    def margin(self) -> int:
        """The padding as a number."""
        return self.kernel // 2 if self.padding == "same" else self.padding


@dataclass(frozen=True, slots=True)
class Shape:
    """Channels, height and width of an image or of the maps made of it."""

    channels: int
    height: int
    width: int

    @property
    def numbers(self) -> int:
        return self.channels * self.height * self.width

    def as_list(self) -> list[int]:
        return [self.channels, self.height, self.width]


@dataclass(frozen=True, slots=True)
class ConvolutionShape:
    """What goes into one convolution, what comes out, and its own parameters, those of its norm included."""

    given: Shape
    made: Shape
    parameters: int


class Cnn(nn.Module):
    """Scores of the classes of an image.

        x -> stages of [convolution, norm, activation] x n, pooling -> dropout, linear

    Shapes: image (batch, channel, height, width) -> (batch, class). Raises ConfigError if the image is too small for so
    many stages. Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
    """

    def __init__(self, config: CnnConfig, image: Shape, classes: int) -> None:
        super().__init__()
        self.config = config
        last = final_shape(config, image)
        before = [image.channels, *config.channels]
        self.stages = nn.ModuleList(
            Stage(config, channels, made) for channels, made in zip(before, config.channels, strict=False)
        )
        self.dropout = Dropout(config.dropout)
        widths = [last.numbers if config.head == "flatten" else last.channels, *config.hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, config.hidden, strict=False))
        self.output = nn.Linear(widths[-1], classes)
        self.activation = ACTIVATIONS[config.activation]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Variance 2 / inputs, which keeps the size of what goes forward under ReLU (He et al., 2015); 0 for biases."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class_"]:
        x = image
        for stage in self.stages:
            x = stage(x)
        x = x.flatten(1) if self.config.head == "flatten" else x.mean(dim=(2, 3))
        for layer in self.hidden:
            x = self.activation(layer(self.dropout(x)))
        return self.output(self.dropout(x))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """Some convolutions of equal width, side by side with a shortcut if `residual`, then pooling."""

    def __init__(self, config: CnnConfig, channels: int, made: int) -> None:
        super().__init__()
        norm = config.norm == "batch"
        self.convolutions: nn.Module
        if config.residual:
            self.convolutions = ResidualBlock(
                channels,
                made,
                layers=config.convolutions,
                kernel=config.kernel,
                stride=config.stride,
                norm=norm,
                activation=config.activation,
            )
        else:
            self.convolutions = chained(
                channels,
                made,
                layers=config.convolutions,
                kernel=config.kernel,
                stride=config.stride,
                padding=config.margin,
                norm=norm,
                activations=[config.activation] * config.convolutions,
            )
        self.pooling = Pooling(config.pooling, config.window) if config.pooling != "none" else nn.Identity()

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        return self.pooling(self.convolutions(x))  # type: ignore[no-any-return]


def shapes(config: CnnConfig, image: Shape) -> Iterator[ConvolutionShape | Shape]:
    """Every convolution in order (without those of shortcuts), and what each pooling leaves of its maps.

    Raises ConfigError if nothing is left of the image.
    """
    given = image
    for number, channels in enumerate(config.channels, start=1):
        for convolution in range(config.convolutions):
            stride = config.stride if convolution == 0 else 1
            made = Shape(
                channels, *(windows(s, config.kernel, stride, config.margin) for s in (given.height, given.width))
            )
            _check(made, image, number)
            window = given.channels * config.kernel**2 * channels
            extra = 2 * channels if config.norm == "batch" else channels
            yield ConvolutionShape(given, made, window + extra)
            given = made
        if config.pooling != "none":
            given = Shape(channels, given.height // config.window, given.width // config.window)
            _check(given, image, number)
        yield given


def final_shape(config: CnnConfig, image: Shape) -> Shape:
    """Of the maps that the last layers read. Raises ConfigError if nothing is left of the image."""
    return [shape for shape in shapes(config, image) if isinstance(shape, Shape)][-1]


def fully_connected_parameters(config: CnnConfig, image: Shape, classes: int) -> int:
    """Parameters of the network that has as many neurons in each layer, each with a weight to all of the layer before.

    A convolution from c h w numbers to c' h' w' would have (c h w + 1) c' h' w' of them; its own weights are the same
    at all h' w' places, and 0 outside of the window.
    """
    convolutions = [shape for shape in shapes(config, image) if isinstance(shape, ConvolutionShape)]
    last = final_shape(config, image)
    widths = [last.numbers if config.head == "flatten" else last.channels, *config.hidden, classes]
    head = sum((a + 1) * b for a, b in pairwise(widths))
    return sum((c.given.numbers + 1) * c.made.numbers for c in convolutions) + head


def _check(made: Shape, image: Shape, stage: int) -> None:
    if made.height < 1 or made.width < 1:
        raise ConfigError(
            f"model.cnn: nothing is left of an image of {image.width} x {image.height} pixels in stage {stage}",
            mend="Give fewer channels (stages), less stride, pooling = 'none', or larger images.",
        )
