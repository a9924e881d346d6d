"""Sentence pairs: every file that pairs are read from, gone through once, row by row, and each fault told.

Three things are asked of a row: what is wrong with it alone (sides.py), whether it was there before (data/seen.py), and
whether it is held out elsewhere (twins.py). Memory grows by a table of hashes alone, some 40 bytes a pair.
"""

import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.data.check.catalogs import catalog_rows
from pellucid.data.check.fault import Findings
from pellucid.data.check.memories import memory_rows
from pellucid.data.check.mend import Mender
from pellucid.data.check.pair_rows import Languages, Row, Rows, aligned_rows, json_rows, table_rows
from pellucid.data.check.sides import Sides
from pellucid.data.check.twins import HeldOut
from pellucid.data.languages import language
from pellucid.data.pairs import Pair
from pellucid.data.read import Entry, entries_of, kind_of_pairs, languages_from_name, wanted_languages
from pellucid.data.seen import Seen
from pellucid.errors import DataError

SWAPPED_FILE = 0.5  # share of a file's rows that are swapped, from which all of it is
FEWEST_SWAPPED = 3
BLOCK = 1 << 20  # bytes of an archive read at a time
MOST_UNPACKED = 1 << 30  # bytes of an archive that are looked at
DEVELOPMENT = ("dev", "valid", "validation", "val", "test", "heldout", "held-out", "held_out", "eval")


@dataclass
class _State:
    """What is remembered over all files of one input."""

    findings: Findings
    sides: Sides
    held_out: HeldOut | None
    sources: Seen = field(default_factory=Seen)
    others: Seen = field(default_factory=Seen)  # pairs whose source was there before with another target
    unfinished: dict[int, tuple[str, str, int]] = field(default_factory=dict)  # pairs that a catalog marks, by hash
    starts: list[int] = field(default_factory=list)  # of each file, in lines of all
    files: list[str] = field(default_factory=list)
    pairs: int = 0

    def begin(self, path: Path) -> None:
        self.starts.append(self.last + 1 if self.starts else 0)
        self.files.append(str(path))

    last: int = 0

    def place(self, number: int, here: str) -> str:
        """Line 12, or app.po:12 of another file."""
        at = bisect_right(self.starts, number) - 1
        line = number - self.starts[at]
        return f"{line:,}" if self.files[at] == here else f"{self.files[at]}:{line}"


def check_pairs(
    files: Sequence[str],
    findings: Findings,
    source: str | None = None,
    target: str | None = None,
    delimiter: str | None = None,
    held_out: Sequence[Pair] = (),
    mender: Mender | None = None,
) -> dict[str, int]:
    """Check pairs that are read together; returns how many there are.

    `held_out` are pairs that must not be among them; a `mender` gets each row after it was checked. Raises DataError
    for files that are not there, of no known format, or whose languages cannot be told.
    """
    wanted = wanted_languages(source, target)
    entries = list(_entries(files, wanted[1], findings))
    if not entries:
        return {"pairs": 0}
    # Catalogs first, so that what they mark as unfinished is known when it is met elsewhere; development files before
    # what is trained on, for the same reason.
    named = [entry for entry in entries if len(entries) > 1 and _is_development(entry)]
    entries.sort(key=lambda entry: (entry not in named, kind_of_entry(entry) != "PO"))
    held = HeldOut(held_out)
    state: _State | None = None
    own: list[Pair] = []
    for entry in entries:
        rows = _rows(entry, findings, delimiter, wanted)
        wanted = _settled(wanted, rows, findings)
        if state is None:
            if not (wanted[0] and wanted[1]):
                if rows.languages == (None, None) and findings.counts:
                    continue
                missing = "--from and --to" if not any(wanted) else "--from" if not wanted[0] else "--to"
                raise DataError(f"{rows.path}: does not say which languages it holds", mend=f"Give {missing}.")
            sides = Sides(language(wanted[0]), language(wanted[1]))
            state = _State(findings, sides, held if held.count else None)
            if mender:
                mender.begin(sides)
        if own and entry not in named:
            state.held_out = HeldOut([*held_out, *own])
            own = []
        state.begin(rows.path)
        if mender:
            mender.begin_file(str(rows.path))
        _check(rows, state, mender, own if entry in named else None)
    return {"pairs": state.pairs if state else 0}


