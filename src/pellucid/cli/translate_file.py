"""`pellucid translate RUN --file app.po -o app.zh.po`: a localization file is filled, with a bar and a summary.

Everything but the result of --json is said on standard error. Ctrl-C finishes the sentences at hand and says how to go
on.
"""

import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from pellucid.cli.console import duration, err, print_json
from pellucid.cli.words import say, words
from pellucid.errors import ConfigError, DataError
from pellucid.words import spoken

if TYPE_CHECKING:
    from pellucid.generate.filling import fill
    from pellucid.generate.filling.summary import Summary
    from pellucid.generate.filling.variety import Variety
    from pellucid.run import Run

FORMATS = ("text", "po", "xliff", "json", "android", "table")  # of --as
LINE_EVERY = 10.0  # seconds between two lines of progress where there is no terminal
TRAILS = 0.1  # seconds between two moves of the bar


def is_filled(file: Path | None, kind: str | None) -> bool:
    """Whether the file is a localization file rather than lines of text. Raises ConfigError for an unknown --as."""
    from pellucid.data.localization import is_localization

    if kind is not None and kind not in FORMATS:
        raise ConfigError(f"--as is {kind!r}: no such format", mend=f"Use {', '.join(FORMATS)}.")
    if kind is not None:
        return file is not None and kind != "text"
    return file is not None and is_localization(file)


def translate_file(
    run: "Run",
    file: Path,
    output: Path | None,
    *,
    kind: str | None,
    glossary: Path | None,
    reviews: Sequence[Path],
    memory: bool,
    overwrite: bool,
    restart: bool,
    strict: bool,
    json: bool,
    engine: Any,
    decoding: Mapping[str, Any],
) -> None:
    """Fill the file and say what came of it; exits with 130 or 143 when stopped, 1 where --strict is not met."""
    from pellucid.api import fill

    if output is None:
        raise DataError(
            f"{file}: is a localization file, which is filled into another file",
            mend=f"Give -o, such as -o {filled_name(file, run)}; --as text translates it line by line.",
        )
    with stopping() as stopped, Bar() as bar:
        summary = fill(
            run,
            file,
            output,
            glossary=glossary,
            reviews=reviews,
            kind=kind,
            memory=memory,
            overwrite=overwrite,
            restart=restart,
            engine=engine,
            watch=bar.show,
            should_stop=lambda: bool(stopped()),
            **decoding,
        )
    if json:
        print_json(summary.json())
    else:
        print_summary(summary)
    if summary.interrupted:
        again = [argument for argument in sys.argv[1:] if argument != "--restart"]
        err.print(say("fill.interrupted", left=f"{summary.left:,}"), markup=False)
        err.print("  " + shlex.join(["pellucid", *again]), markup=False, soft_wrap=True)
        raise typer.Exit(128 + (stopped() or signal.SIGINT))
    if strict and summary.refused:
        raise typer.Exit(1)


def filled_name(file: Path, run: "Run") -> str:
    """app.po -> app.zh.po"""
    return f"{file.stem}.{run.config.data.target}{file.suffix}"


@contextmanager
def stopping() -> Iterator[Callable[[], int]]:
    """The signal that asked for an end, or 0: the first lets the sentences at hand finish, the second stops at once."""
    received = 0

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if received:
            raise KeyboardInterrupt
        received = number
        err.print(say("fill.stopping"), markup=False)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bar:
    """Entries done, how many a second, and the time left: one bar on a terminal, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._phase = ""
        self._shown_at = 0.0

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *failure: object) -> None:
        self._close()

    def show(self, progress: "fill.Progress") -> None:
        now, is_new = time.monotonic(), progress.phase != self._phase
        if is_new:
            self._close()
            self._phase, self._shown_at = progress.phase, now
        if progress.phase == "memory":
            if err.is_terminal:
                err.print(say("fill.reading"), style="dim", markup=False)
            return
        if not err.is_terminal:
            if not is_new and now - self._shown_at >= LINE_EVERY and progress.done < progress.total:
                self._shown_at = now
                err.print(f"{self._counted(progress)}  {self._said(progress)}", markup=False, soft_wrap=True)
            return
        if self._bar is None:
            if progress.done == progress.total:
                return
            self._open(progress)
        if self._bar is not None and (is_new or now - self._shown_at > TRAILS or progress.done == progress.total):
            self._shown_at = now
            count = self._counted(progress)
            self._bar.update(self._task, completed=progress.done, counted=count, words=self._said(progress))

    def _open(self, progress: "fill.Progress") -> None:
        wide = err.width >= 70
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None if wide else 8),
            TaskProgressColumn(),
            TextColumn("{task.fields[counted]}"),
            TextColumn("{task.fields[words]}" if wide else ""),
        ]
        self._bar = Progress(*columns, console=err, expand=wide, transient=True)
        name = say(f"fill.phase.{progress.phase}")
        self._task = self._bar.add_task(name, total=progress.total, counted=self._counted(progress), words="")
        self._bar.start()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _counted(self, progress: "fill.Progress") -> str:
        return f"{progress.done:,}/{progress.total:,}"

    def _said(self, progress: "fill.Progress") -> str:
        if progress.left is None:
            return ""
        return say("fill.progress", rate=f"{progress.rate:,.0f}", left=duration(progress.left))


def print_summary(summary: "Summary") -> None:
    """What came of the file, on standard error."""
    if summary.stale:
        err.print(say("fill.stale"), markup=False)
    if summary.memory_missing:
        err.print(say("fill.memory_missing", why=summary.memory_missing), markup=False, soft_wrap=True)
    if summary.variety:
        err.print(variety_said(summary.variety), markup=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("fill.entries"))
    table.add_column(f"{summary.entries:,}", justify="right", no_wrap=True)
    table.add_column("", style="dim", overflow="fold")
    for key in ("finished", "existing", "blank", "memory", "copied", "model", "refused", "left"):
        count = getattr(summary, key)
        if count or key in ("memory", "model"):
            table.add_row(say(f"fill.{key}"), f"{count:,}", _note(summary, key))
    err.print(table)
    if summary.interrupted:
        return
    seconds = duration(summary.seconds) if summary.seconds >= 10 else f"{summary.seconds:.1f} s"
    err.print(say("fill.written", path=summary.output, time=seconds), markup=False, soft_wrap=True)
    if summary.needs_review and (summary.is_marked or not summary.reviews):
        key = "fill.needs_review" if summary.is_marked else "fill.unmarked"
        err.print(say(key, count=f"{summary.needs_review:,}"), markup=False)
    for review in summary.reviews:
        err.print(say("fill.review", path=review), markup=False, soft_wrap=True)


def variety_said(variety: "Variety") -> str:
    """That the file asks for another script or region than the run has learned."""
    if variety.kind == "region":
        return say("fill.region", locale=variety.locale)
    wanted, learned = (say(f"fill.script.{script}") for script in (variety.wanted, variety.learned))
    return say("fill.script", locale=variety.locale, wanted=wanted, learned=learned)


def _note(summary: "Summary", key: str) -> str:
    if key == "refused":
        return ", ".join(f"{kind_said(kind)} {count:,}" for kind, count in summary.reasons.items())
    if key == "model" and summary.continued:
        return say("fill.continued", count=f"{summary.continued:,}")
    return say(f"fill.{key}.note") if f"fill.{key}.note" in words("en") else ""


def kind_said(kind: str) -> str:
    """A kind of breach in the person's language, or as it is named where there are no words for it."""
    from pellucid.see.report.words import words as words_of_page

    return words_of_page("review", spoken()).get(f"kind.{kind}", kind)
