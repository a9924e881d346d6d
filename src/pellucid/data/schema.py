"""What the columns of a table mean, and how a row becomes numbers that a network can read.

Numbers are standardized by the mean and deviation of the training side; texts become one-hot; a missing value is
treated as the person said, never guessed. A Schema is fitted once, kept in columns.json beside the weights, and
encodes every later row in the same way. Stands between columns.py and the batches of regress and classify.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from pellucid.config import Config
from pellucid.data.columns import Table, is_missing
from pellucid.errors import DataError, RunError
from pellucid.files import REPLACE, write_text

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+(\.\d{3})*,\d+")
MOSTLY = 0.5  # a column whose cells are numbers in more than this share holds numbers; the others are faults in it
MOST_CATEGORIES = 100  # different texts of a column; more are names or remarks, and no categories

Missing = Literal["refuse", "drop", "mean"]
Kind = Literal["number", "category"]


class Column(Config):
    """A column that the network reads or predicts. For numbers `mean` and `deviation`, for texts `categories`."""

    name: str = Field(description="as it stands in the table")
    kind: Kind = Field(description="number, or category: one of a few texts")
    mean: float = Field(0.0, description="of the training side; for categories not used")
    deviation: float = Field(1.0, description="standard deviation of the training side; 1 where all are equal")
    lowest: float = Field(0.0, description="smallest number of the training side")
    highest: float = Field(0.0, description="largest number of the training side")
    categories: tuple[str, ...] = Field((), description="the texts, in the order of their one-hot places")
    shares: tuple[float, ...] = Field((), description="how frequent each category is on the training side")


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the person wants columns to be taken: the target, what is categorical, what is left out, missing values."""

    target: str
    target_kind: Kind
    categorical: Sequence[str] = ()
    left_out: Sequence[str] = ()
    missing: Missing = "refuse"


