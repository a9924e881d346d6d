"""What was typed before, kept for this person alone, in the cache folder.

A text that begins with a space is not kept, as in a shell. The file is in the format of prompt_toolkit and never grows
beyond some thousand texts.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from pellucid.data.corpus.fetch import cache_folder

MOST, FEWEST = 2000, 1000  # texts: at so many, the oldest go, and so many stay
OWN = 0o600  # may be read by nobody else


class Texts(FileHistory):
    """Raises nothing: where the file cannot be written, texts are remembered until the end of the session."""

    def load_history_strings(self) -> Iterable[str]:
        with suppress(OSError):
            found = list(super().load_history_strings())  # newest first
            if len(found) > MOST:
                self._write(found[:FEWEST])
            return found
        return []

    def append_string(self, string: str) -> None:
        if is_private(string) or not string.strip() or string == next(iter(self.get_strings()[-1:]), None):
            return
        super().append_string(string)

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)

    def _write(self, newest_first: list[str]) -> None:
        path = Path(str(self.filename))
        path.write_text("", encoding="utf-8")
        for string in reversed(newest_first):
            super().store_string(string)


def is_private(text: str) -> bool:
    return text[:1].isspace()


def history(kept: bool = True) -> History:
    """Of this person, or of this session alone."""
    if not kept:
        return InMemoryHistory()
    path = cache_folder() / "history" / "translate.txt"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND, OWN))
    return Texts(str(path))
