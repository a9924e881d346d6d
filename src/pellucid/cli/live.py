"""A training as it is watched: one progress bar, a sample translation at each evaluation, scores at the end.

On a terminal the bar is live; piped, each evaluation is one plain line; with --json, each event is a line of JSON.
"""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pellucid.cli.console import duration, err, millions, out, print_json, size_of
from pellucid.cli.outcome import outcome_of
from pellucid.cli.words import say
from pellucid.words import spoken

Event = Mapping[str, Any]
PAUSE = 0.1  # seconds of training between two moves of the bar: moving it takes as long as a small network's layer
REFRESH = 20  # steps between two updates of the text beside the bar, so that it can be read
LINES = 2  # of the data, named when the training goes back
SMOOTH = 0.95  # of the loss and rate shown


class Live:
    """Shows the events of one training. `show` is the trainer's watcher."""

    def __init__(self, task: str, json: bool, item: str = "token") -> None:
        self.outcome = outcome_of(task)
        self._items = say(f"item.{item}", count=2)
        self.json = json
        self.steps = 0
        self.stopped_at: int | None = None
        self.ended: Event | None = None
        self.tested: Event | None = None
        self._score = ""
        self._loss = self._rate = 0.0
        self._step_shown = self._kept = self._kept_bytes = 0
        self._kept_seconds = 0.0
        self._moves_at, self._said_at = 0.0, 0  # seconds of training, a step
        self._bar: Progress | None = None

    def show(self, event: Event) -> None:
        if self.json:
            print_json(event)
        handler: Callable[[Event], None] | None = getattr(self, f"_{event['kind']}", None)
        if handler is not None:
            handler(event)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _data(self, event: Event) -> None:
        if not self.json:
            out.print(self.outcome.data_line(event), markup=False)
        self._say("train.measuring")

    def _plan(self, event: Event) -> None:
        self.steps = event["steps"]
        key = "train.plan" if event["workers"] == 1 else "train.plan_workers"
        self._say(
            key,
            preset=say("train.preset", preset=event["preset"]) if event["preset"] else "",
            parameters=millions(event["parameters"]),
            steps=f"{self.steps:,}",
            precision=event["precision"],
            rate=f"{event['tokens_per_second']:,}",
            items=self._items,
            threads=event["threads"],
            workers=event["workers"],
        )
        if "recorded" in event:
            told = event["recorded"]
            every = say("train.recording_every", every=f"{told['every']:,}") if told["every"] else ""
            self._say("train.recording", count=told["snapshots"], every=every, size=size_of(told["bytes"]))

    def start(self, steps: int) -> None:
        """Open the bar."""
        self.steps = steps
        if self.json or not out.is_terminal or self._bar is not None:
            return
        wide = out.width >= 70
        columns = [
            BarColumn(bar_width=None if wide else 8),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[words]}") if wide else TextColumn(""),
            TimeRemainingColumn(compact=True) if wide else TimeElapsedColumn(),
        ]
        self._bar = Progress(*columns, console=out, expand=wide, speed_estimate_period=120.0)
        self._task = self._bar.add_task("", total=steps, words="")
        self._bar.start()

    def _step(self, event: Event) -> None:
        self._step_shown = event["step"]
        first = not self._loss
        self._loss = event["loss"] if first else SMOOTH * self._loss + (1 - SMOOTH) * event["loss"]
        rate = event["tokens_per_second"]
        self._rate = rate if first else SMOOTH * self._rate + (1 - SMOOTH) * rate
        if self._bar is None:
            self.start(self.steps)
        if self._bar is not None and (first or event["seconds"] >= self._moves_at):
            self._moves_at = event["seconds"] + PAUSE
            self._bar.update(self._task, completed=event["step"])
            if first or event["step"] >= self._said_at + REFRESH:
                self._said_at = event["step"]
                words = say(
                    "train.progress",
                    loss=f"{self._loss:.2f}",
                    rate=f"{self._rate:,.0f}",
                    items=self._items,
                    score=self._score,
                )
                self._bar.update(self._task, words=words)

    def _evaluation(self, event: Event) -> None:
        self._score = self.outcome.score_text(event["scores"])
        if not self.json:
            self.outcome.evaluation(event)

    def _recorded(self, event: Event) -> None:
        self._kept += len(event["steps"])
        self._kept_bytes += event["bytes"]
        self._kept_seconds += event["writing"]

    def _finding(self, event: Event) -> None:
        """What the doctor sees while it trains, once."""
        said = event["said"][spoken()]
        sure = say("doctor.sure", percent=f"{100 * event['sure']:.0f}")
        step = self._step_shown if event["step"] is None else event["step"]
        self._say("doctor.live", step=f"{step:,}", title=said["title"], sure=sure)

    def _rollback(self, event: Event) -> None:
        """One line, and the bar goes back."""
        self._step_shown = self._said_at = event["to"]
        self._loss = 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=event["to"])
        self._say(
            "train.rollback",
            step=f"{event['step']:,}",
            to=f"{event['to']:,}",
            rate=f"{event['learning_rate']:.3g}",
            number=event["number"],
            of=event["of"],
        )
        lines = "; ".join(event["lines"][:LINES])
        rest = len(event["lines"]) - LINES
        self._say(
            "train.rollback.lines",
            lines=say("train.rollback.more", lines=lines, count=rest) if rest > 0 else lines,
        )

    def _warning(self, event: Event) -> None:
        err.print(f"{say('warning')} {event['text']}", markup=False)

    def _end(self, event: Event) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=event["step"])
        self.close()
        self.ended = event
        if event["reason"] == "interrupted":
            return
        key = "reason.steps done" if event["reason"] == "steps done" else "reason.patience"
        self._say(
            "train.ended",
            steps=f"{event['step']:,}",
            time=duration(event["seconds"]),
            reason=say(key),
            best=f"{event['best_step']:,}",
        )
        if self._kept:
            self._say(
                "train.recorded",
                count=self._kept,
                size=size_of(self._kept_bytes),
                seconds=f"{self._kept_seconds:.1f}",
                share=f"{100 * self._kept_seconds / max(event['seconds'], 1e-9):.1f}",
            )

    def _test(self, event: Event) -> None:
        self.tested = event

    def _say(self, key: str, **values: Any) -> None:
        if not self.json:
            out.print(say(key, **values), markup=False)


class Closing(Protocol):
    """Whatever has something open on the screen."""

    def close(self) -> None: ...


@contextmanager
def stopped_by_ctrl_c(live: Closing, said: str = "train.stopping") -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: once lets the step finish and saves (which `said` says), twice stops at once."""
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        err.print(say(said), markup=False)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        live.close()
        signal.signal(signal.SIGINT, before)
