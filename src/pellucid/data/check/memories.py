"""Translation memories (TMX), read unit by unit as far as can be, each with the line on which it begins.

Each unit is parsed by itself: a broken one is noted and the next is read, nothing that a document defines reaches it
(so that no XML bomb can go off), and only the unit at hand is in memory.
"""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pellucid.data.check.characters import check_characters
from pellucid.data.check.fault import Findings
from pellucid.data.check.lines import ENDLESS, likely, raw_blocks
from pellucid.data.check.pair_rows import Languages, Row, Rows
from pellucid.data.languages import known_language
from pellucid.data.tmx import texts_of_unit

UNIT = re.compile(rb"<tu(?=[\s>])")
END = b"</tu>"
ENCODING = re.compile(rb"""<\?xml[^>]*encoding=["']([\w.:-]+)["']""")
SOURCE = re.compile(rb"""<header[^>]*srclang=["']([\w*.:-]+)["']""")
TAIL = 8192  # bytes kept of what stands between units, in case a tag is cut in two

Unit = tuple[int, dict[str, str]]


def memory_rows(path: Path, findings: Findings, wanted: Languages) -> Rows:
    """The wanted two languages, or those of the first unit that has two, the header's source language first."""
    head: dict[str, str | None] = {"source": None}
    units = _units(path, findings, head)
    held: list[Unit] = []
    codes: list[str] = []
    for unit in units:
        held.append(unit)
        if len(unit[1]) > 1:
            codes = sorted(unit[1], key=lambda code: code != head["source"])
            break
    source = wanted[0] or next((code for code in codes if code != wanted[1]), None)
    target = wanted[1] or next((code for code in codes if code != source), None)
    return Rows(path, (source, target), _rows(path, chain(held, units), source or "", target or "", findings))


def _rows(path: Path, units: Iterator[Unit], source: str, target: str, findings: Findings) -> Iterator[Row]:
    for line, texts in units:
        if source in texts and target in texts:
            check_characters(findings, path, line, f"{texts[source]}\t{texts[target]}")
            yield Row(line, texts[source], texts[target])


def _units(path: Path, findings: Findings, head: dict[str, str | None]) -> Iterator[Unit]:
    """Every whole unit; `head` learns the source language of the header."""
    buffer, line, encoding = b"", 1, "utf-8"
    opened = closed = refused = False
    for block in raw_blocks(path, findings):
        if block is None:
            return
        if not buffer and line == 1 and (named := ENCODING.search(block[:TAIL])):
            encoding = _encoding(named.group(1).decode("ascii"))
        buffer += block
        at = 0
        while True:
            begin = UNIT.search(buffer, at)
            end = buffer.find(END, begin.start()) if begin else -1
            between = buffer[at : begin.start() if begin else len(buffer)]
            opened = opened or b"<tmx" in between
            closed = closed or b"</tmx>" in between
            if not refused and (b"<!ENTITY" in between or (b"<!DOCTYPE" in between and b"[" in between)):
                refused = True
                place = line + buffer.count(b"\n", at, at + max(between.find(b"<!"), 0))
                findings.add("xml-entities", file=path, line=place, text=_shown(between[between.find(b"<!") :]))
            if found := SOURCE.search(between):
                known = known_language(found.group(1).decode("ascii", "replace"))
                head["source"] = known.code if known else None
            if begin is None or end < 0:
                break
            line += buffer.count(b"\n", at, begin.start())
            written = buffer[begin.start() : end + len(END)]
            at = end + len(END)
            again = UNIT.search(written, 3)
            if again:
                reason = "another unit begins before its end"
                findings.add("broken-xml", file=path, line=line, text=_shown(written), reason=reason)
                at = begin.start() + again.start()
                line += buffer.count(b"\n", begin.start(), at)
                continue
            unit = _unit(path, written, encoding, line, findings)
            if unit is not None:
                yield line, unit
            line += written.count(b"\n")
        keep = begin.start() if begin else max(at, len(buffer) - TAIL)
        line += buffer.count(b"\n", at, keep)
        buffer = buffer[keep:]
        if len(buffer) > ENDLESS:
            findings.add("endless-line", file=path, line=line, characters=ENDLESS)
            line += buffer.count(b"\n")
            buffer = b""
    if begin := UNIT.search(buffer):
        findings.add(
            "broken-xml", file=path, line=line, text=_shown(buffer[begin.start() :]), reason="a unit has no end"
        )
    elif not (opened and closed):
        reason = "no </tmx> at its end" if opened else "no <tmx> in it"
        findings.add("broken-xml", file=path, line=line + buffer.count(b"\n"), text=_shown(buffer[-60:]), reason=reason)


def _unit(path: Path, written: bytes, encoding: str, line: int, findings: Findings) -> dict[str, str] | None:
    try:
        text = written.decode(encoding)
    except UnicodeDecodeError as error:
        name, text = likely(written)
        findings.add("mixed-encodings", file=path, line=line, text=text, byte=error.start + 1, encoding=name)
    try:
        return texts_of_unit(fromstring(text))
    except (ParseError, ValueError, DefusedXmlException) as error:
        at = line + (error.position[0] - 1 if isinstance(error, ParseError) else 0)
        findings.add("broken-xml", file=path, line=at, text=text, reason=str(error).split(":")[0] or "refused")
        return None


def _encoding(named: str) -> str:
    """What a file says that it is in; UTF-16 was brought to UTF-8 before."""
    try:
        return "utf-8" if "16" in named or not "a".encode(named) else named
    except LookupError:
        return "utf-8"


def _shown(written: bytes) -> str:
    return written[:200].decode("utf-8", "replace").strip()
