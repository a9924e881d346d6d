"""The command line as a person meets it: arguments in, exit code and two streams out."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pellucid.cli import console
from pellucid.cli.main import main

PAIRS = Path(__file__).parents[2] / "examples" / "pairs.tsv"
TINY = ["--threads", "1", "--set", "model.d_model=16", "--set", "model.feed_forward=16", "--vocabulary", "400"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def pellucid(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the real entry point in this process."""
    monkeypatch.setenv("COLUMNS", "80")
    for one in (console.out, console.err):  # they took over the width of whoever imported them
        monkeypatch.setattr(one, "_width", None)
    monkeypatch.setenv("PELLUCID_LANG", "en")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["pellucid", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def lines(result: Result) -> list[str]:
    assert result.code == 0, result
    return result.out.split("\n")[:-1]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs/ holds one run, en-zh, made by the command itself."""
    place = tmp_path_factory.mktemp("work")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    sys.argv = ["pellucid", "train", "translate", str(PAIRS), "--steps", "12", *TINY]
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        os.chdir(before)
        sys.argv = arguments
    assert not stop.value.code
    return place
