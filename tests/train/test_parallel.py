"""Several workers learn what one would learn from the same batches, keep the same weights, and end together."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from pellucid.data.batching import epoch_batches
from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.parallel import ALONE, Workers, joined

SCRIPT = Path(__file__).with_name("workers.py")
PAIRS = Path(__file__).parents[2] / "examples" / "pairs.tsv"
TINY = ["--threads", "1", "--set", "model.d_model=16", "--set", "model.feed_forward=16", "--vocabulary", "400"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pellucid"]
SECONDS = 120  # after which a process that hangs is given up
# Softmax does not change when all scores of a query shift, so a key's bias has no gradient but rounding.
NO_GRADIENT = re.compile(r"key\.bias$")


def together(scene: str, pairs: Path, folder: Path) -> list[int]:
    """Two workers, each a process, on a free port; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, str(SCRIPT), scene, str(pairs), str(folder)]
    processes = [subprocess.Popen(command, env={**environment, "RANK": rank}) for rank in "01"]
    return [process.wait(timeout=SECONDS) for process in processes]


class Learned(NamedTuple):
    folder: Path
    pairs: Path
    task: TranslateTask
    codes: list[int]


@pytest.fixture(scope="module")
def learned(pairs_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """What two workers left: gradients, trainings, and one that ended when its second worker was killed."""
    folder = tmp_path_factory.mktemp("two")
    codes = together("learn", pairs_file, folder)
    return Learned(folder, pairs_file, Run.open(folder / "whole").task, codes)


@pytest.fixture(scope="module")
def resumed(learned: Learned) -> Learned:
    shutil.copytree(learned.folder / "killed", learned.folder / "killed for one")
    return learned._replace(codes=together("resume", learned.pairs, learned.folder))


def without_dropout(task: TranslateTask, **training: object) -> TranslateTask:
    model = {**task.config.model.model_dump(), "dropout": 0.0}
    settings = {**task.config.training.model_dump(), **training}
    return TranslateTask(task.config.changed(model=model, training=settings), task.data, task.tokenizer)


def lines(run: Path, kind: str, *fields: str) -> list[list[Any]]:
    return [[line[field] for field in fields] for line in Run.open(run).metrics() if line["kind"] == kind]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    saved = Run.open(run).load_state()
    assert saved is not None
    return saved[0]


def assert_same_bits(run: Path, other: Path) -> None:
    ours, theirs = tensors(run), tensors(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert (run / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("name", "batch"),
    [("even", list(range(16))), ("uneven", [3, 50, 90, 7, 120]), ("fewer rows than workers", [11])],
)
def test_gradients_of_two_workers_are_those_of_one(learned: Learned, name: str, batch: list[int]) -> None:
    task = without_dropout(learned.task)
    torch.manual_seed(1)
    model = task.build_model()
    task.loss(model, task.collate(batch)).total.backward()
    for rank in (0, 1):
        shared = torch.load(learned.folder / f"{name}.{rank}.pt")
        for parameter, value in model.named_parameters():
            assert value.grad is not None
            if not NO_GRADIENT.search(parameter):
                error = (shared[parameter] - value.grad).abs().max() / value.grad.abs().max()
                assert error < 1e-5, (parameter, error)


def test_after_ten_steps_of_two_batches_each_two_workers_stand_where_one_stands(
    learned: Learned, tmp_path: Path
) -> None:
    task = without_dropout(learned.task, steps=10, accumulate=2)
    run = Run.create(tmp_path / "one", task)
    Trainer(run, task).train()
    fields = ("step", "tokens", "learning_rate")
    assert lines(learned.folder / "accumulated", "step", *fields) == lines(run.path, "step", *fields)
    for field in ("loss", "gradient_norm"):
        ours, theirs = (torch.tensor(lines(p, "step", field)) for p in (learned.folder / "accumulated", run.path))
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=0)
    ours, theirs = tensors(learned.folder / "accumulated"), tensors(run.path)
    moved = [name for name in theirs if name.startswith("model.") and not NO_GRADIENT.search(name)]
    for name in moved:
        assert (ours[name] - theirs[name]).norm() / theirs[name].norm() < 1e-3, name


def test_all_workers_end_with_the_same_weights_and_random_numbers_of_their_own(learned: Learned) -> None:
    (first, drawn), (second, others) = (torch.load(learned.folder / f"weights.{rank}.pt") for rank in (0, 1))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert not torch.equal(drawn, others)


def test_what_is_logged_is_of_the_whole_batch(learned: Learned) -> None:
    task = learned.task
    batches = epoch_batches(task.lengths, task.training.batch_tokens, task.training.seed, 0)
    counted = [sum(task.lengths[example][1] for example in batch) for batch in batches]
    totals = [tokens for (tokens,) in lines(learned.folder / "whole", "step", "tokens")]
    assert totals[:3] == [counted[0], sum(counted[:2]), sum(counted[:3])]


def test_where_one_workers_loss_is_no_number_all_go_back_together_and_keep_the_same_weights(learned: Learned) -> None:
    place = learned.folder / "rolled back"
    ((step, to),) = lines(place, "rollback", "step", "to")
    assert to == 8 < step <= 16
    assert [number for (number,) in lines(place, "step", "step")] == list(range(1, 25))
    first, second = (torch.load(learned.folder / f"rolled.{rank}.pt") for rank in (0, 1))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_worker_that_is_killed_ends_the_other_with_a_sentence(learned: Learned) -> None:
    assert learned.codes == [0, -signal.SIGKILL]
    error = (learned.folder / "learn.0.error").read_text(encoding="utf-8")
    assert error == "TrainingError: another worker was ended from outside, and the training with it"


def test_a_training_whose_worker_was_killed_resumes_to_the_same_bits(resumed: Learned) -> None:
    assert_same_bits(resumed.folder / "killed", resumed.folder / "whole")


def test_a_training_that_any_worker_stopped_resumes_to_the_same_bits(resumed: Learned) -> None:
    assert_same_bits(resumed.folder / "stopped", resumed.folder / "whole")


def test_one_worker_goes_on_for_two_and_says_so(resumed: Learned) -> None:
    run, told = Run.open(resumed.folder / "killed for one"), []
    Trainer(run, resumed.task, told.append).train()
    (warning,) = [event["text"] for event in told if event["kind"] == "warning"]
    assert "goes on with 1 worker(s) after 2" in warning
    assert run.ending() == "steps done"


def test_of_two_workers_the_one_that_fails_has_the_error_and_the_other_has_its_echo(resumed: Learned) -> None:
    errors = [(resumed.folder / f"resume.{rank}.error").read_text(encoding="utf-8") for rank in (0, 1)]
    assert errors[1] == "TrainingError: only the second worker knows this"
    assert errors[0] == "WorkerError: another worker failed, and says why"


def test_workers_that_disagree_on_the_data_all_say_so(resumed: Learned) -> None:
    errors = {(resumed.folder / f"disagree.{rank}.error").read_text(encoding="utf-8") for rank in (0, 1)}
    assert errors == {"worker 2 of 2 has other data than the first"}


def test_a_process_alone_is_its_own_only_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as workers:
        assert workers == ALONE
    assert ALONE.share([1, 2, 3]) == ([1, 2, 3], True)
    assert (ALONE.weight(7), ALONE.sum(1.5, 2), ALONE.gather("x"), ALONE.first(lambda: 3)) == (1.0, [1.5, 2], ["x"], 3)


def test_shares_hold_each_row_once_and_an_empty_one_does_not_count() -> None:
    shares = [Workers(rank, 4).share([5, 6, 7]) for rank in range(4)]
    assert shares == [([5], True), ([6], True), ([7], True), ([5], False)]


# The command itself


def torchrun(place: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PELLUCID_LANG": "en", "COLUMNS": "80"}
    command = [*TORCHRUN, *map(str, arguments)]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of the command, its standard output and its data."""
    place = tmp_path_factory.mktemp("commanded")
    done = torchrun(place, "train", "translate", PAIRS, "--steps", "4", *TINY, "--json")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    (place / "out").write_text(done.stdout, encoding="utf-8")
    return place


def test_the_command_makes_one_whole_run_and_prints_once(commanded: Path) -> None:
    events = [json.loads(line) for line in (commanded / "out").read_text(encoding="utf-8").splitlines()]
    assert [event["kind"] for event in events if event["kind"] not in ("evaluation", "statistics")] == [
        *("data", "plan", "network"),
        *["step"] * 4,
        *("end", "test"),
    ]
    assert events[1]["workers"] == 2
    assert [path.name for path in (commanded / "runs").iterdir()] == ["en-zh"]
    run = Run.open(commanded / "runs" / "en-zh")
    assert run.status == "finished"
    assert len(run.translate(["Save"])) == 1
    assert "pairs" in run.evaluate(method="greedy")
    assert (run.path / "report.html").is_file()


def test_an_error_of_the_command_ends_all_workers_with_one_sentence(commanded: Path) -> None:
    done = torchrun(commanded, "train", "translate", PAIRS, "--steps", "4", *TINY, "--name", "en-zh")
    assert done.returncode != 0
    assert done.stderr.count("already exists and is not empty") == 1
    assert done.stdout == ""


def test_ctrl_c_stops_all_workers_after_a_step_and_saves(tmp_path: Path) -> None:
    arguments = [str(PAIRS), "--steps", "4000", "--set", "training.evaluate_every=4000", "--name", "cut", *TINY]
    with (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen(
            [*TORCHRUN, "train", "translate", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PELLUCID_LANG": "en"},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        metrics, until = tmp_path / "runs" / "cut" / "metrics.jsonl", time.monotonic() + SECONDS
        while not (metrics.exists() and '"step"' in metrics.read_text(encoding="utf-8")):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=SECONDS) != 0
    assert (tmp_path / "err").read_text(encoding="utf-8").count("Finishing this step") == 1
    run = Run.open(tmp_path / "runs" / "cut")
    assert run.status == "stopped"
    assert run.ending() == "interrupted"
