"""What a trained classifier says of examples in a file: their classes, with the probability of each.

Nothing of the training's data is read: the form of the inputs (columns, the size of images) stands beside the weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.data.idx import NAME, read_array
from pellucid.data.imagefolder import pictures_in, read_pictures
from pellucid.data.images import IMAGE_SUFFIXES, gray, is_image_place, read_images, scaled
from pellucid.data.npz import pixels_in_npz
from pellucid.errors import DataError
from pellucid.tasks.examples import Form, ImageForm, table_of

AT_ONCE = 256  # examples in one pass


def predict(run: Any, file: str) -> list[dict[str, Any]]:
    """One answer an example: {"name", "class", "probability", "probabilities": {class: ...}} and, if told, "truth".

    `file` is a table with the run's columns, a picture, a folder of pictures, .npz, IDX, or a sample. Raises DataError
    for what is none of these, or of the other kind than the run reads.
    """
    form = Form.load(run.path)
    inputs, names, truths = read_inputs(file, form, run.config.data.delimiter)
    answers = probabilities_of(run.model, inputs)
    return [answer(name, row, form.classes, truth) for name, row, truth in zip(names, answers, truths, strict=True)]


def answer(name: str, row: Tensor, classes: Sequence[str], truth: str | None) -> dict[str, Any]:
    best = int(row.argmax())
    told = {
        "name": name,
        "class": classes[best],
        "probability": round(float(row[best]), 6),
        "probabilities": {label: round(float(share), 6) for label, share in zip(classes, row, strict=True)},
    }
    return told if truth is None else {**told, "truth": truth}


def probabilities_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """Softmax of the network's scores: (example, class)."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        return torch.cat(
            [model(part.to(device)).cpu().float().softmax(1) for part in inputs.chunk(-(-len(inputs) // AT_ONCE))]
        )


def read_inputs(file: str, form: Form, delimiter: str | None = None) -> tuple[Tensor, list[str], list[str | None]]:
    """What the network reads of each example, its name, and its class where the file tells it."""
    if form.image is not None:
        pixels, names, truths = read_pixels(file, form.image)
        return form.image.standardized(pixels.float() / 255), names, truths
    assert form.table is not None, "a form is of images or of a table"
    if is_image_place(file) and not Path(file).is_dir():
        raise DataError(
            f"{file}: images, but this run reads tables", mend=f"Give a table with the columns {_columns(form)}."
        )
    table = table_of([file], delimiter)
    target = form.table.target.name
    truths = list(table.column(target)) if target in table.names else [None] * len(table)
    return form.table.encode(table), list(table.lines), truths


def read_pixels(file: str, form: ImageForm) -> tuple[Tensor, list[str], list[str | None]]:
    """Images brought to the run's size and colours: bytes (image, channel, height, width)."""
    path, size = Path(file), (form.width, form.height)
    if file.startswith("sample:"):
        images = read_images([file])
        truths: list[str | None] = [images.classes[label] for label in images.labels.tolist()]
        return fitting(images.pixels, form), list(images.origins), truths
    if path.is_dir():
        pictures = pictures_in(path)
        if not pictures:
            raise DataError(f"{file}: no picture in this folder", mend=f"Known: {', '.join(IMAGE_SUFFIXES)}.")
        names = [str(picture.relative_to(path)) for picture in pictures]
        return read_pictures(pictures, form.channels, size), names, [None] * len(pictures)
    if not path.exists():
        raise DataError(f"{file}: no such file or folder", mend="Check the name.")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return read_pictures([path], form.channels, size), [path.name], [None]
    if path.suffix.lower() == ".npz":
        pixels, origins = pixels_in_npz(path)
        return fitting(pixels, form), list(origins), [None] * len(pixels)
    if NAME.match(path.name):
        pixels = read_array(path, 3)[:, None]
        return fitting(pixels, form), [f"{path.name} {number}" for number in range(len(pixels))], [None] * len(pixels)
    raise DataError(
        f"{file}: not an image; this run reads images of {form.width} x {form.height} pixels",
        mend=f"Give a picture ({', '.join(IMAGE_SUFFIXES)}), a folder of pictures, an .npz or an IDX file.",
    )


def fitting(pixels: Tensor, form: ImageForm) -> Tensor:
    """Pixels in the run's colours and size."""
    if form.channels == 1 and pixels.size(1) == 3:
        pixels = gray(pixels)
    elif form.channels == 3 and pixels.size(1) == 1:
        pixels = pixels.expand(-1, 3, -1, -1)
    if tuple(pixels.shape[2:]) != (form.height, form.width):
        pixels = scaled(pixels, (form.width, form.height))
    return pixels


def _columns(form: Form) -> str:
    assert form.table is not None, "asked of tables only"
    return ", ".join(column.name for column in form.table.inputs)
