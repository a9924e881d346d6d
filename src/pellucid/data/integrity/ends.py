"""The ends of a text: line breaks and white space there, and the mark that closes it.

A line break at an end must be there on both sides (msgfmt --check demands it, because programs print such texts one
behind the other): grave. Other white space and the closing mark are told; repair.py sets them right beforehand.
"""

import re
from collections.abc import Iterator

from pellucid.data.integrity.breach import Breach

ENTITY = re.compile(r"&#?\w+;$")
CLASSES = {
    ".": "period", "。": "period", "．": "period", "｡": "period", "।": "period", "۔": "period",
    "!": "exclamation", "！": "exclamation", "?": "question", "？": "question", "؟": "question",
    ":": "colon", "：": "colon", ";": "semicolon", "；": "semicolon", "؛": "semicolon",
    ",": "comma", "，": "comma", "、": "comma",
}  # fmt: skip
MARKS = frozenset(CLASSES) | {"…"}
ABBREVIATIONS = re.compile(
    r"(?:\b(?:etc|e\.g|i\.e|inc|ltd|corp|co|vs|no|approx|max|min|sec|a\.m|p\.m|st|mr|ms|dr|ph\.d|u\.s)|\b[A-Z]|\.\w)\.$",
    re.IGNORECASE,
)
WITHOUT_PERIOD = frozenset({"th"})  # Thai ends sentences with a space
FULL_WIDTH = {
    "period": "。", "exclamation": "！", "question": "？", "colon": "：", "semicolon": "；", "comma": "，"
}  # fmt: skip
_ARABIC = {"question": "؟", "semicolon": "؛", "comma": "،"}
OWN: dict[str, dict[str, str]] = {
    "zh": FULL_WIDTH,
    "ja": {**FULL_WIDTH, "comma": "、"},
    "ar": _ARABIC,
    "fa": _ARABIC,
    "ur": {**_ARABIC, "period": "۔"},
    "hi": {"period": "।"},
    "bn": {"period": "।"},
    "el": {"question": ";"},
    "fr": {"exclamation": "\u202f!", "question": "\u202f?", "semicolon": "\u202f;", "colon": "\u00a0:"},
}
"""How languages write a mark other than English does."""


def end_breaches(source: str, target: str, source_language: str, target_language: str) -> Iterator[Breach]:
    yield from _space_breaches(source, target)
    wanted, found = closing(source, source_language), closing(target, target_language)
    if wanted[0] != found[0] and not (wanted[0] == "period" and target_language in WITHOUT_PERIOD):
        kind = "punctuation" if wanted[1] and found[1] else "punctuation-missing" if wanted[1] else "punctuation-extra"
        yield Breach(kind, wanted[1], found[1], grave=False)


def _space_breaches(source: str, target: str) -> Iterator[Breach]:
    ends = (source[:1], source[-1:], target[:1], target[-1:])
    if any(map(str.isspace, ends)):
        (before, after), (start, end) = edges(source), edges(target)
        for kind, wanted, found in (("start", before, start), ("end", after, end)):
            if ("\n" in wanted) != ("\n" in found):
                yield Breach(f"newline-{kind}", wanted, found, grave=True)
            elif wanted != found:
                yield Breach(f"space-{kind}", wanted, found, grave=False)
    if "\n" in source or "\n" in target:
        inner, lines = source.strip().count("\n"), target.strip().count("\n")
        if inner != lines:
            yield Breach("line-breaks", str(inner), str(lines), grave=False)
    if "\\" in source or "\\" in target:
        for escape in ("\\n", "\\t"):
            if source.count(escape) != target.count(escape):
                yield Breach("escape", escape, "", grave=False)


def edges(text: str) -> tuple[str, str]:
    """The white space before and after."""
    if not text.strip():
        return text, ""
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


def closing(text: str, language: str) -> tuple[str, str]:
    """The class of the mark that closes the text, and the mark; both empty where there is none."""
    text = text.rstrip()
    if text[-1:] not in MARKS or not text:
        return "", ""
    mark = text[-1]
    if mark in ".。…":
        mark *= len(text) - len(text.rstrip(mark))
    if len(mark) > 1 or mark == "…":
        return "ellipsis", mark
    if (mark == "." and ABBREVIATIONS.search(text)) or (mark == ";" and ENTITY.search(text, max(len(text) - 12, 0))):
        return "", ""
    kind = CLASSES[mark]
    return ("question" if language == "el" and kind == "semicolon" else kind), mark
