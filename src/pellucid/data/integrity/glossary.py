"""A glossary: how certain words are to be translated, whatever else a model would make of them.

A file of two columns or three, tab-separated or (by its name) comma-separated: source, target, and a note for people.
A first line of the words `source` and `target` is a header. Words are found whole, the longest first, in any case
unless the term is written in capitals (`IT` is not `it`). An English term is found in its plural and with the endings
of verbs too (`servers`, `copied`), unless that form is a term itself.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.inflection import plurals, verb_forms
from pellucid.data.textfile import read_text
from pellucid.errors import DataError

ENDING, STEM = 2, 4  # letters that a word may end otherwise, and those that must be left of it
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Term:
    """A word or words, and what stands for them in the other language."""

    source: str
    target: str
    note: str = ""


def read_glossary(path: str | Path) -> tuple[Term, ...]:
    """Raises DataError, with the line, for a file that cannot be read, a line of one column, or an empty cell.

    The same source with another target is another way to say it: either will do.
    """
    path = Path(path)
    delimiter = "," if path.name.lower().removesuffix(".gz").endswith(".csv") else "\t"
    text = read_text(path)
    terms: dict[tuple[str, str], Term] = {}
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True,
                      quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE)  # fmt: skip
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not terms and [cell.lower() for cell in cells[:2]] == ["source", "target"]:
                continue
            if len(cells) not in (2, 3):
                raise DataError(
                    f"{path}, line {rows.line_num}: expected 2 or 3 columns, found {len(cells)}",
                    mend=f"Write a term as source, {_NAMES[delimiter]}, target.",
                )
            if not (cells[0] and cells[1]):
                raise DataError(
                    f"{path}, line {rows.line_num}: a term without its {'target' if cells[0] else 'source'}",
                    mend="Fill the cell in, or remove the line.",
                )
            terms.setdefault((cells[0], cells[1]), Term(*cells))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {rows.line_num}: {error}", mend="Quote the cell on both sides, or not at all."
        ) from None
    return tuple(terms.values())


_NAMES = {"\t": "a tab", ",": "a comma"}


class Held(NamedTuple):
    """A term that stands in a text: the words as they stand there, and what may stand for them.

    `loose` if they are a form of a verb in -ed or -ing, whose translation may be another form of the target: `selected`
    is rightly 所选 where `select` is 选择.
    """

    word: str
    targets: tuple[str, ...]
    loose: bool


def terms_in(source: str, terms: Sequence[Term], language: str = "en") -> list[Held]:
    """What of the glossary stands in a text, in its order.

    `language` is the text's: in English, a term is found in its other forms too.
    """
    if not terms:
        return []
    pattern, table = _compiled(tuple(terms), language == "en")
    found = []
    for match in pattern.finditer(source):
        word = " ".join(match.group().split())
        held = table.get(word) or table.get(word.lower())
        if held:
            found.append(held._replace(word=word))
    return found


def term_breaches(
    source: str, target: str, terms: Sequence[Term], source_language: str = "en", target_language: str = ""
) -> Iterator[Breach]:
    """A term of the source none of whose targets stands in the translation, in any case. Told, not grave."""
    for word, targets, loose in dict.fromkeys(terms_in(source, terms, source_language)):
        if not any(_stands(one.lower(), target.lower(), target_language, loose) for one in targets):
            yield Breach("term", f"{word} → {' / '.join(targets)}", target, grave=False)


def _stands(term: str, text: str, language: str, loose: bool) -> bool:
    """Whether the text holds the term or a form of it: words may end otherwise (`virtuellen Maschine`, `copies`).

    A word of another script than Latin is held whole; if `loose`, by one of its signs where there are no spaces.
    """
    if term in text:
        return True
    if not term.isascii() and _UNSPACED.fullmatch(term):
        return loose and any(sign in text for sign in term)
    if language == "en" and any(form.lower() in text for form in plurals(term)):
        return True
    stems = [word[: max(len(word) - ENDING, STEM)] for word in term.split()]
    return all(stem in text for stem in stems) if any(len(stem) < len(term) for stem in stems) else False


@lru_cache(maxsize=4)
def _compiled(terms: tuple[Term, ...], inflected: bool) -> tuple[re.Pattern[str], dict[str, Held]]:
    table: dict[str, Held] = {}
    for term in terms:
        key = " ".join(term.source.split())
        key = key if key.isupper() else key.lower()
        before = table[key].targets if key in table else ()
        table[key] = Held(key, (*before, term.target), loose=False)
    own = list(table.values()) if inflected else []
    for loose, forms in ((False, plurals), (True, verb_forms)):
        for held in own:
            for form in sorted(forms(held.word)):
                table.setdefault(form, held._replace(loose=loose))
    ways = [_whole(key) for key in sorted(table, key=len, reverse=True)]
    return re.compile("|".join(ways)), table


def _whole(key: str) -> str:
    """A pattern for the word, not within a longer one where its script has spaces."""
    before = r"(?<![A-Za-z0-9_])" if re.match(r"\w", key, re.ASCII) else ""
    after = r"(?![A-Za-z0-9_])" if re.search(r"\w$", key, re.ASCII) else ""
    words = re.escape(key).replace(r"\ ", r"\s+")
    return f"{before}{words if _is_shouted(key) else f'(?i:{words})'}{after}"


def _is_shouted(key: str) -> bool:
    """In capitals, but for the s of a plural."""
    return key.removesuffix("s").isupper()
