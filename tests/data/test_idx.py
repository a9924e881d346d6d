"""MNIST's own files: read as they are or gzipped, and every lie of a header told."""

import gzip
import struct
from pathlib import Path

import pytest
import torch

from pellucid.data.images import TEST, TRAIN, read_images
from pellucid.errors import DataError

PIXELS = bytes(range(4 * 2 * 3))
LABELS = bytes([0, 1, 2, 1])


def images(count: int = 4, rows: int = 2, columns: int = 3, content: bytes = PIXELS, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, 3]) + struct.pack(">III", count, rows, columns) + content


def labels(content: bytes = LABELS, count: int | None = None) -> bytes:
    return bytes([0, 0, 8, 1]) + struct.pack(">I", len(content) if count is None else count) + content


def written(folder: Path, side: str = "train", pictures: bytes = images(), classes: bytes = labels()) -> Path:
    (folder / f"{side}-images-idx3-ubyte").write_bytes(pictures)
    (folder / f"{side}-labels-idx1-ubyte").write_bytes(classes)
    return folder


def test_the_bytes_are_the_files_own(tmp_path: Path) -> None:
    found = read_images([written(tmp_path)])
    assert found.pixels.flatten().tolist() == list(PIXELS)
    assert found.pixels.shape == (4, 1, 2, 3)
    assert found.labels.tolist() == [0, 1, 2, 1]
    assert found.classes == ("0", "1", "2")
    assert found.origins[2] == "train-images-idx3-ubyte 2"


def test_gzipped_files_are_the_same_and_two_files_may_be_named(tmp_path: Path) -> None:
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    for name, content in zip(names, (images(), labels()), strict=True):
        (tmp_path / name).write_bytes(gzip.compress(content))
    found = read_images([tmp_path / name for name in names])
    assert found.pixels.flatten().tolist() == list(PIXELS)


def test_the_test_files_are_the_test_side(tmp_path: Path) -> None:
    written(tmp_path, "t10k")
    found = read_images([written(tmp_path)])
    assert len(found) == 8
    assert set(found.sides.tolist()) == {TRAIN, TEST}
    assert [found.origins[n].split("-")[0] for n in (found.sides == TEST).nonzero().flatten()] == ["t10k"] * 4


def test_fashion_has_its_names_of_clothes(tmp_path: Path) -> None:
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    pixels = bytes(10 * 2 * 3)
    found = read_images([written(folder, pictures=images(10, content=pixels), classes=labels(bytes(range(10))))])
    assert found.classes[9] == "ankle boot"
    assert torch.equal(found.labels, torch.arange(10))


FAULTS = {
    "more images promised": (images(5), labels(), "its header says 5 x 2 x 3 numbers, but 24 follow"),
    "fewer images promised": (images(3), labels(), "its header says 3 x 2 x 3 numbers, but more follow"),
    "more labels than images": (images(), labels(bytes([0, 1, 2, 1, 0])), "4 images, but 5 labels"),
    "a lie of terabytes": (images(2**31, 2**10, 2**10), labels(), "GiB"),
    "labels as images": (labels(), labels(), "has 1 axes, but images have 3"),
    "floats": (images(kind=0x0D), labels(), "type 0x0d, not bytes"),
    "no IDX": (b"\x89PNG....", labels(), "does not begin with two zero bytes"),
    "cut in the header": (images()[:9], labels(), "ends within its header"),
    "nothing": (images(0, content=b""), labels(b""), "holds nothing"),
    "a label out of range": (images(), labels(bytes([0, 1, 200, 1])), "up to 200, but no image is of class 2"),
    "one class": (images(), labels(bytes(4)), "of one class"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_file_and_mend(tmp_path: Path, fault: str) -> None:
    pictures, classes, says = FAULTS[fault]
    with pytest.raises(DataError, match=says) as error:
        read_images([written(tmp_path, "train", pictures, classes)])
    assert str(tmp_path) in error.value.message
    assert error.value.mend


def test_a_file_cut_short_within_gzip_is_told(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(gzip.compress(images())[:-9])
    with pytest.raises(DataError, match="train-images-idx3-ubyte: damaged or cut short"):
        read_images([tmp_path])


def test_labels_without_images_are_told(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="these labels have no images beside them") as error:
        read_images([tmp_path])
    assert "train-images-idx3-ubyte" in error.value.mend
