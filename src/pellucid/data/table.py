"""Pairs in a table: tab-separated, or comma-separated with quotes.

Two columns, source and target; or any columns under a header that names the languages (or source and target).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pellucid.data.languages import known_language
from pellucid.data.pairs import Pair
from pellucid.data.textfile import read_lines
from pellucid.errors import DataError

SOURCE_NAMES, TARGET_NAMES, ORIGIN_NAMES = ("source", "src"), ("target", "tgt", "translation"), ("origin", "location")
COLUMN_NAMES = {"\t": "tab-separated", ",": "comma-separated", ";": "semicolon-separated"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where things stand in a row, and the languages a header gave them."""

    source: int = 0
    target: int = 1
    origin: int | None = None
    count: int = 2
    languages: tuple[str | None, str | None] = (None, None)


def read_table(
    path: Path, delimiter: str | None, wanted: tuple[str | None, str | None]
) -> tuple[tuple[str | None, str | None], Iterator[Pair]]:
    """The languages that a header names (None where it does not) and the pairs.

    Raises DataError naming file and line for a row with a wrong number of columns.
    """
    delimiter = delimiter or ("," if ".csv" in path.suffixes else "\t")
    rows = _rows(path, delimiter)
    first = next(rows, None)
    if first is None:
        return (None, None), iter(())
    columns = header(first[1], wanted, path)
    if columns is None:
        return (None, None), _pairs(path, delimiter, chain([first], rows), Columns())
    return columns.languages, _pairs(path, delimiter, rows, columns)


def header(row: list[str], wanted: tuple[str | None, str | None], path: Path) -> Columns | None:
    """The columns that a header row names, or None if the row is not a header: it must name both sides.

    Raises DataError if it names languages, but not the wanted ones.
    """
    names = [name.strip().lower() for name in row]
    origin = next((i for i, name in enumerate(names) if name in ORIGIN_NAMES), None)
    source = next((i for i, name in enumerate(names) if name in SOURCE_NAMES), None)
    target = next((i for i, name in enumerate(names) if name in TARGET_NAMES), None)
    if source is not None and target is not None:
        return Columns(source, target, origin, len(row))
    codes = {entry.code: i for i, name in reversed(list(enumerate(row))) if (entry := known_language(name))}
    rest = [name for i, name in enumerate(names) if i not in codes.values() and i != origin]
    if len(codes) < 2 or (rest and len(row) == 2):
        return None
    order = sorted(codes, key=codes.__getitem__)
    first = wanted[0] or next(code for code in order if code != wanted[1])
    second = wanted[1] or next(code for code in order if code != first)
    missing = [code for code in (first, second) if code not in codes]
    if missing:
        raise DataError(
            f"{path}: its header names {', '.join(order)}, not {missing[0]}",
            mend=f"Ask for two of its languages, such as --from {order[0]} --to {order[1]}.",
        )
    return Columns(codes[first], codes[second], origin, len(row), (first, second))


def _pairs(path: Path, delimiter: str, rows: Iterator[tuple[int, list[str]]], columns: Columns) -> Iterator[Pair]:
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != columns.count:
            raise DataError(
                f"{path}, line {number}: expected {columns.count} {COLUMN_NAMES.get(delimiter, 'separated')} columns, "
                f"found {len(row)}",
                mend=_advice(delimiter, row),
            )
        origin = row[columns.origin] if columns.origin is not None else ""
        yield Pair(row[columns.source], row[columns.target], origin or f"{path.name}:{number}")


def _advice(delimiter: str, row: list[str]) -> str:
    if delimiter != "\t":
        return "Is the file separated by tabs? Name it .tsv, or give --delimiter with the character it uses."
    if len(row) == 1 and "," in row[0]:
        return "Is the file separated by commas? Name it .csv, or give --delimiter ','."
    return "Each line holds a sentence, a tab and its translation; name further columns in a header line."


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line on which each ends. Tabs know no quotes; other delimiters follow RFC 4180."""
    if delimiter == "\t":
        for number, line in read_lines(path):
            yield number, line.split("\t")
        return
    try:
        reader = csv.reader((f"{line}\n" for _, line in read_lines(path)), delimiter=delimiter, strict=True)
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not well-formed CSV ({error})",
            mend='A quote inside a quoted text is written twice (""), and every opened quote is closed.',
        ) from None
