"""Which written form of its language a file asks for, held against the one that the run has learned.

`zh_TW` and `zh-Hant` are written in other characters than a run for `zh` mostly is; `sr@latin` in another alphabet;
`pt_PT` and `de_AT` have words of their own. The file says what it wants in its header, its name or its folder's name.
The run says what it has learned by its vocabulary: a character that stood often in training is a token.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pellucid.data.languages import known_language

if TYPE_CHECKING:
    from pellucid.data.localization import Document

# Frequent characters, simplified and traditional, of which each side stands in texts of its own kind alone.
SIMPLIFIED = (
    "们这来时会个为国对说过发开关问题设数据库页输错误选择项删图标类称码"
    "应户号请将无运启显单键连网录贴边宽长见认证读写闭动务处执结检测备资"
)
TRADITIONAL = (
    "們這來時會個為國對說過發開關問題設數據庫頁輸錯誤選擇項刪圖標類稱碼"
    "應戶號請將無運啟顯單鍵連網錄貼邊寬長見認證讀寫閉動務處執結檢測備資"
)
CLEAR = 3  # times as many characters of one kind as of the other, from which the kind is clear
FEWEST = 8  # characters that say anything
_REGIONS = {"TW": "Hant", "HK": "Hant", "MO": "Hant", "CN": "Hans", "SG": "Hans", "MY": "Hans"}
_SCRIPTS = {"latin": "Latn", "cyrillic": "Cyrl", "hans": "Hans", "hant": "Hant", "latn": "Latn", "cyrl": "Cyrl"}
_TWO_ALPHABETS = frozenset(["sr"])
_MAIN = {  # the region that a language without one is written for, where it is not called like the language
    "ar": "EG", "bn": "BD", "ca": "ES", "cs": "CZ", "da": "DK", "el": "GR", "en": "US", "et": "EE", "eu": "ES",
    "fa": "IR", "ga": "IE", "gl": "ES", "he": "IL", "hi": "IN", "ja": "JP", "ka": "GE", "kk": "KZ", "ko": "KR",
    "mr": "IN", "ms": "MY", "nb": "NO", "nn": "NO", "pt": "BR", "sl": "SI", "sq": "AL", "sr": "RS", "sv": "SE",
    "sw": "TZ", "ta": "IN", "te": "IN", "uk": "UA", "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
_LOCALE = re.compile(r"(?<![A-Za-z])([a-z]{2,3})(?:[-_+](?:r(?=[A-Z]{2}))?([A-Za-z]{4}|[A-Z]{2})(?![A-Za-z])|@[a-z]+)")
_TAG = re.compile(r"[-_+@.]")


@dataclass(frozen=True, slots=True)
class Variety:
    """A file asks for `wanted`, a script (`Hant`) or a region (`PT`); the run has learned the script `learned`, or no
    region ("")."""

    locale: str
    kind: Literal["script", "region"]
    wanted: str
    learned: str = ""


def unlike(locale: str, tokens: Iterable[str], files: Sequence[str] = ()) -> Variety | None:
    """What a file of this locale asks for that a run with these tokens, trained on `files`, has not learned.

    None where they agree, where the file does not say, and for the region that a language is mostly written for.
    """
    language, script, region = _read(locale)
    if not language:
        return None
    wanted = script or (_REGIONS.get(region, "") if language == "zh" else "")
    if wanted and (language == "zh" or language in _TWO_ALPHABETS):
        learned = chinese_script(tokens) if language == "zh" else _alphabet(tokens)
        if learned:
            return Variety(locale, "script", wanted, learned) if learned != wanted else None
    usual = region in ("", _MAIN.get(language, language.upper())) or language == "zh"
    if usual or any(region == _read(name)[2] for file in files for name in _names(Path(file))):
        return None
    return Variety(locale, "region", region)


def locale_of(document: "Document", output: Path, language: str) -> str:
    """The locale of the language that the file is to be in, as its header, its own or the output's name has it."""
    said = (document.locale, document.target_language or "", *_names(output), *_names(document.path))
    found = [one for one in said if one and (known := known_language(one)) and known.code == language]
    return next((one for one in found if any(_read(one)[1:])), found[0] if found else "")


def chinese_script(tokens: Iterable[str]) -> str:
    """Hans or Hant by the characters that stand in the tokens, "" if neither clearly outweighs the other."""
    signs = set().union(*map(set, tokens))
    simplified = len(signs & (set(SIMPLIFIED) - set(TRADITIONAL)))
    traditional = len(signs & (set(TRADITIONAL) - set(SIMPLIFIED)))
    if max(simplified, traditional) < FEWEST:
        return ""
    if simplified >= CLEAR * traditional:
        return "Hans"
    return "Hant" if traditional >= CLEAR * simplified else ""


def _alphabet(tokens: Iterable[str]) -> str:
    """Cyrl or Latn for a language written in both; its texts stand beside those of a source in Latin letters."""
    words = [token for token in tokens if len(token.strip()) > 1 and token.strip().isalpha()]
    if len(words) < FEWEST:
        return ""
    cyrillic = sum("а" <= word.strip()[0].lower() <= "џ" for word in words)
    return "Cyrl" if cyrillic * 10 > len(words) else "Latn"


def _read(locale: str) -> tuple[str, str, str]:
    """Language, script and region of zh_TW, zh-Hant-HK, zh-rTW, b+sr+Latn, sr@latin; "" for what it does not say."""
    known = known_language(locale)
    if known is None:
        return "", "", ""
    script = region = ""
    for part in _TAG.split(locale)[1:]:
        if part.lower() in _SCRIPTS:
            script = _SCRIPTS[part.lower()]
        elif re.fullmatch(r"r?[A-Z]{2}", part) or (part.isalpha() and len(part) == 2):
            region = part[-2:].upper()
    return known.code, script, region


def _names(path: Path) -> list[str]:
    """What may be a locale in a file's name and, after that, in its folders' names: values-zh-rTW, zh_TW/app.po."""
    parts = [path.name, *reversed(path.absolute().parent.parts[-3:])]
    return [found.group().replace("-r", "-") for part in parts for found in _LOCALE.finditer(part)]
