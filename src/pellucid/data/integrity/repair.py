"""Mechanical repairs of what a model wrote, made before it is judged: exact and without a choice of words.

White space at the ends, and within tags at theirs, is the source's; the closing mark is the source's in the target
language's way; an accelerator that the source has is added. Nothing else of the text is touched.
"""

import re

from pellucid.data.integrity.accelerators import accelerator
from pellucid.data.integrity.ends import CLASSES, FULL_WIDTH, OWN, WITHOUT_PERIOD, closing, edges
from pellucid.data.slots import PLACEHOLDER

_BEHIND = frozenset({"zh", "ja", "ko"})  # languages whose menus have the letter behind the text
_TAIL = re.compile(r"(?:\s*(?:\.{2,}|…+|[:：]))?\s*$")
_NOT_CLOSED = frozenset({"semicolon", "comma", "period", "colon"})  # marks that a model adds of its own accord
_OPENING = re.compile(r"<[A-Za-z][^<>]*(?<!/)>")
_CLOSING = re.compile(r"</[A-Za-z][^<>]*>")
_WIDE = re.compile("[⺀-鿿가-힣！-｠」』）】》”’]")
FULL_WIDTH_OF = {mark: FULL_WIDTH[kind] for mark, kind in CLASSES.items() if mark.isascii() and kind in FULL_WIDTH}


def repaired(source: str, target: str, source_language: str, target_language: str) -> str:
    """`target` with its ends as `source` has them; an empty one stays empty."""
    core = target.strip()
    if not core or not source.strip():
        return target
    core = _tight(source, core)
    core = _closed(source, core, source_language, target_language)
    core = _accelerated(source, core, target_language)
    before, after = edges(source)
    return f"{before}{core}{after}"


def _tight(source: str, target: str) -> str:
    """`<b> %s </b>` for `<b>%s</b>`: without the spaces that the source does not have."""
    for tag in set(_OPENING.findall(source)):
        if not re.search(rf"{re.escape(tag)}\s", source):
            target = re.sub(rf"({re.escape(tag)})[ \t]+", r"\1", target)
    for tag in set(_CLOSING.findall(source)):
        if not re.search(rf"\s{re.escape(tag)}", source):
            target = re.sub(rf"[ \t]+({re.escape(tag)})", r"\1", target)
    return target


def _closed(source: str, target: str, source_language: str, target_language: str) -> str:
    (kind, mark), (found, own) = closing(source, source_language), closing(target, target_language)
    if kind == found:
        if len(own) == 1 and own in FULL_WIDTH_OF and target_language in ("zh", "ja") and _WIDE.search(target[-2:-1]):
            return f"{target[:-1]}{FULL_WIDTH_OF[own]}"
        return target
    if not kind:
        return _bare(target, target_language, _NOT_CLOSED) or target
    bare = _bare(target, target_language, frozenset(CLASSES.values()) | {"ellipsis"})
    if kind == "period" and target_language in WITHOUT_PERIOD:
        return bare
    if not bare or (not found and bare[-1] in "\"'”’」』)）]】»*_`>"):
        return target  # the mark may stand within
    return bare + _mark(kind, mark, target_language)


def _bare(text: str, language: str, kinds: frozenset[str]) -> str:
    """Without the marks of these kinds that close it."""
    kind, mark = closing(text, language)
    while kind in kinds:
        text = text.removesuffix(mark).rstrip()
        kind, mark = closing(text, language)
    return text


def _mark(kind: str, mark: str, language: str) -> str:
    """How the target language writes the source's mark; one of a language that writes it its own way is made plain."""
    if kind == "ellipsis":
        return mark if mark[0] in ".…" else "……"
    plain = next((sign for sign, of in CLASSES.items() if of == kind), mark)
    return OWN.get(language, {}).get(kind, plain)


def _accelerated(source: str, target: str, language: str) -> str:
    wanted = accelerator(source)
    if wanted is None or accelerator(target) is not None or wanted[0] in target or not re.search(r"\w", target):
        return target
    sign, letter = wanted
    if language in _BEHIND:
        tail = _TAIL.search(target)
        at = tail.start() if tail else len(target)
        return f"{target[:at]}({sign}{letter.upper()}){target[at:]}"
    copied = [found.span() for found in PLACEHOLDER.finditer(target)]
    for pattern in (rf"\b{letter}", letter, r"\w"):
        for match in re.finditer(pattern, target, re.IGNORECASE):
            at = match.start()
            if not any(begin <= at < end for begin, end in copied):
                return f"{target[:at]}{sign}{target[at:]}"
    return target
