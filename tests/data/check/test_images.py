"""Images: broken files, odd sizes, wrong labels, planted into folders and arrays, are found and nothing else."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.check.fault import Fault, kinds
from pellucid.data.check.whole import check_files

CLASSES = ("cat", "dog")
COUNT = 6  # pictures of each class


def found(path: Path | str) -> list[Fault]:
    (checked,) = check_files([path])
    assert checked.kind == "images"
    return checked.findings.faults


def only(faults: list[Fault]) -> Fault:
    assert len(faults) == 1, faults
    return faults[0]


def picture(seed: int, size: tuple[int, int] = (12, 8), mode: str = "RGB"):  # type: ignore[no-untyped-def]
    image = pytest.importorskip("PIL.Image")
    channels = {"RGB": (3,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return image.fromarray(pixels, mode)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for number, name in enumerate(CLASSES):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for n in range(COUNT):
            picture(100 * number + n).save(tmp_path / "animals" / name / f"{n}.png")
    return tmp_path / "animals"


def test_a_clean_folder_has_no_fault(animals: Path) -> None:
    assert found(animals) == []
    (checked,) = check_files([animals])
    assert checked.size == {"images": 12, "classes": 2}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)


PLANTED: dict[str, Callable[[Path], object]] = {
    "truncated-picture": truncate,
    "unreadable-picture": spoil,
    "empty-file": lambda path: path.write_bytes(b""),
    "size-differs": lambda path: picture(7, (9, 8)).save(path),
    "colours-differ": lambda path: picture(7, mode="L").save(path),
    "duplicate-picture": lambda path: path.write_bytes((path.parent / "0.png").read_bytes()),
    "picture-in-two-classes": lambda path: path.write_bytes((path.parent.parent / "cat" / "0.png").read_bytes()),
    "one-colour": lambda path: picture(7).point(lambda value: 9).save(path),
    "wrong-ending": lambda path: picture(7).save(path, format="BMP"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_picture_is_found_by_its_name(animals: Path, kind: str) -> None:
    path = animals / "dog" / "3.png"
    PLANTED[kind](path)
    fault = only(found(animals))
    assert (fault.kind, fault.file) == (kind, str(path))


def test_the_same_picture_written_in_another_format_is_found(animals: Path) -> None:
    pytest.importorskip("PIL.Image").open(animals / "cat" / "2.png").save(animals / "dog" / "9.bmp")
    fault = only(found(animals))
    assert (fault.kind, fault.file, fault.facts["first"]) == (
        "picture-in-two-classes",
        str(animals / "dog" / "9.bmp"),
        str(animals / "cat" / "2.png"),
    )


def test_folders_and_files_that_training_does_not_read_are_found(animals: Path) -> None:
    (animals / "bird").mkdir()
    picture(50).save(animals / "loose.png")
    (animals / "dog" / "7.heic").write_bytes(b"x")
    (animals / "dog" / ".hidden").write_bytes(b"x")
    told = {fault.kind: fault.file for fault in found(animals)}
    assert told == {
        "empty-class": str(animals / "bird"),
        "loose-picture": str(animals / "loose.png"),
        "odd-ending": str(animals / "dog" / "7.heic"),
    }


def test_a_class_of_one_picture_is_found(animals: Path) -> None:
    (animals / "bird").mkdir()
    picture(50).save(animals / "bird" / "1.png")
    fault = only(found(animals))
    assert (fault.kind, fault.file, fault.facts["count"]) == ("small-class", str(animals / "bird"), "1")


def test_a_folder_without_class_folders_is_found(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    assert [fault.kind for fault in found(tmp_path)] == ["loose-picture", "no-class-folders"]


# Arrays


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8)
    return {"images": images, "labels": np.arange(30) % 3, **changed}


def saved(folder: Path, **changed: np.ndarray) -> Path:
    np.savez(folder / "a.npz", **arrays(**changed))
    return folder / "a.npz"


def with_one(array: np.ndarray, place: int, value: object) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


def test_a_clean_array_has_no_fault(tmp_path: Path) -> None:
    assert found(saved(tmp_path)) == []


@pytest.mark.parametrize(
    ("kind", "changed", "row", "column"),
    [
        ("label-out-of-range", {"labels": with_one(np.arange(30) % 3, 4, -1)}, 4, "labels"),
        ("label-out-of-range", {"labels": with_one(np.arange(30) % 3 * 1.0, 4, 1.5)}, 4, "labels"),
        (
            "label-out-of-range",
            {"classes": np.array(["a", "b", "c"]), "labels": with_one(np.arange(30) % 3, 9, 3)},
            9,
            "labels",
        ),
        ("empty-class", {"labels": np.arange(30) % 3 + (np.arange(30) % 3 == 2)}, None, None),
        ("empty-class", {"classes": np.array(["a", "b", "c", "d"])}, None, None),
        ("count-differs", {"labels": np.arange(29) % 3}, None, "images"),
        ("not-labels", {"labels": np.eye(3)[np.arange(30) % 3]}, None, "labels"),
        ("not-images", {"images": arrays()["images"].astype(float) * 9}, None, "images"),
        ("not-images", {"images": arrays()["images"].reshape(30, 30)}, None, "images"),
        ("not-finite", {"images": with_one(arrays()["images"] / 255.0, 7, np.nan)}, 7, "images"),
        ("one-colour", {"images": with_one(arrays()["images"], 7, 3)}, 7, "images"),
        ("duplicate-picture", {"images": with_one(arrays()["images"], 7, arrays()["images"][1])}, 7, "images"),
        ("picture-in-two-classes", {"images": with_one(arrays()["images"], 7, arrays()["images"][0])}, 7, "images"),
        ("small-class", {"labels": with_one(np.arange(30) % 3, 5, 3)}, None, None),
        ("one-class", {"labels": np.zeros(30)}, None, None),
    ],
)
def test_a_fault_planted_into_an_array_is_found(
    tmp_path: Path, kind: str, changed: dict[str, np.ndarray], row: int | None, column: str | None
) -> None:
    path = saved(tmp_path, **changed)
    faults = [fault for fault in found(path) if not (kind == "not-finite" and fault.kind == "one-colour")]
    fault = only(faults)
    assert (fault.kind, fault.row, fault.column, fault.file) == (kind, row, column, str(path))


def test_arrays_without_labels_or_of_two_sizes_or_damaged_are_found(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    sides = {"x_train": draw.random((30, 6, 5)), "y_train": np.arange(30) % 3}
    np.savez(tmp_path / "a.npz", **sides, x_test=draw.random((30, 6, 6)), y_test=np.arange(30) % 3)
    fault = only(found(tmp_path / "a.npz"))
    assert (fault.kind, fault.column) == ("size-differs", "x_train")
    np.savez(tmp_path / "b.npz", x_train=sides["x_train"])
    assert (only(found(tmp_path / "b.npz")).kind, only(found(tmp_path / "b.npz")).column) == ("no-labels", "x_train")
    np.savez(tmp_path / "c.npz", weights=np.zeros(3))
    assert only(found(tmp_path / "c.npz")).kind == "no-images"
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[: len(whole) // 2])
    assert only(found(tmp_path / "d.npz")).kind == "damaged-file"
    np.savez(tmp_path / "e.npz", images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1))
    assert only(found(tmp_path / "e.npz")).kind == "damaged-file"


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + b"".join(n.to_bytes(4, "big") for n in array.shape)
        + array.astype(np.uint8).tobytes()
    )


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(arrays()["images"]))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(arrays()["labels"]))
    return folder


def test_clean_idx_files_have_no_fault(mnist: Path) -> None:
    assert found(mnist) == []
    assert found(mnist / "train-images-idx3-ubyte") == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-5],
        lambda whole: whole + b"more",
        lambda whole: b"\1" + whole[1:],
        lambda whole: whole[:2] + b"\x0d" + whole[3:],
        lambda whole: whole[:3] + b"\1" + whole[4:],
        lambda whole: whole[:6],
        lambda whole: whole[:4] + b"\xff\xff\xff\xff" + whole[8:],
        lambda whole: gzip.compress(whole)[:40],
    ],
)
def test_an_idx_header_that_lies_or_a_file_cut_short_is_found(mnist: Path, damage: Callable[[bytes], bytes]) -> None:
    path = mnist / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    fault = only(found(mnist))
    assert (fault.kind, fault.file) == ("damaged-file", str(path))


def test_idx_counts_that_differ_gaps_and_missing_partners_are_found(mnist: Path) -> None:
    labels = mnist / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.arange(28) % 3))
    fault = only(found(mnist))
    assert (fault.kind, fault.facts["images"], fault.facts["labels"]) == ("count-differs", "30", "28")
    labels.write_bytes(idx(np.arange(30) % 3 + (np.arange(30) % 3 == 2)))
    assert (only(found(mnist)).kind, only(found(mnist)).text) == ("empty-class", "2")
    labels.unlink()
    assert (only(found(mnist)).kind, only(found(mnist)).file) == ("no-partner", str(mnist / "train-images-idx3-ubyte"))


@settings(max_examples=40)
@given(cut=st.integers(0, 900), byte=st.integers(0, 899), value=st.integers(0, 255))
def test_whatever_is_damaged_in_idx_files_is_checked_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int, byte: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("set")
    whole = bytearray(idx(arrays()["images"]))
    whole[byte % len(whole)] = value
    (folder / "train-images-idx3-ubyte").write_bytes(bytes(whole[: len(whole) - cut]))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(arrays()["labels"]))
    for fault in found(folder):
        assert fault.kind in kinds()
        assert fault.said("zh")


@pytest.mark.parametrize("sample", ["digits", "mnist"])
def test_samples_have_no_fault(sample: str) -> None:
    assert found(f"sample:{sample}") == []
