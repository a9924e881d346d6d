"""Images in .npz: read as NumPy wrote them, without NumPy, and refused where they are faulty or dangerous."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pellucid.data.images import DEV, TEST, TRAIN, read_images
from pellucid.data.npy import read_arrays
from pellucid.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "a.npz", **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize(
    "dtype", ["u1", "<u2", ">u4", "<u8", "i1", ">i2", "<i4", "<i8", "<f2", ">f4", "<f8", "?", ">f8"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_number_is_read_as_numpy_reads_it(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 2 if dtype == "?" else np.arange(24).reshape(2, 3, 4) * 5)
    array = np.array(array, dtype=dtype, order=order)  # type: ignore[call-overload]
    found = read_arrays(saved(tmp_path, a=array), 1 << 20, "")["a"].numbers
    assert found is not None
    assert found.tolist() == array.tolist()


def test_texts_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    names = np.array(["cat", "näive", "狗"])
    found = read_arrays(saved(tmp_path, a=names, b=names.astype(">U5"), c=np.array([b"x", b"yy"])), 1 << 20, "")
    assert found["a"].texts == found["b"].texts == ("cat", "näive", "狗")
    assert found["c"].texts == ("x", "yy")


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("data", "target"), ("X", "Y")])
def test_arrays_are_found_under_the_names_that_people_use(tmp_path: Path, names: tuple[str, str]) -> None:
    images = read_images([saved(tmp_path, **{names[0]: PIXELS, names[1]: LABELS})])
    assert torch.equal(images.pixels[:, 0], torch.from_numpy(PIXELS))
    assert images.labels.tolist() == LABELS.tolist()
    assert images.classes == ("0", "1")


def test_sides_that_the_file_tells_are_kept(tmp_path: Path) -> None:
    arrays = {f"{side}_{what}": array for side in ("train", "val", "test") for what, array in _both("images", "labels")}
    images = read_images([saved(tmp_path, **arrays)])
    assert images.sides.bincount().tolist() == [6, 6, 6]
    assert set(images.sides.tolist()) == {TRAIN, DEV, TEST}
    keras = {f"{what}_{side}": array for side in ("train", "test") for what, array in _both("x", "y")}
    assert set(read_images([saved(tmp_path, **keras)]).sides.tolist()) == {TRAIN, TEST}


def _both(images: str, labels: str) -> list[tuple[str, Any]]:
    return [(images, PIXELS), (labels, LABELS[:, None])]


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (np.zeros((6, 4, 5, 3), np.uint8), (6, 3, 4, 5)),
        (np.zeros((6, 3, 4, 5), np.uint8), (6, 3, 4, 5)),
        (np.zeros((6, 4, 5, 1), np.uint8), (6, 1, 4, 5)),
    ],
)
def test_colours_are_found_first_or_last(tmp_path: Path, array: Any, shape: tuple[int, ...]) -> None:
    array[:3] += 1
    assert read_images([saved(tmp_path, x=array, y=LABELS)]).pixels.shape == shape


def test_brightness_of_0_to_1_becomes_bytes(tmp_path: Path) -> None:
    found = read_images([saved(tmp_path, x=PIXELS / 255, y=LABELS)]).pixels
    assert torch.equal(found[:, 0], torch.from_numpy(PIXELS))
    whole = read_images([saved(tmp_path, x=PIXELS.astype(np.float32), y=LABELS)]).pixels
    assert torch.equal(whole, found)


def test_names_of_classes_are_taken_from_labels_or_from_beside_them(tmp_path: Path) -> None:
    named = read_images([saved(tmp_path, x=PIXELS, y=np.array(["dog", "cat"] * 3))])
    assert named.classes == ("cat", "dog")
    assert named.labels.tolist() == [1, 0] * 3
    told = read_images([saved(tmp_path, x=PIXELS, y=LABELS, classes=np.array(["no", "yes"]))])
    assert told.classes == ("no", "yes")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"images": PIXELS}, "holds no images with labels, but images"),
    "objects": ({"x": PIXELS, "y": np.array([{"a": 1}] * 6, dtype=object)}, "would run code when opened"),
    "records": ({"x": PIXELS, "y": np.zeros(6, dtype=[("a", "i4")])}, "an array of records"),
    "complex": ({"x": PIXELS, "y": np.zeros(6, dtype=complex)}, "neither numbers nor texts"),
    "unequal counts": ({"x": PIXELS, "y": LABELS[:5]}, "6 x, but 5 y"),
    "negative label": ({"x": PIXELS, "y": np.array([0, 1, -1, 0, 1, 1])}, r"y\[2\] is -1: a label out of range"),
    "broken label": ({"x": PIXELS, "y": np.array([0, 1, 0.5, 0, 1, 1])}, r"y\[2\] is 0.5: a label out of range"),
    "label beyond the names": (
        {"x": PIXELS, "y": LABELS + 1, "classes": np.array(["a", "b"])},
        "a label is 2, out of range: there are 2 names",
    ),
    "one class": ({"x": PIXELS, "y": LABELS * 0}, "all 6 images are of one class, 0"),
    "too bright": ({"x": PIXELS.astype(int) * 2, "y": LABELS}, "from .* to "),
    "not finite": ({"x": np.full((6, 4, 4), np.nan), "y": LABELS}, "not finite"),
    "four colours": ({"x": np.zeros((6, 4, 4, 4)), "y": LABELS}, "neither the second nor the last axis"),
    "flat": ({"x": np.zeros((6, 16)), "y": LABELS}, "numbers with 2 axes, not images"),
    "texts as images": ({"x": np.array(["a"] * 6), "y": LABELS}, "texts, not images"),
    "empty": ({"x": np.zeros((0, 4, 4)), "y": np.zeros(0, int)}, "holds nothing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_file_and_mend(tmp_path: Path, fault: str) -> None:
    arrays, says = FAULTS[fault]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=says) as error:
        read_images([tmp_path / "a.npz"])
    assert "a.npz" in error.value.message
    assert error.value.mend


def member(shape: str, content: bytes = b"", kind: str = "|u1") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (member("(1000000, 1000000)", b"abc"), "more than the file holds"),
        (member("(2,)", b"abc")[:20], "header cannot be read"),
        (b"hello", "not an array of NumPy"),
        (member("__import__('os')"), "header cannot be read"),
        (member("(-1,)"), "no shape"),
    ],
)
def test_a_header_that_lies_is_refused_before_memory_is_taken(tmp_path: Path, content: bytes, says: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match=says):
        read_images([tmp_path / "a.npz"])


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        file.write(member("(3000000,)"))
        for _ in range(3):
            file.write(bytes(1_000_000))
    with pytest.raises(DataError, match="when unpacked"):
        read_arrays(tmp_path / "a.npz", 1_000_000, "Give less.")


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK but no zip")
    with pytest.raises(DataError, match=r"damaged, or not an .npz file"):
        read_images([tmp_path / "a.npz"])
    with pytest.raises(DataError, match="no such file"):
        read_images([tmp_path / "b.npz"])
