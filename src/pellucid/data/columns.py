"""Tables with named columns: CSV, TSV and Parquet files become columns of text, each row knowing where it stood.

What a column means (numbers, texts, what is missing) is settled afterwards by schema.py; here only the table's form
is checked, and each fault is told with file, line and mend. Stands between files and the tasks regress and classify.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.named import named_files
from pellucid.data.textfile import read_lines
from pellucid.errors import DataError

DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet")
ESCAPES = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";"}  # how people write them on a command line
HEAD = 20  # lines from which the delimiter is told
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})  # in lower case: how tables say that there is no value


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of text, a cell a row; `lines` says where each row stood, such as "houses.csv, line 7"."""

    names: list[str]
    columns: list[list[str]]
    lines: list[str]

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """The cells of a column. Raises DataError, naming the nearest, if there is none of that name."""
        return self.columns[self.place(name)]

    def place(self, name: str) -> int:
        """The number of a column, from 0. Raises DataError, naming all, if there is none of that name."""
        if name not in self.names:
            where = self.lines[0].rpartition(", ")[0] if self.lines else "the table"
            near = [known for known in self.names if known.lower() == name.strip().lower()]
            mend = f"Did you mean {near[0]}?" if near else f"Its columns are: {', '.join(self.names)}."
            raise DataError(f"{where}: there is no column {name!r}", mend=mend)
        return self.names.index(name)

    def rows(self, numbers: Sequence[int]) -> "Table":
        """The same columns with these rows only, in this order."""
        columns = [[cells[number] for number in numbers] for cells in self.columns]
        return Table(self.names, columns, [self.lines[number] for number in numbers])

    def row(self, number: int) -> dict[str, str]:
        return {name: cells[number] for name, cells in zip(self.names, self.columns, strict=True)}


def read_table(files: Sequence[str | Path], delimiter: str | None = None) -> Table:
    """Read files, folders and globs of tables with the same columns, one under another.

    The first line of each names its columns. Raises DataError, with file and line, for an empty file, a row with too
    few or too many cells, columns without a name or with one name twice, files whose columns differ, a byte that is
    no text.
    """
    if not files:
        raise DataError("no file was given", mend="Name a table, such as houses.csv.")
    paths = [path for name in files for path in paths_of(str(name))]
    return whole_table(
        [_read_parquet(path) if path.suffix == ".parquet" else _read_text(path, delimiter) for path in paths], paths
    )


def whole_table(tables: Sequence[Table], names: Sequence[str | Path]) -> Table:
    """Tables one under another; `names` are where they come from. Raises DataError if their columns differ."""
    whole, *others = tables
    for table, name in zip(others, names[1:], strict=True):
        whole = joined(whole, table, Path(name))
    return whole


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in MISSING


def _read_text(path: Path, delimiter: str | None) -> Table:
    delimiter = ESCAPES.get(delimiter, delimiter) if delimiter else detected(path)
    if len(delimiter) != 1:
        raise DataError(f"the delimiter {delimiter!r} is not one character", mend="Give one, such as --delimiter ';'.")
    rows = _rows(path, delimiter)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: the file is empty", mend="Give a table whose first line names its columns.")
    names = _names(path, first[1], first[0])
    cells: list[list[str]] = []
    lines: list[str] = []
    for number, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{path}, line {number}: expected {len(names)} columns separated by "
                f"{DELIMITERS.get(delimiter, repr(delimiter))}, found {len(row)}",
                mend=_advice(delimiter, row, names),
            )
        cells.append([cell.strip() for cell in row])
        lines.append(f"{path}, line {number}")
    if not cells:
        raise DataError(f"{path}: holds column names and no row under them", mend="Give a table with rows.")
    return Table(names, [list(column) for column in zip(*cells, strict=True)], lines)


def detected(path: Path) -> str:
    """The delimiter of a file, as `delimiter_of` tells it."""
    head = (line for _, line in zip(range(HEAD), (line for _, line in read_lines(path)), strict=False))
    return delimiter_of(path, [line for line in head if line.strip()])


