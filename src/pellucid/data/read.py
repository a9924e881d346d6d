"""Reading: whatever files a person has become pairs of sentences, each knowing where it stood.

One reader a format (`table.py`, `jsonl.py`, `gettext.py`, `tmx.py`, `aligned.py`); this file finds the files, tells
their format by their names, and settles the two languages from what was asked for, the files' names and their heads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.aligned import is_side, read_aligned, side_language, side_stem
from pellucid.data.gettext import read_catalog
from pellucid.data.jsonl import read_jsonl
from pellucid.data.languages import language, languages_in_name
from pellucid.data.named import named_files
from pellucid.data.pairs import Pair
from pellucid.data.store import PairStore
from pellucid.data.table import read_table
from pellucid.data.tmx import read_tmx, tmx_languages
from pellucid.errors import DataError

CORPUS = "corpus:interface-strings"  # and :small, :default, :large
KINDS = {
    ".tsv": "TSV",
    ".tab": "TSV",
    ".txt": "TSV",
    ".csv": "CSV",
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".po": "PO",
    ".pot": "PO",
    ".mo": "MO",
    ".tmx": "TMX",
}
DEFAULT_SOURCE = "en"  # of a catalog, whose messages are English unless one says otherwise


@dataclass(frozen=True, slots=True)
class FileCount:
    """One file, its format, the pairs it gave, and what its reader left out, by reason."""

    path: str
    kind: str
    pairs: int
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """All pairs, as they stand in the files, and the two languages."""

    pairs: Sequence[Pair]
    files: list[FileCount]
    source: str
    target: str


@dataclass
class _Found:
    """What a file's reader found: the languages that the file itself names, and its pairs."""

    kind: str
    languages: tuple[str | None, str | None]
    pairs: Iterable[Pair]
    left_out: dict[str, int]


def read_pairs(
    files: Sequence[str | Path], source: str | None = None, target: str | None = None, delimiter: str | None = None
) -> Reading:
    """Read pairs from files, folders, globs, or the default corpus (`corpus:interface-strings`).

    Two text files named alike but for a language (`corpus.en corpus.zh`) are read side by side, line by line.
    `source` and `target` are language codes; what is not given is taken from the files. Raises DataError if a file
    cannot be read, names other languages than asked for, or if the languages cannot be told.
    """
    if not files:
        raise DataError("no file was given", mend="Name a file of sentence pairs, such as pairs.tsv.")
    wanted = wanted_languages(source, target)
    pairs = PairStore()
    counts: list[FileCount] = []
    for entry in entries_of(files, wanted[1]):
        found = _read(entry, wanted, delimiter)
        wanted = _settle(wanted, found.languages, str(entry[0]))
        before = len(pairs)
        pairs.extend(found.pairs)
        counts.append(FileCount(" ".join(map(str, entry)), found.kind, len(pairs) - before, found.left_out))
    if not (wanted[0] and wanted[1]):
        missing = "--from and --to" if not any(wanted) else "--from" if not wanted[0] else "--to"
        raise DataError(f"{counts[0].path}: does not say which languages it holds", mend=f"Give {missing}.")
    return Reading(pairs, counts, wanted[0], wanted[1])


def wanted_languages(source: str | None, target: str | None) -> tuple[str | None, str | None]:
    """Their codes. Raises DataError for what is no language, and for one that is to be translated to itself."""
    wanted = _code(source), _code(target)
    if wanted[0] and wanted[0] == wanted[1]:
        raise DataError(f"source and target are both {wanted[0]}", mend="Give two different languages.")
    return wanted


def fetch_corpora(files: Sequence[str | Path], target: str | None = None) -> None:
    """Collect the default corpora among `files` into the cache, unless they are there. Raises DataError."""
    for name in map(str, files):
        if name.startswith("corpus:"):
            _paths(name, _code(target))


def missing_corpora(files: Sequence[str | Path], target: str) -> list[str]:
    """The default corpora among `files` that would have to be fetched first."""
    from pellucid.data.corpus.interface_strings import is_collected

    names = [str(name) for name in files if str(name) == CORPUS or str(name).startswith(CORPUS + ":")]
    return [name for name in names if not is_collected(target, _size(name))]


Entry = tuple[Path] | tuple[Path, Path]  # one file, or two aligned ones


