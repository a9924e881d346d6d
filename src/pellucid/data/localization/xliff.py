"""XLIFF 1.2 and 2.0 (and 2.1), the exchange format of translation tools.

A filled entry of version 1.2 gets <target state="needs-review-translation">. Version 2.0 has no such state: its
segments are initial, translated, reviewed or final, and "translated" means not yet reviewed; so a filled segment gets
state="translated" and, because translators' own work has that state too, subState="pellucid:needs-review", an
attribute that the specification leaves to each tool and tells the others to keep.

Left alone are entries with translate="no" (their own, or of what they stand in), approved ones, and all that have a
target; a target that only repeats its source in the state "new", "needs-translation" or "initial" is taken for none.
The attribute for the target language is added if it is missing, which version 2.0 demands. Inline codes (<x/>, <g>,
<ph/>, <pc>) are shown as they are written and must come back so. A source that is cut into segments (<seg-source>)
is one unit a segment.
Sources: OASIS, "XLIFF Version 1.2", 2008, sections 2.3 and 3; OASIS, "XLIFF Version 2.0", 2014, sections 4.2 and 4.3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.localization.document import Document, State, Unit
from pellucid.data.localization.written import Edit, Written
from pellucid.data.localization.xml_places import (
    Element,
    Markup,
    attribute_edit,
    gap_before,
    read_xml,
    text_of,
)
from pellucid.errors import DataError

REVIEW = "needs-review-translation"
REVIEW_SUBSTATE = "pellucid:needs-review"
OPEN_STATES = ("new", "needs-translation", "initial")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a unit stands: `entry` is a trans-unit, or a segment of version 2.0; `file` names the languages.

    `source` and `target` hold the texts; of an entry cut into segments they are one segment's (`cut`).
    """

    entry: Element
    source: Element
    target: Element | None
    cut: bool = False


