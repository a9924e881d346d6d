"""Training: it learns, it resumes to the same bits, it stops before it breaks anything."""

import hashlib
import json
import os
import pickle
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pellucid.errors import RunError, TrainingError
from pellucid.run import Run
from pellucid.tasks.task import Batch, Losses
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from tests.train.killing import trainings

MakeRun = Callable[..., tuple[Run, TranslateTask]]
CLOCKED = ("seconds", "tokens_per_second", "loading", "matmul")  # what depends on the clock, not on the training


def untimed(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in CLOCKED} for line in run.metrics()]


def fingerprint(run: Run) -> str:
    """Of the last state's tensors (weights, averages, moments, randomness) and of the best model."""
    saved = run.load_state()
    assert saved is not None
    digest = hashlib.sha256((run.path / "model.safetensors").read_bytes())
    for name, tensor in sorted(saved[0].items()):
        digest.update(name.encode() + tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def counters(run: Run) -> dict[str, Any]:
    saved = run.load_state()
    assert saved is not None
    return {key: value for key, value in saved[1]["counters"].items() if key not in ("seconds", "metrics_bytes")}


def test_training_lowers_the_loss_and_leaves_a_whole_run(make_run: MakeRun) -> None:
    run, task = make_run(steps=60, evaluate_every=20)
    Trainer(run, task).train()
    lines = list(run.metrics())
    losses = [line["loss"] for line in lines if line["kind"] == "step"]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert lines[-1] == {**lines[-1], "kind": "end", "step": 60, "reason": "steps done"}
    assert [line["step"] for line in lines if line["kind"] == "evaluation"] == [20, 40, 60]
    assert run.status == "finished"
    assert len(run.translate(["open the window", ""])) == 2


def test_what_is_known_of_data_and_plan_is_there_before_the_folder_is_a_run(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, task = make_run()
    lines = [{"kind": "data", "train": 8}, {"kind": "plan", "steps": 4}]
    assert list(Run.create(tmp_path / "whole", task, lines).metrics()) == lines

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pellucid.run.write_text", full)
    with pytest.raises(RunError, match="No space left"):
        Run.create(tmp_path / "cut", task, lines)
    assert list(Run(tmp_path / "cut").metrics()) == lines
    assert not (tmp_path / "cut" / "config.toml").exists()


def test_a_training_stopped_after_any_step_resumes_to_the_same_bits(make_run: MakeRun) -> None:
    whole, task = make_run("whole")
    Trainer(whole, task).train()
    cut, task = make_run("cut")
    for stop in (1, 7, 8, 9, 20):
        seen: list[int] = []
        trainer = Trainer(cut, task, lambda event, seen=seen: seen.append(event.get("step", 0)), lambda: False)
        trainer.should_stop = lambda stop=stop, trainer=trainer: trainer.counters.step >= stop
        trainer.train()
        assert cut.status == "stopped"
        assert trainer.counters.step == stop
    Trainer(cut, task).train()
    assert untimed(cut) == untimed(whole)
    assert counters(cut) == counters(whole)
    assert fingerprint(cut) == fingerprint(whole)


def kill(run: Run, draw: random.Random, *, times: int, least: int, longest: float) -> None:
    """Kill the training of a run at as many moments, at least some of them in its midst; then let it end."""
    with trainings() as one:
        kills = 0
        for _ in range(times):
            process = one.started(run.path)
            time.sleep(draw.uniform(0.05, longest))
            with suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)
            kills += one.ended() == -signal.SIGKILL
        assert kills >= least, "the training must be long enough to be killed in its midst"
        one.started(run.path)
        assert one.ended() == 0


def test_a_training_killed_at_five_moments_resumes_to_the_same_bits(make_run: MakeRun) -> None:
    settings = {"steps": 400, "evaluate_every": 100, "save_every": 0.05}
    whole, task = make_run("whole", **settings)
    Trainer(whole, task).train()
    killed, _ = make_run("killed", **settings)
    seed = random.SystemRandom().randrange(2**32)
    print(f"moments drawn with seed {seed}")
    kill(killed, random.Random(seed), times=5, least=2, longest=0.7)
    assert untimed(killed) == untimed(whole)
    assert counters(killed) == counters(whole)
    assert fingerprint(killed) == fingerprint(whole)
    assert not list(killed.path.rglob(".*.part"))


class Poisoned(TranslateTask):
    """Its loss is not a number at one step."""

    at = 5
    calls = 0

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        losses = super().loss(model, batch)
        self.calls += 1
        factor = float("nan") if self.calls == self.at else 1.0
        return Losses({name: part * factor for name, part in losses.parts.items()}, losses.count)


def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_weights(make_run: MakeRun) -> None:
    run, task = make_run(rollbacks=0)
    poisoned = Poisoned(task.config, task.data, task.tokenizer)
    trainer = Trainer(run, poisoned)
    with pytest.raises(TrainingError, match="step 5 gave a loss of nan") as caught:
        trainer.train()
    assert "learning-rate" in caught.value.mend
    assert all(parameter.isfinite().all() for parameter in trainer.model.parameters())
    assert [line["step"] for line in run.metrics() if line["kind"] == "step"] == [1, 2, 3, 4]


def test_patience_ends_a_training_that_no_longer_improves(make_run: MakeRun) -> None:
    run, task = make_run(steps=200, evaluate_every=2, patience=2, learning_rate=1e-12)
    Trainer(run, task).train()
    assert run.ending() == "no improvement for 2 evaluations"
    assert run.status == "finished"


def test_accumulated_batches_give_one_update(make_run: MakeRun) -> None:
    run, task = make_run(steps=3, accumulate=2)
    Trainer(run, task).train()
    state = counters(run)
    assert (state["step"], state["position"] + state["epoch"] * len(task.epoch(0))) == (3, 6)


def test_a_damaged_newest_state_is_named_and_the_one_before_is_used(make_run: MakeRun) -> None:
    run, task = make_run()
    Trainer(run, task).train()
    newest = sorted((run.path / "state").glob("step-*"))[-1]
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    saved = run.load_state()
    assert saved is not None
    _, about, damaged = saved
    assert about["counters"]["step"] < 24
    assert newest.name in damaged[0]
    assert "does not match its checksum" in damaged[0]


def test_if_all_states_are_damaged_the_run_says_so(make_run: MakeRun) -> None:
    run, task = make_run()
    Trainer(run, task).train()
    for path in (run.path / "state").glob("step-*"):
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunError, match="no undamaged state left"):
        run.load_state()


