"""Tables in a terminal: labelled, aligned, never wider than the screen, and windowed where a matrix is larger.

Numbers have three decimals and true minus signs; where all of a matrix are very small or very large, its title says by
which power of ten. An exact zero is written 0, so that a masked share can be told from a small one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from pellucid.cli.console import one_line, out
from pellucid.cli.words import say
from pellucid.errors import DataError

DECIMALS = 3
DIGITS = {"float64": 17, "float32": 9, "bfloat16": 4, "float16": 5}  # that tell any two numbers of a type apart
SIDE, TOP = 16, 10  # columns that a label may take at the side and on top
GAP = "  "
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Matrix:
    """Numbers in rows and columns with their labels; `address` is where they are, `dtype` how exact they are."""

    address: str
    values: Sequence[Sequence[float]]
    rows: Sequence[str]
    columns: Sequence[str]
    title: str = ""
    dtype: str = "float32"


@dataclass(frozen=True)
class Window:
    """From which row and column on a matrix is shown, and how many rows at most."""

    row: int = 0
    column: int = 0
    rows: int = 40


def number(value: float, power: int = 0, digits: int | None = None) -> str:
    """0.042, −∞, 0 where it is exactly zero; in units of 10^power, or with so many significant digits."""
    if value == 0 or isinstance(value, int):
        return str(value if value else 0).replace("-", "−")
    if not math.isfinite(value):
        return str(value).replace("-", "−").replace("inf", "∞")
    text = f"{value:.{digits}g}" if digits else f"{value / 10**power:.{DECIMALS}f}"
    return text.replace("-", "−")


def power_of(values: Sequence[Sequence[float]]) -> int:
    """The power of ten to count in: 0 unless three decimals would show little, or numbers would be long."""
    sizes = [abs(value) for row in values for value in row if value and math.isfinite(value)]
    largest = math.floor(math.log10(max(sizes))) if sizes else 0
    return largest if largest < -1 or largest > 3 else 0


def print_matrix(matrix: Matrix, window: Window | None = None, exact: bool = False) -> None:
    """A title, the part of the matrix that fits, and which part that is.

    Raises DataError if the window begins outside of it.
    """
    window = window or Window()
    check_window(matrix, window)
    rows = range(window.row, min(window.row + window.rows, len(matrix.rows)))
    power = 0 if exact else power_of(matrix.values)
    digits = DIGITS.get(matrix.dtype, 17) if exact else None
    side = [one_line(matrix.rows[row], SIDE) for row in rows]
    width = max(map(cell_len, side), default=0)
    room = out.width - width
    columns: list[list[str]] = []
    for column in range(window.column, len(matrix.columns)):
        cells = [number(matrix.values[row][column], power, digits) for row in rows]
        cells = [one_line(matrix.columns[column], TOP), *cells]
        room -= len(GAP) + max(map(cell_len, cells))
        if room < 0 and columns:
            break
        columns.append(right(cells))
    out.print(Text(in_units(matrix.title or matrix.address, power), style="bold"))
    bare = not any(matrix.columns)  # a line of numbers needs no head
    for count, line in enumerate(zip(left(["", *side]), *columns, strict=True)):
        if bare and count == 0:
            continue
        out.print(Text(GAP.join(line), style="dim" if count == 0 else ""), no_wrap=True, overflow="ellipsis")
    print_window(
        matrix.address, (rows.start, len(rows), len(matrix.rows)), (window.column, len(columns), len(matrix.columns))
    )


def in_units(title: str, power: int) -> str:
    """The title of a table, with the power of ten that it counts in."""
    return f"{title}  × 10{str(power).translate(SUPERSCRIPTS)}" if power else title


def check_window(matrix: Matrix, window: Window) -> None:
    for name, start, size in (("row", window.row, len(matrix.rows)), ("column", window.column, len(matrix.columns))):
        if not 0 <= start < max(size, 1):
            raise DataError(f"--{name} {start} is outside of {matrix.address}", f"Its {name}s are 0 to {size - 1}.")


def print_window(address: str, rows: tuple[int, int, int], columns: tuple[int, int, int] | None = None) -> None:
    """Which rows and columns were shown (start, count, all of them), and how to see others; nothing if all were."""
    parts, options = [], []
    for name, interval in (("row", rows), ("column", columns)):
        if interval is None or interval[1] == interval[2]:
            continue
        start, count, whole = interval
        parts.append(say(f"see.{name}s", first=start, last=start + count - 1, whole=whole))
        options.append(f"--{name} {start + count if start + count < whole else 0}")
    if parts:
        said = say(
            "see.window", shown=say("see.and").join(parts), options=f"--at {quoted(address)} {' '.join(options)}"
        )
        out.print(Text(said, style="dim"))


def quoted(address: str) -> str:
    """As a shell needs it."""
    return f'"{address}"' if "[" in address or "*" in address or "?" in address else address


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> None:
    """A small table of texts; `align` is l or r for each column. The widest columns give way where it is too wide."""
    columns = (
        [[head, *cells] for head, *cells in zip(heads, *rows, strict=True)] if rows else [[head] for head in heads]
    )
    widths = [max(map(cell_len, column)) for column in columns]
    while sum(widths) + len(GAP) * (len(widths) - 1) > out.width and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    shortened = [[one_line(cell, width) for cell in column] for column, width in zip(columns, widths, strict=True)]
    aligned = [left(column) if side == "l" else right(column) for column, side in zip(shortened, align, strict=True)]
    for count, cells in enumerate(zip(*aligned, strict=True)):
        out.print(Text(GAP.join(cells).rstrip(), style="dim" if count == 0 else ""), no_wrap=True)


def left(cells: Sequence[str]) -> list[str]:
    width = max(map(cell_len, cells))
    return [cell + " " * (width - cell_len(cell)) for cell in cells]


def right(cells: Sequence[str]) -> list[str]:
    width = max(map(cell_len, cells))
    return [" " * (width - cell_len(cell)) + cell for cell in cells]
