"""The doctor beside a training: it judges by the lines that count, also where one goes on."""

from collections.abc import Callable, Mapping
from typing import Any

from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.diagnosis.diagnose import Attending, harmless
from pellucid.train.loop import Trainer

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