def delimiter_of(path: Path, head: Sequence[str]) -> str:
    """The delimiter that cuts the first lines into the most columns, equally many in each; of .tsv a tab."""
    if any(suffix in (".tsv", ".tab") for suffix in path.suffixes):
        return "\t"
    best, most = ",", 1
    for candidate in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader((f"{line}\n" for line in head), delimiter=candidate)]
        except csv.Error:
            continue
        # The header decides; a faulty row further down must not hide the delimiter, only be told.
        same = sum(count == counts[0] for count in counts) if counts else 0
        if same * 2 > len(counts) and counts[0] > most:
            best, most = candidate, counts[0]
    return best


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line on which each ends; quotes as in RFC 4180."""
    reader = csv.reader((f"{line}\n" for _, line in read_lines(path)), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not well-formed ({error})",
            mend='A quote inside a quoted text is written twice (""), and every opened quote is closed.',
        ) from None


def _names(path: Path, row: Sequence[str], line: int) -> list[str]:
    """The column names of a header, checked."""
    names = [name.strip() for name in row]
    if all(is_number(name) for name in names):
        raise DataError(
            f"{path}, line {line}: holds numbers where the names of the columns are expected",
            mend="Write a first line with a name for each column.",
        )
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}, line {line}: column {place} has no name", mend="Give each column a name.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        places = [place for place, name in enumerate(names, start=1) if name == twice[0]]
        raise DataError(
            f"{path}, line {line}: columns {' and '.join(map(str, places))} are both named {twice[0]!r}",
            mend="Give each column a name of its own.",
        )
    return names


def _advice(delimiter: str, row: Sequence[str], names: Sequence[str]) -> str:
    others = [other for other in DELIMITERS if other != delimiter and any(other in cell for cell in row)]
    if len(row) == 1 and others:
        return f"Is the file separated by {DELIMITERS[others[0]]}? Give --delimiter {others[0]!r}."
    if len(row) > len(names):
        return "A cell that holds the delimiter stands in double quotes."
    return "An empty cell needs its delimiter too."


def is_number(text: str) -> bool:
    """Whether a text is written as a number, infinite ones among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> Table:
    """Raises DataError as `read_parquet`, and for what no table may be."""
    names, columns = read_parquet(path)
    table = table_of_columns(path, _names(path, names, 1), columns)
    if not len(table):
        raise DataError(f"{path}: holds column names and no row under them", mend="Give a table with rows.")
    return table


def table_of_columns(path: Path, names: list[str], columns: Sequence[Sequence[object]]) -> Table:
    """A table of values, each as it would stand in a text file."""
    cells = [[_text(value) for value in column] for column in columns]
    return Table(names, cells, [f"{path}, row {number}" for number in range(1, len(cells[0] if cells else []) + 1)])


def read_parquet(path: Path) -> tuple[list[str], list[list[object]]]:
    """The names of the columns and their values. Raises DataError if pyarrow is missing or the file is no Parquet."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path}: reading Parquet needs the package pyarrow", mend="Install it: pip install 'pellucid[parquet]'"
        ) from None
    try:
        read = pyarrow.parquet.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", mend="Check the name; a pattern must be quoted.") from None
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: damaged or not a Parquet file ({reason})", mend="Write it again.") from None
    return list(read.column_names), [column.to_pylist() for column in read.columns]


def _text(value: object) -> str:
    """A cell as it would stand in a text file, a number with all its digits."""
    return "" if value is None else str(value).strip()


def joined(whole: Table, more: Table, path: Path) -> Table:
    """`more` under `whole`, its columns in the order of `whole`."""
    missing = [name for name in whole.names if name not in more.names]
    extra = [name for name in more.names if name not in whole.names]
    if missing or extra:
        said = f"has no column {missing[0]!r}" if missing else f"has a column {extra[0]!r}"
        first = whole.lines[0].rpartition(", ")[0]
        raise DataError(f"{path}: {said}, unlike {first}", mend="Give tables with the same columns.")
    columns = [cells + more.column(name) for name, cells in zip(whole.names, whole.columns, strict=True)]
    return Table(whole.names, columns, whole.lines + more.lines)


def paths_of(name: str) -> list[Path]:
    """The files that a name means: itself, the tables of a folder, or those that a pattern fits."""
    return named_files(name, _is_table, "this folder holds no table", f"Known: {', '.join(SUFFIXES)}.")


def _is_table(path: Path) -> bool:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return bool(suffixes) and suffixes[-1].lower() in SUFFIXES and suffixes[-1] != ".txt"
