"""What a file's untranslated entries need: each different source once, what is known already set apart from the rest.

The rest is cut into chunks that depend on the file alone, so that a filling that was interrupted goes on with the very
batches that it would have had, and ends with the same bytes.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.data.slots import CHARACTERS, take_out
from pellucid.generate.filling.entry import Found

if TYPE_CHECKING:
    from pellucid.data.integrity import Breach, Term
    from pellucid.data.localization import Unit

Check = Callable[[str, str], "tuple[Breach, ...]"]  # of a source and its translation
WINDOW = 4096  # sources among which those of like length are put together
CHUNK = 64  # sources translated between two looks at the clock, the journal and Ctrl-C: about a second's work
SLOT = re.compile(f"[{CHARACTERS}]")


@dataclass(frozen=True, slots=True)
class Plan:
    """`known` is what needs no model; `chunks` are the sources that do; `times` is how many entries have a source."""

    known: Mapping[str, Found]
    chunks: Sequence[Sequence[str]]
    times: Mapping[str, int]

    @property
    def sizes(self) -> list[int]:
        """Of the chunks."""
        return [len(chunk) for chunk in self.chunks]

    def checksum(self, terms: "Sequence[Term]") -> str:
        """SHA-256 of what is to be translated in which order, and of the glossary that it is held against."""
        told = [*self.chunks, [[term.source, term.target] for term in terms]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def entries(self, sources: Iterable[str]) -> int:
        """How many entries have one of these sources."""
        return sum(self.times[source] for source in sources)


def sources_of(units: "Sequence[Unit]") -> Counter[str]:
    """How many untranslated entries have each source, in the order in which they first come; blank ones have none."""
    return Counter(unit.source for unit in units if unit.state == "untranslated" and unit.source.strip())


def body(source: str) -> str:
    """A source as training pairs hold it: composed characters, no white space round it."""
    return unicodedata.normalize("NFC", source).strip()


def plan(times: Counter[str], memory: Mapping[str, Sequence[str]], check: Check) -> Plan:
    """What `memory` (translations by body, the best first) holds, what is copied, and the rest in chunks.

    A translation of the memory that breaks a grave check is passed over for the next one; where all do, the model is
    asked.
    """
    known: dict[str, Found] = {}
    for source in times:
        found = remembered(source, memory.get(body(source), ()), check) or copied(source, check)
        if found is not None:
            known[source] = found
    return Plan(known, chunked([source for source in times if source not in known]), times)


def remembered(source: str, translations: Sequence[str], check: Check) -> Found | None:
    """The first translation that breaks no grave check, in the white space of the source; the others beside it."""
    before = source[: len(source) - len(source.lstrip())]
    after = source[len(source.rstrip()) :]
    for place, text in enumerate(translations):
        whole = before + text + after
        breaches = check(source, whole)
        if not any(breach.grave for breach in breaches):
            others = tuple(other for number, other in enumerate(translations) if number != place)
            return Found("memory", whole, breaches=breaches, others=others)
    return None


def copied(source: str, check: Check) -> Found | None:
    """The source as it is, if it has no letter outside what must be copied letter for letter."""
    if any(map(str.isalpha, SLOT.sub("", take_out(source).text))):
        return None
    breaches = check(source, source)
    return None if any(breach.grave for breach in breaches) else Found("copied", source, breaches=breaches)


def chunked(sources: Sequence[str]) -> list[list[str]]:
    """Window by window the sources of like length together, so that little of a batch is padding."""
    chunks = []
    for start in range(0, len(sources), WINDOW):
        window = sorted(sources[start : start + WINDOW], key=len)
        chunks += [window[first : first + CHUNK] for first in range(0, len(window), CHUNK)]
    return chunks
