"""What becomes of an entry of a localization file, and how badly a person should look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pellucid.data.integrity import Breach
    from pellucid.data.localization import Unit

# From the training pairs, copied as it holds nothing to translate, by the model, left empty as every proposal broke a
# grave check; or translated before by someone who asked for a review.
State = Literal["memory", "copied", "model", "refused", "existing"]
STATES: tuple[State, ...] = ("refused", "model", "memory", "copied", "existing")
FILLED: tuple[State, ...] = ("memory", "copied", "model")
NO_PROPOSAL = "no proposal"  # the reason where the model gave no text at all
DOES_NOT_FIT = "does not fit"  # the reason where the file cannot hold the text


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for one source: the text ("" if it was refused), and what is known of it.

    `confidence` (0 to 1) is the model's, None where no model was asked. `breaches` are those of `text`, or of the best
    `attempt` if there is none. `others` are further translations that the memory has of the same source. `fits` is
    whether the file can hold the text in its place.
    """

    state: State
    text: str
    confidence: float | None = None
    breaches: "tuple[Breach, ...]" = ()
    attempt: str = ""
    others: tuple[str, ...] = ()
    fits: bool = True

    @property
    def reasons(self) -> tuple[str, ...]:
        """The kinds of breach for which it was refused, each once."""
        if self.state != "refused":
            return ()
        if not self.fits:
            return (DOES_NOT_FIT,)
        return tuple(dict.fromkeys(breach.kind for breach in self.breaches if breach.grave)) or (NO_PROPOSAL,)

    @property
    def badness(self) -> float:
        """From 0, nothing to look at, to 2: the refused first, then breaches of checks, then the least certain."""
        if self.state == "refused":
            return 2.0
        if any(breach.grave for breach in self.breaches):
            return 1.9
        doubt = {"memory": 0.3 if self.others else 0.05, "copied": 0.0, "existing": 0.5}.get(self.state)
        if doubt is None:
            doubt = 1 - (self.confidence if self.confidence is not None else 0.0)
        return doubt + (0.85 if self.breaches else 0.0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit of the file and what was found for it."""

    unit: "Unit"
    found: Found


@dataclass(frozen=True, slots=True)
class Match:
    """The training pair whose source is nearest to an entry's, and how near it is (1: the same letters)."""

    source: str
    target: str
    similarity: float


def worst_first(entries: Sequence[Entry]) -> list[Entry]:
    """In the order in which a person should look at them; among equals, as they stand in the file."""
    return sorted(entries, key=lambda entry: (-entry.found.badness, entry.unit.number))
