"""Augmentation: each image a little different each time it is seen, so that the network learns what stays the same.

Rotation, shift, crop and flip are one affine map, so that an image is interpolated once; then come brightness and
noise. The warps are kornia's (the extra `images`); the numbers drawn for them belong to the image and the epoch
(keyed.py), so that a resumed training sees the same pictures. Stands between the images and the batches of classify.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor

from pellucid.config import Config
from pellucid.data.keyed import normals, uniforms
from pellucid.errors import ConfigError

PRESETS: dict[str, dict[str, float]] = {
    "none": {},
    "light": {"rotate": 10, "shift": 0.08, "crop": 0.1, "brightness": 0.1},
    "strong": {"rotate": 15, "shift": 0.12, "crop": 0.25, "brightness": 0.3, "noise": 0.05},
}
DRAWN = 9  # uniform numbers an image: angle, shifts, crop, its place, brightness, mirrored or not
NOISE = 1 << 32  # added to the seed of noise, so that it has nothing to do with the other numbers


class AugmentationConfig(Config):
    """How training images are changed. `preset` fills in what is not given; none flips, which digits do not bear."""

    preset: Literal["none", "light", "strong"] = Field("none", description="named strengths; none: images as they are")
    rotate: float = Field(0.0, ge=0, le=180, description="degrees at most, either way")
    shift: float = Field(0.0, ge=0, lt=1, description="share of the side at most, either way")
    crop: float = Field(0.0, ge=0, lt=1, description="share of the side at most that is cut off; the rest is enlarged")
    flip: Literal["none", "horizontal", "vertical", "both"] = Field("none", description="every other image mirrored")
    brightness: float = Field(0.0, ge=0, le=1, description="share of full brightness added or taken at most")
    noise: float = Field(0.0, ge=0, le=1, description="deviation of what is added to each pixel, of full brightness")
    fill: Literal["black", "edge"] = Field("black", description="what comes in where an image was moved away")

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {**PRESETS.get(values.get("preset", "none"), {}), **values}

    @property
    def moves(self) -> bool:
        return bool(self.rotate or self.shift or self.crop or self.flip != "none")

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        return bool(self.moves or self.brightness or self.noise)


def is_installed() -> bool:
    return find_spec("kornia") is not None


def check_installed(config: AugmentationConfig) -> None:
    """Raises ConfigError if something is to be done and kornia is not there to do it."""
    if config.changes and not is_installed():
        raise ConfigError(
            "augmentation needs kornia, which is not installed",
            mend='Install it: pip install "pellucid[images]", or train with --augment none.',
        )


def augmented(
    images: Float[Tensor, "image channel height width"],
    config: AugmentationConfig,
    seed: int,
    keys: Int[Tensor, " image"],
) -> Float[Tensor, "image channel height width"]:
    """Images of brightness 0 to 1, changed; the same `seed` and key always change an image in the same way."""
    from kornia.enhance import adjust_brightness
    from kornia.geometry.transform import warp_affine

    drawn = uniforms(seed, keys, DRAWN)
    if config.moves:
        images = warp_affine(
            images,
            affine(drawn, config, images.size(2), images.size(3)),
            (images.size(2), images.size(3)),
            padding_mode="zeros" if config.fill == "black" else "border",
            align_corners=True,
        )
    if config.brightness:
        images = adjust_brightness(images, config.brightness * (2 * drawn[:, 6] - 1))
    if config.noise:
        drawn = normals(seed + NOISE, keys, images[0].numel())
        images = images + config.noise * drawn.view_as(images)
    return images.clamp(0, 1)


def affine(
    drawn: Float[Tensor, "image drawn"], config: AugmentationConfig, height: int, width: int
) -> Float[Tensor, "image 2 3"]:
    """Where each pixel goes: mirrored, turned and enlarged around the middle, then moved, as one matrix an image."""
    from kornia.geometry.transform import get_affine_matrix2d

    signed = 2 * drawn - 1
    side = torch.tensor([width, height])
    kept = 1 - config.crop * drawn[:, 3]
    # A crop's middle lies anywhere such that the crop is within the image; bringing it to the middle is a shift.
    cut = ((1 - kept) / 2 / kept)[:, None] * signed[:, 4:6]
    moved = config.shift * signed[:, 1:3] * side + cut * (side - 1)
    middle = (side - 1).float().expand(len(drawn), 2) / 2
    found = get_affine_matrix2d(moved, middle, (1 / kept)[:, None].expand(-1, 2), config.rotate * signed[:, 0])
    if config.flip != "none":
        found = found @ _mirror(drawn[:, 7:9] < 0.5, config.flip, height, width)
    return found[:, :2]


def _mirror(chosen: Tensor, flip: str, height: int, width: int) -> Tensor:
    """Pixel x becomes width - 1 - x, pixel y height - 1 - y, in the images chosen."""
    matrix = torch.eye(3).repeat(len(chosen), 1, 1)
    for axis, (size, name) in enumerate(((width, "horizontal"), (height, "vertical"))):
        if flip in (name, "both"):
            matrix[chosen[:, axis], axis, axis] = -1.0
            matrix[chosen[:, axis], axis, 2] = size - 1.0
    return matrix
