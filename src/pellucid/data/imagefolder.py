"""A folder of class folders: `animals/cat/1.jpg`, `animals/dog/7.png`; the name of a folder is the name of a class.

A folder that holds `train` and `test` (and perhaps `val`), each with the class folders in it, says itself which images
are held out. Pictures are opened by Pillow (the extra `images`), one at a time and only once their header is believed.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pellucid.data.images import FREE, IMAGE_SUFFIXES, SIDES, Colours, Images, check_total, middle
from pellucid.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_PICTURE = 100_000_000  # pixels; a larger one takes minutes and gigabytes, whatever its file's size
RGB, GRAY = 3, 1
GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")  # of Pillow


def read_folder(folder: Path, size: tuple[int, int] | None, colours: Colours) -> Images:
    """All pictures of all class folders, in the order of their names.

    Raises DataError for a folder without class folders or with an empty one, for a broken picture, and for pictures
    of unequal size unless `size` is given.
    """
    classes, found = _found(folder)
    channels = _channels(found, colours)
    if size is None:
        size = _common_size(found)
    check_total(len(found), channels, size[1], size[0], str(folder))
    pixels = torch.empty(len(found), channels, size[1], size[0], dtype=torch.uint8)
    for number, (path, _, _) in enumerate(found):
        pixels[number] = read_picture(path, channels, size)
    return Images(
        pixels,
        torch.tensor([classes.index(name) for _, name, _ in found]),
        tuple(classes),
        torch.tensor([side for _, _, side in found]),
        tuple(str(path.relative_to(folder)) for path, _, _ in found),
        "folder",
    )


def read_pictures(paths: Sequence[Path], channels: int, size: tuple[int, int]) -> Tensor:
    """Pictures by themselves, brought to the shape that a network reads: (image, channel, height, width)."""
    return torch.stack([read_picture(path, channels, size) for path in paths])


def pictures_in(folder: Path) -> list[Path]:
    """Every picture in a folder and in its folders, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and is_shown(path))


def read_picture(path: Path, channels: int, size: tuple[int, int]) -> Tensor:
    """One picture as bytes (channel, height, width): turned upright, its middle cut and scaled to width and height."""
    from PIL import ImageOps

    with opened_picture(path) as picture:
        upright = flattened(ImageOps.exif_transpose(picture), channels)
        if upright.size != size:
            cut = upright.crop(middle(upright.size, size))
            upright = cut.resize(size, pillow().Resampling.BILINEAR)
        flat = torch.frombuffer(bytearray(upright.tobytes()), dtype=torch.uint8)
        return flat.view(size[1], size[0], channels).permute(2, 0, 1)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height once it stands upright, from its header alone. Raises DataError if that is none."""
    with opened_picture(path) as picture:
        wide, high = picture.size
        return (high, wide) if picture.getexif().get(0x0112, 1) >= 5 else (wide, high)  # EXIF: lies on its side


def sides_in(folder: Path) -> list[tuple[Path, int]]:
    """Where the class folders stand: in the folder itself, or in folders such as `train` and `test`; and their side."""
    inner = folders_in(folder)
    sided = len(inner) >= 2 and all(path.name.lower() in SIDES for path in inner)
    return [(path, SIDES[path.name.lower()]) for path in inner] if sided else [(folder, FREE)]


def folders_in(place: Path) -> list[Path]:
    """The folders in a folder but for hidden ones, in the order of their names."""
    return sorted(path for path in place.iterdir() if path.is_dir() and is_shown(path))


def _found(folder: Path) -> tuple[list[str], list[tuple[Path, str, int]]]:
    """The names of the classes, and every picture with its class and the side that its folder says."""
    found: list[tuple[Path, str, int]] = []
    names: set[str] = set()
    for place, side in sides_in(folder):
        class_folders = folders_in(place)
        if not class_folders:
            loose = len(pictures_in(place))
            what = f"{loose:,} images, but no folder for each class" if loose else "no folder of images"
            raise DataError(f"{place}: holds {what}", mend="Make a folder for each class and move its images into it.")
        for class_folder in class_folders:
            pictures = pictures_in(class_folder)
            if not pictures:
                raise DataError(
                    f"{class_folder}: an empty class; no image in it",
                    mend=f"Add images ({', '.join(IMAGE_SUFFIXES)}), or remove the folder.",
                )
            names.add(class_folder.name)
            found += [(path, class_folder.name, side) for path in pictures]
    return sorted(names), found


def _channels(found: Sequence[tuple[Path, str, int]], colours: Colours) -> int:
    if colours != "auto":
        return GRAY if colours == "gray" else RGB
    for path, _, _ in found:
        with opened_picture(path) as picture:
            if picture.mode not in GRAY_MODES:
                return RGB
    return GRAY


def _common_size(found: Sequence[tuple[Path, str, int]]) -> tuple[int, int]:
    first = picture_size(found[0][0])
    for path, _, _ in found[1:]:
        size = picture_size(path)
        if size != first:
            smaller = f"{min(size[0], first[0])}x{min(size[1], first[1])}"
            raise DataError(
                f"{path}: {size[0]} x {size[1]} pixels, but {found[0][0]} has {first[0]} x {first[1]}; "
                "a network reads images of one size",
                mend=f"Give --size {smaller}: every image is then cut to that shape around its middle and scaled.",
            )
    return first


def opened_picture(path: Path) -> "Image":
    """Its header read and believed; the pixels are not read yet. Raises DataError for what is no picture."""
    image = pillow()
    try:
        with warnings.catch_warnings():
            # We measure for ourselves, below, what Pillow warns of.
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            picture: Image = image.open(path)
            if picture.width * picture.height > LARGEST_PICTURE:
                raise DataError(
                    f"{path}: {picture.width:,} x {picture.height:,} pixels, too large to be opened safely",
                    mend=f"Scale it down to at most {LARGEST_PICTURE // 10**6} million pixels, or remove it.",
                )
            picture.load()
    except image.DecompressionBombError:
        raise DataError(
            f"{path}: far too many pixels to be opened safely", mend="Scale it down, or remove it."
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError) as error:
        reason = " ".join(str(error).replace(str(path), "it").split()) or type(error).__name__
        raise DataError(
            f"{path}: not an image that can be read, or a broken one ({reason})", mend="Replace it, or remove it."
        ) from None
    return picture


def flattened(picture: "Image", channels: int) -> "Image":
    """Gray or red, green and blue, what is transparent over white, 16 bits brought down to 8."""
    image = pillow()
    if picture.mode.startswith("I"):
        picture = picture.convert("F").point(lambda x: x / 257).convert("L")  # 65,535 becomes 255
    elif "A" in picture.mode or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = image.new("RGBA", clear.size, "white")
        picture = image.alpha_composite(white, clear)
    return picture.convert("L" if channels == GRAY else "RGB")


def pillow() -> Any:
    """Pillow's module of images. Raises DataError if it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading pictures needs Pillow, which is not installed", mend='Install it: pip install "pellucid[images]"'
        ) from None
    return Image


def is_shown(path: Path) -> bool:
    """Whether a file or folder is a person's own, and not one that a system hides beside it."""
    return not path.name.startswith((".", "__MACOSX"))
