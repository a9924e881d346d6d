"""JSON files of texts under keys, nested or flat, one file a language: i18next, vue-i18n, ARB, Chrome's messages.json.

Such a file holds one language, so that a translation is a file of its own. It is written as the source file is laid
out (order, indentation, escapes), with the finished texts of the translation so far byte for byte. JSON has no mark
for what needs review: the review file alone tells which texts were filled.

A text that is neither translated nor filled is left out, so that the program shows its fallback; in a list it is
left empty, because the others must keep their places. What only the translation so far has stays, behind the rest.

Plural forms are keys that end in a CLDR category (i18next: key_one, key_other), or objects whose keys are categories;
those that the target language lacks are left out, and those that it needs beside are made. In ARB, keys that begin
with @ describe and are copied; of Chrome's messages only "message" is a text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pellucid.data.languages import known_language
from pellucid.data.localization.document import Document, Unit
from pellucid.data.localization.plurals import CATEGORIES, ONE_IS_MORE_THAN_ONE, categories
from pellucid.data.localization.written import Written, read_written
from pellucid.errors import DataError

SPACE = re.compile(r"[ \t\n\r]*")
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
SCALAR = re.compile(r"[^\s,\]}]+")
PLURAL_KEY = re.compile(r"(.+_|)(zero|one|two|few|many|other)")
SLOT = re.compile(r"\{+[^{}]*\}+|%[^\s\w]*\w")
LONE_HALF = re.compile(
    r"\\u[dD][89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][\da-fA-F]{2})\\u[dD][c-fC-F]"
)
DEEPEST = 200  # objects within objects; a file of texts has a handful


@dataclass(frozen=True, eq=False)
class Value:
    """A value and its place: `text` of a string, `members` of an object, `items` of a list, none of a number."""

    start: int
    end: int
    text: str | None = None
    members: "tuple[Member, ...] | None" = None
    items: "tuple[Item, ...] | None" = None

    @cached_property
    def by_key(self) -> "dict[str, Member]":
        return {member.key: member for member in self.members or ()}


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """An element of a list, and where the white space before it begins and that behind it ends."""

    start: int
    value: Value
    end: int


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """A key with its value; `place` is where the key's literal begins, `close` where its last quote stands."""

    start: int
    place: int
    close: int
    key: str
    value: Value
    end: int


Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A unit before it is numbered: where it goes, the text that it translates, and the value that text stands in."""

    path: Place
    value: Value
    comment: str
    plural: str


class Texts(Document):
    """A JSON file of texts, and the translation so far, if there is one."""

    format = "json"

    def __init__(
        self, written: Written, source: str | None, target: str | None, translated: Written | None = None
    ) -> None:
        """Raises DataError, with the line, for what is no JSON, or holds no object or list."""
        self._tree = parsed(written)
        self._translated = translated
        self._theirs = parsed(translated) if translated else None
        code = known_language(target or "")
        self._target = code.code if code else None
        self._there: dict[Place, Value] = dict(_walked(self._theirs, ())) if self._theirs else {}
        members = self._tree.members or ()
        self._chrome = bool(members) and all(_is_message(member.value) for member in members)
        locale = next((member.value.text for member in members if member.key == "@@locale"), None)
        super().__init__(written, (), locale or source, target)
        self._numbers: dict[Place, int] = {}
        units = []
        for number, planned in enumerate(self._planned(self._tree, ())):
            self._numbers[planned.path] = number
            there = self._there.get(planned.path)
            text = (there.text or "") if there else ""
            units.append(
                Unit(
                    number,
                    key_of(planned.path),
                    written.line(planned.value.start),
                    planned.value.text or "",
                    text,
                    "finished" if text else "untranslated",
                    comment=planned.comment,
                    plural=planned.plural,
                )
            )
        self.units = units

    def _planned(self, value: Value, path: Place, comment: str = "", plural: str = "") -> Iterator[Planned]:
        if value.text:
            yield Planned(path, value, comment, plural)
        for place, item in enumerate(value.items or ()):
            yield from self._planned(item.value, (*path, place))
        for member in value.members or ():
            if not self._is_text(path, member.key) or value.by_key[member.key] is not member:
                continue
            said = self._comment(value, member)
            for key, form, category in self._forms(value, member):
                yield from self._planned(form, (*path, key), said, category)

    def _is_text(self, path: Place, key: str) -> bool:
        if self._chrome and path:
            return len(path) == 1 and key == "message"
        return not key.startswith("@")

    def _comment(self, value: Value, member: Member) -> str:
        """ARB's @key, or Chrome's description beside the message."""
        about = _member(value, f"@{member.key}")
        beside = about.value if about else value if self._chrome else None
        said = _member(beside, "description") if beside else None
        return (said.value.text or "") if said else ""

    def _forms(self, value: Value, member: Member) -> Iterator[tuple[str, Value, str]]:
        """The keys that a member becomes: itself, or for a plural the forms that stand here in the target language.

        All forms of a plural stand where its first one stood.
        """
        found = PLURAL_KEY.fullmatch(member.key)
        group = _plural_group(value, found[1]) if found else {}
        if not found or member not in group.values() or found[1].endswith("_ordinal_"):
            yield member.key, member.value, ""
            return
        if member is not next(iter(group.values())):
            return
        other = group["other"].value
        for category in categories(self._target):
            form = group[category].value if category in group else other
            if category == "one" and self._target in ONE_IS_MORE_THAN_ONE and not _says_as_much(form, other):
                form = other
            yield f"{found[1]}{category}", form, category

    def rewritten(self, texts: Mapping[int, str]) -> bytes:
        new = {path: texts[number] for path, number in self._numbers.items() if number in texts}
        text = self._shown(self._tree, (), new)
        return self.written.mark + (
            self.written.text[: self._tree.start] + (text or "") + self.written.text[self._tree.end :]
        ).encode(self.written.encoding)

    def unchanged(self) -> bytes:
        return self._translated.raw if self._translated else self.written.raw

    def _shown(self, value: Value, path: Place, new: Mapping[Place, str]) -> str | None:
        """A value in the translation; None if it is left out."""
        source = self.written.text
        there = self._there.get(path)
        if value.members is not None:
            theirs = there.members if there and there.members is not None else ()
            return self._object(value, value.members, theirs, path, new)
        if value.items is not None:
            shown = [
                source[item.start : item.value.start]
                + (self._shown(item.value, (*path, place), new) or ("{}" if item.value.by_key else '""'))
                + source[item.value.end : item.end]
                for place, item in enumerate(value.items)
            ]
            if self._translated and there and there.items:
                shown += [self._translated.text[item.start : item.end] for item in there.items[len(value.items) :]]
            return f"[{','.join(shown)}]" if shown else source[value.start : value.end]
        if path in new:
            return self._literal(new[path])
        if there is not None and there.text != "" and self._translated:
            return self._translated.text[there.start : there.end]
        if path in self._numbers:
            return '""' if there is not None else None
        return source[value.start : value.end]

    def _object(
        self, value: Value, members: Sequence[Member], theirs: Sequence[Member], path: Place, new: Mapping[Place, str]
    ) -> str | None:
        source = self.written.text
        shown: list[str] = []
        keys: set[str] = set()
        for member in members:
            if value.by_key[member.key] is not member:
                continue  # of a key that stands twice the last one counts
            described = not self._is_text(path, member.key)
            forms = [(member.key, member.value, "")] if described else self._forms(value, member)
            for key, form, _ in forms:
                keys.add(key)
                if described:
                    text: str | None = self._described(member, (*path, key))
                else:
                    text = self._shown(form, (*path, key), new)
                if text is None:
                    continue
                named = source[member.place : member.value.start]
                if key != member.key:  # another form of the plural that begins here
                    cut = member.close - len(_category(member.key))
                    named = source[member.place : cut] + _category(key) + source[member.close : member.value.start]
                shown.append(source[member.start : member.place] + named + text + source[member.value.end : member.end])
        if self._translated:
            shown += [self._translated.text[m.start : m.end].rstrip() for m in theirs if m.key not in keys]
        if not shown and members:
            return None if path else "{}"
        if not shown:
            return source[value.start : value.end]
        # White space behind a last member that is left out belongs to the closing bracket.
        tail = source[members[-1].value.end : members[-1].end] if members else ""
        return "{" + ",".join([*shown[:-1], shown[-1].rstrip() + tail]) + "}"

    def _described(self, member: Member, path: Place) -> str:
        """What is no text: as the translation so far has it, else as the source does, but for the locale's name."""
        there = self._there.get(path)
        if there and self._translated:
            return self._translated.text[there.start : there.end]
        if path == ("@@locale",) and self.target_language:
            return self._literal(self.target_language.replace("-", "_"))
        return self.written.text[member.value.start : member.value.end]

    @cached_property
    def _habits(self) -> tuple[bool, bool]:
        """Whether the file escapes all characters that are not ASCII, and slashes."""
        like = (self._translated or self.written).text
        escapes = like.isascii() and re.search(r"\\u[0-9a-fA-F]{4}", like) is not None
        return escapes or self.written.encoding == "ascii", "\\/" in like

    def _literal(self, text: str) -> str:
        """A text as the file would write it."""
        escapes, slashes = self._habits
        literal = json.dumps(text, ensure_ascii=escapes)
        return literal.replace("/", "\\/") if slashes else literal


