"""Pairs as they stand in files, read as far as can be: what is broken is noted, and reading goes on behind it.

Where the readers for training (data/read.py) refuse a file at its first broken line, these do not. They stream: of a
file of any size only the row at hand is held. Catalogs and TMX are read in catalogs.py and memories.py.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from pellucid.data.aligned import side_language
from pellucid.data.check.characters import check_characters
from pellucid.data.check.fault import Findings
from pellucid.data.check.lines import checked_lines
from pellucid.data.columns import DELIMITERS, ESCAPES
from pellucid.data.jsonl import entry_of, languages_of_keys
from pellucid.data.languages import known_language
from pellucid.data.table import Columns, header
from pellucid.errors import DataError

HEAD = 200  # lines from which the delimiter is told
MOSTLY = 0.9  # of them must agree
LONGEST_RECORD = 50  # lines of one quoted row; a quote that is open for longer was never closed

Languages = tuple[str | None, str | None]


class Row(NamedTuple):
    """One pair, and the line where it stands; of a compiled catalog, which has no lines, its number from 0.

    `mark` says what a catalog says of it: "fuzzy" or "obsolete". `context` tells equal sources apart.
    """

    line: int
    source: str
    target: str
    mark: str = ""
    context: str = ""
    singular: bool = False  # of an entry with plural forms


@dataclass(frozen=True, slots=True)
class Rows:
    """A file's pairs, the languages that it names itself, and how its texts stand in it."""

    path: Path
    languages: Languages
    rows: Iterator[Row]
    numbered: str = "line"  # what a row's number is: a line, or a row
    trimmed: bool = True  # white space at the ends is a slip here; a program's messages may need it


def table_rows(path: Path, findings: Findings, delimiter: str | None, wanted: Languages) -> Rows:
    """Raises DataError if a delimiter is asked for that is none."""
    lines = checked_lines(path, findings, ends=True)
    head = list(islice(lines, HEAD))
    filled = [text for _, text in head if text.strip()]
    if not filled:
        for _ in lines:
            pass
        findings.add("empty-file", file=path)
        return Rows(path, (None, None), iter(()))
    usual = ESCAPES.get(delimiter, delimiter) if delimiter else "," if ".csv" in path.suffixes else "\t"
    if len(usual) != 1:
        raise DataError(f"the delimiter {usual!r} is not one character", mend="Give one, such as --delimiter ';'.")
    used = _delimiter(filled, usual)
    if used != usual:
        facts: dict[str, Any] = {"delimiter": json.dumps(usual), "other": json.dumps(used)}
        findings.add("wrong-delimiter", file=path, line=head[0][0], text=filled[0], **facts)
    records = _records(chain(head, lines), used, path, findings)
    first = next(records, None)
    if first is None:
        return Rows(path, (None, None), iter(()))
    columns = _columns(first, wanted, path, findings)
    if columns is None:
        return Rows(path, (None, None), _pairs(path, used, chain([first], records), Columns(), findings, None))
    return Rows(path, columns.languages, _pairs(path, used, records, columns, findings, first[1]))


Record = tuple[int, list[str], str]  # the line on which it begins, its cells, and how it is written


def _columns(first: Record, wanted: Languages, path: Path, findings: Findings) -> Columns | None:
    try:
        return header(first[1], wanted, path)
    except DataError as error:
        reason = error.message.removeprefix(f"{path}: ")
        findings.add("other-languages", file=path, line=first[0], text=first[2], reason=reason)
        return header(first[1], (None, None), path)


def _pairs(
    path: Path, delimiter: str, records: Iterable[Record], columns: Columns, findings: Findings, head: list[str] | None
) -> Iterator[Row]:
    one, other, count = columns.source, columns.target, columns.count
    for line, cells, text in records:
        if len(cells) != count:
            if not text.strip():
                continue
            mended = _otherwise(text, delimiter, count)
            facts: dict[str, Any] = {"file": path, "line": line, "text": text, "delimiter": json.dumps(delimiter)}
            if mended is None:
                findings.add("column-count", expected=count, found=len(cells), **facts)
                continue
            findings.add("mixed-delimiters", other=json.dumps(mended[0]), **facts)
            cells = mended[1]
        elif cells == head:
            findings.add("repeated-header", file=path, line=line, text=text)
            continue
        elif delimiter == "\t" and '"' in text:
            _check_quotes(path, line, (cells[one], cells[other]), findings)
        source, target = cells[one], cells[other]
        if source or target:
            yield Row(line, source, target)


def _check_quotes(path: Path, line: int, cells: Iterable[str], findings: Findings) -> None:
    """Between tabs quotes are nothing but text: those of CSV are learned."""
    opened = [cell for cell in cells if cell.startswith('"')]
    if any(cell.count('"') % 2 for cell in opened):
        findings.add("unbalanced-quote", file=path, line=line, text=" | ".join(opened), reason="one is left open")
    elif any(len(cell) > 2 and cell.endswith('"') and '""' in cell[1:-1] for cell in opened):
        findings.add("quoted-cell", file=path, line=line, text=" | ".join(opened))


