"""Where a filling reads and writes: the file and its languages, the output that may be there already, the reviews."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.errors import ConfigError, DataError
from pellucid.files import replacing

if TYPE_CHECKING:
    from pellucid.data.localization import Document

ONE_LANGUAGE = ("json", "android")  # formats whose files hold one language each: the output is a file of its own
REVIEWS = (".html", ".htm", ".csv")


@dataclass(frozen=True, slots=True)
class Place:
    """A file to be filled, and where to. `translated` is the output as it was, where it is a translation so far."""

    document: "Document"
    output: Path
    reviews: tuple[Path, ...]
    checksum: str
    translated: bool

    @property
    def is_in_place(self) -> bool:
        return same(self.document.path, self.output)


def place_of(
    file: Path,
    output: Path,
    languages: tuple[str, str],
    *,
    kind: str | None = None,
    reviews: Sequence[Path] = (),
    overwrite: bool = False,
) -> Place:
    """Open the file and see that everything can be written, before any work is done.

    `languages` are the run's. Raises DataError if the file cannot be read or is in other languages, or if the output
    must not be overwritten or cannot be written; ConfigError for a review that is neither .html nor .csv.
    """
    from pellucid.data.localization import open_document

    for review in reviews:
        if review.suffix.lower() not in REVIEWS:
            raise ConfigError(f"--review {review}: neither .html nor .csv", mend="Name it review.html or review.csv.")
        if same(review, file) or same(review, output):
            raise ConfigError(f"--review {review}: is the file itself", mend="Give the review another name.")
        _check_writable(review)
    _check_writable(output)
    document = open_document(file, *languages, kind=kind)
    one_language = document.format in ONE_LANGUAGE
    translated = False
    if same(file, output):
        if one_language:
            raise DataError(
                f"{file}: holds {languages[0]} alone, so its translation needs a file of its own",
                mend=f"Give another file with -o, such as {file.stem}.{languages[1]}{file.suffix}.",
            )
    elif output.exists() and not overwrite:
        if not one_language:
            raise DataError(f"{output}: is there already", mend="Choose another -o, or overwrite it with --overwrite.")
        translated = True
        document = open_document(file, *languages, kind=kind, translated=output)
    contents = [file.read_bytes(), output.read_bytes() if translated else b""]
    checksum = hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in contents)).hexdigest()
    # Where a link points to, so that the link stays.
    return Place(document, output.resolve(), tuple(reviews), checksum, translated)


def write_bytes(path: Path, content: bytes) -> None:
    """Atomically, with the rights of the file that was there. Raises DataError if it cannot be written."""
    rights = path.stat().st_mode & 0o7777 if path.exists() else None
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
        if rights is not None:
            path.chmod(rights)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})", mend="Choose another place.") from None


def same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path}: is a folder", mend="Name a file in it.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise DataError(f"{path}: cannot be written (no right to write in {folder})", mend="Choose another place.")
