"""ICU messages: `{count, plural, one {# file} other {# files}}` and the like, read into a tree and written back.

    message  = (text | argument)*
    argument = {name} | {name, type} | {name, type, style} | {name, plural|select|selectordinal, branch+}
    branch   = key {message}

A translation has the same arguments with the same types, the same keys of each select, `other` in each block, and
plural categories that CLDR knows; the ones that its own language has need not be the source's.
Sources: ICU User Guide, "Formatting Messages"; CLDR, "Language Plural Rules".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.counts import differences

CATEGORIES = ("zero", "one", "two", "few", "many", "other")
_BLOCK = re.compile(r"\{\s*[\w.-]+\s*,\s*(?:plural|select|selectordinal)\s*,")
_HEAD = re.compile(r"\s*([\w.-]+)\s*")
_KEY = re.compile(r"\s*(=\d+|offset:\s*\d+|[^\s{},]+)\s*")

_CARDINAL: dict[str, str] = {
    "zh ja ko vi th id ms la": "other",
    "fr es it pt ca": "one many other",
    "ru uk pl cs sk lt": "one few many other",
    "sr hr ro": "one few other",
    "lv": "zero one other",
    "sl": "one two few other",
    "he": "one two other",
    "ar": "zero one two few many other",
    "ga": "one two few many other",
}
_ORDINAL: dict[str, str] = {
    "en ca mr": "one two few other",
    "fr sv vi ms ro hu": "one other",
    "it kk": "many other",
    "uk": "few other",
    "sq ka": "one many other",
    "mk": "one two many other",
    "bn hi": "one two few many other",
    "ga": "one other",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A plural, select or selectordinal; `offset` as it is written, or empty."""

    name: str
    type: str
    offset: str
    branches: "Mapping[str, Message]"


Message = tuple["str | Block", ...]  # texts, with simple arguments and quotes as they are written, and blocks


class SyntaxFault(ValueError):  # noqa: N818 - a fault of a text, not of the program
    """The text is no message: a brace is missing or one too many, or a block has no branches."""


def is_icu(text: str) -> bool:
    """Whether the text holds a block."""
    return "," in text and bool(_BLOCK.search(text))


def categories(language: str, type: str = "plural") -> tuple[str, ...]:
    """The plural categories that a language tells apart, as CLDR has them."""
    table, default = (_ORDINAL, "other") if type == "selectordinal" else (_CARDINAL, "one other")
    return tuple(next((found for codes, found in table.items() if language in codes.split()), default).split())


def parsed(text: str) -> Message:
    """Raises SyntaxFault, saying where, for what ICU would not take."""
    message, at = _message(text, 0, nested=False)
    if at != len(text):
        raise SyntaxFault(text[at : at + 20])
    return message


def written(message: Message) -> str:
    """The message as text again."""
    return "".join(part if isinstance(part, str) else _written_block(part) for part in message)


def _written_block(block: Block) -> str:
    branches = " ".join(f"{key} {{{written(branch)}}}" for key, branch in block.branches.items())
    return f"{{{block.name}, {block.type}, {f'{block.offset} ' if block.offset else ''}{branches}}}"


def _message(text: str, at: int, nested: bool) -> tuple[Message, int]:
    parts: list[str | Block] = []
    begin = at
    while at < len(text) and text[at] != "}":
        if text[at] == "'":
            at = _behind_quote(text, at)
        elif text[at] != "{":
            at += 1
        elif _BLOCK.match(text, at):
            parts += [text[begin:at]] if at > begin else []
            block, at = _block(text, at)
            parts.append(block)
            begin = at
        else:
            at = _behind_argument(text, at)
    if at < len(text) and not nested:
        raise SyntaxFault(text[at : at + 20])
    parts += [text[begin:at]] if at > begin else []
    return tuple(parts), at


def _behind_quote(text: str, at: int) -> int:
    """'' is an apostrophe; '{ ... ' quotes braces; any other apostrophe stands for itself."""
    if text[at : at + 2] == "''":
        return at + 2
    if text[at + 1 : at + 2] in ("{", "}", "#", "|") and text[at + 1 : at + 2]:
        end = text.find("'", at + 2)
        return end + 1 if end >= 0 else len(text)
    return at + 1


def _behind_argument(text: str, at: int) -> int:
    """Past {name}, {{ name }} or {name, number, ::style}."""
    depth, start = 0, at
    while at < len(text):
        depth += (text[at] == "{") - (text[at] == "}")
        at += 1
        if not depth:
            return at
    raise SyntaxFault(text[start : start + 20])


