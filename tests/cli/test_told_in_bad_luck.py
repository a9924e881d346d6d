"""What a person sees when the training goes back, or the disk is full: in a line, in both languages, in the report."""

import json
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from pellucid.run import Run
from tests.cli.conftest import Command, write_data
from tests.faults import Disk

TOO_FAST = ["--learning-rate", "100", "--set", "training.optimizer=sgd", "--set", "training.clip=0"]
TRAIN = ["train", "regress", "houses.csv", "--target", "price", "--depth", "2", "--steps", "60", "--threads", "1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_data(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("language", "says"), [("en", "no finite loss; back to step 0"), ("zh", "损失不是有限的数；退回第 0 步")]
)
def test_going_back_is_a_line_and_its_data_another_and_the_error_says_what_was_tried(
    language: str, says: str, place: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    result = pellucid(*TRAIN, *TOO_FAST, "--name", "fast")
    told = [line for line in result.out.split("\n") if says in line]
    assert len(told) == 3
    assert all(cell_len(line) <= 80 for line in told)
    assert "(3 of 3)" in told[2] or "（3/3）" in told[2]
    assert result.out.count("houses.csv, line") >= 6
    assert result.code == 2
    assert "after going back 3 times" in result.err
    assert "Traceback" not in result.err
    assert pellucid("report", "runs/fast").code == 0
    text = (place / "runs" / "fast" / "report.html").read_text(encoding="utf-8")
    assert text.count("the training went back to step 0") == 3
    assert "训练退回到第 0 步" in text
    told_by_doctor = json.loads(pellucid("doctor", "runs/fast", "--json").out)
    assert "no number 3 times" in told_by_doctor["findings"][0]["said"]["en"]["evidence"]


def test_with_json_each_time_is_an_event(place: Path, pellucid: Command) -> None:
    result = pellucid(*TRAIN, *TOO_FAST, "--name", "fast", "--json")
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["number"] for event in events if event["kind"] == "rollback"] == [1, 2, 3]


def test_a_disk_that_is_full_at_the_end_leaves_a_whole_run_and_says_what_is_missing(
    place: Path, pellucid: Command
) -> None:
    assert pellucid(*TRAIN, "--name", "whole").code == 0
    run = place / "runs" / "whole"
    (run / "report.html").unlink()
    with Disk(run, 0, "full from here on").used():
        result = pellucid("report", "runs/whole")
    assert result.code == 2
    assert result.err.startswith("error: runs/whole/report.html: cannot be written (No space left on device)")
    assert "Free some space" in result.err
    assert not list(run.glob(".*"))
    assert Run.open(run).status == "finished"


def test_a_training_on_a_disk_that_fills_up_says_so_at_once_and_how_to_go_on(place: Path, pellucid: Command) -> None:
    disk = Disk(place / "runs", 60, "full from here on")
    with disk.used():
        result = pellucid(*TRAIN, "--name", "full", "--set", "training.evaluate_every=20")
    assert len(disk.done) > 60
    assert result.code == 2
    assert result.err.startswith("warning:")
    assert "the training goes on and tries again" in " ".join(result.err.split())
    assert "error: " in result.err
    assert "pellucid resume runs/full" in result.err
    assert "Traceback" not in result.err
    assert pellucid("resume", "runs/full").code == 0
    assert pellucid(*TRAIN, "--name", "other", "--set", "training.evaluate_every=20").code == 0
    full, other = (place / "runs" / name / "model.safetensors" for name in ("full", "other"))
    assert full.read_bytes() == other.read_bytes()
    shutil.rmtree(place / "runs")
