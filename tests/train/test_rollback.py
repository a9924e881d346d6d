"""A loss or gradient that is no number: back to good weights with half the rate; or the data at fault, named."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pellucid.errors import TrainingError
from pellucid.run import Run
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Batch, Losses
from pellucid.train.diagnosis import diagnose
from pellucid.train.loop import Trainer
from pellucid.train.trouble import examples_of, faulty_examples
from tests.train.diagnosis.trainings import curve, trained, waves
from tests.train.test_loop import counters, fingerprint, untimed

MakeRun = Callable[..., tuple[Run, RegressTask]]
Breaks = Callable[[Trainer, Batch], bool]


@dataclass
class Broken:
    """A task whose loss is no number in training where it is told so."""

    task: RegressTask
    breaks: Breaks
    trainer: Trainer | None = None

    def __post_init__(self) -> None:
        loss = self.task.loss

        def broken(model: nn.Module, batch: Batch) -> Losses:
            found = loss(model, batch)
            breaks = self.trainer is not None and self.breaks(self.trainer, batch)
            parts = {name: part * (math.nan if breaks else 1.0) for name, part in found.parts.items()}
            return Losses(parts, found.count)

        self.task = copy.copy(self.task)
        self.task.loss = broken  # type: ignore[method-assign]
        self.task.shortcut = lambda model: None  # type: ignore[method-assign]


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., tuple[Run, RegressTask]]:
    """A new run of a small network for a table of 80 rows, and its task."""
    small = {"steps": 24, "evaluate_every": 8, "watch": 5, "batch": 8, "learning_rate": 3e-3}

    def make(name: str = "run", **training: object) -> tuple[Run, RegressTask]:
        settings = {**small, **training}
        start = {"files": [str(waves(tmp_path, rows=80))], "target": "y"}
        config = {"data": start, "model": {"width": 8, "depth": 1}, "training": {**settings, "threads": 1}}
        task = RegressTask(RegressTask.proposed(RegressConfig.parse(config)))
        return Run.create(tmp_path / name, task), task

    return make


def breaking(task: RegressTask, breaks: Breaks) -> Broken:
    return Broken(task, breaks)


def trainer_of(run: Run, broken: Broken) -> Trainer:
    broken.trainer = None
    broken.trainer = Trainer(run, broken.task)
    return broken.trainer


def once_at(step: int) -> Breaks:
    """At a step, until the training has gone back once: what a rate that is too high for it looks like."""

    def breaks(trainer: Trainer, batch: Batch) -> bool:
        return trainer.model.training and trainer.counters.step + 1 == step and not trainer.counters.rollbacks

    return breaks


def always_at(step: int) -> Breaks:
    return lambda trainer, batch: trainer.model.training and trainer.counters.step + 1 == step


def of_kind(run: Run, kind: str) -> list[dict[str, Any]]:
    return [line for line in run.metrics() if line["kind"] == kind]


def test_the_training_goes_back_to_the_last_evaluation_and_on_with_half_the_rate(make_run: MakeRun) -> None:
    plain, task = make_run("plain")
    Trainer(plain, task).train()
    run, _ = make_run("run")
    trainer_of(run, breaking(task, once_at(13))).train()
    (line,) = of_kind(run, "rollback")
    assert {**line, "loss": None, "to": 8, "number": 1, "of": 3, "learning_rate": 1.5e-3} == line
    assert of_kind(run, "end")[0]["reason"] == "steps done"
    steps, others = of_kind(run, "step"), of_kind(plain, "step")
    assert [one["step"] for one in steps] == list(range(1, 25))
    assert [one["loss"] for one in steps[:8]] == [one["loss"] for one in others[:8]]
    assert [one["learning_rate"] for one in steps[8:]] == [one["learning_rate"] / 2 for one in others[8:]]
    assert [one["step"] for one in of_kind(run, "evaluation")] == [8, 16, 24]
    assert run.status == "finished"


def test_the_lines_are_those_of_the_batch_that_the_step_was_made_of(make_run: MakeRun) -> None:
    run, task = make_run()
    trainer_of(run, breaking(task, once_at(13))).train()
    batches = [*task.epoch(0), *task.epoch(1), *task.epoch(2)]
    expected = list(dict.fromkeys(task.origin(example) for example in batches[12]))
    assert of_kind(run, "rollback")[0]["lines"] == expected
    assert all("waves" in line for line in expected)


def test_it_goes_back_at_most_three_times_each_with_half_the_rate_and_then_stops(make_run: MakeRun) -> None:
    run, task = make_run()
    with pytest.raises(TrainingError, match=r"step 13 gave a loss of nan .* after going back 3 times") as caught:
        trainer_of(run, breaking(task, always_at(13))).train()
    assert "0.000375" in caught.value.mend
    assert [line["learning_rate"] for line in of_kind(run, "rollback")] == [1.5e-3, 7.5e-4, 3.75e-4]
    assert [line["step"] for line in of_kind(run, "diverged")] == [13]
    found = diagnose(run)["findings"][0]
    assert found["illness"] == "learning_rate_too_high"
    assert "3 times" in found["said"]["en"]["evidence"]


def test_without_rollbacks_it_stops_at_once(make_run: MakeRun) -> None:
    run, task = make_run(rollbacks=0)
    with pytest.raises(TrainingError, match="step 13 gave a loss of nan"):
        trainer_of(run, breaking(task, always_at(13))).train()
    assert of_kind(run, "rollback") == []


def test_weights_that_went_wrong_before_the_last_evaluation_are_left_for_sound_ones(make_run: MakeRun) -> None:
    """The evaluation at 16 is far above that at 8; going back to it does not help, going back to 8 does."""
    run, task = make_run()

    def breaks(trainer: Trainer, batch: Batch) -> bool:
        return trainer.model.training and trainer.counters.step == 18 and trainer.counters.rollbacks < 2

    broken = breaking(task, breaks)
    evaluate = broken.task.evaluate

    def evaluated(model: nn.Module) -> Any:
        found = evaluate(model)
        step = broken.trainer.counters.step if broken.trainer else 0
        wrong = step == 16 and not (broken.trainer and broken.trainer.counters.rollbacks)
        return type(found)(found.loss * (3 if wrong else 1), found.scores, -9.0 if wrong else found.headline)

    broken.task.evaluate = evaluated  # type: ignore[method-assign]
    trainer_of(run, broken).train()
    assert [line["to"] for line in of_kind(run, "rollback")] == [16, 8]
    assert [line["step"] for line in of_kind(run, "step")] == list(range(1, 25))


def test_an_example_that_is_no_number_even_with_good_weights_is_named_alone(make_run: MakeRun) -> None:
    run, task = make_run()
    example = int(list(task.epoch(0)[3])[2])
    row = task.collate([example]).tensors["targets"][0]

    def breaks(trainer: Trainer, batch: Batch) -> bool:
        return bool((batch.tensors["targets"] == row).any())

    with pytest.raises(TrainingError, match="it is the data") as caught:
        trainer_of(run, breaking(task, breaks)).train()
    assert task.origin(example) in str(caught.value)
    assert of_kind(run, "rollback") == []
    assert of_kind(run, "diverged")[0]["lines"] == [task.origin(example)]


def test_looking_for_faulty_examples_changes_nothing(make_run: MakeRun) -> None:
    _, task = make_run()
    broken = breaking(task, lambda trainer, batch: False)
    model = task.build_model()
    before, drawn = {name: one.clone() for name, one in model.state_dict().items()}, torch.get_rng_state()
    first, second = (list(batch) for batch in task.epoch(0)[:2])
    assert faulty_examples(broken.task, model, first, second) == []
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    assert (
        faulty_examples(broken.task, model, list(task.epoch(0)[0]), list(task.epoch(0)[1])) == []
    )  # it is the weights
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(before[name], one) for name, one in list(model.state_dict().items())[1:])
    assert all(parameter.grad is None for parameter in model.parameters())


class Cut(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", ["save_state", "forget_after", "cut_metrics", "append_metrics", "none"])
@pytest.mark.parametrize("done", [False, True])
def test_cut_off_anywhere_on_the_way_back_the_training_resumes_to_the_same_bits(
    place: str, done: bool, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"save_every": 1e-9}  # states at other steps than evaluations too
    whole, task = make_run("whole")
    trainer_of(whole, breaking(task, once_at(21))).train()
    run, again = make_run("run", **settings)
    broken = breaking(again, once_at(21))
    trainer = trainer_of(run, broken)
    if place != "none":
        go_back, write = trainer._write_back, getattr(Run, place)

        def cut(self: Run, *given: Any, **named: Any) -> Any:
            if done:
                write(self, *given, **named)
            raise Cut

        def cut_off(own: Any) -> str:
            monkeypatch.setattr(Run, place, cut)
            return go_back(own)

        trainer._write_back = cut_off  # type: ignore[method-assign]
        with pytest.raises(Cut):
            trainer.train()
        monkeypatch.setattr(Run, place, write)
    for stop in (18, 22):  # and stopped besides, before and after
        trainer = trainer_of(run, broken)
        trainer.should_stop = lambda stop=stop, trainer=trainer: trainer.counters.step >= stop
        trainer.train()
    trainer_of(run, broken).train()
    assert untimed(run) == untimed(whole)
    assert counters(run) == counters(whole)
    assert fingerprint(run) == fingerprint(whole)


def test_snapshots_of_the_steps_that_are_taken_again_are_those_of_the_second_time(make_run: MakeRun) -> None:
    run, task = make_run(record=1)
    trainer_of(run, breaking(task, once_at(13))).train()
    assert run.recorded_steps() == list(range(25))
    last = run.at(24).model.state_dict()
    saved = run.load_state()
    assert saved is not None
    assert all(torch.equal(one, saved[0][f"model.{name}"]) for name, one in last.items())


def test_a_rate_far_too_high_for_a_curve_is_halved_until_it_learns(tmp_path: Path) -> None:
    run = trained(curve(tmp_path, training={"optimizer": "sgd", "learning_rate": 4.0, "clip": 1e9}), tmp_path / "run")
    assert of_kind(run, "rollback")
    assert run.status == "finished"
    found = diagnose(run)["findings"]
    assert found[0]["illness"] == "learning_rate_too_high"
    assert found[0]["cures"][0]["set"]["training.learning_rate"] <= 2.0


def test_the_batches_of_a_step_are_followed_over_the_end_of_an_epoch(make_run: MakeRun) -> None:
    from pellucid.train.trouble import Trouble

    _, task = make_run(accumulate=2)
    last = len(task.epoch(0)) - 1
    examples, others = examples_of(task, Trouble(1, math.nan, 0.0, 0, last))
    assert examples == [*task.epoch(0)[last], *task.epoch(1)[0]]
    assert others == list(task.epoch(0)[last - 1])


def test_where_the_good_state_is_damaged_it_goes_back_to_the_newest_that_is_whole(make_run: MakeRun) -> None:
    run, task = make_run()
    broken = breaking(task, once_at(21))
    trainer = trainer_of(run, broken)
    trainer.should_stop = lambda: trainer.counters.step >= 18
    trainer.train()
    (run.path / "state" / "step-00000016.safetensors").write_bytes(b"damaged")
    trainer_of(run, broken).train()
    assert [line["to"] for line in of_kind(run, "rollback")] == [18]
    assert run.status == "finished"
