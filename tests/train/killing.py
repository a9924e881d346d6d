"""Trainings in processes that can be killed, one after another.

What a process loads before it trains takes longer than the training of a test. So one process loads it all and trains
nothing; for each training it forks one that has never trained before, as a person's next command would be.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import os, sys
import pellucid.tasks.language, pellucid.tasks.regress, pellucid.tasks.translate
from pellucid.run import Run
from pellucid.train.loop import Trainer

for line in sys.stdin:
    if child := os.fork():
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    run = Run.open(line.rstrip("\\n"))
    task = run.task
    print("ready", os.getpid(), flush=True)
    Trainer(run, task).train()
    sys.exit()
"""


class Trainings:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def started(self, run: Path) -> int:
        """Start or resume the training of a run; the number of its process, once it trains."""
        assert self.process.stdin is not None
        print(run, file=self.process.stdin, flush=True)
        return self._told("ready")

    def ended(self) -> int:
        """Wait for the training; its exit code, minus the signal that killed it."""
        return self._told("ended")

    def _told(self, what: str) -> int:
        assert self.process.stdout is not None
        word, number = self.process.stdout.readline().split()
        assert word == what
        return int(number)


@contextmanager
def trainings() -> Iterator[Trainings]:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Trainings(process)
