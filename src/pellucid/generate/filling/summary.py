"""What came of a filling, in numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pellucid.generate.filling.entry import Entry
from pellucid.generate.filling.variety import Variety

if TYPE_CHECKING:
    from pellucid.data.localization import Unit


@dataclass(frozen=True, slots=True)
class Summary:
    """Entries of a file by what became of them; `reasons` counts the refused by kind of breach.

    `memory_missing` says why no memory was used, "" if one was or none was wanted. `continued` are the entries that a
    filling before this one had done, `stale` whether one of something else was begun anew. Of an interrupted filling
    the counts are those so far, and nothing is written. `variety` is set where the file asks for a script or a region
    that the run has not learned.
    """

    file: str
    output: str
    format: str
    entries: int = 0
    finished: int = 0
    existing: int = 0
    blank: int = 0
    memory: int = 0
    copied: int = 0
    model: int = 0
    refused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    needs_review: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    continued: int = 0
    stale: bool = False
    memory_missing: str = ""
    variety: Variety | None = None
    reviews: tuple[str, ...] = ()

    @property
    def filled(self) -> int:
        return self.memory + self.copied + self.model

    @property
    def is_marked(self) -> bool:
        """Whether the file itself says which of its entries need review: other formats may have no mark for it."""
        return self.format in ("po", "xliff")

    @property
    def left(self) -> int:
        """Entries that an interrupted filling has not come to."""
        return self.entries - self.finished - self.existing - self.blank - self.filled - self.refused

    def json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "filled": self.filled,
            "left": self.left,
            "is_marked": self.is_marked,
            "seconds": round(self.seconds, 2),
        }


def counted(units: "Sequence[Unit]", entries: Sequence[Entry]) -> dict[str, Any]:
    """The counts of a Summary."""
    states = Counter(entry.found.state for entry in entries)
    reasons = Counter(reason for entry in entries for reason in entry.found.reasons)
    filled = states["memory"] + states["copied"] + states["model"]
    return {
        "entries": len(units),
        "finished": sum(unit.state == "finished" for unit in units),
        "existing": sum(unit.state == "needs review" for unit in units),
        "blank": sum(unit.state == "untranslated" and not unit.source.strip() for unit in units),
        **{state: states[state] for state in ("memory", "copied", "model", "refused")},
        "reasons": dict(reasons.most_common()),
        "needs_review": filled + states["existing"],
    }
