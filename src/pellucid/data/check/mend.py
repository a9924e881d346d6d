"""What can be put right in a pair without asking anybody: each step is exact, or it is not taken.

    mojibake that reads back as UTF-8; what was escaped twice, unescaped once; control characters, invisible marks and
    marks of direction, off; Unicode NFC; white space at the ends, off; sides that are swapped, back; what is empty,
    untranslated or there already, dropped

What stays with a fault, such as a number that differs, is listed for a person.
"""

import csv
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pellucid.data.check.characters import (
    CONTROL,
    FROM_THE_RIGHT,
    HIGH,
    INVISIBLE,
    MARKS,
    MOJIBAKE,
    ODD,
    TURNED,
    check_characters,
)
from pellucid.data.check.fault import Fault, Findings
from pellucid.data.check.pair_rows import Row
from pellucid.data.check.sides import DOUBLE, ENTITY, SIGNS, Sides
from pellucid.data.seen import Seen
from pellucid.errors import ConfigError
from pellucid.files import replacing

Outcome = Literal["mended", "dropped", "stays"]
Form = Literal["tsv", "jsonl"]

OUTCOMES: tuple[Outcome, ...] = ("mended", "dropped", "stays")
ROUNDS = 4  # what one step brings to light another mends
DROPPED = frozenset({"empty-side", "identical-sides", "duplicate-pair", "fuzzy-entry", "repeated-header"})
BROKEN = frozenset({"column-count", "line-count", "broken-json", "broken-entry", "broken-xml"})
OF_BYTES = frozenset({"wrong-encoding", "mixed-encodings", "no-byte-order-mark", "mixed-line-ends", "wrong-delimiter"})
CHARACTERS = frozenset(
    {
        "byte-order-mark-inside",
        "nul",
        "control-character",
        "mojibake",
        "invisible-character",
        "direction-mark",
        "not-nfc",
    }
)
OF_ROWS = frozenset({"outer-space", "double-escaped", "escaped-sign", "quoted-cell", "mixed-delimiters"})
SWAPPED = frozenset({"swapped-sides", "swapped-file"})
# The bytes of a character in UTF-8, each read as a character of Windows-1252 (or Latin-1 where that has none).
SEQUENCE = re.compile(f"(?:[\u00c2-\u00df]{HIGH}|[\u00e0-\u00ef]{HIGH}{{2}}|[\u00f0-\u00f4]{HIGH}{{3}})+")
BREAKS = re.compile(r"\s*[\t\n\r\v\f\x85\u2028\u2029]\s*")


def mended_text(text: str) -> str:
    """The text without what check_characters finds, as far as it can be taken away exactly."""
    if text.isascii() and not ODD.search(text):
        return text
    for _ in range(ROUNDS):
        before = text
        if MOJIBAKE.search(text):
            text = SEQUENCE.sub(_decoded, text)
        text = unicodedata.normalize("NFC", CONTROL.sub("", text.replace("\0", "").replace("\ufeff", "")))
        text = TURNED.sub("", INVISIBLE.sub("", text))
        if not FROM_THE_RIGHT.search(text):
            text = MARKS.sub("", text)
        if text == before:
            break
    return text


def _decoded(found: re.Match[str]) -> str:
    """The characters that these were in UTF-8; as they are if they were none."""
    written = found.group()
    try:
        return b"".join(_byte(sign) for sign in written).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return written


def _byte(sign: str) -> bytes:
    try:
        return sign.encode("cp1252")
    except UnicodeEncodeError:
        return sign.encode("latin-1")


@dataclass
class Mended:
    """How many pairs were written, and how often what was done about each kind of fault."""

    pairs: int = 0
    outcomes: dict[Outcome, Counter[str]] = field(
        default_factory=lambda: {"mended": Counter(), "dropped": Counter(), "stays": Counter()}
    )

    def json(self) -> dict[str, Any]:
        return {"pairs": self.pairs, **{outcome: dict(counts) for outcome, counts in self.outcomes.items()}}


