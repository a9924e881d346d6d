"""Which files a name means: a file, all files of a folder that can be read, or those that a pattern fits."""

import glob
from collections.abc import Callable
from pathlib import Path

from pellucid.errors import DataError


def named_files(name: str, fits: Callable[[Path], bool], nothing: str, known: str) -> list[Path]:
    """The files, sorted; of a folder those that `fits`. A file named alone may be any, and need not be there.

    Raises DataError if a folder holds none, saying `nothing` and what is `known`, or if a pattern fits none.
    """
    path = Path(name)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and fits(p))
        if not found:
            raise DataError(f"{name}: {nothing}", mend=known)
        return found
    if glob.has_magic(name) and not path.exists():
        found = [Path(p) for p in sorted(glob.glob(name, recursive=True)) if Path(p).is_file()]  # noqa: PTH207 (may be absolute)
        if not found:
            raise DataError(f"{name}: no file matches", mend="Check the pattern; `ls` shows what is there.")
        return found
    return [path]
