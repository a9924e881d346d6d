"""Accelerators: the letter behind `&` (Qt, Windows) or `_` (GTK) that a menu is opened with, as in `&File`.

Scripts without such letters put it behind the text: 文件(&F). One too many is grave, because the sign itself is then
shown or the wrong letter underlined. One that is missing is told: the program works without it, and translators of
Chinese and Japanese leave it out on purpose now and then; repair.py adds it to what a model wrote.
"""

import re
from collections.abc import Iterator

from pellucid.data.integrity.breach import Breach

LONGEST = 60  # characters of a text that stands on a menu or a button
# Before a word, or within one that goes on in lower case: E&xit, but not R&D, AT&T, &nbsp;, a=1&b=2 or &&.
_AMPERSAND = re.compile(r"(?<![\w&;=])&(?=\w)(?!\w+[;=]|&)|(?<=[A-Za-z])(?<!&)&(?=[a-z])(?!\w+[;=])")
# Before a word, or within the first of at most three: Cl_ose, but not snake_case or _emphasis_.
_UNDERSCORE = re.compile(
    r"(?<![\w_%{(.\[/$-])_(?=[A-Za-z])(?!\w*_)|\(_(?=\w\))"
    r"|(?:(?<=^[A-Z])|(?<=^[A-Z][a-z]))_(?=[a-z]+(?: \w+){0,2}(?:\.\.\.|…)?$)"
)
_BEHIND = re.compile(r"\s*[(（]([&_])(\w)[)）]")


def accelerator(text: str) -> tuple[str, str] | None:
    """Its sign and letter; None if the text has none, or more than one (then the sign means something else)."""
    if len(text) > LONGEST or ("&" not in text and "_" not in text):
        return None
    found = [*_AMPERSAND.finditer(text), *_UNDERSCORE.finditer(text)]
    if len(found) != 1:
        return None
    return found[0].group()[-1], text[found[0].end()]


def accelerator_breaches(source: str, target: str) -> Iterator[Breach]:
    wanted = accelerator(source)
    if wanted is None:
        return
    sign = wanted[0]
    pattern = _AMPERSAND if sign == "&" else _UNDERSCORE
    found = len(pattern.findall(target)) or bool(_BEHIND.search(target))
    if not found:
        yield Breach("accelerator-missing", "".join(wanted), "", grave=False)
    elif found > 1:
        yield Breach("accelerator-doubled", "".join(wanted), target, grave=True)


def without_accelerator(text: str) -> str:
    """The text as it is read; one with no accelerator as it is."""
    found = accelerator(text)
    if found is None:
        return text
    behind = _BEHIND.search(text)
    if behind:
        return text[: behind.start()] + text[behind.end() :]
    pattern = _AMPERSAND if found[0] == "&" else _UNDERSCORE
    return pattern.sub("", text, count=1)