def _read(entry: Entry, wanted: tuple[str | None, str | None], delimiter: str | None) -> _Found:
    if len(entry) == 2:
        return _read_sides(entry[0], entry[1], wanted)
    path = entry[0]
    kind = kind_of_pairs(path)
    if kind == "JSONL":
        return _Found(kind, *read_jsonl(path, wanted), {})
    if kind in ("PO", "MO"):
        catalog = read_catalog(path)
        named = languages_in_name(path)
        left_out = {"fuzzy": catalog.fuzzy, "obsolete": catalog.obsolete, "untranslated": catalog.untranslated}
        target = catalog.language or (named[-1] if named else None)
        return _Found(
            kind,
            (wanted[0] or DEFAULT_SOURCE, target),
            catalog.pairs,
            {name: count for name, count in left_out.items() if count},
        )
    if kind == "TMX":
        source, target = _two(wanted, tmx_languages(path), path)
        return _Found(kind, (source, target), read_tmx(path, source, target), {})
    languages, pairs = read_table(path, delimiter, wanted)
    return _Found(kind, languages if any(languages) else languages_from_name(path), pairs, {})


def languages_from_name(path: Path) -> tuple[str | None, str | None]:
    """Both languages, if its name has two."""
    named = languages_in_name(path)
    return (named[0], named[1]) if len(named) == 2 else (None, None)


def _read_sides(one: Path, other: Path, wanted: tuple[str | None, str | None]) -> _Found:
    sides = {side_language(one): one, side_language(other): other}
    source, target = _two(wanted, list(sides), one)
    return _Found("aligned text", (source, target), read_aligned(sides[source], sides[target]), {})


def _two(wanted: tuple[str | None, str | None], there: Sequence[str], path: Path) -> tuple[str, str]:
    """The wanted two of the languages that are there, or the first two."""
    source = wanted[0] or next((code for code in there if code != wanted[1]), None)
    target = wanted[1] or next((code for code in there if code != source), None)
    missing = [code for code in (source, target) if code and code not in there]
    if missing:
        raise DataError(
            f"{path}: holds {', '.join(there) or 'no language pair'}, not {missing[0]}", mend="Check --from and --to."
        )
    if not (source and target):
        raise DataError(f"{path}: does not hold two languages", mend="Give a file with sentences and translations.")
    return source, target


def _settle(
    wanted: tuple[str | None, str | None], found: tuple[str | None, str | None], path: str
) -> tuple[str | None, str | None]:
    """The languages so far and those of one more file, which must not contradict each other."""
    if all(wanted) and all(found) and wanted == found[::-1]:
        raise DataError(
            f"{path}: holds {found[0]} to {found[1]}, the other way round than asked for",
            mend=f"Use --from {found[0]} --to {found[1]}, or swap its columns.",
        )
    for side, asked, there in zip(("from", "to"), wanted, found, strict=True):
        if asked and there and asked != there:
            raise DataError(
                f"{path}: holds {found[0] or '?'} to {found[1] or '?'}, not {wanted[0] or '?'} to {wanted[1] or '?'}",
                mend=f"Give --{side} {there}, or leave this file out.",
            )
    return wanted[0] or found[0], wanted[1] or found[1]


def kind_of_pairs(path: Path) -> str:
    """The format that a file's name gives it. Raises DataError if it gives none."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = KINDS.get(suffixes[-1].lower()) if suffixes else None
    if kind is None:
        raise DataError(
            f"{path}: no format is known for this name",
            mend=f"Name it by what it is: {', '.join(KINDS)}, each also with .gz; or two files such as x.en x.zh.",
        )
    return kind


def entries_of(files: Sequence[str | Path], target: str | None) -> list[Entry]:
    """All files, in the order given, aligned ones put together."""
    singles: list[Entry] = []
    sides: dict[Path, list[Path]] = {}
    for name in files:
        for path in _paths(str(name), target):
            if is_side(path) and _sided(path):
                sides.setdefault(side_stem(path), []).append(path)
            else:
                singles.append((path,))
    for stem, both in sides.items():
        if len(both) != 2:
            raise DataError(
                f"{', '.join(map(str, both))}: one side of two needs the other",
                mend=f"Give both files, such as {stem}.en {stem}.zh.",
            )
        singles.append((both[0], both[1]))
    return singles


def _sided(path: Path) -> bool:
    """A name such as x.en.po ends in a format's suffix and is no side."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return suffixes[-1].lower() not in KINDS or suffixes[-1] == ".txt"


def _size(corpus: str) -> str:
    return corpus.removeprefix(CORPUS).removeprefix(":") or "default"


def _paths(name: str, target: str | None) -> list[Path]:
    if name == CORPUS or name.startswith(CORPUS + ":"):
        from pellucid.data.corpus.interface_strings import collect

        return [collect(target or "zh", _size(name))]
    if name.startswith("corpus:"):
        raise DataError(f"{name}: no such corpus", mend=f"There is {CORPUS}, also with :small or :large.")
    return named_files(name, _readable, "no file in this folder has a known format", f"Known: {', '.join(KINDS)}.")


def _readable(path: Path) -> bool:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return bool(suffixes) and suffixes[-1].lower() in KINDS and suffixes[-1] != ".txt"


def _code(name: str | None) -> str | None:
    return language(name).code if name else None
