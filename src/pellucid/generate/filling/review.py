"""What a person reviews: a row an entry, the worst first, and those rows as a table that Excel opens safely."""

import csv
import difflib
import io
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.data.pairs import Pair
from pellucid.generate.filling.entry import Entry, Match, worst_first
from pellucid.generate.filling.fill import Progress, Watch
from pellucid.words import LANGUAGES

PIECE = re.compile(r"\w+|\s+|[^\w\s]")
LONGEST = 1000  # characters of a source beyond which no near match is looked for: the search takes the square of it
MATCHED = 20_000  # different sources, the worst first, for which one is looked for: half a minute's work at most
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet may take a cell for that begins so
COLUMNS = (
    "state", "confidence", "source", "proposal", "attempt", "checks", "kinds", "memory_source", "memory_target",
    "similarity", "differing", "others", "key", "line", "plural", "context", "comment",
)  # fmt: skip

Nearest = Callable[[str], tuple[Pair, float] | None]


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, the nearest match of the memory, and the pieces of that match with whether they differ."""

    entry: Entry
    match: Match | None
    pieces: tuple[tuple[str, bool], ...]


def matches_of(
    entries: Sequence[Entry],
    nearest: Nearest,
    watch: Watch = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Match] | None:
    """The nearest match of each source that the memory does not hold itself, the worst first, as far as MATCHED.

    None if `should_stop` said so before the end.
    """
    wanted = list(dict.fromkeys(entry.unit.source for entry in worst_first(entries) if is_searched(entry)))[:MATCHED]
    found: dict[str, Match] = {}
    began = time.monotonic()
    for number, source in enumerate(wanted, start=1):
        if should_stop():
            return None
        near = nearest(source)
        if near is not None:
            found[source] = Match(near[0].source, near[0].target, near[1])
        watch(Progress("matches", number, len(wanted), 0, number / len(wanted), time.monotonic() - began))
    return found


def rows_of(entries: Sequence[Entry], matches: Mapping[str, Match] | None = None) -> list[Row]:
    """All entries, worst first, each with the nearest match of the memory."""
    rows = []
    for entry in worst_first(entries):
        source, text = entry.unit.source, entry.found.text
        exact = Match(source.strip(), text.strip(), 1.0) if entry.found.state == "memory" else None
        match = exact or (matches or {}).get(source)
        rows.append(Row(entry, match, differing(match.source, source) if match else ()))
    return rows


def is_searched(entry: Entry) -> bool:
    return entry.found.state not in ("memory", "copied") and len(entry.unit.source) <= LONGEST


def differing(text: str, beside: str) -> tuple[tuple[str, bool], ...]:
    """`text` in pieces, each with whether it differs from what stands in its place in `beside`; words are whole."""
    one, other = PIECE.findall(text), PIECE.findall(beside)
    folded = [piece.lower() for piece in one], [piece.lower() for piece in other]
    pieces: list[tuple[str, bool]] = []
    for kind, start, end, _, _ in difflib.SequenceMatcher(None, *folded, autojunk=False).get_opcodes():
        if end > start:
            pieces.append(("".join(one[start:end]), kind != "equal"))
    return tuple(pieces)


def told(row: Row) -> dict[str, Any]:
    """A row as plain data; what a check says is told in every language."""
    unit, found = row.entry.unit, row.entry.found
    return {
        "state": found.state,
        "confidence": None if found.confidence is None else round(found.confidence, 3),
        "source": unit.source,
        "proposal": found.text,
        "attempt": found.attempt,
        "checks": [
            {"kind": one.kind, "grave": one.grave, "said": {language: one.said(language) for language in LANGUAGES}}
            for one in found.breaches
        ],
        "match": row.match
        and {"target": row.match.target, "similarity": round(row.match.similarity, 3), "pieces": row.pieces},
        "others": found.others,
        "key": unit.key,
        "line": unit.line,
        "number": unit.number,
        "plural": unit.plural,
        "context": unit.context,
        "comment": unit.comment,
    }


def table_of(rows: Iterable[Row], language: str) -> bytes:
    """The rows as CSV for a spreadsheet: UTF-8 with its mark, checks said in `language`, cells guarded."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: guarded(cell) for name, cell in cells(row, language).items()})
    return text.getvalue().encode("utf-8-sig", "replace")


def cells(row: Row, language: str) -> Mapping[str, str]:
    """The cells of a row as texts."""
    unit, found, match = row.entry.unit, row.entry.found, row.match
    differs = "".join(piece if is_other else " " for piece, is_other in row.pieces)
    return {
        "state": found.state,
        "confidence": "" if found.confidence is None else f"{found.confidence:.3f}",
        "source": unit.source,
        "proposal": found.text,
        "attempt": found.attempt,
        "checks": "\n".join(one.said(language) for one in found.breaches),
        "kinds": " ".join(dict.fromkeys(one.kind.replace(" ", "-") for one in found.breaches)),
        "memory_source": match.source if match else "",
        "memory_target": match.target if match else "",
        "similarity": f"{match.similarity:.3f}" if match else "",
        "differing": " ".join(differs.split()),
        "others": "\n".join(found.others),
        "key": unit.key,
        "line": str(unit.line),
        "plural": unit.plural,
        "context": unit.context,
        "comment": unit.comment,
    }


def guarded(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would run as a formula; `unguarded` gives the cell back."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell
