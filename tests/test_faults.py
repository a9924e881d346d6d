"""Whatever goes wrong at whichever write, fsync or rename: the run folder holds the old or the new, whole."""

import importlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid.errors import PellucidError, RunError
from pellucid.files import UNFINISHED, read_tensors, write_tensors, write_text
from pellucid.run import Run
from pellucid.see.report import write_report
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.train.diagnosis import diagnose
from pellucid.train.loop import Trainer
from tests.faults import FAULTS, Disk, Killed
from tests.train.diagnosis.trainings import waves
from tests.train.test_loop import counters, fingerprint, untimed

Write = Callable[[Run], object]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waves(tmp_path_factory.mktemp("data"), rows=40)


def task_of(table: Path) -> RegressTask:
    training = {"steps": 4, "evaluate_every": 2, "watch": 2, "batch": 8, "record": "evaluations", "threads": 1}
    config = {"data": {"files": [str(table)], "target": "y"}, "model": {"width": 4}, "training": training}
    return RegressTask(RegressTask.proposed(RegressConfig.parse(config)))


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that a training leaves behind."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "run", task_of(table))
    Trainer(run, task_of(table)).train()
    diagnose(run)
    write_text(run.path / "report.html", "<p>an earlier report</p>")
    return run.path


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((3, 2), value), "count": torch.tensor(7), "half": torch.ones(5, dtype=torch.bfloat16)}


def export(run: Run) -> None:
    """As an export writes its folder, without the packages that write the weights."""
    from pellucid.files import replacing_folder

    with replacing_folder(run.path / "export") as folder:
        for name in ("model.bin", "pellucid.json"):
            (folder / name).write_text("new " + name)


def new_export(run: Run) -> None:
    shutil.rmtree(run.path / "export")
    export(run)


WRITES: dict[str, Write] = {
    "a newer state": lambda run: run.save_state(5, tensors(2.0), {"counters": {"step": 5}}),
    "a state in place of one": lambda run: run.save_state(4, tensors(2.0), {"counters": {"step": 4}}),
    "the model": lambda run: run.save_model(tensors(3.0), {"step": 9}),
    "the config": lambda run: run.save_config(run.config),
    "metrics": lambda run: run.append_metrics([{"kind": "step", "step": 5}, {"kind": "step", "step": 6}]),
    "metrics cut": lambda run: run.cut_metrics(10),
    "snapshots": lambda run: run.save_recorded([5, 6], {"5.a": torch.ones(3), "6.a": torch.zeros(3)}),
    "the diagnosis": diagnose,
    "the report": lambda run: write_report(run.path),
    "an export in place of one": export,
    "what comes after a step, forgotten": lambda run: run.forget_after(2),
}


def contents(folder: Path) -> dict[str, bytes]:
    """All files by name, but for those whose names say that they are unfinished, and the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.endswith(UNFINISHED) for part in path.parts) and path.name != "lock"
    }


def one_step_at_a_time(name: str, found: bytes, old: bytes | None, new: bytes | None) -> bool:
    """Whether a file is as it was or as it is to be; metrics may end in the midst of what is new."""
    if name == "metrics.jsonl":
        assert old is not None
        assert new is not None
        return found in (old, new) or (found.startswith(old) and new.startswith(found))
    return found in (old, new)


def operations(disk: Disk, write: Callable[[], object]) -> int:
    with disk.used():
        write()
    return len(disk.done)


def assert_whole(run: Path) -> None:
    """It opens: config, best weights, a state, metrics, snapshots; and what is left over is cleared away."""
    opened = Run.open(run)
    assert opened.config.task == "regress"
    read_tensors(run / "model.safetensors")
    assert opened.load_state() is not None
    assert all("kind" in line for line in opened.metrics())
    opened.recorded_steps()
    assert opened.diagnosis() is not None
    with opened.locked():
        assert not list(run.rglob(f".*{UNFINISHED}"))


def faults(write: str, trained: Path, place: Path) -> int:
    """Plant every fault at every operation of a write; how many there were."""

    def fresh(name: str) -> Run:
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(trained, place / name)
        (place / name / "export").mkdir()
        (place / name / "export" / "model.bin").write_text("old")
        return Run.open(place / name)

    done = fresh("run")
    old = contents(done.path)
    count = operations(Disk(done.path), lambda: WRITES[write](done))
    new = contents(done.path)
    assert count
    for at in range(count):
        for fault in FAULTS:
            run = fresh("run")
            with Disk(run.path, at, fault).used(), suppress(OSError, PellucidError, Killed):
                WRITES[write](run)
            found = contents(run.path)
            for name, content in found.items():
                assert one_step_at_a_time(name, content, old.get(name), new.get(name)), (write, at, fault, name)
            assert not {name for name in old if name in new} - set(found), (write, at, fault)
            assert_whole(run.path)
            if not fault.startswith("killed") and not fault.endswith("from here on"):
                assert not list(run.path.rglob(f".*{UNFINISHED}")), (write, at, fault)
    return count * len(FAULTS)


def test_after_faults_at_each_write_of_a_state_the_run_holds_the_old_or_the_new(trained: Path, tmp_path: Path) -> None:
    assert faults("a newer state", trained, tmp_path) >= 40


@pytest.mark.slow
def test_after_each_of_500_planted_write_faults_the_run_holds_the_old_or_the_new(trained: Path, tmp_path: Path) -> None:
    counts = {write: faults(write, trained, tmp_path) for write in WRITES}
    assert sum(counts.values()) >= 500, counts


def creations(table: Path, place: Path, chosen: Callable[[int], bool]) -> int:
    """Faults while a run is made: there is none, or one that can be trained."""
    lines = [{"kind": "data", "train": 1}]
    task = task_of(table)
    count = operations(Disk(place / "whole"), lambda: Run.create(place / "whole", task, lines))
    planted = 0
    for at in filter(chosen, range(count)):
        for fault in FAULTS:
            planted += 1
            folder = place / f"run-{at}-{fault.replace(' ', '-')}"
            with Disk(folder, at, fault).used(), suppress(PellucidError, Killed):
                Run.create(folder, task, lines)
            if (folder / "config.toml").exists():
                run = Run.open(folder)
                assert run.config == Run.open(place / "whole").config
                assert list(run.metrics()) == lines
                assert run.kind.network(run.config, run.path) is not None
    return planted


def test_a_run_whose_making_fails_is_none_or_whole(table: Path, tmp_path: Path) -> None:
    assert creations(table, tmp_path, lambda at: True) >= 100


def train(run: Run, table: Path, events: list[Any] | None = None) -> None:
    Trainer(run, task_of(table), (lambda event: None) if events is None else events.append).train()


def lines(run: Run) -> list[dict[str, Any]]:
    """All but in which files snapshots were put together: that depends on when they could be written."""
    return [line for line in untimed(run) if line["kind"] != "recorded"]


def trainings(table: Path, place: Path, chosen: Callable[[int], bool]) -> int:
    """Faults in a whole training; each is gone on with, to the same bits."""
    whole = Run.create(place / "whole", task_of(table))
    count = operations(Disk(whole.path), lambda: train(whole, table))
    planted = 0
    for at in filter(chosen, range(count)):
        for fault in FAULTS:
            planted += 1
            run = Run.create(place / f"run-{planted}", task_of(table))
            told: list[Any] = []
            failed = False
            with Disk(run.path, at, fault).used():
                try:
                    train(run, table, told)
                except (RunError, Killed):
                    failed = True
            if failed:
                with Run.open(run.path).locked():
                    train(run, table)
            assert lines(run) == lines(whole), (at, fault)
            assert run.recorded_steps() == whole.recorded_steps(), (at, fault)
            assert counters(run) == counters(whole), (at, fault)
            assert fingerprint(run) == fingerprint(whole), (at, fault)
            shutil.rmtree(run.path)
    return planted


def test_a_training_with_a_fault_at_some_writes_goes_on_to_the_same_bits(table: Path, tmp_path: Path) -> None:
    assert trainings(table, tmp_path, lambda at: at % 46 == 0) >= 12


@pytest.mark.slow
def test_a_training_with_a_fault_at_any_write_goes_on_to_the_same_bits(table: Path, tmp_path: Path) -> None:
    assert trainings(table, tmp_path, lambda at: True) >= 500


def test_while_the_disk_is_full_the_training_goes_on_and_keeps_what_it_could_not_save(
    table: Path, tmp_path: Path
) -> None:
    """All that is written between the first state and the end fails: said once, and all is there at the end."""
    whole = Run.create(tmp_path / "whole", task_of(table))
    train(whole, table)
    run = Run.create(tmp_path / "run", task_of(table))
    told: list[Any] = []
    trainer = Trainer(run, task_of(table), told.append)
    disk = Disk(run.path, at=0, fault="full from here on")
    used = disk.used()
    used.__enter__()
    trainer.watcher = lambda event: (told.append(event), used.__exit__(None, None, None) if disk_is_freed(event) else 0)

    def disk_is_freed(event: Any) -> bool:
        return event["kind"] == "step" and event["step"] == 4

    trainer.train()
    warnings = [event["text"] for event in told if event["kind"] == "warning"]
    assert len(warnings) == 2
    assert "No space left on device" in warnings[0]
    assert "saved is step 0" in warnings[0]
    assert "saved again, at step 4" in warnings[1]
    assert lines(run) == lines(whole)
    assert run.recorded_steps() == whole.recorded_steps()
    assert fingerprint(run) == fingerprint(whole)


def test_a_full_disk_is_tried_again_at_savings_and_not_at_every_step_that_is_recorded(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt sums up all snapshots that are held: one at every step made it a hundred times slower."""
    monkeypatch.setattr(importlib.import_module("pellucid.train.recording"), "TOGETHER", 1)
    config = task_of(table).config
    changed = {**config.training.model_dump(), "steps": 60, "evaluate_every": 30, "record": 1}
    task = RegressTask(config.changed(training=changed))
    trainer = Trainer(Run.create(tmp_path / "run", task), task)
    disk = Disk(tmp_path / "run", 0, "full from here on")
    with disk.used(), pytest.raises(PellucidError, match="No space left on device"):
        trainer.train()
    assert disk.done.count("open") <= 10


def test_a_training_that_could_not_be_saved_says_so_at_its_end_and_from_where_it_can_go_on(
    table: Path, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run", task_of(table))
    trainer = Trainer(run, task_of(table))
    with Disk(run.path, 0, "full from here on").used(), pytest.raises(PellucidError) as caught:
        trainer.train()
    assert "No space left on device" in str(caught.value)
    assert "stands at step 4, saved is step 0" in str(caught.value)
    assert f"pellucid resume {run.path}" in caught.value.mend
    assert run.status == "stopped"


def test_a_training_in_a_folder_that_can_only_be_read_stops_with_a_sentence(table: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", task_of(table))
    with Disk(run.path, 0, "read-only from here on").used():
        with pytest.raises(PellucidError, match=r"cannot be written .Read-only file system"), run.locked():
            pass
        with pytest.raises(PellucidError, match=r"cannot be written .Read-only file system"):
            Trainer(run, task_of(table))


def test_what_is_written_is_safetensors_as_its_own_library_reads_it(tmp_path: Path) -> None:
    from safetensors import safe_open

    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
    kinds += [torch.int8, torch.uint8, torch.bool]
    given = {str(kind): (torch.randn(2, 3) * 9).to(kind) for kind in kinds}
    given |= {"none": torch.ones(0, 4), "one": torch.tensor(2.5), "turned": torch.arange(6.0).view(2, 3).T}
    write_tensors(tmp_path / "a.safetensors", given, {"said": "你好"})
    with safe_open(str(tmp_path / "a.safetensors"), framework="pt") as file:
        assert set(file.keys()) == set(given)
        assert all(torch.equal(file.get_tensor(name), one) for name, one in given.items())
    found, about = read_tensors(tmp_path / "a.safetensors")
    assert about == {"said": "你好"}
    assert json.loads(json.dumps(sorted(found))) == sorted(given)