def open_texts(path: Path, source: str | None, target: str | None, translated: Path | None = None) -> Texts:
    """Read a JSON file of texts, and the translation so far. Raises DataError."""
    return Texts(read_written(path), source, target, read_written(translated) if translated else None)


def key_of(path: Place) -> str:
    """The keys that lead to a text, as people write them: menu.file.open, steps[2]."""
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return written.removeprefix(".")


def _category(key: str) -> str:
    return key.rpartition("_")[2]


def _says_as_much(form: Value, other: Value) -> bool:
    return sorted(SLOT.findall(form.text or "")) == sorted(SLOT.findall(other.text or ""))


def _member(value: Value, key: str) -> Member | None:
    return value.by_key.get(key)


def _is_message(value: Value) -> bool:
    found = _member(value, "message")
    return found is not None and found.value.text is not None


def _plural_group(value: Value, before: str) -> dict[str, Member]:
    """The forms of a plural by category, from keys of what stands `before` one; empty if the keys are no plural.

    There must be `other` and one more; and where the keys are bare categories, nothing else beside them.
    """
    found = {category: value.by_key.get(before + category) for category in CATEGORIES}
    group = {category: member for category, member in found.items() if member and member.value.text is not None}
    counted = "other" in group and (len(group) > 1 or "{{count}}" in (group["other"].value.text or ""))
    if not counted or (not before and len(value.by_key) > len(group)):
        return {}
    return dict(sorted(group.items(), key=lambda entry: entry[1].place))


