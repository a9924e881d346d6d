"""Characters that no text should hold, found line by line: they come of copying, converting and hiding, not of writing.

A network learns them as it learns letters, and then writes them.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any

from pellucid.data.check.fault import Findings

AROUND = 20  # characters shown on each side
# Control characters but for tab, line breaks and form feeds.
CONTROL = re.compile("[\x01-\x08\x0b\x0e-\x1f\x7f-\x9f]")
# Without width: zero-width space, word joiner, soft hyphen, fillers and such; joiners only between letters without use
# for them (Persian, Hindi and emoji have).
INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2064\u3164\uffa0]"
    "|(?<=[A-Za-z0-9\u4e00-\u9fff])[\u200c\u200d](?=[A-Za-z0-9\u4e00-\u9fff])"
)
TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they turn the direction of what follows
MARKS = re.compile("[\u200e\u200f\u061c]")  # at home in texts that run from right to left, and nowhere else
FROM_THE_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# UTF-8 read as Windows-1252: two or three characters for one. `Ã©` and `â€™` say it alone; others in twos, since a
# capital with a quote behind it may be meant.
HIGH = "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
MOJIBAKE = re.compile(
    f"Ã{HIGH}|(?<!«)Â[\u0080-\u00bf]|â€{HIGH}|(?:[Ä-ßÐÑ]{HIGH}){{2}}|(?:[à-ï]{HIGH}{{2}}){{2}}|ð\u0178{HIGH}{{2}}|锟斤拷"
)

# Whether there is anything to look at more closely: one look instead of eight at nearly every line.
ODD = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    f"\u2060-\u2064\u2066-\u2069\u3164\ud800-\udfff\ufeff\uffa0\ufffd]|[Â-ð]{HIGH}|锟斤拷"
)
LONE = re.compile("[\ud800-\udfff]")


def check_characters(findings: Findings, file: Path | str, number: int, line: str, numbered: str = "line") -> None:
    """Note what one line holds, each kind once a line; `numbered` says whether its number is of a line or a row."""
    if line.isascii():
        if line.isprintable() or not ODD.search(line):
            return
        where: dict[str, Any] = {"file": file, numbered: number}
        _note(findings, "nul", re.search("\0", line), where, line)
        _note(findings, "control-character", CONTROL.search(line), where, line)
        return
    normal = unicodedata.is_normalized("NFC", line)
    if normal and not ODD.search(line):
        return
    where = {"file": file, numbered: number}
    _note(findings, "nul", re.search("\0", line), where, line)
    _note(findings, "damaged-character", LONE.search(line), where, line)
    _note(findings, "byte-order-mark-inside", re.search("\ufeff", line), where, line)
    _note(findings, "damaged-character", re.search("\ufffd", line), where, line)
    mojibake = MOJIBAKE.search(line)
    _note(findings, "mojibake", mojibake, where, line)
    if mojibake is None:  # whose bytes may be read as control characters
        _note(findings, "control-character", CONTROL.search(line), where, line)
        _note(findings, "invisible-character", INVISIBLE.search(line), where, line)
    turned = TURNED.search(line) or (MARKS.search(line) if not FROM_THE_RIGHT.search(line) else None)
    _note(findings, "direction-mark", turned, where, line)
    if not normal:
        odd = next((m for m in re.finditer(r"\S+", line) if not unicodedata.is_normalized("NFC", m.group())), None)
        _note(findings, "not-nfc", odd, where, line)


def _note(findings: Findings, kind: str, found: re.Match[str] | None, where: dict[str, Any], line: str) -> None:
    if found is None:
        return
    sign = found.group()[0]
    findings.add(
        kind,
        **where,
        text=line[max(found.start() - AROUND, 0) : found.end() + AROUND],
        code=f"U+{ord(sign):04X}",
        name=unicodedata.name(sign, "control character").lower(),
        at=found.start() + 1,
    )
