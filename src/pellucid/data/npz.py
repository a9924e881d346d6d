"""Images in NumPy's .npz: an array of images and one of labels, perhaps for several sides.

images, labels          or x, y           or data, target
x_train, y_train, x_test, y_test          (Keras)
train_images, train_labels, val_images, ...    (MedMNIST)
classes                                   the names of the classes, where the labels are numbers
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.data.images import FREE, LARGEST, MEND_LARGEST, SIDES, Images
from pellucid.data.npy import Array, read_arrays
from pellucid.errors import DataError

IMAGES = ("images", "x", "data", "image")
LABELS = ("labels", "y", "target", "targets", "label")
CLASSES = ("classes", "class_names", "target_names", "names")
NEEDED = "It must hold `images` and `labels` (or x and y, or x_train, y_train, x_test, y_test)."
RANGE = "Give brightness, 0 to 1 or 0 to 255."

Labels = Sequence[int] | Sequence[str]


def read_npz(path: Path) -> Images:
    """Raises DataError if an array is missing, cannot be meant as images or labels, or would run code."""
    arrays = read_arrays(path, LARGEST, MEND_LARGEST)
    pixels: list[Tensor] = []
    labels: list[Labels] = []
    sides: list[Tensor] = []
    origins: list[str] = []
    for images, targets, side in pairs_of(set(arrays)):
        found = as_pixels(arrays[images], f"{path}: {images}")
        named = _labels(arrays[targets], f"{path}: {targets}")
        if len(found) != len(named):
            raise DataError(
                f"{path}: {len(found):,} {images}, but {len(named):,} {targets}", mend="Give each image one label."
            )
        pixels.append(found)
        labels.append(named)
        sides.append(torch.full((len(named),), side))
        origins += [f"{images}[{number}]" for number in range(len(named))]
    if not pixels:
        raise DataError(f"{path}: holds no images with labels, but {_listed(arrays)}", mend=NEEDED)
    if len({tuple(found.shape[1:]) for found in pixels}) > 1:
        raise DataError(f"{path}: its sides hold images of unequal sizes", mend="Bring them to one size.")
    if len({isinstance(named[0], str) for named in labels}) > 1:
        raise DataError(f"{path}: some labels are names, others numbers", mend="Use one of the two.")
    names = next((arrays[name] for name in CLASSES if name in arrays), None)
    classes, numbers = _numbered(list(chain.from_iterable(labels)), names, path)
    return Images(torch.cat(pixels), numbers, classes, torch.cat(sides), tuple(origins), "npz")


def pixels_in_npz(path: Path) -> tuple[Tensor, tuple[str, ...]]:
    """The images of a file that need have no labels, and where each stands."""
    arrays = read_arrays(path, LARGEST, MEND_LARGEST)
    names = [name for name in sorted(arrays) if stem_of(name) in IMAGES]
    if not names:
        raise DataError(f"{path}: holds no images, but {_listed(arrays)}", mend=NEEDED)
    found = [as_pixels(arrays[name], f"{path}: {name}") for name in names]
    origins = (f"{name}[{n}]" for name, pixels in zip(names, found, strict=True) for n in range(len(pixels)))
    return torch.cat(found), tuple(origins)


def as_pixels(array: Array, where: str) -> Tensor:
    """Bytes (image, channel, height, width) of an array of images in any usual layout and range."""
    values = array.numbers
    if values is None or values.dim() not in (3, 4):
        what = "texts" if values is None else f"numbers with {values.dim()} axes"
        raise DataError(
            f"{where}: {what}, not images",
            mend="Images are numbers: (image, height, width), with colours (image, height, width, 3).",
        )
    if values.dim() == 3:
        values = values[:, None]
    elif values.size(3) in (1, 3):
        values = values.permute(0, 3, 1, 2)
    elif values.size(1) not in (1, 3):
        raise DataError(
            f"{where}: {' x '.join(map(str, values.shape))}: neither the second nor the last axis is 1 or 3 colours",
            mend="Give gray images (image, height, width) or coloured ones (image, height, width, 3).",
        )
    if not values.numel():
        raise DataError(f"{where}: holds nothing", mend="Give at least one image of each class.")
    if values.is_floating_point() and not bool(values.isfinite().all()):
        raise DataError(f"{where}: holds numbers that are not finite", mend=RANGE)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255:
        raise DataError(f"{where}: from {low:g} to {high:g}", mend=RANGE)
    if values.dtype == torch.bool or (values.is_floating_point() and high <= 1):
        values = values.float() * 255
    rounded = values.round() if values.is_floating_point() else values
    return rounded.to(torch.uint8).contiguous()


def _labels(array: Array, where: str) -> Labels:
    if array.texts is not None:
        return array.texts
    values = array.numbers
    assert values is not None, "an array has numbers or texts"
    flat = values.reshape(len(values)) if values.dim() == 2 and values.size(1) == 1 else values
    if flat.dim() != 1:
        raise DataError(
            f"{where}: numbers with {values.dim()} axes, not one label an image",
            mend="Labels are class numbers from 0, or names, one for each image.",
        )
    told: list[float] = flat.tolist()
    wrong = next((n for n, label in enumerate(told) if not (0 <= label < 2**31 and label == int(label))), None)
    if wrong is not None:
        raise DataError(
            f"{where}[{wrong}] is {told[wrong]}: a label out of range", mend="Labels are whole class numbers from 0."
        )
    return [int(label) for label in told]


def _numbered(labels: Sequence[Any], names: Array | None, path: Path) -> tuple[tuple[str, ...], Tensor]:
    """The names of the classes, and the labels as numbers of them."""
    numbered = not any(isinstance(label, str) for label in labels)
    if names is not None and numbered:
        told = names.texts or tuple(map(str, names.numbers.flatten().tolist() if names.numbers is not None else ()))
        highest = max((int(label) for label in labels), default=0)
        if highest >= len(told):
            raise DataError(
                f"{path}: a label is {highest}, out of range: there are {len(told)} names of classes",
                mend="Labels are numbers of the names in `classes`, from 0.",
            )
        return told, torch.tensor(labels)
    there = sorted(set(labels))
    places = {label: number for number, label in enumerate(there)}
    return tuple(map(str, there)), torch.tensor([places[label] for label in labels])


def pairs_of(names: set[str]) -> Iterator[tuple[str, str, int]]:
    """The names of images and labels that belong together, and their side."""
    for name in sorted(names):
        if stem_of(name) not in IMAGES:
            continue
        side = _side(name)
        labels = [other for other in sorted(names) if stem_of(other) in LABELS and _side(other) == side]
        if labels:
            yield name, labels[0], SIDES.get(side, FREE)


def stem_of(name: str) -> str:
    """`x` of x_train, `images` of train_images."""
    return "_".join(part for part in name.lower().split("_") if part not in SIDES)


def _side(name: str) -> str:
    return next((part for part in name.lower().split("_") if part in SIDES), "")


def _listed(arrays: dict[str, Array]) -> str:
    return ", ".join(sorted(arrays)) or "nothing"
