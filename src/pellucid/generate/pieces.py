"""A text cut into what a model translates by itself and what stays as it is.

White space, line breaks and the skeleton of ICU blocks stay; the texts between are pieces. A line that is too long for
the model, or has more to be copied than there are slots, is cut at the ends of its sentences. Nothing is ever cut
short: what still does not fit is said.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pellucid.data.integrity.accelerators import without_accelerator
from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.ends import edges
from pellucid.data.integrity.icu import Block, Message, SyntaxFault, categories, is_icu, parsed
from pellucid.data.languages import known_language
from pellucid.data.slots import SLOTS, take_out
from pellucid.data.tokenizer import Tokenizer

SOFT = 40  # characters from which a line may go on in the next
NUMBER = "{#}"  # what stands for ICU's # while a branch is translated: a slot is made of it
_BREAK = re.compile(r"([^\S\n]*\n\s*)")
_ENDED = re.compile(r"[.!?:;…。！？：；>)\]\"'|*_-]$")
_SENTENCE = re.compile(r"(?<=[.!?…])(?<!\b[A-Za-z]\.)(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)\s+(?=\S)|(?<=[。！？])\s*(?=\S)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that is translated by itself; `number_sign` if NUMBER stands in it for a branch's #."""

    source: str
    number_sign: bool = False


Part = str | Piece


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a model takes at once."""

    tokenizer: Tokenizer
    max_length: int
    is_word: Callable[[str], bool]

    def refusal(self, text: str) -> Breach | None:
        """Why a text cannot be translated in one go; None if it can."""
        taken = take_out(text.strip(), self.is_word)
        if not taken.complete:
            return Breach("too-many-slots", str(SLOTS), text, grave=True)
        if len(taken.text.encode()) + 1 < self.max_length:
            return None  # no token is less than a byte
        tokens = len(self.tokenizer.encode(taken.text)) + 1
        return Breach("too-long", str(self.max_length), str(tokens), grave=True) if tokens > self.max_length else None


class RefusedError(ValueError):
    """A sentence that the model cannot take whole."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.kind)
        self.breach = breach


def parts_of(text: str, fitting: Fitting, target_language: str) -> list[Part]:
    """The text as literal strings and pieces, in order. Raises RefusedError if a sentence does not fit."""
    if is_icu(text):
        try:
            return _of_message(parsed(text), fitting, target_language, in_plural=False)
        except SyntaxFault:
            pass
    return _of_text(without_accelerator(text), fitting, target_language)


def _of_message(message: Message, fitting: Fitting, language: str, in_plural: bool) -> list[Part]:
    parts: list[Part] = []
    for part in message:
        if isinstance(part, Block):
            parts += _of_block(part, fitting, language, in_plural)
            continue
        text = part.replace("#", NUMBER) if in_plural else part
        for found in _of_text(text, fitting, language):
            if isinstance(found, Piece):
                parts.append(Piece(found.source, in_plural))
            else:
                parts.append(found.replace(NUMBER, "#") if in_plural else found)
    return parts


def _of_block(block: Block, fitting: Fitting, language: str, in_plural: bool) -> list[Part]:
    plural = block.type != "select"
    keys = list(block.branches)
    if plural:
        keys = [key for key in keys if key.startswith("=")] + list(categories(language, block.type))
    parts: list[Part] = [f"{{{block.name}, {block.type}, {f'{block.offset} ' if block.offset else ''}"]
    for key in keys:
        branch = block.branches.get(key, block.branches.get("other", ()))
        parts += [f"{key} {{", *_of_message(branch, fitting, language, in_plural or plural), "} "]
    return [*parts[:-1], "}}"]


def _of_text(text: str, fitting: Fitting, language: str) -> list[Part]:
    before, after = edges(text)
    if not text.strip():
        return [text] if text else []
    core = text.strip()
    if "\n" not in core:
        return _around(before, _of_line(core, fitting, language), after)
    lines = _BREAK.split(core)
    parts: list[Part] = []
    line = lines[0]
    for between, following in zip(lines[1::2], lines[2::2], strict=True):
        if between.count("\n") == 1 and _goes_on(line, following):
            line = f"{line} {following}"
            continue
        parts += [*_of_line(line, fitting, language), between]
        line = following
    return _around(before, [*parts, *_of_line(line, fitting, language)], after)


def _around(before: str, parts: Sequence[Part], after: str) -> list[Part]:
    return [*([before] if before else []), *parts, *([after] if after else [])]


def _goes_on(line: str, following: str) -> bool:
    """Whether the break is only where a long line was wrapped."""
    return len(line.rsplit("\n", 1)[-1]) >= SOFT and not _ENDED.search(line) and following[0].islower()


def _of_line(line: str, fitting: Fitting, language: str) -> list[Part]:
    refusal = fitting.refusal(line)
    if refusal is None:
        return [Piece(line)]
    joint = " " if _is_spaced(language) else ""
    parts: list[Part] = []
    for sentence in filter(None, map(str.strip, _SENTENCE.split(line))):
        refusal = fitting.refusal(sentence)
        if refusal is not None:
            raise RefusedError(refusal)
        parts += [joint, Piece(sentence)] if parts else [Piece(sentence)]
    return parts


def _is_spaced(language: str) -> bool:
    known = known_language(language)
    return known is None or known.spaced
