"""Images with the class of each: whatever files a person has become one tensor of pixels and one of classes.

One reader a format (`imagefolder.py`, `npz.py`, `idx.py`, `samples.py`); this file tells the format and holds what all
of them must keep: pixels as bytes, classes by name, each image knowing where it came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from pellucid.errors import DataError

Colours = Literal["auto", "gray", "rgb"]
TRAIN, DEV, TEST, FREE = 0, 1, 2, -1  # the side that a file itself puts an image on, or none
SIDES = {
    "train": TRAIN,
    "training": TRAIN,
    "dev": DEV,
    "val": DEV,
    "valid": DEV,
    "validation": DEV,
    "test": TEST,
    "testing": TEST,
}
LARGEST = 4 << 30  # bytes of all pixels together; more than this is a lie in a header, or needs a smaller --size
MEND_LARGEST = "Give a smaller --size, or fewer images."


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Shapes: pixels (image, channel, height, width), bytes 0 to 255; labels (image), class numbers; sides (image).

    `origins` says of each image where it stood, for a person to find it.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    sides: Tensor
    origins: tuple[str, ...]
    kind: str

    def __len__(self) -> int:
        return len(self.labels)


def read_images(
    files: Sequence[str | Path], size: str | None = None, colours: Colours = "auto", fewest_classes: int = 2
) -> Images:
    """Read a folder of class folders, an .npz file, a folder or pair of IDX files, or a sample (`sample:digits`).

    `size` such as "64x48" (width, height) is what each image is brought to. Raises DataError, naming file and mend, for
    whatever cannot be read, for images of unequal size without `size`, and for fewer than `fewest_classes`.
    """
    from pellucid.data.idx import is_idx, read_idx
    from pellucid.data.imagefolder import read_folder
    from pellucid.data.npz import read_npz
    from pellucid.data.samples import read_sample

    if not files:
        raise DataError("no images were given", mend="Name a folder of class folders, an .npz file, or sample:digits.")
    first = str(files[0])
    paths = [Path(file) for file in files]
    if len(files) > 1 and not all(is_idx(path) for path in paths):
        raise DataError(
            f"{', '.join(map(str, files))}: several places of images", mend="Put all class folders into one folder."
        )
    if first.startswith("sample:"):
        found = read_sample(first)
    elif all(is_idx(path) for path in paths):
        found = read_idx(paths)
    elif paths[0].suffix.lower() == ".npz":
        found = read_npz(paths[0])
    elif paths[0].is_dir():
        found = read_folder(paths[0], wanted_size(size), colours)
    elif not paths[0].exists():
        raise DataError(f"{first}: no such file or folder", mend="Check the name.")
    else:
        raise DataError(
            f"{first}: not a place of images",
            mend="Give a folder that holds a folder of images for each class, an .npz file, or IDX files.",
        )
    check_classes(found, first, fewest_classes)
    return resized(found, wanted_size(size), colours)


def is_image_place(file: str) -> bool:
    """Whether images are meant, rather than a table: a folder, .npz, IDX, or a sample of images."""
    from pellucid.data.idx import is_idx
    from pellucid.data.samples import IMAGES

    path = Path(file)
    if file.startswith("sample:"):
        return file.removeprefix("sample:") in IMAGES
    return path.is_dir() or path.suffix.lower() in (".npz", *IMAGE_SUFFIXES) or is_idx(path)


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


def wanted_size(size: str | None) -> tuple[int, int] | None:
    """Width and height of "64x48" or "64". Raises DataError for anything else."""
    if size is None:
        return None
    parts = size.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isdigit() and 0 < int(part) <= 4096 for part in parts):
        raise DataError(
            f"--size {size}: not a size in pixels", mend="Write --size 64, or --size 64x48 (width, height)."
        )
    return int(parts[0]), int(parts[-1])


def check_classes(images: Images, where: str, fewest: int) -> None:
    """Raises DataError for no image, and for one class only where that is too few."""
    if not len(images):
        raise DataError(f"{where}: no image in it", mend="Each class is a folder of images.")
    there = sorted(set(images.labels.tolist()))
    if len(there) < fewest:
        name = images.classes[there[0]]
        raise DataError(
            f"{where}: all {len(images):,} images are of one class, {name}; there is nothing to tell apart",
            mend="Add images of at least one other class.",
        )


def check_total(count: int, channels: int, height: int, width: int, where: str) -> None:
    """Raises DataError if so many pixels cannot be meant, before any memory is taken for them."""
    if count * channels * height * width > LARGEST:
        raise DataError(
            f"{where}: says it holds {count:,} images of {width} x {height} pixels, "
            f"{count * channels * height * width / 2**30:,.1f} GiB",
            mend=MEND_LARGEST,
        )


def resized(images: Images, size: tuple[int, int] | None, colours: Colours) -> Images:
    """Brought to the wanted size and to gray or colours, where they are not that yet."""
    pixels = images.pixels
    if colours == "gray" and pixels.size(1) == 3:
        pixels = gray(pixels)
    elif colours == "rgb" and pixels.size(1) == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    if size is not None and (pixels.size(3), pixels.size(2)) != size:
        pixels = scaled(pixels, size)
    return Images(pixels, images.labels, images.classes, images.sides, images.origins, images.kind)


def gray(pixels: Tensor) -> Tensor:
    """The brightness of each pixel, as ITU-R 601 weighs the three colours."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (pixels.float() * weights).sum(1, keepdim=True).round().clamp(0, 255).to(torch.uint8)


def scaled(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """The whole image brought to (width, height): its middle, cut to the wanted shape, then scaled with smoothing."""
    left, top, right, bottom = middle((pixels.size(3), pixels.size(2)), size)
    cut = pixels[:, :, top:bottom, left:right].float()
    found = torch.nn.functional.interpolate(cut, size[::-1], mode="bilinear", antialias=True)
    return found.round().clamp(0, 255).to(torch.uint8)


def middle(there: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest part of an image that has the proportions wanted, around its middle: left, top, right, bottom."""
    wide, high = there
    width = min(wide, max(round(high * wanted[0] / wanted[1]), 1))
    height = min(high, max(round(wide * wanted[1] / wanted[0]), 1))
    left, top = (wide - width) // 2, (high - height) // 2
    return left, top, left + width, top + height
