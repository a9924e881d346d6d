"""The command line as a person meets it: arguments in, exit code and two streams out."""

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
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


# A small run of every other task

COMMON = [f"and{letter}" for letter in "abcdefghij"]
TOPICS = [[f"{topic}{letter}" for letter in "abcdefgh"] for topic in ("king", "ship", "love", "gold")]


def scenes(seed: int) -> str:
    """Scenes of one topic each, so that their words are related."""
    draw = random.Random(seed)
    lines = ([" ".join(draw.choices(TOPICS[n % 4] + COMMON, k=8)) for _ in range(20)] for n in range(40))
    return "\n".join(f"ACT {n}\n\n" + "\n".join(scene) + "\n" for n, scene in enumerate(lines))


TRAININGS = {
    "regress": ["houses.csv", "--target", "price", "--depth", "1", "--width", "4", "--steps", "30"],
    "classify": ["flowers.csv", "--target", "kind", "--steps", "30"],
    "pictures": ["digits.npz", "--steps", "4", "--set", "model.cnn.channels=[4]"],
    "language": ["text.txt", "--cell", "rnn", "--steps", "6", "--set", "model.width=16", "--set", "model.layers=1"],
    "embed": ["text.txt", "--steps", "6", "--set", "model.dimension=8"],
}
TASK = {name: "classify" if name == "pictures" else name for name in TRAININGS}


def write_data(folder: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    area, rooms = draw.uniform(30, 200, 80), draw.integers(1, 7, 80)
    price = 2000 * area + 9000 * rooms + draw.normal(0, 5000, 80)
    rows = [f"{a:.1f},{r},{p:.0f}" for a, r, p in zip(area, rooms, price, strict=True)]
    (folder / "houses.csv").write_text("\n".join(["area,rooms,price", *rows]) + "\n")
    kinds = [("red", "blue")[n % 2] for n in range(80)]
    rows = [f"{draw.normal((k == 'red') * 2):.4f},{draw.normal():.4f},{k}" for k in kinds]
    (folder / "flowers.csv").write_text("\n".join(["long,wide,kind", *rows]) + "\n")
    np.savez(folder / "digits.npz", images=draw.integers(0, 256, (60, 8, 8), dtype=np.uint8), labels=np.arange(60) % 3)
    (folder / "text.txt").write_text(scenes(seed))


@pytest.fixture(scope="session")
def every_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of every task, trained by the command."""
    place = tmp_path_factory.mktemp("tasks")
    (place / "other").mkdir()
    write_data(place, 1)
    write_data(place / "other", 2)
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    try:
        for name, told in TRAININGS.items():
            sys.argv = ["pellucid", "train", TASK[name], *told, "--threads", "1", "--name", name]
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code, name
    finally:
        os.chdir(before)
        sys.argv = arguments
    return place
