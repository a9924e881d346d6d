"""The forms that an English word takes in a text: plurals, and the endings of verbs.

    server -> servers, copy -> copies, box -> boxes;  copy -> copied, copying, stop -> stopped, delete -> deleting

A word list is no part of it: a form that nobody writes is found nowhere. Left out are the forms in -ing and -ed that
are words of their own (`setting` is none of `set`), and names in capitals take a plural alone (`APIs`).
"""

import re

FEWEST = 3  # letters of a word that takes endings
_IRREGULAR = {
    "analysis": "analyses", "axis": "axes", "basis": "bases", "child": "children", "criterion": "criteria",
    "foot": "feet", "half": "halves", "index": "indices", "leaf": "leaves", "life": "lives", "man": "men",
    "matrix": "matrices", "medium": "media", "mouse": "mice", "person": "people", "shelf": "shelves",
    "vertex": "vertices", "woman": "women",
}  # fmt: skip
_OWN_WORDS = """
    bearing bearings being beings binding bindings boring bring building buildings ceiling clothing drawing
    drawings during earring evening ending endings engineering funding heading headings hearing housing king
    lighting meaning meanings meeting meetings missing morning nothing offering opening openings padding painting
    ping posting postings rating ratings ring saving savings setting settings shopping sling something spacing
    spelling spring string swing thing timing timings training warning warnings wing bed red shed speed feed seed
    need led
"""
_OWN = frozenset(_OWN_WORDS.split())
_PARTICLES = frozenset(["in", "out", "up", "down", "off", "on", "over", "back", "through"])
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_DOUBLED = re.compile(r"(?<![aeiou])[aeiou][bdgklmnprt]$")  # stop, plan: one short vowel before the last letter


def plurals(words: str) -> frozenset[str]:
    """The plurals of a word, or of the last of several; the same letters are the third person of a verb."""
    *before, last = words.split(" ")
    if _is_phrasal(words):
        return frozenset(f"{form} {last}" for form in _plurals(before[0]))
    return frozenset(" ".join([*before, form]) for form in _plurals(last))


def verb_forms(words: str) -> frozenset[str]:
    """The forms in -ed and -ing of a word, or of the first of two where a particle ends them: `log in`, logged in."""
    first, _, particle = words.partition(" ")
    if particle and not _is_phrasal(words):
        return frozenset()
    return frozenset(f"{form} {particle}".strip() for form in _of_verb(first))


def _is_phrasal(words: str) -> bool:
    first, _, particle = words.partition(" ")
    return bool(first) and particle.lower() in _PARTICLES


def _plurals(word: str) -> set[str]:
    """Which are the third person of a verb too."""
    if len(word) < 2 or not word.isascii() or not word[-1].isalpha():
        return set()
    if word.isupper():
        return {f"{word}s"} if len(word) < 6 else {f"{word}S"}
    lower = word.lower()
    if len(word) < FEWEST:
        return set()
    found = {_IRREGULAR[lower]} if lower in _IRREGULAR else set()
    if _SIBILANT.search(lower):
        return found | {f"{lower}es"}
    if lower[-1] == "y" and lower[-2] not in "aeiou":
        return found | {f"{lower[:-1]}ies"}
    if lower[-1] == "o" and lower[-2] not in "aeiou":
        return found | {f"{lower}s", f"{lower}es"}
    return found | {f"{lower}s"}


def _of_verb(word: str) -> set[str]:
    if len(word) < FEWEST or word.isupper() or not (word.isascii() and word.isalpha()):
        return set()
    lower = word.lower()
    stem = lower[:-1] if lower[-1] == "e" and lower[-2] not in "eoy" else lower
    if _DOUBLED.search(lower) and _syllables(lower) == 1:
        stem += lower[-1]
    past = f"{lower[:-1]}ied" if lower[-1] == "y" and lower[-2] not in "aeiou" else f"{stem.removesuffix('e')}ed"
    endings = {f"{stem}ing", past}
    if _DOUBLED.search(lower) and _syllables(lower) > 1:
        endings |= {f"{lower}{lower[-1]}ing", f"{lower}{lower[-1]}ed"}  # submit, not edit: which, spelling does not say
    return endings - _OWN


def _syllables(word: str) -> int:
    return len(re.findall(r"[aeiouy]+", word))
