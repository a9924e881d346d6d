"""Filling: the plan carried out chunk by chunk, each kept in the journal, until all is done or someone says stop."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pellucid.generate.filling.entry import FILLED, Entry, Found
from pellucid.generate.filling.journal import Journal
from pellucid.generate.filling.plan import Check, Plan

if TYPE_CHECKING:
    from pellucid.data.localization import Unit
    from pellucid.generate.careful import Proposal

Translate = Callable[[Sequence[str]], "list[Proposal]"]
SHORT = 12  # characters added to each text's length when work is measured: a short one takes its time too


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a filling is: entries done of those that need anything, or near matches found for the review.

    `before` entries were done when it began, from the memory or the journal. `share` of the work that was left then is
    done, by length rather than number.
    """

    phase: Literal["memory", "model", "matches"]
    done: int = 0
    total: int = 0
    before: int = 0
    share: float = 0.0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Entries a second since it began."""
        return (self.done - self.before) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the end, or None while nothing is known of it."""
        return self.seconds * (1 - self.share) / self.share if self.share > 0 else None


Watch = Callable[[Progress], None]


def translated(
    plan: Plan,
    translate: Translate,
    journal: Journal,
    watch: Watch = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Found], bool]:
    """What was found for each source, and whether that is all: `should_stop` may say so before the end.

    Chunks of the journal are not translated again.
    """
    found = dict(plan.known)
    waiting = []
    for number, chunk in enumerate(plan.chunks):
        if number in journal.held:
            found.update(zip(chunk, journal.held[number], strict=True))
        else:
            waiting.append((number, chunk))
    work = sum(len(source) + SHORT for _, chunk in waiting for source in chunk)
    total, before, worked = plan.entries(plan.times), plan.entries(found), 0
    done, began = before, time.monotonic()
    watch(Progress("model", done, total, before))
    for number, chunk in waiting:
        if should_stop():
            return found, False
        new = [of_proposal(proposal) for proposal in translate(chunk)]
        journal.add(number, new)
        found.update(zip(chunk, new, strict=True))
        done += plan.entries(chunk)
        worked += sum(len(source) + SHORT for source in chunk)
        watch(Progress("model", done, total, before, worked / work, time.monotonic() - began))
    return found, True


def of_proposal(proposal: "Proposal") -> Found:
    """A proposal of the model; one without a text, or with a grave breach, is refused."""
    grave = any(breach.grave for breach in proposal.breaches)
    if not proposal.text or grave:
        attempt = proposal.attempt or proposal.text
        return Found("refused", "", proposal.confidence, proposal.breaches, attempt)
    return Found("model", proposal.text, proposal.confidence, proposal.breaches)


def entries_of(
    units: "Sequence[Unit]", found: Mapping[str, Found], fits: Callable[[int, str], bool], check: Check | None = None
) -> list[Entry]:
    """Every unit that a person should look at: those that needed anything, and those that need review already.

    One whose text does not fit into the file (`fits`) is refused. Those that need review are checked too if `check` is
    given.
    """
    entries = []
    for unit in units:
        if unit.state == "untranslated" and unit.source in found:
            one = found[unit.source]
            if one.text and not fits(unit.number, one.text):
                one = replace(one, state="refused", text="", attempt=one.text, breaches=(), fits=False)
            entries.append(Entry(unit, one))
        elif unit.state == "needs review":
            breaches = check(unit.source, unit.target) if check else ()
            entries.append(Entry(unit, Found("existing", unit.target, breaches=breaches)))
    return entries


def proposals_of(entries: Sequence[Entry]) -> dict[int, str]:
    """The text of each unit that is filled, by the unit's number."""
    return {entry.unit.number: entry.found.text for entry in entries if entry.found.state in FILLED}
