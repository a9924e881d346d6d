"""Placeholders: what the program puts its own values for, such as %s, {name} or $path.

A text and its translation hold the same ones, each as often. What may differ: where they stand; that `%s %s` is
numbered as `%2$s %1$s` (and `{} {}` as `{1} {0}`), as C, PHP, Java and Objective-C allow it; white space within
braces. What a placeholder is, data/slots.py says, so that what is checked here is what the model copies.

`%dfiles` may be a format with a word behind it or a name (`%sender`, `%title`). It is the format where the other side
shows just that and nothing speaks for a name: a number's format, or another format that can be nothing else beside it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.counts import differences
from pellucid.data.slots import FORMAT

_SIGNS = re.compile(r"[%{}$@]|\[%")
_WORD = re.compile(r"(%(?:ll|l)?[dsiufgx])[A-Za-z_]+")
_COUNTED = frozenset("diuf")  # conversions of numbers
_PERCENT = re.compile(r"%(?:(\d+)\$)?([-+ 0#',]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|q|j|z|t|L)?[a-zA-Z@])")
_BRACES = re.compile(r"\{(\d*)\}")
_QUOTE = re.compile("[\"'“”‘’「『]")
_NUMBER = re.compile(r"%(?:\(\w+\)|\d+\$)?l?[du]|%\d|%n|\{(?:\d|n|num|number|count)\}")
_ONE = {
    "ca": "una?", "da": "en|et", "de": "eine?[nmrs]?", "es": "un[ao]?", "fr": "une?", "it": "un[ao]?", "nl": "een|één",
    "no": "en|ett?", "nb": "en|ett?", "pt": "uma?", "sv": "en|ett",
}  # fmt: skip
_WIKI = re.compile(r"\{\{\{.*?\}\}\}", re.DOTALL)
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")


def placeholder_breaches(source: str, target: str, target_language: str = "") -> Iterator[Breach]:
    """Grave: the program fails on them, or shows the wrong value.

    But for a number that the target says as a word, as in `une heure` for `%d hour`: the form of a plural that is
    shown for 1 alone may do so, and whether it is one a text does not say.
    """
    if not (_SIGNS.search(source) or _SIGNS.search(target)):
        return
    wanted, found = placeholders_in(source), placeholders_in(target)
    if wanted or found:
        broken = list(_compared(wanted, found))
        if [breach.kind for breach in broken] == ["placeholder-missing"] and _NUMBER.fullmatch(broken[0].wanted):
            one = _ONE.get(target_language)
            broken = [replace(broken[0], grave=not (one and re.search(rf"\b(?:{one})\b", target, re.IGNORECASE)))]
        yield from broken
    if wanted:
        yield from _remains(source, target, wanted, found)


def placeholders_in(text: str) -> list[str]:
    """Those of a text, in its order.

    Braces round quotes are an example of data, or braces that are written about; three in a row begin code of a wiki.
    """
    if "{{{" in text:
        text = _WIKI.sub(" ", text)
    return [string for string in FORMAT.findall(text) if not (string[0] == "{" and _QUOTE.match(string, 1))]


def is_ordered(string: str) -> bool:
    """Whether it takes the program's next value, as %s does: such ones must come in the order of the source."""
    found = _PERCENT.fullmatch(string)
    return found is not None and not found[1]


def _compared(wanted: Sequence[str], found: Sequence[str]) -> Iterator[Breach]:
    if wanted == found:
        return
    one, other = _shortened([_normal(string) for string in wanted], [_normal(string) for string in found])
    for pattern in (_PERCENT, _BRACES):
        arguments, taken = _by_argument(one, pattern), _by_argument(other, pattern)
        if arguments and arguments == taken and not _is_numbered(one, pattern) and _is_numbered(other, pattern):
            one, other = _without(one, pattern), _without(other, pattern)
    if one == other:
        return
    broken = list(differences("placeholder", one, other, grave=True))
    yield from broken
    if not broken and not _is_numbered(one, _PERCENT):
        first, second = ([s for s in side if _PERCENT.fullmatch(s)] for side in (one, other))
        if first != second:
            yield Breach("placeholder-order", " ".join(first), " ".join(second), grave=True)


def _shortened(one: list[str], other: list[str]) -> tuple[list[str], list[str]]:
    """`%dfiles` as `%d` where the other side does not have it so and it is a format."""
    if one == other:
        return one, other
    sides = []
    for side, opposite in ((one, other), (other, one)):
        has_format = any(_PERCENT.fullmatch(string) for string in side)
        short = list(side)
        for place, string in enumerate(side):
            found = _WORD.fullmatch(string)
            if found and string not in opposite and (has_format or found[1][-1] in _COUNTED):
                short[place] = _normal(found[1])
        sides.append(short)
    return sides[0], sides[1]


def _remains(source: str, target: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[Breach]:
    """A sign that opens or closes a placeholder, left over where the source has none: half a placeholder."""
    within = "".join(found)
    if all(target.count(sign) == within.count(sign) for sign in "%{}"):
        return
    left, over = FORMAT.sub("", source), FORMAT.sub("", target)
    signs = {"%": any(string.startswith("%") and not string.startswith("%{") for string in wanted)}
    signs["{"] = signs["}"] = any("{" in string for string in wanted)
    for sign, counts in signs.items():
        if counts and sign not in left and sign in over:
            at = over.index(sign)
            yield Breach("placeholder-broken", "", over[at : at + 12], grave=True)


def _by_argument(strings: Sequence[str], pattern: re.Pattern[str]) -> Counter[tuple[str, str]]:
    """Which argument of the program is shown in which way; those without a number come in their order."""
    first = 1 if pattern is _PERCENT else 0
    found: Counter[tuple[str, str]] = Counter()
    for match in filter(None, map(pattern.fullmatch, strings)):
        way = match[2] if pattern is _PERCENT else ""
        found[match[1] or str(first), way] += 1
        first += not match[1]
    return found


def _is_numbered(strings: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return any(match[1] for match in map(pattern.fullmatch, strings) if match)


def _without(strings: Sequence[str], pattern: re.Pattern[str]) -> list[str]:
    return [string for string in strings if not pattern.fullmatch(string)]


def _normal(string: str) -> str:
    """%i is %d, white space at the inner edges of braces says nothing, and a text quoted within them is translated."""
    if string.startswith("%") and string.endswith("i"):
        return f"{string[:-1]}d"
    if "{" in string and " " in string:
        return _LITERAL.sub("''", re.sub(r"(?<=\{)\s+|\s+(?=\})", "", string))
    return string
