"""Clocks that jump, data that changes, two processes at one run: nothing is lost, and what is wrong is said."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.errors import DataError, RunError
from pellucid.run import Run
from pellucid.train.loop import Trainer
from pellucid.train.plan import make_plan
from tests.train.diagnosis.trainings import TASKS, curve
from tests.train.test_loop import counters, fingerprint, untimed

CLOCKS: dict[str, Callable[[int], float]] = {
    "backwards at each look": lambda look: 2e9 - 3600.0 * look,
    "by hours, to and fro": lambda look: 1.7e9 + (86400.0 if look % 2 else -86400.0),
    "before 1970": lambda look: -1e6 * look,
}
SMALL = {"steps": 24, "save_every": 0.001}


@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_that_jumps_changes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Run.create(tmp_path / "plain", curve(tmp_path, training=SMALL))
    Trainer(plain, curve(tmp_path, training=SMALL)).train()
    looks = itertools.count()
    monkeypatch.setattr(time, "time", lambda: CLOCKS[name](next(looks)))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * CLOCKS[name](next(looks))))
    task = curve(tmp_path)
    task.config = task.config.changed(training={**task.training.model_dump(), "steps": None, "budget": "10s"})
    planned = make_plan(task)
    assert planned.training.steps is not None
    assert planned.training.steps > 100
    run = Run.create(tmp_path / "run", curve(tmp_path, training=SMALL))
    Trainer(run, curve(tmp_path, training=SMALL)).train()
    seconds = [line["seconds"] for line in run.metrics() if line["kind"] == "step"]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[-1] < 60
    assert untimed(run) == untimed(plain)
    assert fingerprint(run) == fingerprint(plain)


@pytest.mark.parametrize("leap", [36_000.0, -36_000.0])
def test_a_machine_that_slept_between_two_steps_goes_on_to_the_same_bits(leap: float, tmp_path: Path) -> None:
    """Even if the steady clock leapt: steps say when what happens, not seconds."""
    plain = Run.create(tmp_path / "plain", curve(tmp_path, training=SMALL))
    Trainer(plain, curve(tmp_path, training=SMALL)).train()
    run = Run.create(tmp_path / "run", curve(tmp_path, training=SMALL))
    looks = itertools.count()
    clock = lambda: time.monotonic() + (leap if next(looks) > 60 else 0.0)  # noqa: E731
    Trainer(run, curve(tmp_path, training=SMALL), clock=clock).train()
    assert untimed(run) == untimed(plain)
    assert counters(run) == counters(plain)
    assert fingerprint(run) == fingerprint(plain)


def test_which_state_is_the_newest_is_told_by_its_step_not_by_the_time_of_its_file(tmp_path: Path) -> None:
    task = curve(tmp_path, training=SMALL)
    run = Run.create(tmp_path / "run", task)
    Trainer(run, task).train()
    for number, path in enumerate(sorted((run.path / "state").glob("step-*"))):
        os.utime(path, (1e9 - 1e6 * number, 1e9 - 1e6 * number))
    saved = run.load_state()
    assert saved is not None
    assert saved[1]["counters"]["step"] == 24


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line more": lambda path: path.write_bytes(
        path.read_bytes() + path.read_bytes().rstrip().split(b"\n")[-1] + b"\n"
    ),
    "a line less": lambda path: path.write_bytes(b"\n".join(path.read_bytes().rstrip().split(b"\n")[:-1]) + b"\n"),
    "the order": lambda path: path.write_bytes(_swapped(path.read_bytes())),
}


def _swapped(content: bytes) -> bytes:
    first, *rest = content.rstrip().split(b"\n")
    return b"\n".join([first, *rest[1:], rest[0]]) + b"\n"


def _other_picture(path: Path) -> None:
    import numpy as np

    held = dict(np.load(path))
    name = next(name for name, array in held.items() if array.ndim > 2)
    held[name] = held[name].copy()
    held[name].reshape(-1)[0] ^= 1
    np.savez(path, **held)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "images"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_data_file_that_changed_since_the_run_began_is_named(name: str, change: str, tmp_path: Path) -> None:
    task = TASKS[name](tmp_path)
    (file,) = task.config.data.files
    run = Run.create(tmp_path / "run", task)
    assert Run.open(run.path).task.fingerprint() == task.fingerprint()
    CHANGES[change](Path(file))
    with pytest.raises(DataError) as caught:
        _ = Run.open(run.path).task
    assert Path(file).name in str(caught.value)
    assert "changed" in str(caught.value)
    assert caught.value.mend


def test_a_picture_that_changed_since_the_run_began_is_told(tmp_path: Path) -> None:
    task = TASKS["images"](tmp_path)
    (file,) = task.config.data.files
    run = Run.create(tmp_path / "run", task)
    _other_picture(Path(file))
    with pytest.raises(DataError, match="changed"):
        _ = Run.open(run.path).task


HOLD = """
import sys
from pathlib import Path
from pellucid.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_another_process_trains_is_left_alone_until_that_one_ends(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", curve(tmp_path, training=SMALL))
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert run.status == "running"
        with pytest.raises(RunError, match="another process is training this run"), run.locked():
            pass
        other.kill()
    assert run.status == "new"
    with run.locked():
        assert run.status == "running"
