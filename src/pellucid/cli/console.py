"""What all commands share: where they print, how they write numbers, how they find a run."""

import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pellucid.errors import RunError

RUNS = Path("runs")

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """One line of JSON on standard output, written at once, for another program to read."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def find_run(name: str, runs: Path = RUNS) -> Path:
    """The folder of a run given by its path or its name in runs/. Raises RunError with the nearest names."""
    for path in (Path(name), runs / name):
        if path.is_dir():
            return path
    there = [path.parent.name for path in sorted(runs.glob("*/config.toml"))]
    near = difflib.get_close_matches(Path(name).name, there, n=3, cutoff=0.4)
    if near:
        mend = f"Did you mean {' or '.join(str(runs / found) for found in near)}?"
    else:
        mend = "`pellucid runs` lists the runs there are."
    raise RunError(f"{name}: no such run", mend=mend)


def duration(seconds: float) -> str:
    """45 s, 3:20 min, 1:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def millions(count: int) -> str:
    """1.6 M; a small network's parameters in full."""
    if count < 100_000:
        return f"{count:,}"
    return f"{count / 1e6:.1f} M"


def size_of(count: int) -> str:
    """340 kB, 12.5 MB, 1.1 GB."""
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def one_line(text: str, width: int) -> str:
    """Cut to so many columns (a Chinese character takes two), with a sign that it was."""
    line = Text(" ".join(text.split()))
    line.truncate(width, overflow="ellipsis")
    return line.plain