def _walked(value: Value, path: Place) -> Iterator[tuple[Place, Value]]:
    yield path, value
    for place, item in enumerate(value.items or ()):
        yield from _walked(item.value, (*path, place))
    for member in value.members or ():
        yield from _walked(member.value, (*path, member.key))


def parsed(written: Written) -> Value:
    """The tree of a file, each value with its place. Raises DataError, with line and column, for what is no JSON."""
    try:
        whole = json.loads(written.text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{written.path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})",
            mend="Comments and a comma behind the last entry are no JSON; `python -m json.tool FILE` shows the place.",
        ) from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(
            f"{written.path}: not JSON that can be used ({reason})", mend="Is it a file of texts?"
        ) from None
    _check(whole, written)
    value, _ = _value(written.text, _blank(written.text, 0))
    return value


def _check(whole: Any, written: Written) -> None:
    half = LONE_HALF.search(written.text)
    if half and not written.writable(json.dumps(whole, ensure_ascii=False)):
        raise DataError(
            f"{written.path}, line {written.line(half.start())}: half of a character (a lone surrogate)",
            mend="Write the character whole: two such escapes, or itself.",
        )
    if not isinstance(whole, dict | list):
        raise DataError(f"{written.path}: holds no texts under keys", mend='Expected is {"key": "text", ...}.')
    level, depth = [whole], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise DataError(f"{written.path}: nested more than {DEEPEST} deep", mend="Is it a file of texts?")
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]


def _blank(text: str, place: int) -> int:
    found = SPACE.match(text, place)
    assert found is not None
    return found.end()


def _value(text: str, place: int) -> tuple[Value, int]:
    """The value that begins at a place, and where it ends. The text is known to be JSON."""
    if text[place] == '"':
        end = _literal_end(text, place)
        return Value(place, end, text=json.loads(text[place:end])), end
    if text[place] not in "{[":
        found = SCALAR.match(text, place)
        assert found is not None
        return Value(place, found.end()), found.end()
    named, closing = text[place] == "{", "}" if text[place] == "{" else "]"
    members: list[Member] = []
    items: list[Item] = []
    start = place + 1
    at = _blank(text, start)
    while text[at] != closing:
        key, place_of_key, close = "", at, at
        if named:
            close = _literal_end(text, at) - 1
            key = json.loads(text[at : close + 1])
            at = _blank(text, _blank(text, close + 1) + 1)
        value, at = _value(text, at)
        at = _blank(text, at)
        if named:
            members.append(Member(start, place_of_key, close, key, value, at))
        else:
            items.append(Item(start, value, at))
        if text[at] == closing:
            break
        start = at + 1
        at = _blank(text, start)
    end = at + 1
    if named:
        return Value(place, end, members=tuple(members)), end
    return Value(place, end, items=tuple(items)), end


def _literal_end(text: str, place: int) -> int:
    found = LITERAL.match(text, place)
    assert found is not None
    return found.end()
