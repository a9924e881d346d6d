"""Matrices in a terminal: labelled, aligned, and windowed where they are larger than the screen.

Numbers have three decimals and true minus signs; where all are small or large, the table says by which power of ten.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from pellucid.cli.console import one_line, out
from pellucid.cli.words import say

MINUS, INFINITY = "−", "∞"
DECIMALS = 3
LABEL, HEAD = 16, 10  # columns that a label may take at the side and on top
GAP = 2


@dataclass(frozen=True)
class Window:
    """From which row and column on a matrix is shown, and how many rows."""

    row: int = 0
    column: int = 0
    rows: int = 12


def number(value: float, power: int = 0, exact: bool = False) -> str:
    """0.042, −∞, 0 where it is exactly zero; in units of 10^power, or all digits."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value).replace("-", MINUS).replace("inf", INFINITY)
    text = f"{value:.9g}" if exact else f"{value / 10**power:.{DECIMALS}f}"
    return text.replace("-", MINUS)


def power_of(values: Sequence[Sequence[float]]) -> int:
    """The power of ten to count in: 0 unless three decimals would show nothing, or the numbers are long."""
    sizes = [abs(value) for row in values for value in row if value and math.isfinite(value)]
    if not sizes:
        return 0
    largest = math.floor(math.log10(max(sizes)))
    return largest if largest < -1 or largest > 3 else 0


def superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def print_matrix(
    title: str,
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    window: Window | None = None,
    exact: bool = False,
    more: str = "",
) -> None:
    """A title, the part of the matrix that fits, and what was left out; `more` is the command that shows the rest."""
    window = window or Window()
    shown_rows = range(window.row, min(window.row + window.rows, len(rows)))
    power = 0 if exact else power_of(values)
    side = min(max((cell_len(rows[row]) for row in shown_rows), default=0), LABEL)
    fitting, width = [], side
    for column in range(window.column, len(columns)):
        cells = [cell_len(number(values[row][column], power, exact)) for row in shown_rows]
        width += GAP + max([*cells, min(cell_len(columns[column]), HEAD)], default=0)
        if width > out.width and fitting:
            break
        fitting.append(column)
    if power:
        title = f"{title}  × 10{superscript(power)}"
    out.print(Text(title, style="bold"), soft_wrap=True)
    widths = {
        column: max(
            [
                min(cell_len(columns[column]), HEAD),
                *(cell_len(number(values[row][column], power, exact)) for row in shown_rows),
            ]
        )
        for column in fitting
    }
    heads = (aligned(one_line(columns[column], HEAD), widths[column]) for column in fitting)
    out.print(Text(" " * side + "".join(heads), style="dim"), no_wrap=True)
    for row in shown_rows:
        cells = (aligned(number(values[row][column], power, exact), widths[column]) for column in fitting)
        label = one_line(rows[row], LABEL)
        out.print(Text(label + " " * (side - cell_len(label)) + "".join(cells)), no_wrap=True)
    if len(rows) > len(shown_rows) or len(columns) > len(fitting):
        said = say(
            "see.window",
            rows=interval(shown_rows.start, len(shown_rows), len(rows)),
            columns=interval(window.column, len(fitting), len(columns)),
            more=more,
        )
        out.print(Text(said, style="dim"))


def aligned(text: str, width: int) -> str:
    """To the right, in so many columns and a gap; a wide character takes two."""
    return " " * (GAP + width - cell_len(text)) + text


def interval(start: int, count: int, whole: int) -> str:
    """0–11 / 40."""
    return f"{start}–{start + count - 1} / {whole}"
