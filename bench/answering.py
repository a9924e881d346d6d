"""A process of a benchmark, which works whenever it is told to, and answers in lines of JSON."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any


class Answering:
    """Started at once. Ends the benchmark with the last of what it said if it dies."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=env
        )

    def ask(self, what: object) -> Any:
        """Tell it one line; its answer."""
        assert self.process.stdin
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        self.errors.seek(0)
        raise SystemExit(f"{self.name} ended:\n{self.errors.read()[-2000:]}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
