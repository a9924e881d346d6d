"""The bytes of a text file, read as well as can be: each line decoded, and what is wrong with the bytes noted.

Where reading for training stops at the first fault, here it goes on, so that all are found in one pass.
"""

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.data.check.characters import check_characters
from pellucid.data.check.fault import Findings, shortened
from pellucid.data.textfile import UTF8_MARK, UTF16_MARKS, open_bytes

BEGINNING = 400  # bytes from which UTF-16 without a mark is told
BLOCK = 1 << 20  # bytes read at a time
ENDLESS = 1 << 22  # bytes of one line; the rest of it is passed over
MANY_ZEROS = 0.3  # share of zero bytes at odd or at even places that makes it UTF-16
CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass
class Bytes:
    """What was seen of a file's bytes so far."""

    in_utf8: int = 0  # lines with characters beyond ASCII
    not_utf8: list[tuple[int, int, str, str]] = field(default_factory=list)  # line, byte, likely encoding, text
    others: int = 0  # further such lines
    ends: Counter[str] = field(default_factory=Counter)
    first_end: dict[str, int] = field(default_factory=dict)
    line_feeds: int = 0  # ends that are nothing but one

    def note_ends(self, line: bytes, number: int, ended: bool) -> bytes:
        """A line that a line feed ended, or the end of the file: without a return before it. Its ends are counted."""
        if b"\r" in line:
            if ended and line.endswith(b"\r"):
                self._note_end("CRLF", number)
                line, ended = line[:-1], False
            if b"\r" in line:
                self._note_end("CR", number, line.count(b"\r"))
        if ended:
            self.line_feeds += 1
            if self.line_feeds == 1:
                self.first_end["LF"] = number
        return line

    def _note_end(self, name: str, number: int, count: int = 1) -> None:
        self.ends[name] += count
        self.first_end.setdefault(name, number)


def checked_lines(
    path: Path, findings: Findings, ends: bool = False, characters: bool = True
) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without their ends; their bytes, and unless told otherwise characters, checked.

    With `ends` their ends are as well.

    Raises DataError if the file is not there.
    """
    seen = Bytes()
    for number, (line, ended) in enumerate(_raw(path, findings), start=1):
        text = _decoded(seen.note_ends(line, number, ended), number, seen, findings.kept)
        if characters:
            check_characters(findings, path, number, text)
        yield number, text
    _tell_encodings(path, seen, findings)
    if seen.line_feeds:
        seen.ends["LF"] = seen.line_feeds
    if ends and len(seen.ends) > 1:
        usual = seen.ends.most_common(1)[0][0]
        odd = next(name for name in seen.first_end if name != usual)
        counts = ", ".join(f"{count:,} {name}" for name, count in seen.ends.most_common())
        findings.add("mixed-line-ends", file=path, line=seen.first_end[odd], counts=counts)


def _decoded(line: bytes, number: int, seen: Bytes, kept: int) -> str:
    if line.isascii():
        return line.decode("ascii")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        encoding, text = likely(line)
        if len(seen.not_utf8) < kept:
            seen.not_utf8.append((number, error.start + 1, encoding, shortened(text)))
        else:
            seen.others += 1
        return text
    seen.in_utf8 += 1
    return text


def likely(line: bytes) -> tuple[str, str]:
    """The encoding that bytes are likely in which are not UTF-8, and their text in it."""
    try:
        text = line.decode("gb18030")
    except UnicodeDecodeError:
        pass
    else:
        beyond = [sign for sign in text if not sign.isascii()]
        # Latin letters come alone between ASCII ones; what is Chinese comes in runs of at least two characters.
        if re.search("[\u4e00-\u9fff]{2}", text) and len(CHINESE.findall(text)) * 2 > len(beyond):
            return "GB18030", text
    return "Windows-1252", line.decode("cp1252", errors="replace").replace("\ufffd", "?")


def _tell_encodings(path: Path, seen: Bytes, findings: Findings) -> None:
    """One fault where all of a file is in another encoding; one a line where it is mixed."""
    if not seen.not_utf8:
        return
    if not seen.in_utf8:
        line, byte, encoding, text = seen.not_utf8[0]
        count = len(seen.not_utf8) + seen.others
        findings.add("wrong-encoding", file=path, line=line, text=text, byte=byte, encoding=encoding, lines=count)
        return
    for line, byte, encoding, text in seen.not_utf8:
        findings.add("mixed-encodings", file=path, line=line, text=text, byte=byte, encoding=encoding)
    if "mixed-encodings" not in findings.ignored:
        findings.counts["mixed-encodings"] += seen.others


def _raw(path: Path, findings: Findings) -> Iterator[tuple[bytes, bool]]:
    """Lines as bytes, and whether a line feed ended each; of an endless one only the beginning is taken."""
    rest, number, cut = b"", 1, False
    for block in raw_blocks(path, findings):
        if block is None:  # what is left is part of a line
            return
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if not cut:
                yield line, True
            number, cut = number + 1, False
        if len(rest) > ENDLESS:
            if not cut:
                findings.add("endless-line", file=path, line=number, characters=ENDLESS)
                yield rest[:ENDLESS], False
            rest, cut = b"", True
    if rest and not cut:
        yield rest, False


def raw_blocks(path: Path, findings: Findings) -> Iterator[bytes | None]:
    """The bytes of a file, unpacked, without a mark, UTF-16 as UTF-8; what is damaged is noted, and ends in None.

    Read a block at a time, so that an archive that unpacks to more than fits into memory is read as any other.
    """
    try:
        with open_bytes(path) as file:
            start = file.read1(BLOCK)  # rather than read: of a damaged archive it gives what comes before
            while len(start) < BEGINNING and (more := file.read1(BLOCK)):
                start += more
            encoding = "utf-16" if start[:2] in UTF16_MARKS else utf16_without_mark(start[:BEGINNING])
            if encoding and encoding != "utf-16":
                findings.add("no-byte-order-mark", file=path, line=1, encoding=encoding.upper())
            decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
            block = start.removeprefix(UTF8_MARK)
            while block:
                yield decoder.decode(block).encode("utf-8", "replace") if decoder else block
                block = file.read1(BLOCK)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        findings.add("damaged-file", file=path, reason=" ".join(str(error).split()))
        yield None


def utf16_without_mark(start: bytes) -> str | None:
    """Every second byte of Latin text in UTF-16 is zero; the other half never is."""
    even, odd = start[0::2], start[1::2]
    shares = [part.count(0) / max(len(part), 1) for part in (even, odd)]
    if max(shares) < MANY_ZEROS or min(shares) > MANY_ZEROS / 3:
        return None
    return "utf-16-be" if shares[0] > shares[1] else "utf-16-le"
