"""Tables, tab- or comma-separated: a column of texts and one of translations, found as training data finds them.

A table has no mark of its own for what needs review. One with a column named `state` gets "needs review" there; in
another one the review file alone tells which rows were filled.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.localization.document import Document, State, Unit
from pellucid.data.localization.written import Edit, Written, read_written
from pellucid.data.table import COLUMN_NAMES, Columns, header
from pellucid.errors import DataError

STATE_NAMES = ("state", "status")
CONTEXT_NAMES, COMMENT_NAMES = ("context",), ("comment", "note", "notes", "description")
REVIEW = "needs review"
OPEN = ("", "new", "untranslated", "needs-translation", "initial")
UNFINISHED = ("fuzzy", "translated by machine")
END = re.compile(r"\r\n|\n|\r(?!\n)")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says and where it stands, its quotes included."""

    start: int
    end: int
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: tuple[Cell, ...]

    @property
    def texts(self) -> list[str]:
        return [cell.text for cell in self.cells]


class Table(Document):
    """A table, and the rows that its units are of."""

    format = "table"

    def __init__(self, written: Written, delimiter: str, source: str | None, target: str | None) -> None:
        """Raises DataError, with the line, for a row with a wrong number of columns or a quote that does not end."""
        self._delimiter = delimiter
        rows = [row for row in scanned(written, delimiter) if any(cell.text.strip() for cell in row.cells)]
        found = header(_without_id(rows[0].texts, source, target), (source, target), written.path) if rows else None
        names = [name.strip().lower() for name in rows[0].texts] if found else []
        self._columns = found or Columns()
        self._state = next((place for place, name in enumerate(names) if name in STATE_NAMES), None)
        self._context = next((place for place, name in enumerate(names) if name in CONTEXT_NAMES), None)
        self._comment = next((place for place, name in enumerate(names) if name in COMMENT_NAMES), None)
        self._rows = [row for row in rows[bool(found) :] if row.texts[: self._columns.source + 1][-1].strip()]
        self.locale = rows[0].texts[found.target].strip() if found else ""
        self._regular = bool(found) or any(len(row.cells) == self._columns.count for row in rows)
        languages = self._columns.languages
        super().__init__(written, (), languages[0] or source, languages[1] or target)
        self.units = [self._unit(number, row) for number, row in enumerate(self._rows)]

    def _unit(self, number: int, row: Row) -> Unit:
        columns, texts = self._columns, row.texts
        # A row may end before an empty translation in the last column.
        short = self._regular and len(texts) == columns.target == columns.count - 1
        if len(texts) != columns.count and not short:
            raise DataError(
                f"{self.path}, line {row.line}: expected {columns.count} "
                f"{COLUMN_NAMES.get(self._delimiter, 'separated')} columns, found {len(texts)}",
                mend="Give --delimiter with the character that separates the columns, and name further columns in a "
                "header line.",
            )
        text = "" if short else texts[columns.target]
        said = texts[self._state].strip().lower() if self._state is not None else ""
        state: State = "finished"
        if not text.strip():
            state = "untranslated"
        elif said in UNFINISHED or said.replace("-", " ").startswith(REVIEW):
            state = "needs review"
        context = texts[self._context] if self._context is not None else ""
        comment = texts[self._comment] if self._comment is not None else ""
        return Unit(number, f"row {number + 1}", row.line, texts[columns.source], text, state, context, comment)

    def fits(self, number: int, text: str) -> bool:
        """Tab-separated texts know no quotes, and so hold neither tab nor line end."""
        return self.written.writable(text) and not (self._delimiter == "\t" and re.search("[\t\n\r]", text))

    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        return self.written.edited(edit for number in sorted(texts) for edit in self._fill(number, texts[number]))

    def _fill(self, number: int, text: str) -> Iterator[Edit]:
        row, columns = self._rows[number], self._columns
        like = row.cells[columns.source].quoted
        if columns.target < len(row.cells):
            cell = row.cells[columns.target]
            yield Edit(cell.start, cell.end, self._cell(text, like or cell.quoted))
        else:
            end = row.cells[-1].end
            yield Edit(end, end, self._delimiter + self._cell(text, like))
        if self._state is not None:
            mark = row.cells[self._state]
            yield Edit(mark.start, mark.end, self._cell(REVIEW, mark.quoted))

    def _cell(self, text: str, quotes: bool) -> str:
        if self._delimiter == "\t" or not (quotes or re.search(f'["\r\n{re.escape(self._delimiter)}]', text)):
            return text
        return '"' + text.replace('"', '""') + '"'


def open_table(path: Path, source: str | None, target: str | None, delimiter: str | None = None) -> Table:
    """Read a table as `data/table.py` would. Raises DataError."""
    return Table(read_written(path), delimiter or ("," if ".csv" in path.suffixes else "\t"), source, target)


def _without_id(names: list[str], source: str | None, target: str | None) -> list[str]:
    """A header in which `id` is an identifier, and not Indonesian, unless that was asked for."""
    return ["" if name.strip().lower() == "id" and "id" not in (source, target) else name for name in names]


def scanned(written: Written, delimiter: str) -> Iterator[Row]:
    """All rows. Raises DataError for a quote that does not end, or is followed by something else."""
    yield from _plain_rows(written) if delimiter == "\t" else _quoted_rows(written, delimiter)


def _plain_rows(written: Written) -> Iterator[Row]:
    start = 0
    for line, text in enumerate(written.text.split("\n"), start=1):
        cells: list[Cell] = []
        place = start
        for cell in text.removesuffix("\r").split("\t"):
            cells.append(Cell(place, place + len(cell), cell))
            place += len(cell) + 1
        yield Row(line, tuple(cells))
        start += len(text) + 1


def _quoted_rows(written: Written, delimiter: str) -> Iterator[Row]:
    """RFC 4180: a cell in quotes may hold delimiters and line ends; a quote in it is written twice."""
    text, place = written.text, 0
    bare = re.compile(f"[^{re.escape(delimiter)}\r\n]*")
    inside = re.compile('(?:[^"]|"")*')
    cells: list[Cell] = []
    first = 0
    while place < len(text) or cells:
        if text.startswith('"', place):
            found = inside.match(text, place + 1)
            assert found is not None
            end = found.end() + 1
            if found.end() == len(text):
                raise _not_csv(written, place, "a quote does not end")
            cells.append(Cell(place, end, found[0].replace('""', '"'), quoted=True))
        else:
            found = bare.match(text, place)
            assert found is not None
            end = found.end()
            cells.append(Cell(place, end, found[0]))
        if text.startswith(delimiter, end):
            place = end + 1
            continue
        ended = END.match(text, end)
        if ended is None and end < len(text):
            raise _not_csv(written, end, "text behind a closing quote")
        yield Row(written.line(first), tuple(cells))
        cells = []
        place = first = ended.end() if ended else len(text)


def _not_csv(written: Written, place: int, what: str) -> DataError:
    return DataError(
        f"{written.path}, line {written.line(place)}: not well-formed CSV ({what})",
        mend='A quote inside a quoted text is written twice (""), and every opened quote is closed.',
    )
