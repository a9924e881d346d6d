"""Sentence pairs: what the filters of training would take out, told with file and line.

The filters themselves, and their limits, stand in data/filters.py.
"""

from collections.abc import Sequence

from pellucid.data.check.fault import Findings
from pellucid.data.filters import Limits, filters_of, normalized
from pellucid.data.languages import language
from pellucid.data.pairs import Pair
from pellucid.data.read import read_pairs

KINDS = {
    "empty": "empty-side",
    "control characters": "pair-control-character",
    "identical": "identical-sides",
    "too long": "long-side",
    "length ratio": "length-ratio",
    "wrong script": "wrong-script",
    "duplicate": "duplicate-pair",
}


def check_pairs(
    files: Sequence[str],
    findings: Findings,
    source: str | None = None,
    target: str | None = None,
    delimiter: str | None = None,
) -> dict[str, int]:
    """Check pairs that are read together; returns how many there are. Raises DataError as reading does."""
    reading = read_pairs(files, source, target, delimiter)
    filters = filters_of((language(reading.source), language(reading.target)), Limits())
    seen: set[tuple[str, str]] = set()
    for raw in reading.pairs:
        pair = normalized(raw)
        found = [reason for reason, fails in filters.items() if fails(pair)]
        if not found and (pair.source, pair.target) in seen:
            found = ["duplicate"]
        seen.add((pair.source, pair.target))
        for reason in found:
            file, line = _place(raw, files[0])
            findings.add(KINDS[reason], file=file, line=line, text=f"{pair.source} | {pair.target}")
    return {"pairs": len(reading.pairs)}


def _place(pair: Pair, name: str) -> tuple[str, int | None]:
    """The file and line that a pair's origin names, such as `app.po:12`."""
    file, _, line = (pair.origin or "").rpartition(":")
    return (file, int(line)) if file and line.isdigit() else (pair.origin or name, None)
