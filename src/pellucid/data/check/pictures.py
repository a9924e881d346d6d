"""A folder of class folders, looked at picture by picture: broken ones, odd sizes and colours, classes without any.

Where training stops at the first picture it cannot read, here all are opened, one at a time.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.check.fault import Findings
from pellucid.data.check.targets import check_classes
from pellucid.data.imagefolder import GRAY_MODES, folders_in, is_shown, opened_picture, pictures_in, pillow, sides_in
from pellucid.data.images import IMAGE_SUFFIXES
from pellucid.errors import DataError

ENDINGS = {  # of the formats that Pillow names; one of them is what a file's name should end in
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".pgm", ".ppm"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a picture once it is closed."""

    path: Path
    name: str  # of its class
    size: tuple[int, int]
    colours: str
    content: bytes


def check_folder(folder: Path, findings: Findings) -> dict[str, int]:
    """Check every picture of every class folder; returns how many there are. Raises DataError without Pillow."""
    pillow()
    seen: list[Seen] = []
    counts: Counter[str] = Counter()
    first: dict[str, object] = {}
    for place, _ in sides_in(folder):
        classes = folders_in(place)
        for path in pictures_here(place):
            findings.add("loose-picture", file=path)
        if not classes:
            findings.add("no-class-folders", file=place)
        for class_folder in classes:
            pictures = pictures_in(class_folder)
            _check_others(class_folder, findings)
            if not pictures:
                findings.add("empty-class", file=class_folder, text=class_folder.name)
                continue
            first.setdefault(class_folder.name, class_folder)
            counts[class_folder.name] += len(pictures)
            seen += filter(None, (_looked_at(path, class_folder.name, findings) for path in pictures))
    _check_alike(seen, findings, "size-differs", lambda one: f"{one.size[0]} x {one.size[1]}")
    _check_alike(seen, findings, "colours-differ", lambda one: one.colours)
    _check_twice(seen, findings)
    check_classes(counts, findings, folder, files=first)
    return {"images": sum(counts.values()), "classes": len(counts)}


def pictures_here(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES)


def _check_others(class_folder: Path, findings: Findings) -> None:
    """Files that training passes over in silence, since their names end in nothing that it knows."""
    for path in sorted(class_folder.rglob("*")):
        if path.is_file() and is_shown(path) and path.suffix.lower() not in IMAGE_SUFFIXES:
            findings.add("odd-ending", file=path, text=path.suffix or path.name)


def _looked_at(path: Path, name: str, findings: Findings) -> Seen | None:
    if not path.stat().st_size:
        findings.add("empty-file", file=path)
        return None
    try:
        with opened_picture(path) as picture:
            _check_ending(path, picture.format or "", findings)
            flat = picture.convert("RGBA")
            lowest_and_highest = flat.getextrema()
            if all(low == high for low, high in lowest_and_highest):  # type: ignore[misc]
                findings.add("one-colour", file=path, text=f"{picture.width} x {picture.height}")
            colours = "gray" if picture.mode in GRAY_MODES else "colours"
            content = hashlib.blake2b(f"{picture.size}".encode() + flat.tobytes(), digest_size=16).digest()
            return Seen(path, name, picture.size, colours, content)
    except DataError as error:
        reason = error.message.removeprefix(f"{path}: ")
        kind = "truncated-picture" if "truncated" in reason else "unreadable-picture"
        findings.add(kind, file=path, reason=reason)
    return None


def _check_ending(path: Path, found: str, findings: Findings) -> None:
    known = ENDINGS.get(found)
    if known is not None and path.suffix.lower() not in known:
        findings.add("wrong-ending", file=path, text=path.suffix, format=found, ending=known[0])


def _check_alike(seen: Sequence[Seen], findings: Findings, kind: str, of: Callable[[Seen], str]) -> None:
    """What most pictures have, and those that differ from it."""
    counts = Counter(map(of, seen))
    if len(counts) < 2:
        return
    usual, count = counts.most_common(1)[0]
    for one in seen:
        if of(one) != usual:
            findings.add(kind, file=one.path, text=of(one), usual=usual, count=count, images=len(seen))


def _check_twice(seen: Sequence[Seen], findings: Findings) -> None:
    known: dict[bytes, Seen] = {}
    for one in seen:
        first = known.setdefault(one.content, one)
        if first is one:
            continue
        kind = "duplicate-picture" if first.name == one.name else "picture-in-two-classes"
        findings.add(kind, file=one.path, text=one.name, first=first.path, other=first.name)
