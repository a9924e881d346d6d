"""Numbers: the same ones, however the target language writes them.

1,000 may become 1.000 or 1 000, digits may be full-width, small numbers may be words (3 as 三, "two" as 2). Told and
never grave: dates, counts and units are rightly rewritten in too many ways.
"""

import re
from collections import Counter
from collections.abc import Iterator

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.markup import ENTITY, TAG
from pellucid.data.slots import ADDRESS, FORMAT

_DIGIT = re.compile(r"\d")
_SIGNS = re.compile("[&%{$@<\\[]|://")  # of what digits are no number in
_GROUPS = re.compile(r"(?<=\d)[,.'’ \u00a0\u202f，](?=\d{3}(?!\d))")
_RUN = re.compile(r"\d+")
_MANY = re.compile("[万萬亿億千百]|million|billion|thousand|hundred|dozen")
_ENGLISH = (
    ("zero", "no "),
    ("one", "first", "once", "single", "a ", "an "),
    ("two", "second", "twice", "both", "double", "pair"),
    ("three", "third", "triple"),
    ("four", "fourth"),
    ("five", "fifth"),
    ("six", "sixth"),
    ("seven", "seventh"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("ten", "tenth"),
    ("eleven", "eleventh"),
    ("twelve", "twelfth", "dozen"),
)
_CJK = ("零〇", "一壹单單首", "二两兩双雙", "三叁", "四", "五", "六", "七", "八", "九", "十")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def number_breaches(source: str, target: str) -> Iterator[Breach]:
    if not (_DIGIT.search(source) or _DIGIT.search(target)):
        return
    wanted, found = _numbers(source), _numbers(target)
    if wanted == found or _MANY.search(source) or _MANY.search(target):
        return
    for number in wanted - found:
        if not _is_written(number, target):
            yield Breach("number-missing", number, "", grave=False)
    for number in found - wanted:
        if not _is_written(number, source):
            yield Breach("number-extra", "", number, grave=False)


def _numbers(text: str) -> Counter[str]:
    if _SIGNS.search(text):
        for pattern in (ENTITY, FORMAT, TAG, ADDRESS):
            text = pattern.sub(" ", text)
    return Counter(str(int(digits)) for digits in _RUN.findall(_GROUPS.sub("", text)) if len(digits) < 40)


def _is_written(number: str, text: str) -> bool:
    """Whether the text says this number in a word."""
    value, text = int(number), text.lower()
    if value < len(_CJK) and any(sign in text for sign in _CJK[value]):
        return True
    if 10 < value < 100 and (_tens(value) in text):
        return True
    if value < len(_ENGLISH) and any(re.search(rf"\b{word.strip()}\b", text) for word in _ENGLISH[value]):
        return True
    return 1 <= value <= 12 and _MONTHS[value - 1] in text


def _tens(value: int) -> str:
    tens, ones = divmod(value, 10)
    signs = "零一二三四五六七八九"
    return f"{signs[tens] if tens > 1 else ''}十{signs[ones] if ones else ''}"