class Xliff(Document):
    """An XLIFF file, and the slots of its units."""

    format = "xliff"

    def __init__(self, written: Written, root: Element, source: str | None, target: str | None) -> None:
        """Raises DataError for a root that is not XLIFF's, or a version that is not known."""
        version = root.get("version")
        if root.local != "xliff" or version[:2] not in ("1.", "2."):
            said = f"XLIFF of version {version!r}" if root.local == "xliff" else f"<{root.name}>"
            raise DataError(f"{written.path}: holds {said}", mend="Versions 1.2 and 2.0 of XLIFF can be read.")
        self._second = version.startswith("2.")
        self._files = [root] if self._second else [child for child in root.children if child.local == "file"]
        names = ("srcLang", "trgLang") if self._second else ("source-language", "target-language")
        languages = [next((f.get(name) for f in self._files if f.get(name)), None) for name in names]
        self._target_name, self._asked = names[1], target
        self._slots: list[Slot] = []
        units = []
        for number, (slot, key, text, state, comment) in enumerate(self._found(written, root)):
            self._slots.append(slot)
            line = written.line(slot.source.start)
            units.append(Unit(number, key, line, text_of(written, slot.source), text, state, comment=comment))
        super().__init__(written, units, languages[0] or source, languages[1] or target)

    def _found(self, written: Written, root: Element) -> Iterator[tuple[Slot, str, str, State, str]]:
        for entry, translate, holder in _entries(root, "segment" if self._second else "trans-unit", True, None):
            source = entry.child("source")
            if source is None:
                raise DataError(
                    f"{written.path}, line {written.line(entry.start)}: <{entry.name}> without a <source>",
                    mend="Take it out, or export the file again.",
                )
            if not translate:
                continue
            unit = holder if self._second and holder else entry
            key = unit.get("id") + (f"/{entry.get('id')}" if self._second and entry.get("id") else "")
            notes = unit.child("notes") if self._second else unit
            comment = (
                "\n".join(text_of(written, n).strip() for n in notes.children if n.local == "note") if notes else ""
            )
            for slot in _slots(entry, source):
                if text_of(written, slot.source).strip():
                    name = f"{key}/{slot.source.get('mid')}" if slot.cut else key
                    text, state = self._state(written, slot)
                    yield slot, name, text, state, comment

    def _state(self, written: Written, slot: Slot) -> tuple[str, State]:
        """The text of a target, and how far it is."""
        target = slot.entry.child("target")
        text, source = text_of(written, slot.target), text_of(written, slot.source)
        said = slot.entry.get("state") if self._second else target.get("state") if target else ""
        if slot.entry.get("approved") == "yes" and not self._second:
            return text, "finished"
        if not text.strip():
            whole = text_of(written, target).strip() if slot.cut and slot.target is None else ""
            return (whole, "finished") if whole else ("", "untranslated")
        if said in OPEN_STATES:
            return ("", "untranslated") if text == source else (text, "needs review")
        if said.startswith("needs-") or slot.entry.get("subState") == REVIEW_SUBSTATE:
            return text, "needs review"
        return text, "finished"

    def fits(self, number: int, text: str) -> bool:
        return Markup(self.written, self._slots[number].source).fits(text)

    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        entries: dict[int, dict[int, str]] = {}
        for number in sorted(texts):
            entries.setdefault(self._slots[number].entry.start, {})[number] = texts[number]
        edits = [edit for filled in entries.values() for edit in self._fill(filled)]
        return self.written.edited([*self._language(), *edits])

    def _fill(self, texts: Mapping[int, str]) -> Iterator[Edit]:
        """The edits for the units of one entry."""
        first = self._slots[next(iter(texts))]
        entry, target = first.entry, first.entry.child("target")
        source = entry.child("source")
        assert source is not None
        if self._second:
            yield attribute_edit(self.written, entry, "state", "translated")
            yield attribute_edit(self.written, entry, "subState", REVIEW_SUBSTATE)
        if target is not None and not target.empty and not (first.cut and first.target is None):
            if not self._second:
                yield attribute_edit(self.written, target, "state", REVIEW)
            for number, text in texts.items():
                place = self._slots[number].target
                assert place is not None
                yield self._content(place, self._spelled(number, text))
            return
        content = self._segments(entry, texts) if first.cut else self._spelled(*next(iter(texts.items())))
        closing = f"{content}</{source.prefix}target>"
        if target is None:
            before = entry.child("seg-source") or source
            mark = "" if self._second else f' state="{REVIEW}"'
            opening = f"{gap_before(self.written, before)}<{source.prefix}target{mark}>"
            yield Edit(before.end, before.end, opening + closing)
            return
        if not self._second:
            yield attribute_edit(self.written, target, "state", REVIEW)
        if target.empty:
            yield Edit(target.inside - 2, target.end, f">{closing}")
        else:
            yield Edit(target.inside, target.end, closing)

    def _content(self, place: Element, spelled: str) -> Edit:
        if place.empty:  # <mrk/>
            return Edit(place.inside - 2, place.end, f">{spelled}</{place.name}>")
        return Edit(place.inside, place.close, spelled)

    def _segments(self, entry: Element, texts: Mapping[int, str]) -> str:
        """The content of a <seg-source>, with each segment's translation in its place, or nothing."""
        whole = entry.child("seg-source")
        assert whole is not None
        new = {self._slots[number].source.start: self._spelled(number, text) for number, text in texts.items()}
        shown, place = [], whole.inside
        for segment in _cuts(whole):
            shown += [self.written.text[place : segment.inside], new.get(segment.start, "")]
            place = segment.close
        return "".join([*shown, self.written.text[place : whole.close]])

    def _spelled(self, number: int, text: str) -> str:
        markup = Markup(self.written, self._slots[number].source)
        return markup.spelled(list(markup.pieces(text)))

    def _language(self) -> Iterator[Edit]:
        """The target language, where the file leaves it open."""
        if self._asked:
            for file in self._files:
                if not file.get(self._target_name):
                    yield attribute_edit(self.written, file, self._target_name, self._asked.replace("_", "-"))


def open_xliff(path: Path, source: str | None, target: str | None) -> Xliff:
    """Read an XLIFF file. Raises DataError."""
    return Xliff(*read_xml(path), source, target)


def _entries(
    element: Element, local: str, translate: bool, holder: Element | None
) -> Iterator[tuple[Element, bool, Element | None]]:
    """All entries in order, whether they are to be translated, and the unit that holds them."""
    translate = element.get("translate", "yes" if translate else "no") != "no"
    if element.local == local:
        yield element, translate, holder
        return
    for child in element.children:
        if child.local != "alt-trans":
            yield from _entries(child, local, translate, element if element.local == "unit" else holder)


def _slots(entry: Element, source: Element) -> Iterator[Slot]:
    """One slot, or one for each segment of a <seg-source>."""
    segments, target = entry.child("seg-source"), entry.child("target")
    cuts = list(_cuts(segments)) if segments else []
    if not cuts:
        yield Slot(entry, source, target)
        return
    there = {cut.get("mid"): cut for cut in _cuts(target)} if target else {}
    for cut in cuts:
        yield Slot(entry, cut, there.get(cut.get("mid")), cut=True)


def _cuts(element: Element) -> Iterator[Element]:
    """The segments in an element, wherever they stand in its markup."""
    for child in element.children:
        if child.local == "mrk" and child.get("mtype") == "seg":
            yield child
        else:
            yield from _cuts(child)