def _check(rows: Rows, state: _State, mender: Mender | None, own: list[Pair] | None) -> None:
    findings, sides, path = state.findings, state.sides, rows.path
    faults_of, here, base, trimmed = sides.faults, str(path), state.starts[-1], rows.trimmed
    sources, others, numbered = state.sources, state.others, rows.numbered
    swapped: list[tuple[int, str]] = []
    count = count_swapped = 0
    number = 0
    for row in rows.rows:
        number, source, target, mark, context, singular = row
        if mark:
            _note_mark(row, path, state)
            if mender:
                mender.row(row)
            continue
        count += 1
        for kind, facts in faults_of(source, target, trimmed, singular):
            if kind == "swapped-sides":
                count_swapped += 1
                if len(swapped) < findings.kept:
                    swapped.append((number, f"{source} | {target}"))
                continue
            findings.add(kind, file=path, text=f"{source} | {target}", **_at(numbered, number), **facts)
        one, other = (source.strip(), target.strip()) if trimmed else (source, target)
        key = hash(f"{context}\4{one}") if context else hash(one)
        met = sources.first(key, base + number, hash(other))
        if met is not None:
            place, value = met
            if value != hash(other) & 0xFFFFFFFF:
                again = others.first(hash((key, other)), base + number)
                kind = "many-targets" if again is None else "duplicate-pair"
                place = place if again is None else again[0]
            else:
                kind = "duplicate-pair"
            if numbered == "line" and not (kind == "many-targets" and own is None and _other_file(state, place, base)):
                facts = {"first": state.place(place, here)}
                findings.add(kind, file=path, text=f"{source} | {target}", **_at(numbered, number), **facts)
        if (
            state.unfinished
            and (marked := state.unfinished.get(hash((source.strip(), target.strip()))))
            and marked[2] != base
        ):
            findings.add(f"{marked[0]}-used", file=path, text=one, first=marked[1], **_at(numbered, number))
        if state.held_out and own is None and (leak := state.held_out.found(source)):
            kind, text, where = leak
            findings.add(kind, file=path, text=source, other=text, first=where, **_at(numbered, number))
        if own is not None:
            own.append(Pair(one, other, f"{path.name}:{number}"))
        if mender:
            mender.row(row)
    state.last = base + number
    state.pairs += count
    _tell_swapped(swapped, count_swapped, count, rows, findings)


def _key(source: str, target: str) -> int:
    return hash((source.strip(), target.strip()))


def _at(numbered: str, number: int) -> dict[str, Any]:
    """Where a row stands, as `Findings.add` takes it."""
    return {numbered: number}


def _other_file(state: _State, place: int, base: int) -> bool:
    """Other files may say a thing otherwise: only within one file are two translations of a sentence told."""
    return place < base


def _note_mark(row: Row, path: Path, state: _State) -> None:
    key = _key(row.source, row.target)
    state.unfinished.setdefault(key, (row.mark, f"{path}:{row.line}", state.starts[-1]))
    if row.mark == "fuzzy":
        state.findings.add("fuzzy-entry", file=path, line=row.line, text=f"{row.source} | {row.target}")


def _tell_swapped(swapped: list[tuple[int, str]], swaps: int, count: int, rows: Rows, findings: Findings) -> None:
    """Once for a file that is the other way round, line by line where only some are."""
    if not swaps:
        return
    if swaps >= FEWEST_SWAPPED and swaps > SWAPPED_FILE * count:
        number, text = swapped[0]
        findings.add("swapped-file", file=rows.path, text=text, rows=swaps, **_at(rows.numbered, number))
        return
    for number, text in swapped:
        findings.add("swapped-sides", file=rows.path, text=text, **_at(rows.numbered, number))
    findings.counts["swapped-sides"] += (swaps - len(swapped)) * ("swapped-sides" not in findings.ignored)


def _entries(files: Sequence[str], target: str | None, findings: Findings) -> Iterator[Entry]:
    """The files, aligned ones together; archives of many are looked at and left out."""
    plain = []
    for name in files:
        if Path(name).suffix.lower() == ".zip" and Path(name).is_file():
            _check_archive(Path(name), findings)
        else:
            plain.append(name)
    if plain:
        yield from entries_of(plain, target)


def _check_archive(path: Path, findings: Findings) -> None:
    """Whether a zip is whole; it is unpacked a block at a time, and no more of it than any data would be."""
    try:
        with zipfile.ZipFile(path) as archive:
            left = MOST_UNPACKED
            for member in archive.infolist():
                with archive.open(member) as file:
                    while left > 0 and (block := file.read(BLOCK)):
                        left -= len(block)
            count = len(archive.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        findings.add("damaged-file", file=path, reason=" ".join(str(error).split()))
        return
    findings.add("packed-file", file=path, files=count)


def kind_of_entry(entry: Entry) -> str:
    return "aligned text" if len(entry) == 2 else kind_of_pairs(entry[0])


def _is_development(entry: Entry) -> bool:
    parts = entry[0].name.lower().replace("_", ".").replace("-", ".").split(".")
    return any(part in DEVELOPMENT for part in parts)


def _rows(entry: Entry, findings: Findings, delimiter: str | None, wanted: Languages) -> Rows:
    if len(entry) == 2:
        return aligned_rows(entry[0], entry[1], findings, wanted)
    path, kind = entry[0], kind_of_pairs(entry[0])
    if kind == "JSONL":
        return json_rows(path, findings, wanted)
    if kind in ("PO", "MO"):
        rows = catalog_rows(path, findings)
        return Rows(path, (wanted[0] or "en", rows.languages[1]), rows.rows, rows.numbered, rows.trimmed)
    if kind == "TMX":
        return memory_rows(path, findings, wanted)
    rows = table_rows(path, findings, delimiter, wanted)
    if any(rows.languages):
        return rows
    return Rows(path, languages_from_name(path), rows.rows, rows.numbered, rows.trimmed)


def _settled(wanted: Languages, rows: Rows, findings: Findings) -> Languages:
    """The languages so far and a file's own; one that names others is noted, and checked as what was asked for."""
    found = rows.languages
    for asked, there in zip(wanted, found, strict=True):
        if asked and there and asked != there:
            reason = f"{found[0] or '?'} to {found[1] or '?'}, not {wanted[0] or '?'} to {wanted[1] or '?'}"
            findings.add("other-languages", file=rows.path, reason=reason)
            return wanted[0], wanted[1]
    return wanted[0] or found[0], wanted[1] or found[1]
