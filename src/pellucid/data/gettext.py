"""Pairs in gettext catalogs, PO (text) and MO (compiled): the source is the message, the target its translation.

Fuzzy, obsolete and untranslated entries are left out and counted. A plural entry gives two pairs: its singular with
the first form, its plural with the last; languages with one form give the plural with that.
"""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polib

from pellucid.data.languages import known_language
from pellucid.data.pairs import Pair
from pellucid.data.textfile import open_bytes, read_text
from pellucid.errors import DataError

LARGEST = 256 << 20  # bytes of a compiled catalog when unpacked


@dataclass
class Catalog:
    """Its pairs, the language its header names, and what was left out."""

    language: str | None
    pairs: list[Pair] = field(default_factory=list)
    fuzzy: int = 0
    obsolete: int = 0
    untranslated: int = 0


def read_catalog(path: Path) -> Catalog:
    """Raises DataError, with the line where there is one, for a catalog that cannot be parsed."""
    parsed = parsed_catalog(path)
    catalog = Catalog(language_of_head(parsed.metadata.get("Language", "")))
    for entry in parsed:
        if entry.obsolete:
            catalog.obsolete += 1
        elif "fuzzy" in entry.flags:
            catalog.fuzzy += 1
        elif not (entry.msgstr or any(entry.msgstr_plural.values())):
            catalog.untranslated += 1
        else:
            catalog.pairs += _pairs(entry, path)
    return catalog


def _pairs(entry: polib.POEntry | polib.MOEntry, path: Path) -> Iterator[Pair]:
    line = getattr(entry, "linenum", None)  # a compiled catalog has no lines
    origin = f"{path.name}:{line}" if line else path.name
    if entry.msgstr:
        yield Pair(entry.msgid, entry.msgstr, origin)
    forms = [text for _, text in sorted(entry.msgstr_plural.items())]
    if forms:
        if len(forms) > 1 and forms[0]:
            yield Pair(entry.msgid, forms[0], origin)
        if forms[-1]:
            yield Pair(entry.msgid_plural, forms[-1], origin)


def parsed_catalog(path: Path) -> polib.POFile | polib.MOFile:
    """The catalog as polib reads it. Raises DataError for one that cannot be parsed."""
    try:
        return _parsed(path)
    except (OSError, EOFError, zlib.error, ValueError, IndexError, AttributeError, struct.error) as error:
        raise DataError(
            f"{path}: not a gettext catalog ({' '.join(str(error).split())[:120]})",
            mend="`msgfmt --check` finds the place.",
        ) from None


def _parsed(path: Path) -> polib.POFile | polib.MOFile:
    if ".mo" in path.suffixes:
        # polib reads compiled catalogs from a file only.
        with tempfile.NamedTemporaryFile(suffix=".mo") as copy, open_bytes(path) as file:
            content = file.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST >> 20} MB")
            copy.write(content)
            copy.flush()
            return polib.mofile(copy.name)
    text = read_text(path)
    if not text.strip():
        return polib.POFile()
    if "msgid" not in text:
        raise ValueError("it holds no msgid")
    return polib.pofile(text + "\n")


def language_of_head(code: str) -> str | None:
    """The code of the language that a catalog's header names."""
    found = known_language(code) if code else None
    return found.code if found else None
