"""What all localization files have in common: units, each a text in its own place, of which the empty can be filled."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from pellucid.data.localization.written import Written
from pellucid.errors import DataError

State = Literal["untranslated", "finished", "needs review"]
Format = Literal["po", "xliff", "json", "android", "table"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One text in its own place: an entry, or one plural form of an entry."""

    number: int  # its place in the document, from 0
    key: str  # what tells it from all others: context and message, identifier, path of keys, row
    line: int  # of the file, from 1
    source: str  # as the program shows it; markup that stands in the file as markup is kept as it is written
    target: str  # likewise; empty if untranslated
    state: State
    context: str = ""
    comment: str = ""
    plural: str = ""  # the CLDR category, or in a catalog the number of the form


class Document(ABC):
    """A localization file: `units` are its texts in order; `filled` is the file with translations in it."""

    format: ClassVar[Format]
    locale: str = ""  # the target language with its region or script, as the file's header spells it

    def __init__(
        self, written: Written, units: Iterable[Unit], source_language: str | None, target_language: str | None
    ) -> None:
        self.written = written
        self.units: Sequence[Unit] = with_own_keys(units)
        self.source_language = source_language
        self.target_language = target_language

    @property
    def path(self) -> Path:
        return self.written.path

    def fits(self, number: int, text: str) -> bool:
        """Whether the file can hold this text in this place; a text that does not fit must not be filled in."""
        return self.written.writable(text)

    def filled(self, proposals: Mapping[int, str]) -> bytes:
        """The file with a text in each unit that `proposals` names by its number, marked as needing review.

        Without proposals it is the file, byte for byte; with them, nothing but the named entries changes, except that
        a header which leaves the target language open is completed. An empty proposal is none.
        Raises ValueError for a unit that is not untranslated, DataError for a text that the file cannot hold.
        """
        texts = {number: text for number, text in proposals.items() if text}
        for number, text in texts.items():
            unit = self.units[number]
            if unit.state != "untranslated":
                raise ValueError(f"unit {number} ({unit.key}) is not untranslated, but {unit.state}")
            if not self.fits(number, text):
                raise DataError(
                    f"{self.path}, line {unit.line}: {unit.key} cannot hold {text!r}",
                    mend="Is the markup whole, and the file's encoding UTF-8?",
                )
        return self.rewritten(texts) if texts else self.unchanged()

    def unchanged(self) -> bytes:
        return self.written.raw

    @abstractmethod
    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        """The file with these texts (at least one) in these units, which are untranslated."""


def with_own_keys(units: Iterable[Unit]) -> list[Unit]:
    """The units, where two have one key the second with its number behind it."""
    seen: Counter[str] = Counter()
    own: list[Unit] = []
    for unit in units:
        seen[unit.key] += 1
        own.append(replace(unit, key=f"{unit.key} #{seen[unit.key]}") if seen[unit.key] > 1 else unit)
    return own
