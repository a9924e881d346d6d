"""A fault in data: its kind, where it stands, the text concerned, and in a sentence what is wrong and how to mend it.

Findings are all faults of one input, counted by kind; of each kind the first few are kept, so that a file in which
every line is wrong takes no more memory than one with a single slip.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pellucid.words import filled, sentences, spoken

KEPT = 20  # faults of a kind, in one input, that are kept to be shown
LONGEST = 60  # characters of the text concerned


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `kind` is a stable id; `line` counts from 1, `row` is the number of an example in an array, from 0.

    `facts` is what its sentence says beside the place and the text.
    """

    kind: str
    file: str
    line: int | None = None
    row: int | None = None
    column: str | None = None
    text: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Such as `houses.csv:12, age`, as editors understand it."""
        return self.where(self.file)

    def where(self, file: str = "") -> str:
        """The place within the file, behind a name for it."""
        at = f":{self.line}" if self.line is not None else f"[{self.row}]" if self.row is not None else ""
        return ", ".join(filter(None, [f"{file}{at}", self.column]))

    def said(self, language: str | None = None) -> str:
        """What is wrong, in one sentence."""
        return filled(words(language)[self.kind], {"text": self.text, "column": self.column, **self.facts})

    def mend(self, language: str | None = None) -> str:
        """How to put it right."""
        return filled(words(language)[f"{self.kind}.mend"], {"text": self.text, "column": self.column, **self.facts})

    def json(self) -> dict[str, Any]:
        place = {"file": self.file, "line": self.line, "row": self.row, "column": self.column}
        return {"kind": self.kind, **place, "text": self.text, "said": self.said(), "mend": self.mend()}


class Findings:
    """The faults of one input, as it was named; kinds in `ignored` are not noted."""

    def __init__(self, name: str, ignored: frozenset[str] = frozenset(), kept: int = KEPT) -> None:
        self.name, self.ignored, self.kept = name, ignored, kept
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self.tell: Callable[[Fault], None] | None = None  # is told every fault, beyond the kept ones

    def add(
        self,
        kind: str,
        *,
        file: object = None,
        line: int | None = None,
        row: int | None = None,
        column: str | None = None,
        text: str = "",
        **facts: object,
    ) -> None:
        """Note a fault; without `file` it is of the input itself."""
        if kind in self.ignored:
            return
        self.counts[kind] += 1
        if self.counts[kind] > self.kept and self.tell is None:
            return
        told = {name: f"{fact:,}" if isinstance(fact, int) else str(fact) for name, fact in facts.items()}
        where = self.name if file is None else str(file)
        fault = Fault(kind, where, line, row, column, shortened(text), told)
        if self.tell is not None:
            self.tell(fault)
        if self.counts[kind] <= self.kept:
            self.faults.append(fault)

    def by_kind(self) -> dict[str, list[Fault]]:
        """The kept faults, the kinds in the order in which they were found."""
        found: dict[str, list[Fault]] = {}
        for fault in self.faults:
            found.setdefault(fault.kind, []).append(fault)
        return found


@dataclass(frozen=True, slots=True)
class Checked:
    """One input: what it was taken for, how much it holds (`rows`, `columns` ...), and what was found."""

    name: str
    kind: str
    size: dict[str, int]
    findings: Findings

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            **self.size,
            "counts": dict(self.findings.counts),
            "faults": [fault.json() for fault in self.findings.faults],
        }


def words(language: str | None = None) -> dict[str, str]:
    """The sentences for all kinds, in the person's language or another."""
    return sentences("pellucid.data.check", f"words.{language or spoken()}.json")


def kinds() -> list[str]:
    """All kinds of fault that there are."""
    return [key for key in words("en") if f"{key}.mend" in words("en")]


def shortened(text: str) -> str:
    """On one line, what cannot be seen written out, cut where it is long."""
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text[: LONGEST + 1])
    return shown if len(text) <= LONGEST else f"{shown[:LONGEST]}…"
