"""Languages: their codes, names and scripts, found in what a person writes and in how files are named.

A code such as `zh_CN`, `zh-Hans` or `ZH` is read as its language (`zh`); region and script are not told apart here.
"""

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pellucid.errors import DataError


@dataclass(frozen=True, slots=True)
class Language:
    """A language, its names, and the scripts its texts are written in (as Unicode character names begin)."""

    code: str
    english: str
    native: str
    scripts: frozenset[str]
    spaced: bool = True  # words are separated by spaces


def _languages() -> dict[str, Language]:
    latin = frozenset({"LATIN"})
    cyrillic = frozenset({"CYRILLIC"})
    arabic = frozenset({"ARABIC"})
    devanagari = frozenset({"DEVANAGARI"})
    table = [
        Language("ar", "Arabic", "العربية", arabic),
        Language("bg", "Bulgarian", "Български", cyrillic),
        Language("bn", "Bengali", "বাংলা", frozenset({"BENGALI"})),
        Language("ca", "Catalan", "Català", latin),
        Language("cs", "Czech", "Čeština", latin),
        Language("da", "Danish", "Dansk", latin),
        Language("de", "German", "Deutsch", latin),
        Language("el", "Greek", "Ελληνικά", frozenset({"GREEK"})),
        Language("en", "English", "English", latin),
        Language("eo", "Esperanto", "Esperanto", latin),
        Language("es", "Spanish", "Español", latin),
        Language("et", "Estonian", "Eesti", latin),
        Language("eu", "Basque", "Euskara", latin),
        Language("fa", "Persian", "فارسی", arabic),
        Language("fi", "Finnish", "Suomi", latin),
        Language("fr", "French", "Français", latin),
        Language("ga", "Irish", "Gaeilge", latin),
        Language("gl", "Galician", "Galego", latin),
        Language("he", "Hebrew", "עברית", frozenset({"HEBREW"})),
        Language("hi", "Hindi", "हिन्दी", devanagari),
        Language("hr", "Croatian", "Hrvatski", latin),
        Language("hu", "Hungarian", "Magyar", latin),
        Language("id", "Indonesian", "Bahasa Indonesia", latin),
        Language("is", "Icelandic", "Íslenska", latin),
        Language("it", "Italian", "Italiano", latin),
        Language("ja", "Japanese", "日本語", frozenset({"CJK", "HIRAGANA", "KATAKANA"}), spaced=False),
        Language("ka", "Georgian", "ქართული", frozenset({"GEORGIAN"})),
        Language("kk", "Kazakh", "Қазақша", cyrillic),
        Language("ko", "Korean", "한국어", frozenset({"HANGUL", "CJK"})),
        Language("la", "Latin", "Latina", latin),
        Language("lt", "Lithuanian", "Lietuvių", latin),
        Language("lv", "Latvian", "Latviešu", latin),
        Language("mk", "Macedonian", "Македонски", cyrillic),
        Language("mr", "Marathi", "मराठी", devanagari),
        Language("ms", "Malay", "Bahasa Melayu", latin),
        Language("nb", "Norwegian Bokmål", "Norsk bokmål", latin),
        Language("nl", "Dutch", "Nederlands", latin),
        Language("nn", "Norwegian Nynorsk", "Norsk nynorsk", latin),
        Language("no", "Norwegian", "Norsk", latin),
        Language("pl", "Polish", "Polski", latin),
        Language("pt", "Portuguese", "Português", latin),
        Language("ro", "Romanian", "Română", latin),
        Language("ru", "Russian", "Русский", cyrillic),
        Language("sk", "Slovak", "Slovenčina", latin),
        Language("sl", "Slovenian", "Slovenščina", latin),
        Language("sq", "Albanian", "Shqip", latin),
        Language("sr", "Serbian", "Српски", cyrillic | latin),
        Language("sv", "Swedish", "Svenska", latin),
        Language("sw", "Swahili", "Kiswahili", latin),
        Language("ta", "Tamil", "தமிழ்", frozenset({"TAMIL"})),
        Language("te", "Telugu", "తెలుగు", frozenset({"TELUGU"})),
        Language("th", "Thai", "ไทย", frozenset({"THAI"}), spaced=False),
        Language("tr", "Turkish", "Türkçe", latin),
        Language("uk", "Ukrainian", "Українська", cyrillic),
        Language("ur", "Urdu", "اردو", arabic),
        Language("vi", "Vietnamese", "Tiếng Việt", latin),
        Language("zh", "Chinese", "中文", frozenset({"CJK"}), spaced=False),
    ]
    return {language.code: language for language in table}