class Mender:
    """Takes rows and faults as a check comes upon them; writes each row mended, each fault with what became of it."""

    def __init__(self, out: IO[str], report: IO[str], form: Form) -> None:
        self.out, self.form = out, form
        self.report = csv.writer(report, lineterminator="\n")
        self.report.writerow(["file", "line", "kind", "outcome", "text", "said", "mend"])
        self.done = Mended()
        self.sides: Sides | None = None
        self.written = Seen()
        self.waiting: dict[int, list[Fault]] = {}  # by line or row, until its row comes
        self.rest: list[Fault] = []  # of a file as a whole

    def begin(self, sides: Sides) -> None:
        """Before the first row: the languages are known."""
        self.sides = sides
        if self.form == "tsv":
            self.out.write("\t".join(language.code for language in sides.languages) + "\n")

    def fault(self, fault: Fault) -> None:
        number = fault.line if fault.line is not None else fault.row
        if number is None or fault.kind in OF_BYTES | SWAPPED:
            self.rest.append(fault)
        else:
            self.waiting.setdefault(number, []).append(fault)

    def row(self, row: Row) -> None:
        assert self.sides is not None  # begin comes first
        told = self._told(row.line)
        kinds = {fault.kind for fault in told}
        if row.mark:
            self._close(told, "dropped", set())
            return
        one, other = (self._side(text, kinds) for text in (row.source, row.target))
        left = self._left(one, other)
        for _ in range(ROUNDS):  # what was escaped three times is escaped twice once it is mended
            if not left & {"escaped-sign", "double-escaped"}:
                break
            one, other = _unescaped(one, other), _unescaped(other, one)
            one, other = (self._side(text, set()) for text in (one, other))
            left = self._left(one, other)
        if "swapped-sides" in left:
            one, other = other, one
            left = self._left(one, other)
            text = f"{row.source} | {row.target}"
            self._tell(Fault("swapped-sides", self.file, row.line, text=text[:60]), "mended")
        if not one or not other or left & DROPPED:
            self._close(told, "dropped", left, left & DROPPED, row)
            return
        if self.written.first(hash((one, other)), 0) is not None:
            self._close(told, "dropped", left, {"duplicate-pair"}, row)
            return
        quiet = Findings("")
        check_characters(quiet, "", 0, f"{one}\t{other}")
        self._close(told, "mended", left | set(quiet.counts))
        self.done.pairs += 1
        if self.form == "jsonl":
            codes = [language.code for language in self.sides.languages]
            self.out.write(json.dumps(dict(zip(codes, (one, other), strict=True)), ensure_ascii=False) + "\n")
        else:
            self.out.write(f"{one}\t{other}\n")

    file: str = ""

    def begin_file(self, file: str) -> None:
        self.end_file()
        self.file = file

    def end_file(self) -> None:
        """What was told of lines that gave no row, and of the file as a whole."""
        for faults in self.waiting.values():
            self._without_row(faults)
        self.waiting = {}
        for fault in self.rest:
            if fault.kind not in SWAPPED:  # told row by row, as they were swapped back
                self._tell(fault, "mended" if fault.kind in OF_BYTES else "stays")
        self.rest = []

    def _told(self, line: int) -> list[Fault]:
        """Faults of this row; lines before it that still wait gave no row."""
        if not self.waiting:
            return []
        for number in [number for number in self.waiting if number < line]:
            self._without_row(self.waiting.pop(number))
        return self.waiting.pop(line, [])

    def _without_row(self, faults: list[Fault]) -> None:
        for fault in faults:
            gone = fault.kind in BROKEN | DROPPED
            self._tell(fault, "dropped" if gone else "mended" if fault.kind in CHARACTERS else "stays")

    def _left(self, one: str, other: str) -> set[str]:
        assert self.sides is not None
        return {kind for kind, _ in self.sides.faults(one, other)} if one and other else {"empty-side"}

    def _side(self, text: str, kinds: set[str]) -> str:
        if "quoted-cell" in kinds and len(text) > 2 and text[0] == text[-1] == '"' and '""' in text[1:-1]:
            text = text[1:-1].replace('""', '"')
        text = DOUBLE.sub(lambda found: f"&{found.group()[5:]}", mended_text(text)).strip()
        return BREAKS.sub(" ", text) if self.form == "tsv" else text

    def _close(
        self,
        told: list[Fault],
        outcome: Outcome,
        left: set[str],
        because: set[str] | None = None,
        row: Row | None = None,
    ) -> None:
        for fault in told:
            stays = outcome == "mended" and (
                fault.kind in left or fault.kind not in CHARACTERS | OF_ROWS | OF_BYTES | SWAPPED
            )
            self._tell(fault, "stays" if stays else outcome)
        for kind in (because or set()) - {fault.kind for fault in told}:
            if row is not None:  # only after it was mended was it found to be so
                text = f"{row.source} | {row.target}"[:60]
                self._tell(Fault(kind, self.file, row.line, text=text, facts={"first": "?"}), "dropped")

    def _tell(self, fault: Fault, outcome: Outcome) -> None:
        self.done.outcomes[outcome][fault.kind] += 1
        place = fault.line if fault.line is not None else fault.row
        self.report.writerow(
            [fault.file, "" if place is None else place, fault.kind, outcome, fault.text, fault.said(), fault.mend()]
        )


@contextmanager
def mending(path: Path) -> Iterator[Mender]:
    """A mender whose two files, `path` and its report, appear whole when all is written, or not at all.

    Raises ConfigError if the name says no format that can be written.
    """
    form: Form | None = {".tsv": "tsv", ".jsonl": "jsonl"}.get(path.suffix)  # type: ignore[assignment]
    if form is None:
        raise ConfigError(
            f"{path}: mended pairs are not written as {path.suffix or 'a file without ending'}",
            mend="Name it .tsv or .jsonl.",
        )
    with (
        replacing(path) as written,
        replacing(report_of(path)) as listed,
        written.open("w", encoding="utf-8", newline="\n") as out,
        listed.open("w", encoding="utf-8", newline="") as report,
    ):
        mender = Mender(out, report, form)
        yield mender
        mender.end_file()


def report_of(path: Path) -> Path:
    """Where it is listed what was done."""
    return path.with_name(f"{path.name}.report.csv")


def _unescaped(text: str, beside: str) -> str:
    """Entities that the other side does not have, as the signs that they are."""
    return ENTITY.sub(lambda found: found.group() if found.group() in beside else SIGNS.get(found.group(), "'"), text)
