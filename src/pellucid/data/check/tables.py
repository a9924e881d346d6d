"""The form of a table: one delimiter, as many cells in each row as the header names, every name once, quotes closed.

What is read in spite of faults goes on to the checks of values (cells.py) and of the target (targets.py).
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pellucid.data.check.cells import check_columns
from pellucid.data.check.fault import Findings
from pellucid.data.check.lines import checked_lines
from pellucid.data.check.targets import check_target
from pellucid.data.columns import (
    DELIMITERS,
    ESCAPES,
    HEAD,
    Table,
    delimiter_of,
    is_number,
    paths_of,
    read_parquet,
    table_of_columns,
)
from pellucid.errors import DataError

QUOTES = 20  # unclosed quotes after which a file is given up


@dataclass(frozen=True, slots=True)
class Rows:
    """What could be read of one file: names, a list of cells for each row, and the line of each."""

    path: str
    names: list[str]
    cells: list[list[str]]
    lines: list[int]
    counted: str = "line"  # what a number says: a line of a text, or a row of Parquet

    def place(self, number: int) -> dict[str, Any]:
        """Where a row stands, as `Findings.add` takes it."""
        return {self.counted: self.lines[number]}


def check_table(
    name: str, findings: Findings, target: str | None = None, delimiter: str | None = None
) -> dict[str, int]:
    """Check a file, a folder or a pattern of tables; returns how much they hold. Raises DataError for no such file."""
    size = {"rows": 0, "columns": 0}
    first: Rows | None = None
    for path in paths_of(name):
        rows = _parquet(path, findings) if path.suffix == ".parquet" else _text(path, findings, delimiter)
        if rows is None:
            continue
        if first is None:
            first = rows
        elif sorted(rows.names) != sorted(first.names):
            odd = sorted(set(rows.names) ^ set(first.names)) or rows.names
            findings.add("other-columns", file=path, line=1, text=", ".join(odd), first=first.path)
        size = {"rows": size["rows"] + len(rows.cells), "columns": max(size["columns"], len(rows.names))}
        check_values(rows, findings, target)
    return size


def check_read_table(table: Table, findings: Findings, target: str | None) -> dict[str, int]:
    """The checks of values, of a table that was read already, such as a sample."""
    cells = [list(row) for row in zip(*table.columns, strict=True)]
    rows = Rows(findings.name, table.names, cells, list(range(len(cells))), "row")
    check_values(rows, findings, target)
    return {"rows": len(table), "columns": len(table.names)}


def check_values(rows: Rows, findings: Findings, target: str | None) -> None:
    """What its columns hold, and its target. Raises DataError if there is no such target."""
    if target is not None and target not in rows.names:
        raise DataError(
            f"{rows.path}: there is no column {target!r}", mend=f"Its columns are: {', '.join(rows.names)}."
        )
    if not rows.cells:
        return
    check_columns(rows, findings, target)
    check_target(rows, findings, target)


def _text(path: Path, findings: Findings, delimiter: str | None) -> Rows | None:
    lines = list(checked_lines(path, findings))
    filled = [text for _, text in lines if text.strip()]
    if not filled:
        findings.add("empty-file", file=path)
        return None
    delimiter = ESCAPES.get(delimiter, delimiter) if delimiter else delimiter_of(path, filled[:HEAD])
    if len(delimiter) != 1:
        raise DataError(f"the delimiter {delimiter!r} is not one character", mend="Give one, such as --delimiter ';'.")
    records = _records([text.replace("\0", "") for _, text in lines], delimiter, path, findings)
    head = next(records, None)
    if head is None:
        return None
    names = _header(path, head, findings)
    cells, numbers = [], []
    for number, row in records:
        if len(row) == len(names):
            cells.append([cell.strip() for cell in row])
            numbers.append(number)
            continue
        written, usual = lines[number - 1][1], json.dumps(delimiter)
        other = _other_delimiter(written, delimiter, len(names))
        facts: dict[str, Any] = {"file": path, "line": number, "text": written, "delimiter": usual}
        if other:
            findings.add("mixed-delimiters", other=json.dumps(other), **facts)
        else:
            findings.add("column-count", expected=len(names), found=len(row), **facts)
    if not cells:
        findings.add("no-rows", file=path, line=head[0])
    return Rows(str(path), names, cells, numbers)


def _records(lines: Sequence[str], delimiter: str, path: Path, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank with the line on which each begins. After a row whose quotes fail, it goes on below."""
    start = 0
    for _ in range(QUOTES):
        reader = csv.reader((f"{lines[n]}\n" for n in range(start, len(lines))), delimiter=delimiter, strict=True)
        read = 0
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield start + read + 1, row
                read = reader.line_num
        except csv.Error as error:
            number = start + read + 1
            findings.add("unbalanced-quote", file=path, line=number, text=lines[number - 1], reason=error)
            start = number
        else:
            return


def _header(path: Path, head: tuple[int, list[str]], findings: Findings) -> list[str]:
    """The names of the columns, each made its own, so that what stands below can be checked."""
    line, names = head[0], [name.strip() for name in head[1]]
    if all(is_number(name) for name in names):
        findings.add("no-header", file=path, line=line, text=", ".join(names))
    elif len(names) == 1:
        findings.add("one-column", file=path, line=line, text=names[0])
    found = []
    for place, name in enumerate(names, start=1):
        if not name:
            findings.add("unnamed-column", file=path, line=line, place=place)
        found.append(name or f"column {place}")
    for name, count in Counter(filter(None, names)).items():
        if count > 1:
            places = [place for place, other in enumerate(names, start=1) if other == name]
            findings.add("duplicate-column-name", file=path, line=line, column=name, places=", ".join(map(str, places)))
            for place in places[1:]:
                found[place - 1] = f"{name} ({place})"
    return found


def _other_delimiter(line: str, delimiter: str, columns: int) -> str | None:
    """The delimiter that cuts a row into as many cells as there are columns, where the file's own does not."""
    if columns < 2:
        return None
    others = (other for other in DELIMITERS if other != delimiter)
    return next((other for other in others if _count(line, other) == columns), None)


def _count(line: str, delimiter: str) -> int:
    """How many cells a line is cut into; 0 if one would be longer than the csv module reads."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _parquet(path: Path, findings: Findings) -> Rows | None:
    try:
        names, columns = read_parquet(path)
    except DataError as error:
        if find_spec("pyarrow") is None or not path.exists():
            raise
        findings.add("damaged-file", file=path, reason=error.message.removeprefix(f"{path}: "))
        return None
    table = table_of_columns(path, names, columns)
    if not len(table):
        findings.add("no-rows", file=path)
    names = _header(path, (1, names), findings)
    cells = [list(row) for row in zip(*table.columns, strict=True)]
    return Rows(str(path), names, cells, list(range(1, len(cells) + 1)), "row")