def _delimiter(lines: list[str], usual: str) -> str:
    """The usual one, unless hardly a line has it and nearly all lines have another, as often each."""
    if sum(usual in line for line in lines) > (1 - MOSTLY) * len(lines):
        return usual
    for other in DELIMITERS:
        counts = [len(_cells(line, other)) for line in lines]
        if other != usual and counts[0] > 1 and counts.count(counts[0]) >= MOSTLY * len(lines):
            return other
    return usual


def _otherwise(text: str, delimiter: str, count: int) -> tuple[str, list[str]] | None:
    """The delimiter that cuts a row into as many cells as there are columns, and these, where the file's does not."""
    if delimiter in text:
        return None
    for other in DELIMITERS:
        if other != delimiter and len(cells := _cells(text, other)) == count:
            return other, cells
    return None


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == "\t" or '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _records(lines: Iterable[tuple[int, str]], delimiter: str, path: Path, findings: Findings) -> Iterator[Record]:
    """Rows that are not blank. Tabs know no quotes; behind a row whose quotes do not close it goes on below."""
    if delimiter == "\t":
        for number, text in lines:
            yield number, text.split("\t"), text
        return
    waiting = iter(lines)
    again: list[tuple[int, str]] = []
    while (opening := again.pop(0) if again else next(waiting, None)) is not None:
        number, text = opening
        if '"' not in text:
            if text.strip():
                yield number, text.split(delimiter), text
            continue
        held = [opening]
        quotes = text.count('"')
        while quotes % 2 and len(held) < LONGEST_RECORD:
            following = again.pop(0) if again else next(waiting, None)
            if following is None:
                break
            held.append(following)
            quotes += following[1].count('"')
        try:
            reader = csv.reader((f"{part}\n" for _, part in held), delimiter=delimiter, strict=True)
            rows = list(reader)
        except csv.Error as error:
            findings.add("unbalanced-quote", file=path, line=number, text=text, reason=error)
            again = held[1:] + again
            continue
        if rows:
            yield number, rows[0], text
        if len(rows) > 1:  # quotes that stand within a cell, so that the row ended before
            again = held[1:] + again


def json_rows(path: Path, findings: Findings, wanted: Languages) -> Rows:
    """One object a line; lines that are none are noted and passed over."""
    objects = _objects(path, findings)
    keys: tuple[str, str] | None = None
    for number, entry in objects:
        try:
            keys = languages_of_keys(entry, wanted, f"{path}, line {number}")
        except DataError as error:
            reason = error.message.removeprefix(f"{path}, line {number}: ")
            findings.add("broken-json", file=path, line=number, text=str(entry), reason=reason)
            continue
        break
    else:
        if not findings.counts:
            findings.add("empty-file", file=path)
        return Rows(path, (None, None), iter(()))
    codes = tuple(known.code if (known := known_language(key)) else None for key in keys)
    named = (None, None) if keys == ("source", "target") else (codes[0], codes[1])
    return Rows(path, named, _of_objects(path, chain([(number, entry)], objects), keys, findings))


def _of_objects(
    path: Path, objects: Iterable[tuple[int, dict[str, Any]]], keys: tuple[str, str], findings: Findings
) -> Iterator[Row]:
    for number, entry in objects:
        source, target = entry.get(keys[0]), entry.get(keys[1])
        if not isinstance(source, str) or not isinstance(target, str):
            odd = keys[0] if not isinstance(source, str) else keys[1]
            reason = f"no text under {odd!r}"
            findings.add("broken-json", file=path, line=number, text=json.dumps(entry, default=str), reason=reason)
            continue
        # What is written as \u200b in JSON shows only here.
        check_characters(findings, path, number, f"{source}\t{target}")
        yield Row(number, source, target)


def _objects(path: Path, findings: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in checked_lines(path, findings, ends=True, characters=False):
        if not line.strip():
            continue
        try:
            entry = entry_of(line)
        except ValueError as error:
            findings.add("broken-json", file=path, line=number, text=line, reason=error)
            continue
        if isinstance(entry, dict):
            yield number, entry
        else:
            findings.add("broken-json", file=path, line=number, text=line, reason=f"a {type(entry).__name__}")


def aligned_rows(one: Path, other: Path, findings: Findings, wanted: Languages) -> Rows:
    """Line beside line of two files."""
    languages = side_language(one), side_language(other)
    swap = (wanted[0] or wanted[1]) and (wanted[0] == languages[1] or wanted[1] == languages[0])
    source, target = (other, one) if swap else (one, other)
    named = (languages[1], languages[0]) if swap else languages
    return Rows(source, named, _beside(source, target, findings))


def _beside(source: Path, target: Path, findings: Findings) -> Iterator[Row]:
    ones, others = checked_lines(source, findings, ends=True), checked_lines(target, findings, ends=True)
    count = 0
    for one in ones:
        other = next(others, None)
        if other is None:
            more = 1 + sum(1 for _ in ones)
            _tell_counts(findings, source, target, one, count + more, count)
            return
        count += 1
        yield Row(count, one[1], other[1])
    other = next(others, None)
    if other is not None:
        more = 1 + sum(1 for _ in others)
        _tell_counts(findings, target, source, other, count + more, count)
    if not count:
        findings.add("empty-file", file=source)


def _tell_counts(
    findings: Findings, longer: Path, shorter: Path, line: tuple[int, str], lines: int, others: int
) -> None:
    findings.add("line-count", file=longer, line=line[0], text=line[1], lines=lines, others=others, other=shorter)
