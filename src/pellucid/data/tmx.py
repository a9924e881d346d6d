"""Pairs in TMX, the exchange format of translation memories: units (tu) of one text in several languages (tuv).

Read as a stream, so that the size of the file does not matter; external entities and XML bombs are refused.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse

from pellucid.data.languages import known_language
from pellucid.data.pairs import Pair
from pellucid.data.safe_xml import refused_if_harmful
from pellucid.data.textfile import open_bytes

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
PLACEHOLDERS = {"bpt", "ept", "it", "ph", "ut"}  # inline codes of the tool that wrote the file, not text


def tmx_languages(path: Path) -> list[str]:
    """The languages of the first unit that has two, the header's source language first."""
    source = None
    for kind, element in _elements(path):
        if kind == "header":
            found = known_language(element.get("srclang", ""))
            source = found.code if found else None
        elif kind == "tu":
            codes = list(texts_of_unit(element))
            if len(codes) > 1:
                return sorted(codes, key=lambda code: code != source)
    return []


def read_tmx(path: Path, source: str, target: str) -> Iterator[Pair]:
    """Every unit that holds both languages. Raises DataError for XML that is broken or could do harm."""
    number = 0
    for kind, element in _elements(path):
        if kind == "tu":
            number += 1
            texts = texts_of_unit(element)
            if source in texts and target in texts:
                yield Pair(texts[source], texts[target], f"{path.name}#{number}")


def texts_of_unit(unit: Element) -> dict[str, str]:
    """The text of each language; of two variants of one language the first."""
    texts: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        found = known_language(variant.get(LANGUAGE) or variant.get("lang") or "")
        segment = variant.find("seg")
        if found and segment is not None:
            texts.setdefault(found.code, "".join(_text(segment)))
    return texts


def _text(element: Element) -> Iterator[str]:
    """What a reader sees: highlighted text (hi, sub) is kept, inline codes are not."""
    yield element.text or ""
    for child in element:
        if child.tag not in PLACEHOLDERS:
            yield from _text(child)
        yield child.tail or ""


def _elements(path: Path) -> Iterator[tuple[str, Element]]:
    """Headers and units as they end, each forgotten after it was looked at."""
    with open_bytes(path) as file, refused_if_harmful(path):
        body = None
        for event, element in iterparse(file, events=("start", "end")):
            if event == "start":
                body = element if element.tag == "body" else body
            elif element.tag in ("header", "tu"):
                yield element.tag, element
                if element.tag == "tu" and body is not None:
                    body.clear()
