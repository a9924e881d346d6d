"""Gettext catalogs (PO), and templates (POT) on their way to one: entries of a message and its translation.

A filled entry gets the flag `fuzzy`, which is how gettext marks a translation that a person has to look at: `msgfmt`
leaves such entries out. An entry that is fuzzy and has a text is "needs review" and stays as it is. The header and
obsolete entries are never units. Each form of a plural is a unit of its own: of the header's Plural-Forms, else of
those that the target language has. The header's Language, Plural-Forms and charset are written only where a template
left them open, and a header only where there is none, as msgfmt needs them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.data.languages import known_language
from pellucid.data.localization.document import Document, State, Unit
from pellucid.data.localization.plural_forms import MOST_FORMS, plural_forms
from pellucid.data.localization.plurals import gettext_plurals
from pellucid.data.localization.po_strings import WIDTH, escaped, quoted, unescaped
from pellucid.data.localization.written import Edit, Written, read_written
from pellucid.errors import DataError

CHARSET = re.compile(rb"Content-Type:[^\n]*?charset=([\w.:-]+)", re.IGNORECASE)
LINE = re.compile(r"[^\n]*\n|[^\n]+")
OLD_LINE = re.compile(r"[^\r]*\r|[^\r]+")  # of a file whose lines end in \r alone
STATEMENT = re.compile(
    r'[ \t]*(?:(msgctxt|msgid_plural|msgid|msgstr|domain)(?:[ \t]*\[[ \t]*(\d+)[ \t]*\])?(?![\w\[])[ \t]*)?'
    r'((?:"(?:[^"\\]|\\.)*"[ \t]*)*)\s*'
)  # fmt: skip
SLOT = re.compile(r"%(?:\([^)]*\))?[-+ #0-9.*$]*[a-zA-Z]|\{[^{}]*\}")  # where a number or a name will stand
OPEN_LANGUAGE = re.compile(r'(?<=["n])Language:[ \t]*\\n')
OPEN_PLURALS = re.compile(r'(?<=["n])Plural-Forms:[ \t]*(?:nplurals[ ]*=[ ]*INTEGER[^"\\]*)?\\n')
OPEN_CHARSET = re.compile(r"charset=(?:CHARSET|(?:US-)?ASCII)(?![\w-])", re.IGNORECASE)  # UTF-8 holds ASCII
DEFAULT_SOURCE = "en"  # the language of messages, unless a catalog says otherwise
MEND = "`msgfmt --check` finds the place."


@dataclass(slots=True)
class Text:
    """One text of an entry, and its place: from the first quote to behind the last one."""

    keyword: str
    start: int
    end: int
    spelled: str  # the quoted strings


@dataclass(slots=True)
class Entry:
    """One entry; `start` is where its statements, and a flag line that it lacks, begin."""

    start: int
    line: int
    comments: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    flag_line: int | None = None  # behind the "#," of its first such line
    context: Text | None = None
    message: Text | None = None
    plural: Text | None = None
    forms: dict[int, Text] = field(default_factory=dict)
    last: Text | None = None  # to which a string without a keyword belongs

    @property
    def is_header(self) -> bool:
        return self.context is None and self.message is not None and not unescaped(self.message.spelled)


class Catalog(Document):
    """A PO file. `entries` and the form that each unit is of belong to it alone."""

    format = "po"

    def __init__(self, written: Written, source: str | None, target: str | None) -> None:
        """Raises DataError, with the line, for what is no catalog."""
        entries = list(scanned(written))
        header = next((entry for entry in entries if entry.is_header), None)
        fields = header_fields(unescaped(header.forms[0].spelled)) if header and 0 in header.forms else {}
        named = known_language(fields.get("language", ""))
        self.locale = (fields.get("language", "") or target or "").replace("-", "_")
        super().__init__(written, (), _source(fields) or source or DEFAULT_SOURCE, named.code if named else target)
        try:
            own = plural_forms(fields.get("plural-forms", ""))
        except ValueError as error:
            line = header.line if header else 1
            raise DataError(
                f"{self.path}, line {line}: its Plural-Forms cannot be used ({error})",
                mend="The gettext manual lists the rule of each language.",
            ) from None
        self.plurals = own or gettext_plurals(self.locale)
        self._header, self._plurals_open = header, own is None
        self._places: list[tuple[Entry, int]] = []
        self.units = self._read([entry for entry in entries if not entry.is_header])
        self._wrap = not any(map(_unbroken, written.text.split("\n")))

    def _read(self, entries: Sequence[Entry]) -> list[Unit]:
        units: list[Unit] = []
        seen: dict[str, int] = {}
        for entry in entries:
            assert entry.message is not None
            message = unescaped(entry.message.spelled)
            context = unescaped(entry.context.spelled) if entry.context else ""
            key = f"{context} | {message}" if entry.context else message
            seen[key] = seen.get(key, 0) + 1
            key += f" #{seen[key]}" if seen[key] > 1 else ""
            comment = "\n".join(entry.comments)
            plural = unescaped(entry.plural.spelled) if entry.plural else None
            for form in self._forms(entry):
                text = unescaped(entry.forms[form].spelled) if form in entry.forms else ""
                state: State = "untranslated" if not text else "needs review" if "fuzzy" in entry.flags else "finished"
                units.append(
                    Unit(
                        len(units),
                        key if plural is None else f"{key} [{form}]",
                        entry.line,
                        message if plural is None else self._form_source(form, message, plural),
                        text,
                        state,
                        context,
                        comment,
                        "" if plural is None else str(form),
                    )
                )
                self._places.append((entry, form))
        return units

    def _forms(self, entry: Entry) -> Sequence[int]:
        if entry.plural is None:
            return (0,)
        count = self.plurals.count if self.plurals else max(entry.forms) + 1
        return sorted({*range(count), *(form for form, text in entry.forms.items() if unescaped(text.spelled))})

    def _form_source(self, form: int, message: str, plural: str) -> str:
        """The singular for the form that the number 1 takes, else the plural.

        Where that form is also of other numbers (21 in Russian), a singular that does not say the number would be
        wrong, and so is where a language has one form for all.
        """
        if self.plurals is None:
            return plural if form else message
        numbers = self.plurals.examples.get(form, [])
        if 1 not in numbers or self.plurals.count == 1:
            return plural
        alone = numbers == [1]
        return message if alone or sorted(SLOT.findall(message)) == sorted(SLOT.findall(plural)) else plural

    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        filled: dict[int, tuple[Entry, dict[int, str]]] = {}
        for number in sorted(texts):
            entry, form = self._places[number]
            filled.setdefault(entry.start, (entry, {}))[1][form] = texts[number]
        edits = [edit for entry, forms in filled.values() for edit in self._fill(entry, forms)]
        counted = any(entry.plural for entry, _ in filled.values())
        return self.written.edited([*self._complete_header(counted), *edits])

    def _fill(self, entry: Entry, texts: Mapping[int, str]) -> Iterator[Edit]:
        newline = self.written.newline
        yield from self._flag(entry)
        if entry.plural is None:
            text = entry.forms[0]
            yield Edit(text.start, text.end, self._quoted(texts[0], text.keyword))
            return
        wanted = self._forms(entry)
        last = entry.forms[max(entry.forms)]
        end = max(text.end for text in entry.forms.values())
        before = entry.plural.end
        for form, there in sorted(entry.forms.items()):
            if form in texts:
                yield Edit(there.start, there.end, self._quoted(texts[form], there.keyword))
            elif form not in wanted:  # a form that the language does not have
                yield Edit(before, there.end, "")
            before = there.end
        more = []
        for form in wanted:
            if form not in entry.forms:
                keyword = re.sub(r"\d+", str(form), last.keyword)
                more.append(f"{newline}{self._indent(last)}{keyword} {self._quoted(texts.get(form, ''), keyword)}")
        if more:
            yield Edit(end, end, "".join(more))

    def _quoted(self, text: str, keyword: str) -> str:
        return quoted(text, keyword, self.written.newline, self._wrap)

    def _indent(self, text: Text) -> str:
        line = self.written.text[self.written.text.rfind("\n", 0, text.start) + 1 : text.start]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _flag(self, entry: Entry) -> Iterator[Edit]:
        if "fuzzy" in entry.flags:
            return
        if entry.flag_line is None:
            yield Edit(entry.start, entry.start, f"#, fuzzy{self.written.newline}")
        else:
            yield Edit(entry.flag_line, entry.flag_line, " fuzzy," if entry.flags else " fuzzy")

    def _complete_header(self, counted: bool) -> Iterator[Edit]:
        """What a template leaves open; `counted`: a plural is filled, and needs the rule of its forms."""
        text, newline = self.written.text, self.written.newline
        language = f"Language: {self.locale}\\n"
        rule = f"Plural-Forms: {self.plurals}\\n"
        if self._header is None or 0 not in self._header.forms:
            lines = [language] * bool(self.locale) + ["MIME-Version: 1.0\\n"]
            lines += [f"Content-Type: text/plain; charset={self.written.encoding.upper()}\\n"]
            lines += ["Content-Transfer-Encoding: 8bit\\n"] + [rule] * bool(counted and self.plurals)
            whole = newline.join(['msgid ""', 'msgstr ""', *(f'"{line}"' for line in lines), "", ""])
            yield Edit(0, 0, whole)
            return
        header = self._header.forms[0]
        if self.locale and (found := OPEN_LANGUAGE.search(text, header.start, header.end)):
            yield Edit(found.start(), found.end(), language)
        if found := OPEN_CHARSET.search(text, header.start, header.end):
            yield Edit(found.start(), found.end(), f"charset={self.written.encoding.upper()}")
        if not (self._plurals_open and self.plurals):
            return
        if found := OPEN_PLURALS.search(text, header.start, header.end):
            yield Edit(found.start(), found.end(), rule)
        elif counted:
            ended = unescaped(header.spelled).endswith("\n") or not unescaped(header.spelled)
            yield Edit(header.end, header.end, f'{newline}"{"" if ended else escaped(chr(10))}{rule}"')


def open_catalog(path: Path, source: str | None, target: str | None) -> Catalog:
    """Read a catalog; the languages are what its header does not say. Raises DataError if it is none."""
    return Catalog(read_written(path, _charset), source, target)


def _charset(raw: bytes) -> str | None:
    found = CHARSET.search(raw)
    return None if found is None or OPEN_CHARSET.fullmatch(f"charset={found[1].decode()}") else found[1].decode()


def _source(fields: Mapping[str, str]) -> str | None:
    known = known_language(fields.get("x-source-language", ""))
    return known.code if known else None


def header_fields(header: str) -> dict[str, str]:
    """The fields of a header, their names in small letters."""
    pairs = (line.partition(":") for line in header.split("\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _unbroken(line: str) -> bool:
    """Whether gettext would have broken a line of a catalog, at a space within its text."""
    return len(line) > WIDTH and not line.startswith("#") and " " in line.partition('"')[2][: WIDTH // 2]


def scanned(written: Written) -> Iterator[Entry]:
    """All entries but obsolete ones, in order. Raises DataError, with the line, for what cannot be read."""
    text, path = written.text, written.path
    pending, entry = Entry(-1, 0), None
    lines = (OLD_LINE if written.newline == "\r" else LINE).finditer(text)
    for number, found in enumerate(lines, start=1):
        line = found[0].strip()
        if not line:
            continue
        if line[0] == "#":
            if entry is not None and entry.forms:
                yield whole(entry, path)
                entry = None
            if line.startswith("#~"):
                pending = Entry(-1, 0)
            else:
                _comment(pending if entry is None else entry, line, found)
            continue
        statement = STATEMENT.fullmatch(found[0])
        if statement is None:
            raise DataError(f"{path}, line {number}: {_fault(line)}", mend=MEND)
        keyword, index, strings = statement.groups()
        if keyword == "domain":
            continue
        if keyword in ("msgid", "msgctxt") and entry is not None and entry.forms:
            yield whole(entry, path)
            entry = None
        if entry is None:
            entry, pending = pending, Entry(-1, 0)
            entry.line = number
            entry.start = found.start() if entry.start < 0 else entry.start
        start = found.start() + statement.start(3)
        spelled = strings.rstrip()
        problem = _put(entry, keyword, index, start, start + len(spelled), spelled)
        if problem:
            raise DataError(f"{path}, line {number}: {problem}", mend=MEND)
    if entry is not None:
        yield whole(entry, path)


def whole(entry: Entry, path: Path) -> Entry:
    """The entry, if it has all that one needs. Raises DataError if not."""
    if not entry.forms or entry.message is None:
        raise DataError(f"{path}, line {entry.line}: a message without a msgstr", mend=MEND)
    texts = [entry.message, *entry.forms.values()] + [text for text in (entry.context, entry.plural) if text]
    for text in texts:
        if text.start < 0:
            raise DataError(f"{path}, line {entry.line}: {text.keyword} without a text", mend=MEND)
    return entry


def _fault(line: str) -> str:
    quotes = len(re.findall(r'(?<!\\)(?:\\\\)*"', line))
    return "a quoted text does not end" if quotes % 2 else f"not a line of a catalog ({line[:40]!r})"


def _comment(entry: Entry, line: str, found: re.Match[str]) -> None:
    start = found.start() + found[0].index("#")
    if line[1:2] in (",", "="):
        if line[1] == "," and entry.flag_line is None:
            entry.flag_line = start + 2
        entry.flags |= {flag.strip() for flag in line[2:].split(",")} - {""}
    elif line[1:2] == "|":
        entry.start = found.start() if entry.start < 0 else entry.start
    elif line[1:2] != ":":
        said = line[2:].strip() if line[1:2] == "." else line[1:].strip()
        if said:
            entry.comments.append(said)


def _put(entry: Entry, keyword: str | None, index: str | None, start: int, end: int, spelled: str) -> str | None:
    """Give an entry one statement or one string more; what is wrong with it, if something is."""
    if keyword is None:
        if entry.last is None:
            return "a text without a keyword before it"
        if spelled:
            entry.last.end = end
            entry.last.spelled += spelled
            entry.last.start = start if entry.last.start < 0 else entry.last.start
        return None
    name = f"{keyword}[{index}]" if index is not None else keyword
    text = Text(name, start if spelled else -1, end, spelled)
    if index is not None and keyword != "msgstr":
        return f"{name} is no keyword"
    if keyword == "msgctxt":
        twice, entry.context = entry.context is not None or entry.message is not None, text
    elif keyword == "msgid":
        twice, entry.message = entry.message is not None, text
    elif keyword == "msgid_plural":
        twice, entry.plural = entry.plural is not None or entry.message is None or bool(entry.forms), text
    else:
        if index and (len(index) > 2 or int(index) >= MOST_FORMS):
            return f"a plural with a form {index[:20]}"
        form = int(index or 0)
        if entry.message is None:
            return f"{name} without a msgid before it"
        if (entry.plural is None) != (index is None):
            return f"{name} in an entry {'without' if entry.plural is None else 'with'} msgid_plural"
        twice, entry.forms[form] = form in entry.forms, text
    entry.last = text
    return f"{name} where it cannot stand" if twice else None
