"""IDX: the files in which MNIST and Fashion-MNIST are given, as they are or gzipped.

Four bytes say the type and the number of axes, four bytes an axis its length, then come the numbers. A header is held
against the size of its file before any memory is taken for what it promises.
Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998.
"""

import gzip
import re
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from pellucid.data.images import FREE, LARGEST, MEND_LARGEST, TEST, TRAIN, Images
from pellucid.errors import DataError

BYTES = 0x08  # the type code of unsigned bytes, the only type these sets have
NAME = re.compile(r"^(?P<side>.*?)[-_.]?(?P<what>images|labels)[-_.]idx(?P<axes>[13])[-_.]ubyte(\.gz)?$", re.IGNORECASE)
FASHION = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
AGAIN = "Fetch the file again."


def is_idx(path: Path) -> bool:
    """Whether its name is one of MNIST's, or it is a folder that holds such files."""
    if path.is_dir():
        return any(NAME.match(file.name) for file in path.iterdir())
    return bool(NAME.match(path.name))


def idx_files(places: Sequence[Path]) -> list[Path]:
    """Those of these files, and of the files in the folders among them, that are named as IDX files are."""
    return sorted(
        file for place in places for file in (place.iterdir() if place.is_dir() else [place]) if NAME.match(file.name)
    )


def sides_of(files: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """By side the file of its images and that of its labels."""
    sides: dict[str, dict[str, Path]] = {}
    for file in files:
        told = NAME.match(file.name)
        assert told is not None, "only files with such a name were kept"
        sides.setdefault(told["side"].lower(), {}).setdefault(told["what"].lower(), file)
    return sides


def read_idx(places: Sequence[Path]) -> Images:
    """All images of these files or of one folder of them: `train-...` are trained on, `t10k-...` are the test.

    Raises DataError if images or labels are missing, a header lies, a file is cut short, or counts differ.
    """
    files = idx_files(places)
    sides = sides_of(files)
    pixels: list[Tensor] = []
    labels: list[Tensor] = []
    marks: list[Tensor] = []
    origins: list[str] = []
    for side, pair in sides.items():
        for what, other in (("images", "labels"), ("labels", "images")):
            if what not in pair:
                raise DataError(
                    f"{pair[other]}: these {other} have no {what} beside them",
                    mend=f"Put the file {side}-{what}-idx{3 if what == 'images' else 1}-ubyte beside it, or name both.",
                )
        images, classes = read_array(pair["images"], 3), read_array(pair["labels"], 1)
        if len(images) != len(classes):
            raise DataError(
                f"{pair['images']}: {len(images):,} images, but {len(classes):,} labels in {pair['labels']}",
                mend="Give the two files that belong together.",
            )
        pixels.append(images)
        labels.append(classes.long())
        known = {"train": TRAIN, "t10k": TEST, "test": TEST}.get(side.split("-")[0], FREE)
        marks.append(torch.full((len(classes),), known if len(sides) > 1 else FREE))
        origins += [f"{pair['images'].name} {number}" for number in range(len(classes))]
    if len({tuple(images.shape[1:]) for images in pixels}) > 1:
        raise DataError(f"{files[0].parent}: its files hold images of unequal sizes", mend="Give files of one set.")
    named = torch.cat(labels)
    count = int(named.max()) + 1
    without = (named.bincount() == 0).nonzero().flatten().tolist()
    if without:
        raise DataError(
            f"{', '.join(str(pair['labels']) for pair in sides.values())}: labels go up to {count - 1}, "
            f"but no image is of class {without[0]}; is a label out of range?",
            mend="Number the classes from 0 on without a gap.",
        )
    fashion = any("fashion" in part.lower() for file in files for part in file.parts) and count == len(FASHION)
    return Images(
        torch.cat(pixels)[:, None],
        named,
        FASHION if fashion else tuple(str(number) for number in range(count)),
        torch.cat(marks),
        tuple(origins),
        "IDX",
    )


def read_array(path: Path, axes: int) -> Tensor:
    """The bytes of one file, in as many axes as are meant. Raises DataError for a header or size that does not fit."""
    try:
        with gzip.open(path, "rb") if _is_gzipped(path) else path.open("rb") as file:
            return _array(path, file, axes)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", mend="Check the name.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut short ({error})", mend=AGAIN) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", mend="Check the file.") from None


def _array(path: Path, file: "BinaryIO | gzip.GzipFile", axes: int) -> Tensor:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise DataError(f"{path}: not an IDX file; it does not begin with two zero bytes", mend=AGAIN)
    if head[2] != BYTES:
        raise DataError(
            f"{path}: holds numbers of type 0x{head[2]:02x}, not bytes (0x08)", mend="Give bytes, 0 to 255."
        )
    if head[3] != axes:
        what = "images" if axes == 3 else "labels"
        raise DataError(f"{path}: has {head[3]} axes, but {what} have {axes}", mend="Are images and labels swapped?")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise DataError(f"{path}: ends within its header", mend=AGAIN)
    sizes = [int.from_bytes(lengths[4 * n : 4 * n + 4], "big") for n in range(axes)]
    wanted = prod(sizes)
    told = " x ".join(f"{size:,}" for size in sizes)
    if wanted > LARGEST:
        raise DataError(f"{path}: says it holds {told} numbers, {wanted / 2**30:,.1f} GiB", mend=MEND_LARGEST)
    content = bytearray(file.read(wanted))
    if len(content) < wanted:
        raise DataError(f"{path}: its header says {told} numbers, but {len(content):,} follow", mend=AGAIN)
    if file.read(1):
        raise DataError(f"{path}: its header says {told} numbers, but more follow", mend=AGAIN)
    if not wanted:
        raise DataError(f"{path}: holds nothing ({told})", mend=AGAIN)
    return torch.frombuffer(content, dtype=torch.uint8).view(sizes)


def _is_gzipped(path: Path) -> bool:
    """By its first two bytes: people rename such files."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
