"""Where things stand in an XML file: elements, their attributes and their texts, each with its place.

An XML library gives the tree and forgets the file: the order of attributes, quotes, entities, white space in tags.
So the file is first vetted by `defusedxml`, which refuses what is not well-formed or could do harm, and then scanned
here; of a file known to be well-formed a few patterns find every tag.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml.ElementTree import DefusedXMLParser

from pellucid.data.localization.written import Edit, Written, read_written
from pellucid.data.safe_xml import refused_if_harmful
from pellucid.errors import DataError

DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
PIECE = re.compile(
    r"<!--(?P<comment>.*?)-->|<!\[CDATA\[(?P<data>.*?)\]\]>|<\?.*?\?>|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>"
    r"|</(?P<closed>[^\s>]+)\s*>"
    r"""|<(?P<opened>[^\s/>!?]+)(?P<attributes>(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(?P<empty>/?)>""",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"""([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([0-9a-fA-F]+));")
NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # Source: XML 1.0, section 2.2
DEEPEST = 200  # elements within elements


@dataclass(frozen=True, slots=True)
class Attribute:
    """Its value, and where that stands between the quotes."""

    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of an element's content: a tag as it is written, or what characters say."""

    text: str
    tag: bool = False
    data: bool = False  # of a CDATA section


@dataclass(eq=False, slots=True)
class Element:
    """From `start` to before `end`; what is in it from `inside` to before `close`. `empty` is one such as <br/>."""

    name: str
    start: int
    inside: int
    empty: bool
    attributes: dict[str, Attribute]
    close: int = -1
    end: int = -1
    children: "list[Element]" = field(default_factory=list)
    comment: str = ""  # that stands before it

    @property
    def local(self) -> str:
        """The name without a prefix."""
        return self.name.rpartition(":")[2]

    @property
    def prefix(self) -> str:
        """What stands before the name: `xlf:` of <xlf:source>."""
        return self.name[: len(self.name) - len(self.local)]

    def get(self, name: str, default: str = "") -> str:
        found = self.attributes.get(name)
        return found.value if found else default

    def child(self, local: str) -> "Element | None":
        return next((child for child in self.children if child.local == local), None)


def read_xml(path: Path) -> tuple[Written, Element]:
    """A file and its root element. Raises DataError for XML that is not well-formed or could do harm."""
    written = read_written(path, _declared)
    with refused_if_harmful(path):
        parser = DefusedXMLParser(encoding="utf-8")  # the bytes are decoded already, in any encoding that Python knows
        parser.feed(written.text.encode())
        parser.close()
    return written, _tree(written)


def _declared(raw: bytes) -> str | None:
    found = DECLARED.match(raw)
    return found[1].decode("ascii") if found else None


def _tree(written: Written) -> Element:
    """The root element."""
    top = Element("", 0, 0, False, {})
    around, comment = [top], ""
    for found in PIECE.finditer(written.text):
        if found["opened"]:
            attributes = dict(_attributes(found))
            element = Element(found["opened"], found.start(), found.end(), bool(found["empty"]), attributes)
            element.comment, comment = comment, ""
            around[-1].children.append(element)
            if found["empty"]:
                element.close, element.end = found.end(), found.end()
            else:
                around.append(element)
            if len(around) > DEEPEST:
                raise DataError(
                    f"{written.path}, line {written.line(found.start())}: elements nested more than {DEEPEST} deep",
                    mend="Is it a file of texts?",
                )
        elif found["closed"]:
            element = around.pop()
            element.close, element.end = found.start(), found.end()
            comment = ""
        elif found["comment"] is not None:
            comment = " ".join(found["comment"].split())
    return top.children[0]


def _attributes(tag: re.Match[str]) -> Iterator[tuple[str, Attribute]]:
    begin = tag.start("attributes")
    for found in ATTRIBUTE.finditer(tag["attributes"]):
        group = 2 if found[2] is not None else 3
        yield found[1], Attribute(begin + found.start(group), begin + found.end(group), _resolved(found[group]))


def parts(written: Written, element: Element) -> Iterator[Part]:
    """What is in an element, piece by piece; comments and instructions are left out."""
    text, place = written.text, element.inside
    for found in PIECE.finditer(text, element.inside, element.close):
        if found.start() > place:
            yield Part(_said(text[place : found.start()]))
        if found["data"] is not None:
            yield Part(found["data"].replace("\r\n", "\n"), data=True)
        elif found["opened"] or found["closed"]:
            yield Part(found[0], tag=True)
        place = found.end()
    if element.close > place:
        yield Part(_said(text[place : element.close]))


def _said(raw: str) -> str:
    """Characters as a parser gives them."""
    return _resolved(raw.replace("\r\n", "\n"))


def _resolved(raw: str) -> str:
    return REFERENCE.sub(_character, raw) if "&" in raw else raw


def _character(reference: re.Match[str]) -> str:
    name, number, hexadecimal = reference.groups()
    return NAMED[name] if name else chr(int(number) if number else int(hexadecimal, 16))


def text_of(written: Written, element: Element | None) -> str:
    """What an element says; markup in it as it is written."""
    return "".join(part.text for part in parts(written, element)) if element else ""


class Markup:
    """How a text that translates an element is written: with the element's own tags as markup, all else escaped.

    A tag is taken for markup if it is written as in the element; so a text may move them, but not make up new ones.
    """

    def __init__(self, written: Written, element: Element) -> None:
        found = list(parts(written, element))
        self.written = written
        self.tags = {part.text for part in found if part.tag}
        said = [part for part in found if part.text.strip()]
        self.data = bool(said) and all(part.data for part in said)  # it is one CDATA section
        self._cut = (
            re.compile("|".join(map(re.escape, sorted(self.tags, key=len, reverse=True)))) if self.tags else None
        )

    def pieces(self, text: str) -> Iterator[Part]:
        """The text cut into its tags and what stands between them."""
        place = 0
        for found in self._cut.finditer(text) if self._cut and not self.data else ():
            if found.start() > place:
                yield Part(text[place : found.start()])
            yield Part(found[0], tag=True)
            place = found.end()
        if place < len(text):
            yield Part(text[place:])

    def fits(self, text: str) -> bool:
        """Whether the text is well-formed in this place: each tag that opens closes, and no character is forbidden."""
        if NO_CHARACTER.search(text) or (self.data and not self.written.writable(text)):
            return False
        opened: list[str] = []
        for piece in self.pieces(text):
            found = PIECE.fullmatch(piece.text) if piece.tag else None
            if found is None or found["empty"]:
                continue
            if found["opened"]:
                opened.append(found["opened"])
            elif not opened or opened.pop() != found["closed"]:
                return False
        return not opened

    def spelled(self, pieces: Sequence[Part]) -> str:
        """Pieces as they stand in the file."""
        if self.data:
            whole = "".join(piece.text for piece in pieces).replace("]]>", "]]]]><![CDATA[>")
            return f"<![CDATA[{self._lines(whole)}]]>"
        return "".join(piece.text if piece.tag else escaped(self.written, self._lines(piece.text)) for piece in pieces)

    def _lines(self, text: str) -> str:
        return text.replace("\n", self.written.newline)


def escaped(written: Written, text: str) -> str:
    """Characters as XML spells them; those that the file's encoding lacks as numbers."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if written.newline != "\r\n":
        plain = plain.replace("\r", "&#13;")
    return (
        plain
        if written.writable(plain)
        else plain.encode(written.encoding, "xmlcharrefreplace").decode(written.encoding)
    )


def attribute_edit(written: Written, element: Element, name: str, value: str) -> Edit:
    """The edit that gives an element an attribute: in its old place, or behind the others."""
    spelled = escaped(written, value).replace('"', "&quot;")
    found = element.attributes.get(name)
    if found:
        return Edit(found.start, found.end, spelled)
    tag = written.text[element.start : element.inside]
    end = element.start + len(tag.removesuffix(">").removesuffix("/").rstrip())
    return Edit(end, end, f' {name}="{spelled}"')


def gap_before(written: Written, element: Element) -> str:
    """The white space between an element and what stands before it."""
    start = element.start
    while start and written.text[start - 1].isspace():
        start -= 1
    return written.text[start : element.start]
