"""Text files as people have them: UTF-8 with or without a mark, UTF-16 with one, compressed or not, line by line."""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from pellucid.errors import DataError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF8_MARK = b"\xef\xbb\xbf"


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading, unpacked if its name ends in .gz. Raises DataError if it is not there."""
    try:
        if path.is_dir():
            raise DataError(
                f"{path}: this is a folder", mend="Name the files in it, or a pattern such as 'folder/*.po'."
            )
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", mend="Check the name; a pattern must be quoted.") from None
    except PermissionError:
        raise DataError(f"{path}: may not be read", mend="Give yourself the right to read it.") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and lines without their ends. Raises DataError at the first byte that is no text."""
    for number, line in enumerate(_raw_lines(path), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8",
                mend="Save the file as UTF-8, for example: iconv -f GB18030 -t UTF-8 old > new",
            ) from None
        if "\0" in text:
            raise DataError(f"{path}, line {number}: holds a NUL byte", mend="This is not a text file.")
        yield number, text


def read_text(path: Path) -> str:
    """The whole of a text file, line ends as \\n."""
    return "\n".join(line for _, line in read_lines(path))


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Lines as UTF-8 bytes without their ends, broken at \\n and \\r\\n only: other breaks may stand inside a text."""
    try:
        with open_bytes(path) as file:
            start = file.read(3)
            if start[:2] in UTF16_MARKS:
                lines: Iterable[bytes] = (start + file.read()).decode("utf-16").encode().splitlines(keepends=True)
            else:
                lines = chain(io.BytesIO(start.removeprefix(UTF8_MARK) + file.readline()), file)
            for line in lines:
                yield line.removesuffix(b"\n").removesuffix(b"\r")
    except UnicodeDecodeError:
        raise DataError(f"{path}: begins as UTF-16 but is not", mend="Save the file as UTF-8.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the compressed file is damaged or cut short ({error})", mend="Fetch it again."
        ) from None
