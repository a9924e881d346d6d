"""A disk that fails where it is told to: every operation that changes a file is numbered, and one of them goes wrong.

Under `Disk` the operating system's own calls are replaced, as Python's library and ours reach them; nothing of
Pellucid is. After a crash nothing reaches the disk any more, not even what tidies up: what is there then is what a
killed process leaves behind.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pellucid.files

FAULTS = ("full", "full from here on", "broken", "read-only from here on", "killed before", "killed in its midst")
ERRORS = {"full": errno.ENOSPC, "broken": errno.EIO, "read-only": errno.EROFS}


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Disk:
    """Numbers the operations under `folder`; the one numbered `at` fails as `fault` says."""

    folder: Path
    at: int = -1
    fault: str = ""
    done: list[str] = field(default_factory=list)
    _is_gone: bool = False

    def _meets(self, name: str, act: Callable[[], Any], part: Callable[[], Any] | None = None) -> Any:
        """Do one operation, or what the fault makes of it; `part` does half of it."""
        if self._is_gone:
            raise Killed
        number = len(self.done)
        self.done.append(name)
        lasting = self.fault.endswith("from here on") and number > self.at >= 0
        if number != self.at and not (lasting and name != "unlink"):
            return act()
        if self.fault.startswith("killed"):
            self._is_gone = True
            if self.fault.endswith("midst"):
                (part or act)()
            raise Killed
        if part is not None:
            part()
        code = next(code for word, code in ERRORS.items() if self.fault.startswith(word))
        raise OSError(code, os.strerror(code))

    def concerns(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).absolute().is_relative_to(self.folder)

    @contextmanager
    def used(self) -> Iterator["Disk"]:
        """Have all that is written below the folder go through this disk."""
        originals = {name: getattr(os, name) for name in CALLS}
        opened, described, exchanged = io.open, os.open, pellucid.files.exchanged
        held: set[int] = set()

        def call(name: str) -> Callable[..., Any]:
            def one(path: Any, *more: Any, **named: Any) -> Any:
                concerned = path in held if name == "fsync" else self.concerns(path)
                act = lambda: originals[name](path, *more, **named)  # noqa: E731
                return self._meets(name, act) if concerned else act()

            return one

        def open_file(path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if not self.concerns(path) or not set(mode) & set("wax+"):
                return opened(path, mode, *more, **named)
            return Written(self, self._meets("open", lambda: opened(path, mode, *more, **named)), held)

        def open_number(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if not self.concerns(path):
                return described(path, flags, *more, **named)
            number: int = self._meets("open", lambda: described(path, flags, *more, **named))
            held.add(number)
            return number

        def exchange(one: Path, other: Path) -> bool:
            return bool(self._meets("exchange", lambda: exchanged(one, other)))

        for name in CALLS:
            setattr(os, name, call(name))
        io.open = builtins.open = open_file  # type: ignore[assignment]
        os.open, pellucid.files.exchanged = open_number, exchange
        try:
            yield self
        finally:
            for name, original in originals.items():
                setattr(os, name, original)
            io.open = builtins.open = opened
            os.open, pellucid.files.exchanged = described, exchanged


CALLS = ("fsync", "replace", "rename", "mkdir", "chmod", "truncate", "unlink", "rmdir")


class Written:
    """An open file whose writes are operations of the disk: half of one that fails is there."""

    def __init__(self, disk: Disk, file: Any, held: set[int]) -> None:
        self._disk, self._file = disk, file
        held.add(file.fileno())

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        return int(self._disk._meets("write", lambda: self._file.write(content), half))

    def __enter__(self) -> "Written":
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