class Schema(Config):
    """The columns a network reads and the one it predicts."""

    inputs: tuple[Column, ...] = Field(description="what the network reads")
    target: Column = Field(description="what it predicts")
    missing: Missing = Field("refuse", description="what becomes of missing values")
    left_out: dict[str, str] = Field(default_factory=dict, description="columns the network does not read, and why")

    @property
    def input_names(self) -> list[str]:
        """A name for each number the network reads: `age`, and `colour=red` for a place of a one-hot."""
        return [name for column in self.inputs for name in places(column)]

    @property
    def width(self) -> int:
        """How many numbers the network reads."""
        return len(self.input_names)

    def encode(self, table: Table) -> Tensor:
        """Standardized numbers and one-hots, float32, (row, input). Raises DataError for a cell that does not fit."""
        return self.standardized(self.numbers(table)).float()

    def numbers(self, table: Table) -> Tensor:
        """The same before standardization: numbers in their own units, float64, (row, input)."""
        if not len(table):
            return torch.zeros(0, self.width, dtype=torch.float64)
        parts = [_numbers_of(column, table, self.missing) for column in self.inputs]
        return torch.cat(parts, dim=1)

    def standardized(self, numbers: Tensor) -> Tensor:
        """(x - mean) / deviation of each number; one-hots stay 0 and 1."""
        return (numbers - self.means) / self.deviations

    @property
    def means(self) -> Tensor:
        return torch.tensor([column.mean for column in self.inputs for _ in places(column)], dtype=torch.float64)

    @property
    def deviations(self) -> Tensor:
        return torch.tensor([column.deviation for column in self.inputs for _ in places(column)], dtype=torch.float64)

    def targets(self, table: Table) -> Tensor:
        """The target column: its numbers in their own units (float64), or the numbers of its classes (int64); (row,).

        Raises DataError for a missing or impossible cell, or a class that training did not have.
        """
        cells = table.column(self.target.name)
        if self.target.kind == "number":
            return torch.tensor(
                [_number(cell, self.target.name, line) for cell, line in zip(cells, table.lines, strict=True)],
                dtype=torch.float64,
            )
        known = {category: number for number, category in enumerate(self.target.categories)}
        return torch.tensor(
            [_known(known, cell, self.target.name, line) for cell, line in zip(cells, table.lines, strict=True)],
            dtype=torch.int64,
        )

    def only(self, table: Table) -> Table:
        """The columns of a table that are read or predicted, in this order. Raises DataError if one is missing."""
        names = [*(column.name for column in self.inputs), self.target.name]
        return Table(names, [table.column(name) for name in names], table.lines)

    def as_taken(self, meaning: "Meaning") -> "Meaning":
        """The same, columns being names or numbers as they were when the schema was fitted."""
        return replace(meaning, categorical=[column.name for column in self.inputs if column.kind == "category"])

    def save(self, path: Path) -> None:
        """Write columns.json, atomically."""
        write_text(path, json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Schema":
        """Read columns.json. Raises RunError if it is not there or damaged."""
        try:
            return cls.parse(json.loads(path.read_text(encoding="utf-8")), where=str(path))
        except FileNotFoundError:
            raise RunError(f"{path}: no such file", mend=REPLACE) from None
        except (ValueError, OSError, RecursionError) as error:
            raise RunError(f"{path}: damaged ({error})", mend=REPLACE) from None


def usable_rows(table: Table, meaning: Meaning) -> Table:
    """The rows that can be trained on, every column checked; the faults of a table are told here.

    With `missing` "refuse" a missing value is an error that names column and line; with "drop" its row is left out;
    with "mean" only rows without a target are, for what is to be learned cannot be filled in.
    """
    table.place(meaning.target)
    for name in (*meaning.categorical, *meaning.left_out):
        table.place(name)
    if meaning.target in meaning.left_out:
        raise DataError(f"the target {meaning.target!r} cannot be left out", mend="Leave out other columns.")
    asked = [name for name in table.names if name not in meaning.left_out and not _is_blank(table.column(name))]
    if meaning.target not in asked:
        raise DataError(
            f"{_file(table)}: the target {meaning.target!r} holds no value", mend="Choose another --target."
        )
    gaps = [_gaps(table.column(name)) for name in asked]
    count = sum(map(len, gaps))
    if count and meaning.missing == "refuse":
        name, rows = next((name, rows) for name, rows in zip(asked, gaps, strict=True) if rows)
        rows_with = len(set().union(*map(set, gaps)))
        raise DataError(
            f"{table.lines[rows[0]]}: no value in column {name!r}; {rows_with} of {len(table)} rows lack one",
            mend="Say what is to be done: --missing drop leaves such rows out, --missing mean fills in the mean of "
            "the training rows.",
        )
    checked = asked if meaning.missing == "drop" else [meaning.target]
    without = set().union(*(set(rows) for name, rows in zip(asked, gaps, strict=True) if name in checked))
    kept = table.rows([number for number in range(len(table)) if number not in without]) if without else table
    if not len(kept):
        raise DataError(
            f"{_file(table)}: no row has a value in every column", mend="Use --missing mean, or leave columns out."
        )
    for name in asked:
        kind_of(kept, name, meaning)
    return kept


def kind_of(table: Table, name: str, meaning: Meaning) -> Kind:
    """Whether a column holds numbers or categories. Raises DataError where it holds both, naming the first fault."""
    if name == meaning.target and meaning.target_kind == "category":
        return "category"
    cells = [(cell, line) for cell, line in zip(table.column(name), table.lines, strict=True) if not is_missing(cell)]
    if name in meaning.categorical and name != meaning.target:
        return "category"
    numbers = sum(bool(NUMBER.fullmatch(cell) or INFINITE.fullmatch(cell)) for cell, _ in cells)
    commas = sum(bool(DECIMAL_COMMA.fullmatch(cell)) for cell, _ in cells)
    if numbers + commas > MOSTLY * len(cells) or name == meaning.target:
        for cell, line in cells:
            _number(cell, name, line, target=name == meaning.target)
        return "number"
    return "category"


def fitted(train: Table, whole: Table, meaning: Meaning) -> Schema:
    """The schema of a table: statistics from the rows of `train` only, categories from all of `whole`.

    Columns that hold one value throughout, or none, tell a network nothing: they are left out, and `left_out` says so.
    Raises DataError for a target that never changes, or a column with more different texts than categories can have.
    """
    left_out = dict.fromkeys(meaning.left_out, "as asked")
    inputs: list[Column] = []
    for name in whole.names:
        if name in left_out or name == meaning.target:
            continue
        different = {cell for cell in whole.column(name) if not is_missing(cell)}
        if len(different) < 2:
            left_out[name] = f"always {different.pop()}" if different else "empty"
            continue
        inputs.append(_column(name, train, whole, meaning))
    target = _column(meaning.target, train, whole, meaning)
    if (target.kind == "number" and target.lowest == target.highest) or len(set(whole.column(target.name))) < 2:
        raise DataError(
            f"{_file(whole)}: the target {target.name!r} is {whole.column(target.name)[0]} in every row",
            mend="Choose another --target: there is nothing to learn here.",
        )
    if not inputs:
        raise DataError(f"{_file(whole)}: no column is left to predict {target.name!r} from", mend="Leave out fewer.")
    return Schema(inputs=tuple(inputs), target=target, missing=meaning.missing, left_out=left_out)


def places(column: Column) -> list[str]:
    """The names of the numbers that a column becomes."""
    return [f"{column.name}={category}" for category in column.categories] or [column.name]


def _column(name: str, train: Table, whole: Table, meaning: Meaning) -> Column:
    if kind_of(whole, name, meaning) == "number":
        values = torch.tensor([float(cell) for cell in train.column(name) if not is_missing(cell)], dtype=torch.float64)
        if not len(values):
            raise DataError(f"{_file(whole)}: column {name!r} is empty in all training rows", mend="Leave it out.")
        deviation = values.std(correction=0).item()
        return Column(
            name=name,
            kind="number",
            mean=values.mean().item(),
            deviation=deviation if deviation > 0 else 1.0,
            lowest=values.min().item(),
            highest=values.max().item(),
        )
    counts = Counter(cell for cell in train.column(name) if not is_missing(cell))
    categories = sorted({cell for cell in whole.column(name) if not is_missing(cell)}, key=_natural)
    if len(categories) > MOST_CATEGORIES:
        raise DataError(
            f"{_file(whole)}: column {name!r} holds {len(categories)} different texts; "
            f"at most {MOST_CATEGORIES} can be categories",
            mend="Choose another --target." if name == meaning.target else f"Leave it out: --leave-out {name!r}.",
        )
    total = max(sum(counts.values()), 1)
    shares = tuple(counts[category] / total for category in categories)
    return Column(name=name, kind="category", categories=tuple(categories), shares=shares)


def _numbers_of(column: Column, table: Table, missing: Missing) -> Tensor:
    """A column as float64 numbers, (row, place)."""
    cells, fill = table.column(column.name), column.shares or (column.mean,)
    rows: list[Sequence[float]] = []
    known = {category: number for number, category in enumerate(column.categories)}
    identity = torch.eye(len(known), dtype=torch.float64).tolist()
    for cell, line in zip(cells, table.lines, strict=True):
        if is_missing(cell):
            if missing != "mean":
                raise DataError(f"{line}: no value in column {column.name!r}", mend="Give it one.")
            rows.append(fill)
        elif column.kind == "number":
            rows.append((_number(cell, column.name, line),))
        else:
            rows.append(identity[_known(known, cell, column.name, line)])
    return torch.tensor(rows, dtype=torch.float64)


def _number(cell: str, name: str, line: str, target: bool = False) -> float:
    """The number of a cell. Raises DataError for anything else, and for what is not finite."""
    if NUMBER.fullmatch(cell):
        value = float(cell)
        if math.isfinite(value):
            return value
    if INFINITE.fullmatch(cell) or NUMBER.fullmatch(cell):
        raise DataError(f"{line}: {cell} in column {name!r} is not finite", mend="Correct the cell, or leave it empty.")
    if is_missing(cell):
        raise DataError(f"{line}: no value in column {name!r}", mend="Give it one.")
    if DECIMAL_COMMA.fullmatch(cell):
        raise DataError(
            f"{line}: {cell!r} in column {name!r} has a comma where numbers have a point",
            mend="Write 1234.5 for one thousand two hundred thirty-four and a half.",
        )
    raise DataError(
        f"{line}: {cell!r} in column {name!r} is not a number",
        mend="Correct the cell, or tell classes apart: pellucid train classify."
        if target
        else f"Correct the cell, or take the column as categories: --categorical {name!r}.",
    )


def _known(known: dict[str, int], cell: str, name: str, line: str) -> int:
    if cell not in known:
        said = "no value" if is_missing(cell) else repr(cell)
        few = ", ".join(list(known)[:8]) + (" ..." if len(known) > 8 else "")
        raise DataError(f"{line}: {said} in column {name!r} is none of its categories", mend=f"They are: {few}.")
    return known[cell]


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers among categories in the order of numbers, before texts."""
    return (0, float(text), text) if NUMBER.fullmatch(text) else (1, 0.0, text)


def _gaps(cells: Iterable[str]) -> list[int]:
    return [number for number, cell in enumerate(cells) if is_missing(cell)]


def _is_blank(cells: Iterable[str]) -> bool:
    return all(map(is_missing, cells))


def _file(table: Table) -> str:
    return table.lines[0].rpartition(", ")[0]
