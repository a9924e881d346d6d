"""Pairs in two text files of as many lines: line n of the one is the translation of line n of the other."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pellucid.data.languages import languages_in_name
from pellucid.data.pairs import Pair
from pellucid.data.textfile import read_lines
from pellucid.errors import DataError


def is_side(path: Path) -> bool:
    """Whether a file's name makes it one side of two: corpus.en, corpus.zh.txt, corpus.en.gz."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".txt")]
    return bool(suffixes) and bool(languages_in_name(f"x{suffixes[-1]}"))


def side_language(path: Path) -> str:
    """The language that the name of a side gives it."""
    suffix = next(s for s in reversed(path.suffixes) if s not in (".gz", ".txt"))
    return languages_in_name(f"x{suffix}")[0]


def side_stem(path: Path) -> Path:
    """What the two sides' names share: the name without the language."""
    suffix = next(s for s in reversed(path.suffixes) if s not in (".gz", ".txt"))
    return path.with_name(path.name[: path.name.rindex(suffix)])


def read_aligned(source: Path, target: Path) -> Iterator[Pair]:
    """Raises DataError if one file has more lines than the other."""
    for one, other in zip_longest(read_lines(source), read_lines(target)):
        if one is None or other is None:
            longer, shorter, line = (target, source, other) if one is None else (source, target, one)
            number = line[0] if line else 0
            raise DataError(
                f"{longer}, line {number}: {shorter} has no such line",
                mend="Two aligned files have as many lines, an empty one where a translation is missing.",
            )
        yield Pair(one[1], other[1], f"{source.name}:{one[0]}")