@pytest.mark.parametrize("content", [b"", b"not safetensors", pickle.dumps({"weights": [1.0]}), b"\xff" * 64])
def test_a_model_file_that_is_no_safetensors_is_refused(make_run: MakeRun, content: bytes) -> None:
    run, _ = make_run()
    (run.path / "model.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"model\.safetensors: damaged or not a safetensors file"):
        _ = run.model


def test_a_cut_model_file_is_named(make_run: MakeRun) -> None:
    run, task = make_run()
    Trainer(run, task).train()
    path = run.path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"model\.safetensors: damaged"):
        _ = Run.open(run.path).model


def test_weights_of_another_size_are_refused(make_run: MakeRun) -> None:
    run, task = make_run()
    Trainer(run, task).train()
    run.save_config(task.config.changed(model={**task.config.model.model_dump(), "d_model": 48}))
    with pytest.raises(RunError, match=r"do not fit config\.toml"):
        _ = Run.open(run.path).model


def test_two_trainings_of_one_run_at_once_are_refused(make_run: MakeRun) -> None:
    run, _ = make_run()
    with run.locked():
        assert run.status == "running"
        with pytest.raises(RunError, match="another process is training this run"), Run.open(run.path).locked():
            pass


def test_a_metrics_line_cut_short_by_a_kill_is_left_out(make_run: MakeRun) -> None:
    run, _ = make_run()
    run.append_metrics([{"kind": "step", "step": 1}])
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "step"})[:8])
    assert list(run.metrics()) == [{"kind": "step", "step": 1}]


def test_a_run_is_not_written_over(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("once")
    with pytest.raises(RunError, match="already exists and is not empty"):
        make_run("once")
