"""The examination measures as the trainings do, both sides alike, and changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.train.diagnosis import diagnose, diagnose_fully
from pellucid.train.diagnosis.examination import Examination, examine
from tests.train.diagnosis.examined_plants import InEvaluationMode
from tests.train.diagnosis.trainings import TASKS, trained

LONGER = ("language", "translator")


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Run, Task, Examination]]:
    folder, made = tmp_path_factory.mktemp("examined"), {}

    def make(name: str) -> tuple[Run, Task, Examination]:
        if name not in made:
            task = TASKS[name](folder)
            run = trained(task, folder / name)
            found = examine(run, task)
            assert found is not None
            made[name] = (run, task, found)
        return made[name]

    return make


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONGER else name for name in TASKS]
)
def test_healthy_trainings_of_all_tasks_have_nothing_found(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    run, _, found = examined(name)
    assert [finding["said"]["en"] for finding in diagnose(run, found)["findings"]] == []


@pytest.mark.parametrize("name", ["table", "images", "curve", "translator"])
def test_the_held_out_loss_is_the_one_that_training_noted(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    run, task, _ = examined(name)
    sample = task.sample("dev", 10_000)
    assert sample is not None
    with torch.no_grad():
        losses, items = task.losses(run.model, sample.inputs, sample.targets)
    best = [line for line in run.metrics() if line["kind"] == "evaluation" and line["best"]][-1]
    assert float(losses.sum() / items.sum()) == pytest.approx(best["loss"], rel=1e-4)


@pytest.mark.parametrize("name", list(TASKS))
def test_guessing_without_inputs_is_no_better_than_the_best_constant(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    _, task, found = examined(name)
    sample = task.sample("train", 512)
    assert sample is not None
    if name in ("table", "images"):
        shares = sample.targets.bincount() / len(sample)
        assert found.train.guess == pytest.approx(float(-(shares * shares.log()).sum()), rel=0.02)
    elif name == "curve":
        assert found.train.guess == pytest.approx(float(sample.targets.var(correction=0)), rel=0.02)
    elif name == "language":
        shares = sample.targets.flatten().bincount().float() / sample.targets.numel()
        entropy = -float((shares[shares > 0] * shares[shares > 0].log()).sum())
        assert entropy - 0.01 < found.train.guess < 1.05 * entropy
    else:
        assert 0 < found.train.guess < 10


@pytest.mark.parametrize("name", list(TASKS))
def test_examining_leaves_the_run_and_all_random_numbers_as_they_are(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    run, task, first = examined(name)
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    weights = {key: value.clone() for key, value in run.model.state_dict().items()}
    state, carried = torch.get_rng_state(), task.carried()
    again = examine(run, task)
    assert again is not None
    torch.testing.assert_close(again.held_out.losses, first.held_out.losses, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(run.model.state_dict()[key], value) for key, value in weights.items())
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files
    assert task.carried().keys() == carried.keys()


@pytest.mark.parametrize("name", list(TASKS))
def test_every_example_of_every_side_says_where_it_stood(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    _, task, _ = examined(name)
    for side in ("train", "dev", "test"):
        sample = task.sample(side, 20)
        assert sample is not None
        assert all(sample.origin(place) for place in range(len(sample)))


@pytest.mark.parametrize("name", list(TASKS))
def test_a_share_of_the_data_is_part_of_the_whole(
    examined: Callable[[str], tuple[Run, Task, Examination]], name: str
) -> None:
    _, task, _ = examined(name)
    part = task.share(0.5)

    def items(one: Task) -> int:
        return sum(len(batch) for batch in one.epoch(0))

    assert 0.35 < items(part) / items(task) < 0.65
    batch = part.collate(part.epoch(0)[0])
    assert torch.isfinite(part.loss(part.build_model(), batch).total)


def test_label_smoothing_and_dropout_do_not_count(examined: Callable[[str], tuple[Run, Task, Examination]]) -> None:
    run, _, found = examined("images")
    sample = TASKS["images"](run.path.parent, label_smoothing=0.3).sample("train", 512)
    assert sample is not None
    with torch.no_grad():
        plain = F.cross_entropy(run.model.eval()(sample.inputs), sample.targets)
    assert found.train.mean == pytest.approx(float(plain), rel=1e-4)


def test_a_run_that_left_no_model_is_not_examined(tmp_path: Path) -> None:
    task = TASKS["table"](tmp_path, training={"steps": 10})
    run = trained(task, tmp_path / "run")
    (run.path / "model.safetensors").unlink()

    found = diagnose_fully(Run.open(run.path))
    assert found["examined"] is False
    assert "no model" in found["unexamined"]


@pytest.mark.parametrize("accumulate", [1, 3, 11])
def test_the_last_batches_are_those_of_the_last_steps_however_many_make_a_step(tmp_path: Path, accumulate: int) -> None:
    # At next to no learning rate and in evaluation mode, each step noted what its batches still give.
    training = {"steps": 9, "accumulate": accumulate, "batch": 8, "learning_rate": 1e-9}
    task = InEvaluationMode(TASKS["table"](tmp_path, training=training).config)  # type: ignore[arg-type]
    run = trained(task, tmp_path / "run")
    found = examine(run, task)
    assert found is not None
    assert found.stepping is not None
    assert found.stepping.evaluation == pytest.approx(found.stepping.recorded, abs=2e-5)
    losses = [line["loss"] for line in run.metrics() if line["kind"] == "step"]
    steps = max(8 // accumulate, 1)
    assert found.stepping.recorded == pytest.approx(sum(losses[-steps:]) / steps)
