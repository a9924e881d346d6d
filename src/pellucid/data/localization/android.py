"""Android's strings.xml: string, string-array and plurals, one file a language (values/, values-zh/).

A translation is a file of its own, laid out as the source file is, comments kept, with the finished resources of the
translation so far byte for byte. The format has no mark for what needs review: the review file alone tells which
texts were filled.

What is neither translated nor filled is left out, so that Android falls back to the source file; an unfilled item of
an array is left empty, because the others must keep their places, and a plural without its `other` form, with which
Android cannot do, is left out whole. Resources with translatable="false" are left out too, as lint demands;
references (@string/name, ?attr/name) are copied. What only the translation so far has stays, behind the rest.

A text is shown without Android's escapes (\\' \\" \\n \\u0020) and with its white space folded as Android does; inline
markup such as <b> and <xliff:g> is shown as it is written and must come back so.
Source: developer.android.com, "String resources".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.languages import known_language
from pellucid.data.localization.document import Document, Unit
from pellucid.data.localization.plurals import CATEGORIES, ONE_IS_MORE_THAN_ONE, categories
from pellucid.data.localization.written import Written
from pellucid.data.localization.xml_places import Element, Markup, Part, parts, read_xml, text_of
from pellucid.errors import DataError

TEXTS = ("string", "string-array", "plurals")
REFERENCE = re.compile(r"\s*(?:@(?:[\w.]+:)?\w+/[\w.]+|\?(?:[\w.]+:)?(?:\w+/)?[\w.]+|@null|@empty)\s*")
ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(.)|$)|(")|([ \t\r\n]+)|\ue000(\d+)\ue001', re.DOTALL)
LETTERS = {"n": "\n", "t": "\t"}
SLOT = re.compile(r"%(?:\d+\$)?[-+ #0-9.]*[a-zA-Z]|<[^>]*>")
FOLDER = re.compile(r"values-(?:b\+)?([a-z]{2,3})(?:[-+].*)?")

Identity = tuple[str, str, str]  # kind, name, and product, of which one name may have several
Place = tuple[str, str, str, str]  # and the item or the plural category


@dataclass(frozen=True, slots=True)
class Slot:
    """The element whose text a unit translates, and where its translation goes."""

    place: Place
    element: Element


New = Mapping[Place, tuple[Slot, str]]  # what is filled


class Strings(Document):
    """A strings.xml, and the translation so far, if there is one."""

    format = "android"

    def __init__(
        self,
        written: Written,
        root: Element,
        source: str | None,
        target: str | None,
        translated: tuple[Written, Element] | None = None,
    ) -> None:
        self._root = root
        self._translated = translated
        self._theirs = {identity(child): child for child in translated[1].children} if translated else {}
        code = known_language(target or "")
        self._target = code.code if code else None
        self._slots: list[Slot] = []
        units = []
        for number, (slot, key, comment, plural) in enumerate(self._found(written)):
            self._slots.append(slot)
            there = self._there(slot.place)
            text = shown(translated[0], there) if translated and there else ""
            units.append(
                Unit(
                    number,
                    key,
                    written.line(slot.element.start),
                    shown(written, slot.element),
                    text,
                    "finished" if text else "untranslated",
                    comment=comment,
                    plural=plural,
                )
            )
        super().__init__(written, units, source, target)
        self._own = {slot.place for slot in self._slots}

    def _found(self, written: Written) -> Iterator[tuple[Slot, str, str, str]]:
        for element in self._root.children:
            name = element.get("name")
            if not is_text(element):
                continue
            if element.local == "string":
                if _says_something(written, element):
                    yield Slot((*identity(element), ""), element), name, element.comment, ""
            elif element.local == "string-array":
                for number, item in enumerate(_items(element)):
                    if _says_something(written, item):
                        slot = Slot((*identity(element), str(number)), item)
                        yield slot, f"{name}[{number}]", item.comment or element.comment, ""
            else:
                for category, item in self._forms(written, element):
                    slot = Slot((*identity(element), category), item)
                    yield slot, f"{name} ({category})", item.comment or element.comment, category

    def _forms(self, written: Written, element: Element) -> Iterator[tuple[str, Element]]:
        """The categories of the target language, each with the item that it translates."""
        there = {item.get("quantity"): item for item in _items(element) if _says_something(written, item)}
        group = {category: there[category] for category in CATEGORIES if category in there}
        if not group:
            return
        other = group.get("other") or list(group.values())[-1]
        for category in categories(self._target):
            item = group.get(category, other)
            if category == "one" and self._target in ONE_IS_MORE_THAN_ONE and not _says_as_much(written, item, other):
                item = other
            yield category, item

    def _there(self, place: Place) -> Element | None:
        """The element of the translation so far that belongs in a place."""
        *same, part = place
        element = self._theirs.get((same[0], same[1], same[2]))
        if element is None or element.local == "string":
            return element
        items = _items(element)
        if element.local == "string-array":
            return items[int(part)] if int(part) < len(items) else None
        return next((item for item in items if item.get("quantity") == part), None)

    def fits(self, number: int, text: str) -> bool:
        return Markup(self.written, self._slots[number].element).fits(text)

    def unchanged(self) -> bytes:
        return self._translated[0].raw if self._translated else self.written.raw

    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        new = {(slot := self._slots[number]).place: (slot, text) for number, text in texts.items()}
        changed = {place[:3] for place in new}
        root, whole = self._root, self.written.text
        pieces, before = [whole[: root.inside]], root.inside
        for element in root.children:
            gap, before = whole[before : element.start], element.end
            resource = self._resource(element, new, identity(element) in changed)
            if resource is not None:
                pieces += [gap, resource]
            elif gap.strip():  # a comment
                pieces.append(gap.rstrip())
        if self._translated:
            written, theirs = self._translated
            known = {identity(element) for element in root.children}
            own = [element for element in theirs.children if identity(element) not in known]
            indent = whole[root.inside : root.children[0].start] if root.children else ""
            gap = indent if indent.strip() == "" else self.written.newline
            pieces += [gap + written.text[element.start : element.end] for element in own]
        pieces.append(whole[before:])
        return self.written.mark + "".join(pieces).encode(self.written.encoding, "xmlcharrefreplace")

    def _resource(self, element: Element, new: New, changed: bool) -> str | None:
        """A resource of the translation, `changed` if a text of it is filled; None if it is left out."""
        there = self._theirs.get(identity(element))
        if changed:
            if element.local == "string":
                return self._filled(*new[(*identity(element), "")])
            return self._array(element, there, new) if element.local == "string-array" else self._plural(element, new)
        if there is None and is_text(element) and element.local == "string":
            raw = text_of(self.written, element)
            return self.written.text[element.start : element.end] if REFERENCE.fullmatch(raw) else None
        return self._theirs_raw(there)

    def _array(self, element: Element, there: Element | None, new: New) -> str:
        whole = self.written.text
        pieces, before = [whole[element.start : element.inside]], element.inside
        for place, item in enumerate(_items(element)):
            where = (*identity(element), str(place))
            finished = self._there(where)
            pieces.append(whole[before : item.start])
            before = item.end
            if where in new:
                pieces.append(self._filled(*new[where]))
            elif finished is not None:
                pieces.append(self._theirs_raw(finished) or "")
            elif where not in self._own:
                pieces.append(whole[item.start : item.end])
            else:
                pieces.append(self._framed(item, ""))
        if there and self._translated:
            last = _items(element)[-1]
            gap = whole[max(element.inside, whole.rfind(">", 0, last.start) + 1) : last.start]
            pieces += [gap + (self._theirs_raw(item) or "") for item in _items(there)[len(_items(element)) :]]
        return "".join([*pieces, whole[before : element.end]])

    def _plural(self, element: Element, new: New) -> str | None:
        whole = self.written.text
        items = _items(element)
        gap = whole[element.inside : items[0].start]
        gap = gap if not gap.strip() else gap[gap.rfind(">") + 1 :]
        forms: list[str] = []
        for category in categories(self._target):
            place = (*identity(element), category)
            finished = self._there(place)
            if place in new:
                forms.append(self._filled(*new[place], category))
            elif finished is not None:
                forms.append(self._theirs_raw(finished) or "")
            elif category == "other":
                return self._theirs_raw(self._theirs.get(identity(element)))
        return "".join(
            [whole[element.start : element.inside], *(gap + form for form in forms), whole[items[-1].end : element.end]]
        )

    def _filled(self, slot: Slot, text: str, quantity: str | None = None) -> str:
        markup = Markup(self.written, slot.element)
        pieces = list(_escaped(list(markup.pieces(text)), markup.data))
        return self._framed(slot.element, markup.spelled(pieces), quantity)

    def _framed(self, element: Element, content: str, quantity: str | None = None) -> str:
        """An element with another content, and another quantity."""
        opening = self.written.text[element.start : element.inside]
        found = element.attributes.get("quantity")
        if quantity and found:
            opening = (
                self.written.text[element.start : found.start]
                + quantity
                + self.written.text[found.end : element.inside]
            )
        return f"{opening}{content}{self.written.text[element.close : element.end]}"

    def _theirs_raw(self, element: Element | None) -> str | None:
        if element is None or self._translated is None:
            return None
        return self._translated[0].text[element.start : element.end]


def open_strings(path: Path, source: str | None, target: str | None, translated: Path | None = None) -> Strings:
    """Read a strings.xml, and the translation so far. Raises DataError."""
    return Strings(*_resources(path), source, target, _resources(translated) if translated else None)


def language_of_folder(path: Path) -> str | None:
    """The language of values-zh/strings.xml, values-zh-rCN or values-b+zh+Hans; None for values/."""
    found = FOLDER.fullmatch(path.absolute().parent.name)
    known = known_language(found[1]) if found else None
    return known.code if known else None


def identity(element: Element) -> Identity:
    return element.local, element.get("name"), element.get("product")


def is_text(element: Element) -> bool:
    """Whether a resource holds texts that are to be translated."""
    return element.local in TEXTS and element.get("translatable") != "false"


def shown(written: Written, element: Element) -> str:
    """A text as the program shows it: escapes resolved, white space folded outside of double quotes."""
    tags: list[str] = []
    raw = ""
    for part in parts(written, element):
        if part.tag:
            raw += f"\ue000{len(tags)}\ue001"
            tags.append(part.text)
        else:
            raw += part.text
    quoted, said = False, ""
    for found in _pieces(raw.strip(" \t\r\n")):
        if isinstance(found, str):
            said += found
            continue
        code, letter, quote, space, tag = found.groups()
        if quote:
            quoted = not quoted
        elif space:
            said += space if quoted else " "
        elif tag:
            said += tags[int(tag)]
        elif code:
            said += chr(int(code, 16))
        elif letter:
            said += LETTERS.get(letter, letter)
    # Escapes of four digits spell characters beyond the first 65,536 in two halves; half of one is no character.
    return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if "\\u" in raw else said


def _pieces(raw: str) -> Iterator[str | re.Match[str]]:
    place = 0
    for found in ESCAPE.finditer(raw):
        yield raw[place : found.start()]
        yield found
        place = found.end()
    yield raw[place:]


def _escaped(pieces: list[Part], data: bool) -> Iterator[Part]:
    """Pieces as Android wants them; white space that it would fold is spelled as \\u0020."""
    last = len(pieces) - 1
    for place, piece in enumerate(pieces):
        if piece.tag:
            yield piece
            continue
        text = re.sub(r"""(["'\\])""", r"\\\1", piece.text).replace("\n", "\\n").replace("\t", "\\t")
        if place == 0:
            text = re.sub(r"^[@?]", r"\\\g<0>", text)
            text = re.sub(r"^ +", lambda found: "\\u0020" * len(found[0]), text)
        if place == last:
            text = re.sub(r" +$", lambda found: "\\u0020" * len(found[0]), text)
        yield Part(re.sub(r"(?<= ) +", lambda found: "\\u0020" * len(found[0]), text), data=data)


def _items(element: Element) -> list[Element]:
    return [child for child in element.children if child.local == "item"]


def _says_something(written: Written, element: Element) -> bool:
    """Whether there is a text to translate: not white space, and no reference to another resource."""
    raw = text_of(written, element)
    return bool(raw.strip()) and REFERENCE.fullmatch(raw) is None


def _says_as_much(written: Written, item: Element, other: Element) -> bool:
    return sorted(SLOT.findall(shown(written, item))) == sorted(SLOT.findall(shown(written, other)))


def _resources(path: Path) -> tuple[Written, Element]:
    written, root = read_xml(path)
    if root.local != "resources":
        raise DataError(f"{path}: holds <{root.name}>, not Android's <resources>", mend="Give a strings.xml.")
    return written, root
