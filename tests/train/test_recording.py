"""Snapshots: exact, harmless to the training, and there again after a kill."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pellucid.errors import RunError
from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.plan import make_plan
from pellucid.train.recording import MOST, cost_of

MakeRun = Callable[..., tuple[Run, TranslateTask]]


def weights_of(run: Run, step: int) -> dict[str, torch.Tensor]:
    return dict(run.at(step).model.state_dict())


def test_a_recorded_training_ends_in_the_same_weights_and_its_snapshots_are_those_of_its_steps(
    make_run: MakeRun,
) -> None:
    recorded, task = make_run("recorded", steps=12, evaluate_every=6, record=4, average=0.0)
    Trainer(recorded, task).train()
    assert recorded.recorded_steps() == [0, 4, 8, 12]
    for steps in (4, 12):
        plain, other = make_run(f"plain{steps}", steps=12, evaluate_every=6, average=0.0)
        trainer = Trainer(plain, other, should_stop=lambda: trainer.counters.step >= steps)  # noqa: B023
        trainer.train()
        assert all(
            torch.equal(one, weights_of(recorded, steps)[name]) for name, one in trainer.model.state_dict().items()
        )


def test_the_first_snapshot_is_of_the_weights_before_any_step(make_run: MakeRun) -> None:
    run, task = make_run(steps=2, evaluate_every=2, record=1)
    trainer = Trainer(run, task)
    first = {name: one.clone() for name, one in trainer.model.state_dict().items()}
    trainer.train()
    assert all(torch.equal(one, first[name]) for name, one in weights_of(run, 0).items())
    assert not all(torch.equal(one, first[name]) for name, one in weights_of(run, 1).items())


def test_evaluations_are_recorded_when_asked_for(make_run: MakeRun) -> None:
    run, task = make_run(steps=10, evaluate_every=4, record="evaluations")
    Trainer(run, task).train()
    assert run.recorded_steps() == [0, 4, 8, 10]


def test_a_stopped_training_makes_the_same_snapshots_when_it_goes_on(make_run: MakeRun) -> None:
    whole, task = make_run("whole", steps=12, evaluate_every=6, record=2)
    Trainer(whole, task).train()
    halved, other = make_run("halved", steps=12, evaluate_every=6, record=2)
    first = Trainer(halved, other, should_stop=lambda: first.counters.step >= 5)
    first.train()
    Trainer(halved, halved.task).train()
    assert halved.recorded_steps() == whole.recorded_steps() == [0, 2, 4, 6, 8, 10, 12]
    for step in halved.recorded_steps():
        assert all(torch.equal(one, weights_of(whole, step)[name]) for name, one in weights_of(halved, step).items())


def test_what_it_takes_is_said_before_and_measured_after(make_run: MakeRun) -> None:
    run, task = make_run(steps=8, evaluate_every=4, record=2)
    plan = make_plan(task)
    assert plan.recorded is not None
    Trainer(run, task).train()
    lines = [line for line in run.metrics() if line["kind"] == "recorded"]
    assert [step for line in lines for step in line["steps"]] == [0, 2, 4, 6, 8]
    measured = sum(path.stat().st_size for path in (run.path / "recorded").iterdir())
    assert sum(line["bytes"] for line in lines) == measured
    assert plan.recorded.snapshots == 5
    times = [line["seconds"] for line in run.metrics() if "seconds" in line]
    assert times == sorted(times), "seconds are those of the training, in every line"
    assert all(0 <= line["writing"] < 60 for line in lines)
    assert plan.recorded.bytes == pytest.approx(measured, rel=0.1)  # beside the numbers there are names


def test_snapshots_of_more_than_a_gibibyte_are_taken_less_often(make_run: MakeRun) -> None:
    _, task = make_run(record=1)
    model = torch.nn.Linear(2**12, 2**12)  # 64 MiB
    cost = cost_of(model, task.training, steps=1000, evaluate_every=100)
    assert cost is not None
    assert cost.bytes <= MOST
    assert (cost.every, cost.snapshots) == (72, 14)
    _, other = make_run("other", record="evaluations")
    assert cost_of(model, other.training, steps=1000, evaluate_every=10) == cost
    few = cost_of(model, other.training, steps=1000, evaluate_every=500)
    assert few is not None
    assert (few.every, few.snapshots) == (0, 3)


def test_a_step_that_was_not_recorded_names_the_nearest(make_run: MakeRun) -> None:
    run, task = make_run(steps=9, evaluate_every=9, record=3)
    Trainer(run, task).train()
    with pytest.raises(RunError, match="step 4 was not recorded") as error:
        run.at(4)
    assert error.value.mend == "The nearest that were: 0, 3, 6; the last is 9."
    unrecorded, other = make_run("unrecorded", steps=1)
    Trainer(unrecorded, other).train()
    with pytest.raises(RunError, match="no step of this training was recorded"):
        unrecorded.at(1)


def test_a_damaged_snapshot_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    run, task = make_run(steps=2, evaluate_every=2, record=2)
    Trainer(run, task).train()
    path = sorted((run.path / "recorded").iterdir())[-1]
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=path.name):
        run.at(2)
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(RunError, match=path.name):
        run.recorded_steps()
