"""A file as it was written: its bytes, the text they spell, and edits that change nothing but their own stretch.

No library keeps a localization file byte for byte, so the readers of this folder find the places of its texts, and
what they write is the old bytes with new ones in these places.
"""

import codecs
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from pellucid.data.textfile import open_bytes
from pellucid.errors import DataError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, with whose mark it begins
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in place of the characters from `start` to before `end`."""

    start: int
    end: int
    text: str


class Written:
    """The bytes of a file (`raw`), their text without a byte order mark, and the encoding between the two."""

    def __init__(self, path: Path, raw: bytes, encoding: str) -> None:
        """Raises DataError, with the line, for bytes that do not spell text in this encoding."""
        self.path, self.raw = path, raw
        self.mark, self.encoding = b"", encoding
        for mark, marked in MARKS:
            if raw.startswith(mark):
                self.mark, self.encoding = mark, marked
                break
        try:
            self.text = raw[len(self.mark) :].decode(self.encoding)
        except LookupError:
            raise DataError(
                f"{path}: says that its encoding is {encoding}, which is none known here",
                mend="Save it as UTF-8 and let its header say so.",
            ) from None
        except UnicodeDecodeError as error:
            place = len(self.mark) + error.start
            line = raw.count(b"\n", 0, place) + 1
            raise DataError(
                f"{path}, line {line}: byte {place + 1} of the file (0x{raw[place]:02x}) is not {self.encoding}",
                mend="Save the file as UTF-8 and let its header, if it has one, say so.",
            ) from None
        if "\0" in self.text:
            line = self.line(self.text.index("\0"))
            raise DataError(f"{path}, line {line}: holds a NUL byte", mend="This is not a text file.")

    @cached_property
    def newline(self) -> str:
        """The line end that the file uses first; \\n if it has none."""
        place = self.text.find("\n")
        if place < 0:
            return "\r" if "\r" in self.text else "\n"
        return "\r\n" if self.text[place - 1 : place] == "\r" else "\n"

    def line(self, place: int) -> int:
        """The number, from 1, of the line on which a character stands."""
        return bisect_right(self._line_starts, place)

    @cached_property
    def _line_starts(self) -> list[int]:
        end = "\r" if self.newline == "\r" else "\n"
        return [0, *accumulate(len(line) + 1 for line in self.text.split(end)[:-1])]

    def writable(self, text: str) -> bool:
        """Whether the file's encoding has all characters of a text."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file with some stretches replaced; all other bytes are the old ones. Edits must not overlap.

        Raises DataError if the encoding lacks a character of a new text.
        """
        pieces, before = [self.mark], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            if edit.start < before:
                raise ValueError(f"two edits overlap at character {edit.start}")
            pieces.append(self._bytes(before, edit.start))
            try:
                pieces.append(edit.text.encode(self.encoding))
            except UnicodeEncodeError as error:
                raise DataError(
                    f"{self.path}, line {self.line(edit.start)}: its encoding, {self.encoding}, "
                    f"has no {error.object[error.start]!r}",
                    mend="Save the file as UTF-8 and let its header say so; then fill it.",
                ) from None
            before = edit.end
        pieces.append(self._bytes(before, len(self.text)))
        return b"".join(pieces)

    def _bytes(self, start: int, end: int) -> bytes:
        """The old bytes of a stretch of the text."""
        if self._places is None:
            return self.text[start:end].encode(self.encoding)
        return self.raw[self._places[start] : self._places[end]]

    @cached_property
    def _places(self) -> list[int] | None:
        """Where each character's bytes begin, if encoding the text anew would not give the same bytes.

        So it is with encodings that can spell one character in two ways, or that shift between two states.
        """
        body = self.raw[len(self.mark) :]
        if self.text.encode(self.encoding) == body:
            return None
        decoder = codecs.getincrementaldecoder(self.encoding)()
        places = [len(self.mark)]
        for number, byte in enumerate(body, start=len(self.mark) + 1):
            places += [number] * len(decoder.decode(bytes([byte])))
        places[len(self.text) :] = [len(self.raw)]
        return places


def read_written(path: Path, declared: Callable[[bytes], str | None] = lambda raw: None) -> Written:
    """Read a file. `declared` finds the encoding that its beginning names; UTF-8 if there is none.

    Raises DataError if the file is not there or its bytes are not what it says.
    """
    with open_bytes(path) as file:
        raw = file.read()
    return Written(path, raw, declared(raw) or "utf-8")
