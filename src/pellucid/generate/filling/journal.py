"""What a filling has done so far, in a file beside its output: a line of JSON for each chunk that is translated.

The first line says what is being filled with what. A journal of the very same is gone on with; a last line that a kill
cut short is dropped. When the output is written, the journal goes.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pellucid.data.integrity import Breach
from pellucid.errors import DataError
from pellucid.generate.filling.entry import Found

if TYPE_CHECKING:
    from pellucid.generate.filling.entry import State

SYNCED = 5.0  # seconds of work at most that a power cut may take
SUFFIX = ".pellucid.jsonl"


def journal_path(output: Path) -> Path:
    """Beside the output, hidden: `.app.zh.po.pellucid.jsonl`."""
    return output.with_name(f".{output.name}{SUFFIX}")


class Journal:
    """The journal of one filling, held by one process at a time: `with opened_journal(path, about, sizes) as journal`.

    `sizes` are the lengths of the chunks that there will be. `held` are the chunks that were done before, by number.
    `stale` is whether there was a journal of something else, which is begun anew.
    """

    def __init__(
        self, path: Path, file: IO[bytes], about: Mapping[str, Any], sizes: Sequence[int], restart: bool
    ) -> None:
        self.path = path
        self._file = file
        self._synced = time.monotonic()
        lines = [] if restart else list(_whole_lines(file))
        head, held = _read(lines, about, sizes)
        self.stale = bool(lines) and not head
        self.held = held
        # What follows the last good line is cut off, so that what is added makes whole lines again.
        file.seek(0)
        file.truncate(sum(map(len, lines[: len(held) + 1])) if head else 0)
        file.seek(0, os.SEEK_END)
        if not head:
            self._write(dict(about))

    def add(self, number: int, found: Sequence[Found]) -> None:
        """Keep a chunk; it is on the disk within SYNCED seconds of work. Raises DataError if it cannot be written."""
        self.held[number] = list(found)
        self._write({"chunk": number, "found": [asdict(one) for one in found]})

    def sync(self) -> None:
        """Put everything on the disk now."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
            self._file.flush()
            if time.monotonic() - self._synced > SYNCED:
                self.sync()
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be written ({error.strerror})",
                mend="Make room there; the same command then goes on from what is done.",
            ) from None


@contextmanager
def opened_journal(
    path: Path, about: Mapping[str, Any], sizes: Sequence[int], *, restart: bool = False
) -> Iterator[Journal]:
    """Raises DataError if nothing can be written beside the output, or another process is filling it now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise DataError(
            f"{path.parent}: cannot be written ({error.strerror})", mend="Choose another place with -o."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"{path}: another process is filling this file", mend="Wait for it, or stop it.") from None
        journal = Journal(path, file, about, sizes, restart)
        try:
            yield journal
        finally:
            if path.exists():
                journal.sync()


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield line


def _read(
    lines: Sequence[bytes], about: Mapping[str, Any], sizes: Sequence[int]
) -> tuple[bool, dict[int, list[Found]]]:
    """Whether the first line says the same, and the chunks up to the first line that is damaged."""
    held: dict[int, list[Found]] = {}
    if not lines or _parsed(lines[0]) != json.loads(json.dumps(dict(about))):
        return False, held
    for number, (line, size) in enumerate(zip(lines[1:], sizes, strict=False)):
        told = _parsed(line)
        try:
            if told is None or told["chunk"] != number or len(told["found"]) != size:
                break
            held[number] = [_found(one) for one in told["found"]]
        except (KeyError, TypeError, ValueError):
            break
    return True, held


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _found(told: Mapping[str, Any]) -> Found:
    state: State = told["state"]
    return Found(
        state,
        str(told["text"]),
        None if told["confidence"] is None else float(told["confidence"]),
        tuple(Breach(**breach) for breach in told["breaches"]),
        str(told["attempt"]),
        tuple(told["others"]),
    )
