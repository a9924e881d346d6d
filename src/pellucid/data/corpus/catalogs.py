"""Pairs inside a wheel: its gettext catalogs, and JSON files of texts keyed alike in each language.

A wheel is a zip file; members are read in memory. Nothing in it is installed, imported or run.
"""

import json
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import polib

from pellucid.data.pairs import Pair
from pellucid.errors import DataError

LARGEST_MEMBER = 32 << 20  # bytes when unpacked; no catalog is near it, a zip bomb is far beyond
NAMES = {
    "zh": ("zh_CN", "zh_Hans", "zh-Hans", "zh-CN", "zh_Hans_CN", "zh"),
    "de": ("de", "de_DE"),
    "fr": ("fr", "fr_FR"),
}
# Characters that only traditional Chinese uses: catalogs called zh hold either.
TRADITIONAL = re.compile("[裝開啟關閉設備檔們這為與對應該將頁讀寫從無還點選擇單體類號資訊庫態顯幀網權際]")
HAN = re.compile("[\u4e00-\u9fff]")
IDENTIFIER = re.compile(r"[\w-]*[._:/][\w.:/-]*")  # some.message.id, which is no sentence
LAYOUT = re.compile(r"\s*[\n\r\t\v\f\x85\u2028\u2029]\s*|[ ]{2,}")  # line breaks and tabs of a catalog's layout


def pairs_in_wheel(wheel: Path, target: str) -> Iterator[Pair]:
    """English and its translation, from every catalog of the wheel that has both.

    Raises DataError if the file is not a wheel or is damaged.
    """
    try:
        with ZipFile(wheel) as archive:
            members = {info.filename for info in archive.infolist() if info.file_size <= LARGEST_MEMBER}
            for source, translated, member in _found(archive, members, target):
                pair = Pair(one_line(source), one_line(translated), f"{wheel.name.split('-')[0]}/{member}")
                if _usable(pair, target):
                    yield pair
    except (BadZipFile, OSError) as error:
        raise DataError(f"{wheel}: damaged ({error})", mend="Remove it and collect the corpus again.") from None


def one_line(text: str) -> str:
    """Line breaks, tabs and runs of spaces as one space: the corpus is a table of one pair a line."""
    return LAYOUT.sub(" ", text).strip()


def _usable(pair: Pair, target: str) -> bool:
    if not pair.source or not pair.target or pair.source == pair.target or IDENTIFIER.fullmatch(pair.source):
        return False
    if target == "zh":
        return bool(HAN.search(pair.target)) and not TRADITIONAL.search(pair.target)
    return True


def _found(archive: ZipFile, members: set[str], target: str) -> Iterator[tuple[str, str, str]]:
    for member in sorted(members):
        if member.endswith((".po", ".mo")) and _is_catalog_of(member, target):
            if member.endswith(".mo") and member[:-2] + "po" in members:
                continue  # the same catalog compiled
            yield from ((source, translated, member) for source, translated in _gettext(archive.read(member), member))
        elif member.endswith("/en.json"):
            for name in NAMES[target]:
                other = f"{member.removesuffix('en.json')}{name}.json"
                if other in members:
                    english, translated = _json(archive.read(member)), _json(archive.read(other))
                    yield from ((english[key], translated[key], other) for key in english if key in translated)
                    break


def _is_catalog_of(member: str, target: str) -> bool:
    """.../locale/zh_CN/LC_MESSAGES/django.po"""
    parts = member.split("/")
    return len(parts) > 2 and parts[-2] == "LC_MESSAGES" and parts[-3] in NAMES[target]


def _gettext(content: bytes, member: str) -> Iterator[tuple[str, str]]:
    """Finished entries; a plural gives its singular with the first form and its plural with the last."""
    try:
        with tempfile.NamedTemporaryFile(suffix=Path(member).suffix) as file:
            file.write(content)
            file.flush()
            catalog = polib.mofile(file.name) if member.endswith(".mo") else polib.pofile(file.name, encoding="utf-8")
    except (OSError, ValueError, IndexError, struct.error):
        return  # a few catalogs in the wild are broken; the others of the package are not
    for entry in catalog:
        if entry.obsolete or "fuzzy" in entry.flags:
            continue
        if entry.msgstr:
            yield entry.msgid, entry.msgstr
        forms = [text for _, text in sorted(entry.msgstr_plural.items())]
        if len(forms) > 1:
            yield entry.msgid, forms[0]
        if forms:
            yield entry.msgid_plural, forms[-1]


def _json(content: bytes) -> dict[str, str]:
    """Texts by the path of keys that leads to them. Lists are passed over: their order says nothing."""
    try:
        tree = json.loads(content)
    except ValueError:
        return {}
    return dict(_texts(tree, ""))


def _texts(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _texts(value, f"{path}/{key}")
    elif isinstance(tree, str):
        yield path, tree
