"""Texts as a catalog writes them: in double quotes, escaped as in C, broken into lines as gettext breaks them.

Source: GNU gettext manual, "The Format of PO Files"; the width is that of its `--width` (79 columns, quotes included).
"""

import re
import unicodedata
from collections.abc import Iterator

WIDTH = 79
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
ESCAPES = {character: f"\\{letter}" for letter, character in ESCAPED.items()} | {"\\": "\\\\", '"': '\\"'}
SEQUENCE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
SPECIAL = re.compile(r'[\x00-\x1f\x7f"\\]')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
WORD = re.compile(r"[^ ]* *", re.DOTALL)
WIDE_WORDS = re.compile("[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]")  # where lines break between letters
CLOSING = "，。、；：！？）》」』】〕〉”’…％ー々,.;:!?)]}%"  # begin no line
OPENING = "（《「『【〔〈“‘([{"  # end no line


def unescaped(strings: str) -> str:
    """The text of one or several quoted strings, whatever stands between them."""
    return "".join(SEQUENCE.sub(_character, body) if "\\" in body else body for body in STRING.findall(strings))


def _character(sequence: re.Match[str]) -> str:
    octal, hexadecimal, letter = sequence.groups()
    if octal or hexadecimal:
        return chr(int(octal, 8) if octal else int(hexadecimal, 16))
    # An escape that C does not know stays as it is: some catalogs hold Windows paths.
    return ESCAPED.get(letter, letter if letter in "\\\"'?" else f"\\{letter}")


def escaped(text: str) -> str:
    """A text as it stands between the quotes."""
    return SPECIAL.sub(lambda found: ESCAPES.get(found[0], f"\\{ord(found[0]):03o}"), text)


def quoted(text: str, keyword: str, newline: str, wrap: bool = True) -> str:
    """What stands behind a keyword: one string, or an empty one and a line for each part of the text.

    Lines end after each \\n; with `wrap`, also before a word that would go beyond the width.
    """
    whole = f'"{escaped(text)}"'
    if "\n" not in text[:-1] and (not wrap or width(f"{keyword} {whole}") <= WIDTH):
        return whole
    lines = [line for part in text.splitlines(keepends=True) for line in (_wrapped(part) if wrap else [escaped(part)])]
    if len(lines) == 1 and width(lines[0]) > WIDTH - 2 and " " not in lines[0]:
        return f'""{newline}{whole}'
    return newline.join(['""', *(f'"{line}"' for line in lines)])


def _wrapped(part: str) -> Iterator[str]:
    """The part, escaped, in lines of at most the width; a longer word has a line of its own."""
    line, columns = "", 0
    for piece in _pieces(part):
        more = width(piece)
        if line and columns + more > WIDTH - 2:
            yield line
            line, columns = "", 0
        line, columns = line + piece, columns + more
    yield line


def _pieces(part: str) -> Iterator[str]:
    """The pieces, escaped, between which a line may end: words with the spaces behind them, wide letters alone."""
    for word in WORD.findall(part):
        start = 0
        for place in range(1, len(word)):
            before, after = word[place - 1], word[place]
            if (
                (WIDE_WORDS.match(before) or WIDE_WORDS.match(after))
                and after not in CLOSING
                and after != " "
                and before not in OPENING
                and after != "\n"
            ):
                yield escaped(word[start:place])
                start = place
        if word[start:]:
            yield escaped(word[start:])


def width(text: str) -> int:
    """Columns of a terminal: wide characters take two, marks that combine none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