LANGUAGES = _languages()
_THREE_LETTERS = {
    "ara": "ar", "ces": "cs", "chi": "zh", "cmn": "zh", "deu": "de", "eng": "en", "fra": "fr", "fre": "fr",
    "ger": "de", "ita": "it", "jpn": "ja", "kor": "ko", "nld": "nl", "pol": "pl", "por": "pt", "rus": "ru",
    "spa": "es", "swe": "sv", "tur": "tr", "ukr": "uk", "vie": "vi", "zho": "zh",
}  # fmt: skip
_CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_](?:[A-Za-z]{4}|[A-Za-z]{2}|\d{3}))*(?:[-_@].*)?")


def language(code: str) -> Language:
    """The language of a code as people write it (zh, zh-CN, zh_Hans, en-US, deu, German).

    Raises DataError naming the nearest known code.
    """
    found = known_language(code)
    if found is None:
        names = [*LANGUAGES, *(entry.english.lower() for entry in LANGUAGES.values())]
        near = difflib.get_close_matches(code.lower(), names, n=1, cutoff=0.6)
        mend = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(LANGUAGES)}."
        raise DataError(f"{code!r} is not a language known here", mend)
    return found


@lru_cache(maxsize=4096)  # a translation memory asks at every unit
def known_language(code: str) -> Language | None:
    """The same, or None for what is no language code or name."""
    text = code.strip()
    for entry in LANGUAGES.values():
        if text.lower() in (entry.english.lower(), entry.native.lower()):
            return entry
    if not _CODE.fullmatch(text):
        return None
    first = re.split(r"[-_@]", text)[0].lower()
    return LANGUAGES.get(_THREE_LETTERS.get(first, first))


def languages_in_name(path: str | Path) -> list[str]:
    """Language codes in a file's name or, failing that, its folders: en-zh.tsv, app.zh_CN.po, de/LC_MESSAGES/x.po."""
    path = Path(path)
    stem = path.name.removesuffix(".gz")
    found = [entry.code for part in stem.split(".") for entry in _in_part(part)]
    if not found:
        for folder in reversed(path.parts[:-1]):
            entry = known_language(folder)
            if entry is not None and len(re.split(r"[-_@]", folder)[0]) == 2:
                return [entry.code]
    return list(dict.fromkeys(found))


def _in_part(part: str) -> list[Language]:
    """`en-zh` and `corpus_en_zh` name two languages, `zh_CN` and `zh-Hans` one."""
    found: list[Language] = []
    pieces = re.split(r"[-_]", part)
    if len(pieces[0]) == 2 and len(pieces) == 2 and (len(pieces[1]) == 4 or pieces[1].isupper()):
        one = known_language(part)
        return [one] if one else []
    for piece in pieces:
        entry = LANGUAGES.get(piece.lower()) if len(piece) == 2 and not piece.isupper() else None
        if entry is not None:
            found.append(entry)
    return found


def script_share(text: str, of: Language) -> float:
    """Share of the letters of `text` that belong to the language's scripts; 1 where there is no letter."""
    scripts = [script for script in map(_script, text) if script]
    return sum(script in of.scripts for script in scripts) / len(scripts) if scripts else 1.0


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    """The first word of a letter's Unicode name (LATIN, CJK, CYRILLIC ...), empty for anything else."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "UNKNOWN").split(" ")[0].removesuffix("WIDTH")
