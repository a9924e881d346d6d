"""Images in arrays: NumPy's .npz, and MNIST's IDX. Headers that lie, counts and sizes that differ, labels out of range.

Each array that can be read is looked at, whatever is wrong with the others.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.data.check.fault import Findings
from pellucid.data.check.pixels import check_pixels
from pellucid.data.idx import idx_files, read_array, sides_of
from pellucid.data.images import LARGEST, MEND_LARGEST
from pellucid.data.npy import Array, read_arrays
from pellucid.data.npz import CLASSES, IMAGES, as_pixels, pairs_of, stem_of
from pellucid.errors import DataError

Sized = dict[str, int]


def check_npz(path: Path, findings: Findings) -> Sized:
    """Check all images with labels of a file; returns how many there are."""
    arrays = _arrays(path, findings)
    if arrays is None:
        return {"images": 0, "classes": 0}
    names = _class_names(arrays)
    pairs = list(pairs_of(set(arrays)))
    without = [name for name in sorted(arrays) if stem_of(name) in IMAGES and name not in {pair[0] for pair in pairs}]
    for name in without:
        findings.add("no-labels", file=path, column=name)
    if not pairs and not without:
        findings.add("no-images", file=path, text=", ".join(sorted(arrays)))
    parts: list[tuple[str, Tensor, list[str | None]]] = []
    for images, targets, _ in pairs:
        pixels = _pixels(path, images, arrays[images], findings)
        labels = _labels(path, targets, arrays[targets], names, findings)
        if pixels is None or labels is None:
            continue
        if len(pixels) != len(labels):
            findings.add(
                "count-differs", file=path, column=images, images=len(pixels), labels=len(labels), other=targets
            )
        parts.append((images, pixels, labels))
    _check_sizes(path, parts, findings)
    return check_pixels(parts, findings, path, names)


def check_idx(places: list[Path], findings: Findings) -> Sized:
    """Check pairs of files of images and labels; returns how many images there are."""
    sides = sides_of(idx_files(places))
    parts: list[tuple[str, Tensor, list[str | None]]] = []
    for pair in sides.values():
        for what in pair:
            if len(pair) == 1:
                findings.add("no-partner", file=pair[what], what=what, other="labels" if what == "images" else "images")
        read = {what: _idx(file, 3 if what == "images" else 1, findings) for what, file in pair.items()}
        pixels, labels = read.get("images"), read.get("labels")
        if pixels is None or labels is None:
            continue
        if len(pixels) != len(labels):
            counts: dict[str, Any] = {"images": len(pixels), "labels": len(labels)}
            findings.add("count-differs", file=pair["images"], other=pair["labels"].name, **counts)
        parts.append((str(pair["images"]), pixels[:, None], [str(label) for label in labels.tolist()]))
    _check_sizes(None, parts, findings)
    return check_pixels(parts, findings)


def _arrays(path: Path, findings: Findings) -> dict[str, Array] | None:
    try:
        return read_arrays(path, LARGEST, MEND_LARGEST)
    except DataError as error:
        if not path.exists():
            raise
        findings.add("damaged-file", file=path, reason=error.message.removeprefix(f"{path}: "))
    return None


def _idx(path: Path, axes: int, findings: Findings) -> Tensor | None:
    try:
        return read_array(path, axes)
    except DataError as error:
        if not path.exists():
            raise
        findings.add("damaged-file", file=path, reason=error.message.removeprefix(f"{path}: "))
    return None


def _class_names(arrays: dict[str, Array]) -> tuple[str, ...] | None:
    found = next((arrays[name] for name in CLASSES if name in arrays), None)
    if found is None:
        return None
    return found.texts or tuple(
        str(number) for number in (found.numbers if found.numbers is not None else torch.empty(0)).flatten().tolist()
    )


def _pixels(path: Path, name: str, array: Array, findings: Findings) -> Tensor | None:
    values = array.numbers
    if values is not None and values.is_floating_point():
        odd = (~values.isfinite()).flatten(1).any(1).nonzero().flatten().tolist() if values.dim() > 1 else []
        for number in odd:
            findings.add("not-finite", file=path, row=number, column=name, text="NaN")
        if odd:
            array = Array(values.nan_to_num(0.0, 0.0, 0.0))
    try:
        return as_pixels(array, f"{path}: {name}")
    except DataError as error:
        findings.add("not-images", file=path, column=name, reason=error.message.removeprefix(f"{path}: {name}: "))
    return None


def _labels(
    path: Path, name: str, array: Array, names: tuple[str, ...] | None, findings: Findings
) -> list[str | None] | None:
    """The class of each image, None where its label is none."""
    if array.texts is not None:
        return list(array.texts)
    values = array.numbers
    assert values is not None, "an array has numbers or texts"
    if values.dim() == 2 and values.size(1) == 1:
        values = values[:, 0]
    if values.dim() != 1:
        findings.add("not-labels", file=path, column=name, text=" x ".join(map(str, values.shape)))
        return None
    most = len(names) if names is not None else 1 << 31
    found: list[str | None] = []
    for number, label in enumerate(values.tolist()):
        if 0 <= label < most and label == int(label):
            found.append(names[int(label)] if names is not None else str(int(label)))
        else:
            highest = f"{most - 1:,}" if names is not None else "…"
            findings.add("label-out-of-range", file=path, row=number, column=name, text=f"{label:g}", highest=highest)
            found.append(None)
    return found


def _check_sizes(path: Path | None, parts: list[tuple[str, Tensor, list[str | None]]], findings: Findings) -> None:
    """Sides whose images have another size than those of the first."""
    for name, pixels, _ in parts[1:]:
        first = parts[0][1]
        if pixels.shape[1:] != first.shape[1:]:
            told, usual = (" x ".join(map(str, reversed(one.shape[1:]))) for one in (pixels, first))
            column = name if path else None
            findings.add(
                "size-differs",
                file=path or name,
                column=column,
                text=told,
                usual=usual,
                count=len(first),
                images=len(first) + len(pixels),
            )