def _block(text: str, start: int) -> tuple[Block, int]:
    head = _HEAD.match(text, start + 1)
    kind = _HEAD.match(text, head.end() + 1) if head else None
    if head is None or kind is None:
        raise SyntaxFault(text[start : start + 20])
    at, offset = kind.end() + 1, ""
    branches: dict[str, Message] = {}
    while at < len(text) and text[at] != "}":
        key = _KEY.match(text, at)
        if key is None:
            at += 1
            if not text[at - 1].isspace():
                raise SyntaxFault(text[at - 1 : at + 19])
            continue
        at = key.end()
        if key[1].startswith("offset:"):
            offset = key[1]
            continue
        if at >= len(text) or text[at] != "{" or key[1] in branches:
            raise SyntaxFault(text[key.start() : key.start() + 20].strip())
        branches[key[1]], at = _message(text, at + 1, nested=True)
        if at >= len(text):
            raise SyntaxFault(text[start : start + 20])
        at += 1
        while at < len(text) and text[at].isspace():
            at += 1
    if at >= len(text) or not branches:
        raise SyntaxFault(text[start : start + 20])
    return Block(head[1], kind[1], offset, branches), at + 1


def icu_breaches(source: str, target: str, target_language: str) -> Iterator[Breach]:
    """For a source with blocks. A source that is no message itself is not judged."""
    try:
        wanted = parsed(source)
    except SyntaxFault:
        return
    try:
        found = parsed(target)
    except SyntaxFault as fault:
        yield Breach("icu-syntax", source, str(fault), grave=True)
        return
    yield from _block_breaches(wanted, found, target_language)


def _block_breaches(source: Message, target: Message, language: str) -> Iterator[Breach]:
    wanted, found = ([part for part in side if isinstance(part, Block)] for side in (source, target))
    one, two = (
        [f"{_name(block)}{f', {block.offset}' if block.offset else ''}" for block in side] for side in (wanted, found)
    )
    yield from differences("icu-argument", one, two, grave=True)
    if sorted(one) != sorted(two):
        return
    for block, other in zip(sorted(wanted, key=_name), sorted(found, key=_name), strict=True):
        yield from _branch_breaches(block, other, language)


def _name(block: Block) -> str:
    return f"{block.name}, {block.type}"


def _branch_breaches(source: Block, target: Block, language: str) -> Iterator[Breach]:
    plural = source.type != "select"
    wanted, found = set(source.branches), set(target.branches)
    fixed = {key for key in wanted if not plural or key == "other"}  # =0 and =1 may be dropped or added
    for key in sorted(fixed - found):
        yield Breach("icu-branch-missing", key, source.name, grave=True)
    known = {*CATEGORIES} if plural else wanted
    for key in sorted(found - known):
        if not (plural and key.startswith("=")):
            yield Breach("icu-branch-extra", source.name, key, grave=True)
    if plural:
        own = categories(language, source.type)
        for key in own:
            if key not in found:
                yield Breach("icu-category-missing", key, source.name, grave=False)
        for key in sorted(found & {*CATEGORIES} - {*own} - {"zero"}):
            yield Breach("icu-category-unused", source.name, key, grave=False)
    for key, branch in target.branches.items():
        same = source.branches.get(key, source.branches.get("other"))
        if same is None:
            continue
        of_number = plural and key not in ("zero", "one", "two") and not key.startswith("=")
        if of_number and "#" in _texts(same) and "#" not in _texts(branch):
            yield Breach("icu-number", "#", written(branch), grave=True)
        yield from _block_breaches(same, branch, language)


def _texts(message: Message) -> str:
    return "".join(part for part in message if isinstance(part, str))


def plain_pairs(source: str, target: str) -> Iterator[tuple[str, str]]:
    """The texts of two messages branch by branch, without the blocks, for the checks of plain texts."""
    try:
        yield from _plain(parsed(source), parsed(target))
    except SyntaxFault:
        return


def _plain(source: Message, target: Message) -> Iterator[tuple[str, str]]:
    yield _texts(source), _texts(target)
    blocks = {_name(part): part for part in source if isinstance(part, Block)}
    for part in target:
        same = blocks.get(_name(part)) if isinstance(part, Block) else None
        if same is None or isinstance(part, str):
            continue
        for key, branch in part.branches.items():
            other = same.branches.get(key, same.branches.get("other"))
            if other is not None:
                yield from _plain(other, branch)
