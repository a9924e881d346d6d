"""What is to be predicted: whether a column gives it away, and whether every class is there often enough.

A network that may read the answer learns nothing else, and its scores are worth nothing where the answer is not known.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pellucid.data.check.fault import Findings
from pellucid.data.columns import is_missing
from pellucid.data.schema import DECIMAL_COMMA, MOSTLY, NUMBER

if TYPE_CHECKING:
    from pellucid.data.check.tables import Rows

FEWEST = 20  # rows from which it is no accident that a column tells the target
OFTEN = 5  # rows a value, on the average, from which it is no accident that each has but one class
MOST_CLASSES = 20  # different numbers of a target; more, or less than OFTEN rows each, are measured, and no classes
FEWEST_OF_CLASS = 3  # one for each side
RARE = 20  # times more frequent than the rarest class, from where on a network hardly sees that one
TOGETHER = 1 - 1e-9  # correlation of two columns that are one in other units


def check_target(rows: "Rows", findings: Findings, target: str | None) -> None:
    """Leaks and classes of a table whose target is named."""
    if target is None:
        return
    place = rows.names.index(target)
    known = [row for row in rows.cells if not is_missing(row[place])]
    answers = [row[place] for row in known]
    numbers = sum(bool(NUMBER.fullmatch(cell) or DECIMAL_COMMA.fullmatch(cell)) for cell in answers)
    many = len(set(answers)) > min(MOST_CLASSES, len(answers) / OFTEN)
    measured = numbers > MOSTLY * len(answers) and many
    if not measured:
        first: dict[str, int] = {}
        for number, row in enumerate(rows.cells):
            first.setdefault(row[place], number)
        places = {name: rows.place(number) for name, number in first.items()}
        check_classes(Counter(answers), findings, rows.path, target, places)
    if len(known) < FEWEST or len(set(answers)) < 2:
        return
    for other, name in enumerate(rows.names):
        if other == place:
            continue
        how = _told(rows, [row[other] for row in known], answers, measured)
        if how:
            findings.add(how, file=rows.path, column=name, target=target)


def check_classes(
    counts: Mapping[str, int],
    findings: Findings,
    file: object,
    column: str | None = None,
    places: Mapping[str, dict[str, Any]] | None = None,
    files: Mapping[str, object] | None = None,
) -> None:
    """Too few of a class, or far fewer than of another; `places` and `files` say where a class is found first."""
    if not counts:
        return
    frequent = max(counts, key=lambda name: counts[name])
    if len(counts) == 1:
        findings.add("one-class", file=file, column=column, text=frequent, count=counts[frequent])
        return
    for name, count in counts.items():
        where: dict[str, Any] = {"file": (files or {}).get(name, file), **(places or {}).get(name, {})}
        if count < FEWEST_OF_CLASS:
            findings.add("small-class", column=column, text=name, count=count, fewest=FEWEST_OF_CLASS, **where)
        elif counts[frequent] > RARE * count:
            facts: dict[str, Any] = {"count": count, "frequent": frequent, "times": f"{counts[frequent] / count:.0f}"}
            findings.add("class-imbalance", column=column, text=name, **facts, **where)


def _told(rows: "Rows", cells: Sequence[str], answers: Sequence[str], measured: bool) -> str | None:
    """The kind of leak, if the column gives the target away."""
    if list(cells) == list(answers):
        return "target-copied"
    if any(is_missing(cell) for cell in cells):
        return None
    numeric = all(NUMBER.fullmatch(cell) for cell in cells)
    if measured:
        numeric = numeric and all(NUMBER.fullmatch(answer) for answer in answers)
        return "target-determined" if numeric and _same_order(cells, answers) else None
    told: dict[str, set[str]] = defaultdict(set)
    for cell, answer in zip(cells, answers, strict=True):
        told[cell].add(answer)
    each_its_own = all(len(found) == 1 for found in told.values())
    if each_its_own and 1 < len(told) <= len(cells) / OFTEN:
        return "target-determined"
    return "target-determined" if numeric and _cut_apart(cells, answers) else None


def _same_order(cells: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether two columns of numbers rise together throughout, or are one in other units."""
    pairs = sorted((float(cell), float(answer)) for cell, answer in zip(cells, answers, strict=True))
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    if len(set(xs)) == len(xs) and len(set(ys)) == len(ys) and ys in (sorted(ys), sorted(ys, reverse=True)):
        return True
    largest = max(map(abs, xs)), max(map(abs, ys))
    if not all(map(math.isfinite, largest)):
        return False
    xs, ys = ([value / (most or 1.0) for value in each] for each, most in zip((xs, ys), largest, strict=True))
    mean_x, mean_y = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
    spread = math.fsum((x - mean_x) ** 2 for x in xs) * math.fsum((y - mean_y) ** 2 for y in ys)
    shared = math.fsum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return spread > 0 and abs(shared) / math.sqrt(spread) > TOGETHER


def _cut_apart(cells: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether thresholds on a column of numbers part all classes, each with rows enough to mean it."""
    if min(Counter(answers).values()) < OFTEN:
        return False
    pairs = sorted((float(cell), answer) for cell, answer in zip(cells, answers, strict=True))
    changes = sum(a != b for (_, a), (_, b) in itertools.pairwise(pairs))
    at_a_tie = any(x == y and a != b for (x, a), (y, b) in itertools.pairwise(pairs))
    return changes == len(set(answers)) - 1 and not at_a_tie
