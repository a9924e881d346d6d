"""Gettext catalogs, read entry by entry as far as can be: a broken entry is noted, and the next one is read.

Unlike data/gettext.py it yields fuzzy and obsolete entries too, marked as what they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import polib

from pellucid.data.check.characters import CONTROL, check_characters
from pellucid.data.check.fault import Findings
from pellucid.data.check.lines import checked_lines
from pellucid.data.check.pair_rows import Row, Rows
from pellucid.data.gettext import language_of_head, parsed_catalog
from pellucid.data.languages import languages_in_name
from pellucid.errors import DataError

KEYWORD = re.compile(r'\s*(#~\s*)?(msgctxt|msgid_plural|msgid|msgstr)(?:\s*\[\s*(\d+)\s*\])?\s*"(.*)"\s*')
FURTHER = re.compile(r'\s*(?:#~\s*)?"(.*)"\s*')
WHOLE = re.compile(r'(?:[^"\\]|\\.)*')  # no quote stands bare in it
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}
LANGUAGE = re.compile(r"^Language:[ \t]*([\w@-]+)", re.MULTILINE)


@dataclass
class Entry:
    """What was read of one entry so far."""

    line: int = 0  # of its msgid
    texts: dict[str, str] = field(default_factory=dict)
    forms: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False
    obsolete: bool = False
    broken: bool = False
    last: tuple[str, int] = ("", 0)

    def began(self) -> bool:
        return bool(self.forms)

    def take(self, keyword: str, number: str | None, text: str) -> None:
        self.last = keyword, int(number or 0)
        if keyword == "msgstr":
            self.forms[int(number or 0)] = text
        else:
            self.texts[keyword] = text

    def go_on(self, text: str) -> None:
        keyword, number = self.last
        if keyword == "msgstr":
            self.forms[number] += text
        else:
            self.texts[keyword] += text

    def rows(self) -> Iterator[Row]:
        """As data/gettext.py makes pairs: a plural gives its singular with the first form, its plural with the last."""
        mark = "obsolete" if self.obsolete else "fuzzy" if self.fuzzy else ""
        context, source = self.texts.get("msgctxt", ""), self.texts.get("msgid", "")
        forms = [text for _, text in sorted(self.forms.items())]
        plural = self.texts.get("msgid_plural")
        if plural is None:
            if source and forms[0]:
                yield Row(self.line, source, forms[0], mark, context)
            return
        if len(forms) > 1 and forms[0]:
            yield Row(self.line, source, forms[0], mark, context, singular=True)
        if forms[-1]:
            yield Row(self.line, plural, forms[-1], mark, f"{context} of {source}")


def catalog_rows(path: Path, findings: Findings) -> Rows:
    """Of a compiled one, which has no lines, rows are numbered."""
    named = languages_in_name(path)
    usual = named[-1] if named else None
    if ".mo" in path.suffixes:
        try:
            catalog = parsed_catalog(path)
        except DataError as error:
            findings.add("damaged-file", file=path, reason=error.message.removeprefix(f"{path}: "))
            return Rows(path, (None, usual), iter(()), "row", trimmed=False)
        language = language_of_head(catalog.metadata.get("Language", "")) or usual
        return Rows(path, (None, language), _of_compiled(path, catalog, findings), "row", trimmed=False)
    entries = _entries(path, findings)
    first = next(entries, None)
    head = first.forms.get(0, "") if first and not first.texts.get("msgid") else ""
    found = LANGUAGE.search(head)
    language = language_of_head(found.group(1)) if found else None
    rows = _rows(path, chain([first] if first else [], entries), findings)
    return Rows(path, (None, language or usual), rows, trimmed=False)


def _of_compiled(path: Path, catalog: "polib.POFile | polib.MOFile", findings: Findings) -> Iterator[Row]:
    for number, entry in enumerate(catalog):
        forms = {int(form): text for form, text in entry.msgstr_plural.items()}
        texts = {"msgid": entry.msgid, "msgctxt": entry.msgctxt or ""}
        if forms:
            texts["msgid_plural"] = entry.msgid_plural
        for row in Entry(number, texts, forms or {0: entry.msgstr}).rows():
            _check_characters(path, row, findings, "row")
            yield row


def _check_characters(path: Path, row: Row, findings: Findings, numbered: str) -> None:
    text = f"{row.source}\t{row.target}"
    if CONTROL.search(row.source):  # a bell that a program rings is meant, on both sides
        text = "".join(sign for sign in text if not (CONTROL.match(sign) and sign in row.source))
    check_characters(findings, path, row.line, text, numbered)


def _rows(path: Path, entries: Iterator[Entry], findings: Findings) -> Iterator[Row]:
    count = 0
    for entry in entries:
        count += 1
        for row in entry.rows():
            _check_characters(path, row, findings, "line")
            yield row
    if not count:
        findings.add("empty-file", file=path)


def _entries(path: Path, findings: Findings) -> Iterator[Entry]:
    entry = Entry()
    number = 0
    for number, line in checked_lines(path, findings, ends=True, characters=False):
        stripped = line.strip()
        if not stripped:
            if entry.texts or entry.broken:
                yield from _finished(path, entry, findings)
                entry = Entry()
            continue
        if stripped[0] == "#" and (stripped[1:2] != "~" or stripped[2:3] == "|"):
            if entry.began() or entry.broken:
                yield from _finished(path, entry, findings)
                entry = Entry()
            if stripped[1:2] == ",":
                entry.fuzzy = entry.fuzzy or "fuzzy" in stripped
            continue
        found = _plain(line) or ((match := KEYWORD.fullmatch(line)) and match.groups())
        if found:
            obsolete, keyword, form, text = found
            if keyword in ("msgid", "msgctxt") and entry.began() and not entry.broken:
                yield from _finished(path, entry, findings)
                entry = Entry()
            if keyword == "msgid":
                entry.line = number
            entry.obsolete = entry.obsolete or bool(obsolete)
            if keyword in ("msgid", "msgid_plural") and keyword in entry.texts:
                _break(path, entry, number, line, f"{keyword} a second time, before msgstr", findings)
            entry.take(keyword, form, _text(path, entry, number, text, findings))
        elif (more := FURTHER.fullmatch(line)) and entry.last[0]:
            entry.go_on(_text(path, entry, number, more.group(1), findings))
        elif stripped.startswith("#~"):
            entry.obsolete = True
        else:
            reason = "its quotes do not close" if '"' in line else "no keyword and no text"
            _break(path, entry, number, line, reason, findings)
    if entry.texts or entry.broken:
        yield from _finished(path, entry, findings)


def _plain(line: str) -> tuple[None, str, None, str] | None:
    """What KEYWORD finds in nearly all of its lines, without it: catalogs are read twice as fast so."""
    if line.endswith('"'):
        if line.startswith('msgid "') and len(line) > len('msgid "'):
            return None, "msgid", None, line[7:-1]
        if line.startswith('msgstr "') and len(line) > len('msgstr "'):
            return None, "msgstr", None, line[8:-1]
    return None


def _finished(path: Path, entry: Entry, findings: Findings) -> Iterator[Entry]:
    if entry.broken:
        return
    if "msgid" not in entry.texts or not entry.forms:
        missing = "msgid" if "msgid" not in entry.texts else "msgstr"
        _break(path, entry, entry.line or 1, next(iter(entry.texts.values()), ""), f"no {missing}", findings)
        return
    yield entry


def _break(path: Path, entry: Entry, number: int, line: str, reason: str, findings: Findings) -> None:
    """Each entry is told once, at its first fault."""
    if not entry.broken and not entry.obsolete:
        findings.add("broken-entry", file=path, line=number, text=line, reason=reason)
    entry.broken = True


def _text(path: Path, entry: Entry, number: int, written: str, findings: Findings) -> str:
    if '"' not in written and "\\" not in written:
        return written
    if not WHOLE.fullmatch(written):
        _break(path, entry, number, written, "a quote within it is not escaped", findings)
    return ESCAPE.sub(_unescaped, written) if "\\" in written else written


def _unescaped(found: re.Match[str]) -> str:
    code = found.group(1)
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8) % 256)
    return ESCAPES.get(code, code)
