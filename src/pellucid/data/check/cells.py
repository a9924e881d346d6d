"""The values of a table's columns: missing, of mixed kinds, infinite, far from all others, always or never the same."""

import math
import re
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pellucid.data.check.fault import Findings
from pellucid.data.columns import is_missing
from pellucid.data.schema import DECIMAL_COMMA, INFINITE, MOSTLY, NUMBER

if TYPE_CHECKING:
    from pellucid.data.check.tables import Rows

FEWEST = 20  # values of a column from which its spread, or that all differ, says something
FAR = 10.0  # widths of the middle half beyond it, of values that may be negative
FAR_IN_LOGARITHMS = 5.0  # of values that grow by factors, and of their logarithms as well
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")  # what may number rows


def check_columns(rows: "Rows", findings: Findings, target: str | None = None) -> None:
    """Every column by itself, then whole rows that are there twice."""
    for place, name in enumerate(rows.names):
        _check(rows, name, [row[place] for row in rows.cells], findings, name == target)
    _check_rows(rows, findings, target)


def _check(rows: "Rows", name: str, cells: Sequence[str], findings: Findings, is_target: bool) -> None:
    filled = [(number, cell) for number, cell in enumerate(cells) if not is_missing(cell) or cell.lower() == "nan"]
    there = [(number, cell) for number, cell in filled if cell.lower() != "nan"]
    if not there:
        findings.add("empty-column", file=rows.path, column=name)
        return
    numbers = [(number, float(cell)) for number, cell in there if NUMBER.fullmatch(cell)]
    commas = [(number, cell) for number, cell in there if DECIMAL_COMMA.fullmatch(cell)]
    infinite = [(number, cell) for number, cell in there if INFINITE.fullmatch(cell)]
    is_numeric = len(numbers) + len(commas) + len(infinite) > MOSTLY * len(there)
    _check_missing(rows, name, cells, findings, is_numeric)
    if len({cell for _, cell in there}) == 1 and len(cells) > 1:
        findings.add("constant-column", file=rows.path, column=name, text=there[0][1])
    if is_numeric:
        told = {number for number, _ in (*numbers, *commas, *infinite)}
        kinds = {"decimal-comma": commas, "not-finite": infinite}
        kinds["mixed-column"] = [one for one in there if one[0] not in told]
        for kind, found in kinds.items():
            for number, cell in found:
                findings.add(kind, file=rows.path, column=name, text=cell, **rows.place(number))
        _check_spread(rows, name, numbers, findings)
    if not is_target:
        _check_identifier(rows, name, [cell for _, cell in there], findings, is_numeric)


def _check_missing(rows: "Rows", name: str, cells: Sequence[str], findings: Findings, is_numeric: bool) -> None:
    for number, cell in enumerate(cells):
        if is_numeric and cell.lower() == "nan":
            findings.add("not-finite", file=rows.path, column=name, text=cell, **rows.place(number))
        elif is_missing(cell):
            findings.add("missing-value", file=rows.path, column=name, text=cell, **rows.place(number))


def _check_spread(rows: "Rows", name: str, numbers: Sequence[tuple[int, float]], findings: Findings) -> None:
    """Outliers: further than so many widths of the middle half beyond it, as Tukey's fences are, but far wider.

    Where none is negative they must be so in logarithms as well: incomes and areas grow by factors.
    Source: Tukey, "Exploratory Data Analysis", 1977.
    """
    values = [value for _, value in numbers]
    if len(values) < FEWEST:
        return
    low, _, high = statistics.quantiles(values, method="inclusive")
    width = high - low
    if not width:
        return
    logarithms = [math.log(value) for value in values if value > 0] if min(values) >= 0 else []
    fences = _fences(logarithms) if len(logarithms) > 1 else None
    far = FAR_IN_LOGARITHMS if fences else FAR
    for number, value in numbers:
        times = max(low - value, value - high) / width
        if times <= far or (fences and value > 0 and fences[0] <= math.log(value) <= fences[1]):
            continue
        facts: dict[str, Any] = {"low": f"{low:g}", "high": f"{high:g}", "times": f"{times:.0f}"}
        findings.add("outlier", file=rows.path, column=name, text=f"{value:g}", **facts, **rows.place(number))


def _fences(logarithms: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(logarithms, method="inclusive")
    return low - FAR_IN_LOGARITHMS * (high - low), high + FAR_IN_LOGARITHMS * (high - low)


def _check_identifier(rows: "Rows", name: str, cells: Sequence[str], findings: Findings, is_numeric: bool) -> None:
    """A column that names rows instead of telling of them: texts that all differ, or numbers that count the rows."""
    if len(cells) < FEWEST or len(set(cells)) < len(cells):
        return
    if is_numeric:
        whole = [int(cell) for cell in cells if WHOLE.fullmatch(cell)]
        if len(whole) < len(cells) or max(whole) - min(whole) != len(whole) - 1:
            return
    findings.add("identifier-column", file=rows.path, column=name, text=cells[0], rows=len(cells))


def _check_rows(rows: "Rows", findings: Findings, target: str | None) -> None:
    """Rows that are there twice, and, with a target, rows alike in all but that."""
    place = rows.names.index(target) if target is not None else None
    seen: dict[tuple[str, ...], int] = {}
    inputs: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(rows.cells):
        whole = tuple(row)
        first = seen.setdefault(whole, number)
        if first != number:
            text = ", ".join(row)
            findings.add("duplicate-row", file=rows.path, text=text, first=rows.lines[first], **rows.place(number))
            continue
        if place is None or len(row) < 2:
            continue
        other = inputs.setdefault((*whole[:place], *whole[place + 1 :]), number)
        if other != number and not (is_missing(row[place]) or is_missing(rows.cells[other][place])):
            findings.add(
                "contradiction",
                file=rows.path,
                column=target,
                text=row[place],
                first=rows.lines[other],
                other=rows.cells[other][place],
                **rows.place(number),
            )
