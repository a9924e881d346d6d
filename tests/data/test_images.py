"""Folders of pictures: what Pillow reads, brought to one size; and the faults that people's folders have."""

import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from pellucid.data.images import DEV, FREE, TEST, TRAIN, read_images, scaled, wanted_size
from pellucid.data.png import png, sheet, thumbnail
from pellucid.errors import DataError


def folder(place: Path, size: tuple[int, int] = (6, 4), mode: str = "L", suffix: str = "png") -> Path:
    """Two classes of three pictures; picture n of class c is of brightness 40 c + 10 n."""
    for number, name in enumerate(("cat", "dog")):
        (place / name).mkdir(parents=True)
        for n in range(3):
            value = 40 * number + 10 * n
            Image.new(mode, size, value if mode == "L" else (value, 0, value)).save(place / name / f"{n}.{suffix}")
    return place


def test_folders_are_classes_and_pixels_are_the_pictures_own(tmp_path: Path) -> None:
    found = read_images([folder(tmp_path)])
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.pixels.shape == (6, 1, 4, 6)
    assert found.pixels[:, 0, 0, 0].tolist() == [0, 10, 20, 40, 50, 60]
    assert found.origins[4] == str(Path("dog") / "1.png")
    assert set(found.sides.tolist()) == {FREE}


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff"])
def test_usual_formats_are_read_in_colours(tmp_path: Path, suffix: str) -> None:
    found = read_images([folder(tmp_path, (16, 16), "RGB", suffix)])
    assert found.pixels.shape == (6, 3, 16, 16)
    assert (found.pixels[:, 0].float().mean((1, 2)) - torch.tensor([0.0, 10, 20, 40, 50, 60])).abs().max() < 4


def test_sides_are_folders_as_well(tmp_path: Path) -> None:
    for side in ("train", "val", "test"):
        folder(tmp_path / side)
    found = read_images([tmp_path])
    assert found.classes == ("cat", "dog")
    assert sorted(set(found.sides.tolist())) == [TRAIN, DEV, TEST]
    assert found.sides.bincount().tolist() == [6, 6, 6]


def test_one_coloured_picture_makes_all_coloured_unless_gray_is_asked_for(tmp_path: Path) -> None:
    folder(tmp_path)
    Image.new("RGB", (6, 4), (255, 0, 0)).save(tmp_path / "cat" / "red.png")
    assert read_images([tmp_path]).pixels.size(1) == 3
    gray = read_images([tmp_path], colours="gray").pixels
    assert gray.size(1) == 1
    assert gray[3, 0, 0, 0].item() == 76  # 0.299 x 255


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    folder(tmp_path)
    Image.new("RGBA", (6, 4), (0, 0, 0, 0)).save(tmp_path / "cat" / "0.png")
    assert read_images([tmp_path]).pixels[0].min() == 255


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    folder(tmp_path)
    Image.new("I;16", (6, 4), 257 * 100).save(tmp_path / "cat" / "0.png")
    assert read_images([tmp_path]).pixels[0].unique().tolist() == [100]


def test_a_picture_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    folder(tmp_path, suffix="jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("L", (4, 6)).save(tmp_path / "cat" / "0.jpg", exif=exif)
    assert read_images([tmp_path]).pixels.shape[2:] == (4, 6)


def test_pictures_are_cut_around_their_middle_and_scaled_to_the_size_asked_for(tmp_path: Path) -> None:
    folder(tmp_path)
    wide = Image.new("L", (30, 10), 0)
    wide.paste(200, (10, 0, 20, 10))
    wide.save(tmp_path / "cat" / "0.png")
    found = read_images([tmp_path], size="5x5")
    assert found.pixels.shape == (6, 1, 5, 5)
    assert found.pixels[0].unique().tolist() == [200]  # only the middle third is left


def test_scaling_of_tensors_is_that_of_pictures() -> None:
    pixels = torch.randint(0, 256, (1, 1, 24, 41), dtype=torch.uint8)
    image = Image.frombytes("L", (41, 24), pixels.numpy().tobytes()).crop((8, 0, 32, 24))
    theirs = torch.tensor(list(image.resize((8, 8), Image.Resampling.BILINEAR).tobytes())).view(8, 8)
    assert (scaled(pixels, (8, 8))[0, 0].float() - theirs).abs().max() <= 1


def test_a_size_is_one_number_or_two() -> None:
    assert wanted_size("64") == (64, 64)
    assert wanted_size("64x48") == wanted_size("64×48") == (64, 48)
    for wrong in ("64x48x3", "big", "0", "-4", "9999", "x"):
        with pytest.raises(DataError, match="not a size in pixels"):
            wanted_size(wrong)


def png_header(width: int, height: int) -> bytes:
    """A picture that says how large it is and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def spoil(place: Path, fault: str) -> None:
    picture = place / "dog" / "1.png"
    match fault:
        case "broken":
            picture.write_bytes(picture.read_bytes()[:50])
        case "no picture":
            picture.write_bytes(b"this is text")
        case "empty file":
            picture.write_bytes(b"")
        case "another size":
            Image.new("L", (7, 9)).save(picture)
        case "bomb":
            picture.write_bytes(png_header(60_000, 60_000))
        case "empty class":
            (place / "eel").mkdir()
            (place / "eel" / "notes.txt").write_text("none yet")
        case "one class":
            (place / "cat").rename(place.parent / "cat")


@pytest.mark.parametrize(
    ("fault", "says", "mend"),
    [
        ("broken", r"1\.png: not an image that can be read, or a broken one", "Replace it"),
        ("no picture", r"1\.png: not an image that can be read", "Replace it"),
        ("empty file", r"1\.png: not an image that can be read", "Replace it"),
        ("another size", r"1\.png: 7 x 9 pixels, but .*0\.png has 6 x 4", "--size 6x4"),
        ("bomb", r"1\.png: .*too (large|many)|far too many", "remove it"),
        ("empty class", r"eel: an empty class; no image in it", "remove the folder"),
        ("one class", "all 3 images are of one class, dog", "one other class"),
    ],
)
def test_a_fault_is_told_with_file_and_mend(tmp_path: Path, fault: str, says: str, mend: str) -> None:
    place = folder(tmp_path / "animals")
    spoil(place, fault)
    with pytest.raises(DataError, match=says) as error:
        read_images([place])
    assert mend in error.value.mend


def test_a_folder_of_loose_pictures_is_told_what_it_lacks(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="holds 1 images, but no folder for each class"):
        read_images([tmp_path])
    with pytest.raises(DataError, match="no such file or folder"):
        read_images([tmp_path / "nowhere"])


def test_the_file_of_a_picture_is_what_pillow_reads(tmp_path: Path) -> None:
    for channels in (1, 3):
        picture = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
        (tmp_path / "a.png").write_bytes(png(picture))
        with Image.open(tmp_path / "a.png") as read:
            assert read.size == (7, 5)
            assert list(read.tobytes()) == picture.permute(1, 2, 0).flatten().tolist()


def test_a_sheet_holds_every_picture_at_its_place() -> None:
    rows = torch.randint(0, 256, (2, 3, 1, 4, 5), dtype=torch.uint8)
    whole = sheet(rows, gap=1, between=7)
    assert whole.shape == (1, 9, 17)
    assert torch.equal(whole[:, 5:9, 6:11], rows[1, 1])
    assert (whole[:, 4] == 7).all()
    assert thumbnail(rows[0, 0], 5) is rows[0, 0] or torch.equal(thumbnail(rows[0, 0], 5), rows[0, 0])
    assert thumbnail(torch.zeros(1, 100, 50, dtype=torch.uint8), 20).shape == (1, 20, 10)
