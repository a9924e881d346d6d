"""What `pellucid see` looks into: a run with a text, or a saved trace; and how it is looked at."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.console import find_run
from pellucid.errors import DataError

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.see.trace import Trace


@dataclass(frozen=True)
class View:
    """The options that several views share."""

    layer: int = 0
    head: int | None = None
    backward: bool = False
    exact: bool = False
    row: int = 0
    column: int = 0
    json: bool = False


class Opened:
    """Opened when it is asked for; `given` is a run's folder or name, or a trace that was saved."""

    def __init__(self, given: str, text: str | None, target: str | None, step: int | None = None) -> None:
        self.given, self.text, self.target, self.step = given, text, target, step
        self.saved = Path(given).is_file() or given.endswith(".safetensors")
        if self.saved and (text is not None or target is not None):
            raise DataError(f"{given} is a saved trace, with a text of its own", "Leave the text out, or name a run.")
        if self.saved and step is not None:
            raise DataError(f"{given} is a saved trace, of one state of the model", "Leave --step out, or name a run.")

    @cached_property
    def run(self) -> "Run":
        """Raises RunError where there is none, DataError where a trace was saved without it."""
        from pellucid.run import Run

        if self.saved:
            raise DataError(f"{self.given} is a saved trace; this needs the run itself", "Name the run and the text.")
        run = Run.open(find_run(self.given))
        return run if self.step is None else run.at(self.step)

    @cached_property
    def trace(self) -> "Trace":
        from pellucid.see.subjects import trace_of
        from pellucid.see.trace import Trace

        if self.saved:
            return Trace.load(self.given)
        found = trace_of(self.run, self.text, self.target)
        if self.step is not None:
            found.training_step = self.step
        return found
