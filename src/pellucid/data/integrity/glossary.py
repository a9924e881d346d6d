"""A glossary: how certain words are to be translated, whatever else a model would make of them.

A file of two columns or three, tab-separated or (by its name) comma-separated: source, target, and a note for people.
A first line of the words `source` and `target` is a header. Words are found whole, the longest first, in any case
unless the term is written in capitals (`IT` is not `it`).
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pellucid.data.integrity.breach import Breach
from pellucid.data.textfile import read_text
from pellucid.errors import DataError


@dataclass(frozen=True, slots=True)
class Term:
    """A word or words, and what stands for them in the other language."""

    source: str
    target: str
    note: str = ""


def read_glossary(path: str | Path) -> tuple[Term, ...]:
    """Raises DataError, with the line, for a file that cannot be read, a line of one column, or an empty cell.

    The same source with another target is another way to say it: either will do.
    """
    path = Path(path)
    delimiter = "," if path.name.lower().removesuffix(".gz").endswith(".csv") else "\t"
    text = read_text(path)
    terms: dict[tuple[str, str], Term] = {}
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True,
                      quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE)  # fmt: skip
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not terms and [cell.lower() for cell in cells[:2]] == ["source", "target"]:
                continue
            if len(cells) not in (2, 3):
                raise DataError(
                    f"{path}, line {rows.line_num}: expected 2 or 3 columns, found {len(cells)}",
                    mend=f"Write a term as source, {_NAMES[delimiter]}, target.",
                )
            if not (cells[0] and cells[1]):
                raise DataError(
                    f"{path}, line {rows.line_num}: a term without its {'target' if cells[0] else 'source'}",
                    mend="Fill the cell in, or remove the line.",
                )
            terms.setdefault((cells[0], cells[1]), Term(*cells))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.line_num}: {error}", mend="Quote the cell on both sides, or not at all."
        ) from None
    return tuple(terms.values())


_NAMES = {"\t": "a tab", ",": "a comma"}


def terms_in(source: str, terms: Sequence[Term]) -> list[tuple[str, tuple[str, ...]]]:
    """What of the glossary stands in a text, in its order: the words as they stand there, and all their targets."""
    if not terms:
        return []
    pattern, table = _compiled(tuple(terms))
    found = []
    for match in pattern.finditer(source):
        word = match.group()
        targets = table.get(word) or table.get(word.lower())
        if targets:
            found.append((word, targets))
    return found


def term_breaches(source: str, target: str, terms: Sequence[Term]) -> Iterator[Breach]:
    """A term of the source none of whose targets stands in the translation, in any case. Told, not grave."""
    lowered = target.lower()
    for word, targets in dict(terms_in(source, terms)).items():
        if not any(one.lower() in lowered for one in targets):
            yield Breach("term", f"{word} → {' / '.join(targets)}", target, grave=False)


@lru_cache(maxsize=4)
def _compiled(terms: tuple[Term, ...]) -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    table: dict[str, tuple[str, ...]] = {}
    for term in terms:
        key = term.source if term.source.isupper() else term.source.lower()
        table[key] = (*table.get(key, ()), term.target)
    ways = [_whole(key) for key in sorted(table, key=len, reverse=True)]
    return re.compile("|".join(ways)), table


def _whole(key: str) -> str:
    """A pattern for the word, not within a longer one where its script has spaces."""
    before = r"(?<![A-Za-z0-9_])" if re.match(r"\w", key, re.ASCII) else ""
    after = r"(?![A-Za-z0-9_])" if re.search(r"\w$", key, re.ASCII) else ""
    words = re.escape(key).replace(r"\ ", r"\s+")
    return f"{before}{words if key.isupper() else f'(?i:{words})'}{after}"
