"""Images in NumPy's .npz: an array of images and one of labels, perhaps for several sides.

    images, labels          or x, y           or data, target
    x_train, y_train, x_test, y_test          (Keras)
    train_images, train_labels, val_images, ...    (MedMNIST)
    classes                                   the names of the classes, where the labels are numbers

Arrays of Python objects are refused: NumPy keeps them as pickles, and a pickle runs code when it is opened.
"""

import zipfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pellucid.data.images import FREE, LARGEST, MEND_LARGEST, SIDES, Images
from pellucid.errors import DataError

IMAGES = ("images", "x", "data", "image")
LABELS = ("labels", "y", "target", "targets", "label")
CLASSES = ("classes", "class_names", "target_names", "names")
NEEDED = "It must hold `images` and `labels` (or x and y, or x_train, y_train, x_test, y_test)."


def read_npz(path: Path) -> Images:
    """Raises DataError if an array is missing, cannot be meant as images or labels, or would run code."""
    arrays = read_arrays(path)
    pixels: list[Tensor] = []
    labels: list[NDArray[Any]] = []
    sides: list[Tensor] = []
    origins: list[str] = []
    for images, targets, side in _pairs(set(arrays)):
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
        there = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path}: holds no images with labels, but {there}", mend=NEEDED)
    if len({tuple(found.shape[1:]) for found in pixels}) > 1:
        raise DataError(f"{path}: its sides hold images of unequal sizes", mend="Bring them to one size.")
    if len({named.dtype.kind == "U" for named in labels}) > 1:
        raise DataError(f"{path}: some labels are names, others numbers", mend="Use one of the two.")
    together = np.concatenate(labels)
    names = next((arrays[name] for name in CLASSES if name in arrays), None)
    classes, numbers = _numbered(together, names, path)
    return Images(torch.cat(pixels), torch.from_numpy(numbers), classes, torch.cat(sides), tuple(origins), "npz")


def pixels_in_npz(path: Path) -> tuple[Tensor, tuple[str, ...]]:
    """The images of a file that need have no labels, and where each stands."""
    arrays = read_arrays(path)
    names = [name for name in sorted(arrays) if _stem(name) in IMAGES]
    if not names:
        raise DataError(f"{path}: holds no images, but {', '.join(sorted(arrays)) or 'nothing'}", mend=NEEDED)
    found = [as_pixels(arrays[name], f"{path}: {name}") for name in names]
    origins = (f"{name}[{n}]" for name, pixels in zip(names, found, strict=True) for n in range(len(pixels)))
    return torch.cat(found), tuple(origins)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array by its name. No member is unpacked before its size is known, and none is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > LARGEST:
                raise DataError(f"{path}: holds {total / 2**30:,.1f} GiB when unpacked", mend=MEND_LARGEST)
            return {
                member.filename.removesuffix(".npy"): _array(archive, member, path)
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", mend="Check the name.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise DataError(
            f"{path}: damaged, or not an .npz file ({error})", mend="Write it again by numpy.savez."
        ) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    where = f"{path}: {member.filename.removesuffix('.npy')}"
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        except ValueError as error:
            raise DataError(f"{where}: not an array ({error})", mend="Write it again by numpy.savez.") from None
        if dtype.hasobject:
            raise DataError(
                f"{where}: an array of Python objects, which would run code when opened; it is not opened",
                mend="Save numbers, and names as text: numpy.array(names, dtype=str).",
            )
        wanted = prod(shape) * dtype.itemsize
        if min((*shape, 0)) < 0 or wanted > member.file_size:
            raise DataError(f"{where}: its header says {shape}, more than the file holds", mend="Write it again.")
        content = bytearray(file.read(wanted))  # writable, as tensors that share its memory are
    flat = np.frombuffer(content, dtype=dtype)
    if flat.size != prod(shape):
        raise DataError(f"{where}: its header says {shape}, but {flat.size:,} numbers follow", mend="Write it again.")
    return flat.reshape(shape, order="F" if fortran else "C")


def as_pixels(array: NDArray[Any], where: str) -> Tensor:
    """Bytes (image, channel, height, width) of an array of images in any usual layout and range."""
    if array.dtype.kind not in "uifb" or array.ndim not in (3, 4):
        raise DataError(
            f"{where}: an array of {array.dtype} with {array.ndim} axes, not images",
            mend="Images are numbers: (image, height, width), with colours (image, height, width, 3).",
        )
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    elif array.shape[1] not in (1, 3):
        raise DataError(
            f"{where}: {' x '.join(map(str, array.shape))}: neither the second nor the last axis is 1 or 3 colours",
            mend="Give gray images (image, height, width) or coloured ones (image, height, width, 3).",
        )
    if not array.size:
        raise DataError(f"{where}: holds nothing", mend="Give at least one image of each class.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{where}: holds numbers that are not finite", mend="Give brightness, 0 to 1 or 0 to 255.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise DataError(f"{where}: from {low:g} to {high:g}", mend="Give brightness, 0 to 1 or 0 to 255.")
    if (array.dtype.kind == "f" and high <= 1) or array.dtype.kind == "b":
        array = array.astype(np.float32) * 255
    return torch.from_numpy(np.ascontiguousarray(np.rint(array) if array.dtype.kind == "f" else array).astype(np.uint8))


def _labels(array: NDArray[Any], where: str) -> NDArray[Any]:
    flat = array.reshape(len(array)) if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1 or flat.dtype.kind not in "uifbUS":
        raise DataError(
            f"{where}: an array of {array.dtype} with {array.ndim} axes, not one label an image",
            mend="Labels are class numbers from 0, or names, one for each image.",
        )
    if flat.dtype.kind in "US":
        return flat.astype(str)
    wrong = np.flatnonzero(~(np.isfinite(flat) & (flat == np.rint(flat)) & (flat >= 0) & (flat < 2**31)))
    if len(wrong):
        raise DataError(
            f"{where}[{wrong[0]}] is {flat[wrong[0]]}: a label out of range",
            mend="Labels are whole class numbers from 0.",
        )
    return flat.astype(np.int64)


def _numbered(
    labels: NDArray[Any], names: NDArray[Any] | None, path: Path
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of the classes, and the labels as numbers of them."""
    if labels.dtype.kind == "U":
        classes, numbers = np.unique(labels, return_inverse=True)
        return tuple(map(str, classes)), numbers.astype(np.int64)
    if names is not None:
        told = tuple(map(str, names.reshape(-1).astype(str)))
        if len(labels) and labels.max() >= len(told):
            raise DataError(
                f"{path}: a label is {labels.max()}, out of range: there are {len(told)} names of classes",
                mend="Labels are numbers of the names in `classes`, from 0.",
            )
        return told, labels
    classes, numbers = np.unique(labels, return_inverse=True)
    return tuple(map(str, classes.tolist())), numbers.astype(np.int64)


def _pairs(names: set[str]) -> Iterator[tuple[str, str, int]]:
    """The names of images and labels that belong together, and their side."""
    for name in sorted(names):
        if _stem(name) not in IMAGES:
            continue
        side = _side(name)
        labels = [other for other in sorted(names) if _stem(other) in LABELS and _side(other) == side]
        if labels:
            yield name, labels[0], SIDES.get(side, FREE)


def _stem(name: str) -> str:
    """`x` of x_train, `images` of train_images."""
    return "_".join(part for part in name.lower().split("_") if part not in SIDES)


def _side(name: str) -> str:
    return next((part for part in name.lower().split("_") if part in SIDES), "")
