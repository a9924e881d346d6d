"""The doctor beside a training: it judges by the lines that count, also where one goes on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.diagnosis import diagnose
from pellucid.train.diagnosis.chart import Chart
from pellucid.train.diagnosis.diagnose import Attending, findings_of, harmless
from pellucid.train.loop import Trainer
from tests.train.diagnosis import trainings

MakeRun = Callable[..., tuple[Run, TranslateTask]]


def test_a_training_that_goes_on_is_not_taken_for_one_that_is_over(make_run: MakeRun) -> None:
    run, task = make_run(steps=12, evaluate_every=4)
    trainer = Trainer(run, task)
    trainer.should_stop = lambda: trainer.counters.step >= 6
    trainer.train()
    assert run.ending() == "interrupted"
    made = [line for line in run.metrics() if line["kind"] == "step"]
    run.append_metrics([{**made[-1], "step": 7}])  # as by a process that was killed after its last state

    ends: list[Any] = []

    def watch(event: Any) -> None:
        if event["kind"] == "evaluation":
            ends.append(attending.chart.end)

    attending = Attending(run, watch)
    Trainer(run, task, attending).train()
    assert ends == [{}, {}]
    assert [line["step"] for line in attending.chart.steps] == list(range(1, 13))
    assert attending.chart.end["reason"] == "steps done"


def test_a_new_training_is_seen_from_its_first_line_on(make_run: MakeRun) -> None:
    run, task = make_run(steps=4, evaluate_every=2, watch=1)
    attending = Attending(run, lambda event: None)
    Trainer(run, task, attending).train()
    assert [line["step"] for line in attending.chart.steps] == [1, 2, 3, 4]
    assert [line["step"] for line in attending.chart.evaluations] == [2, 4]
    assert attending.chart.network["places"]


def test_a_mistake_of_the_doctor_is_a_warning_and_nothing_else() -> None:
    told: list[Mapping[str, Any]] = []
    with harmless(told.append):
        raise ZeroDivisionError("division by zero")
    assert [event["kind"] for event in told] == ["warning"]
    assert "ZeroDivisionError" in told[0]["text"]


NOISY: dict[str, Callable[[Path], Any]] = {
    "one image at a time, shortened to a tenth": lambda folder: trainings.images(
        folder, training=noisy("sgd", 0.04, 1, 2, clip=0.1, schedule="constant", steps=400)
    ),
    "a loss that hardly falls until late": lambda folder: trainings.table(
        folder, training=noisy("sgd", 0.04, 2, 23, clip=1e9, schedule="one-cycle")
    ),
    "a loss that swings at first": lambda folder: trainings.curve(
        folder, training=noisy("momentum", 0.02, 2, 22, clip=1e9, schedule="step")
    ),
    "one row at a time": lambda folder: trainings.curve(
        folder, training=noisy("adamw", 3e-3, 1, 4, clip=0.3, schedule="constant")
    ),
}


def noisy(optimizer: str, rate: float, batch: int, seed: int, **more: Any) -> dict[str, Any]:
    return {"optimizer": optimizer, "learning_rate": rate, "batch": batch, "seed": seed, "steps": 200, **more}


@pytest.mark.parametrize("name", NOISY)
def test_what_is_said_while_a_noisy_training_runs_still_holds_at_its_end(name: str, tmp_path: Path) -> None:
    told: list[str] = []
    at_once: set[str] = set()

    def hear(event: Mapping[str, Any]) -> None:
        if event["kind"] == "finding":
            told.append(event["illness"])
        chart.add(event)
        if event["kind"] == "evaluation":
            at_once.update(one.illness for one in findings_of(chart))

    task = NOISY[name](tmp_path)
    chart = Chart(task.config.model_dump(mode="json"))
    final = {one["illness"] for one in diagnose(trainings.trained(task, tmp_path / "run", hear))["findings"]}
    assert at_once - final, "on the way something was found that did not hold"
    assert set(told) <= final


def test_what_is_told_was_found_twice_and_is_told_once(tmp_path: Path) -> None:
    steps: list[int] = []

    def hear(event: Mapping[str, Any]) -> None:
        if event["kind"] == "finding":
            assert event["illness"] == "bad_initialization"
            steps.append(event["step"])

    task = trainings.table(tmp_path, training={"initialization": "zeros"})
    run = trainings.trained(task, tmp_path / "run", hear)
    assert len(steps) == 1
    found = diagnose(run)["findings"]
    assert [one["illness"] for one in found] == ["bad_initialization"]
