"""The doctor goes through a training's batches again and names the lines of the data that a spike came from."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pellucid.run import Run
from pellucid.tasks.task import Batch
from pellucid.train.diagnosis import diagnose
from pellucid.train.diagnosis.origins import Origins
from tests.train.diagnosis.plants import one_by_one, poisoned
from tests.train.diagnosis.trainings import curve, table, trained, waves, with_outlier


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_batches_of_a_step_are_those_that_were_trained_on(accumulate: int, tmp_path: Path) -> None:
    task = table(
        tmp_path, training={"steps": 30, "accumulate": accumulate, "batch": 24}
    )  # 280 rows: a short last batch
    collate, seen = task.collate, []

    def noting(examples: Sequence[int]) -> Batch:
        seen.append([task.origin(example) for example in examples])
        return collate(examples)

    run = trained(one_by_one(task, noting), tmp_path / "run")
    origins = Origins(Run.open(run.path))
    for step in (30, 1, 7, 12, 13):  # in any order
        batches = seen[(step - 1) * accumulate : step * accumulate]
        assert origins(step) == list(dict.fromkeys(line for batch in batches for line in batch))


def test_nothing_is_known_of_a_step_when_the_data_has_changed(tmp_path: Path) -> None:
    task = table(tmp_path, training={"steps": 10})
    run = trained(task, tmp_path / "run")
    file = Path(run.config.data.files[0])
    file.write_text(file.read_text(encoding="utf-8").replace("0.1", "0.2"), encoding="utf-8")
    assert Origins(Run.open(run.path))(3) == []


def test_an_outlier_is_named_by_its_line_alone_as_all_spikes_have_it_in_common(tmp_path: Path) -> None:
    run = trained(curve(tmp_path, data={"files": [str(with_outlier(waves(tmp_path), line=102))]}), tmp_path / "run")
    (spikes,) = (one for one in diagnose(run)["findings"] if one["illness"] == "loss_spikes")
    assert [line.rpartition(", ")[2] for line in spikes["lines"]] == ["line 102"]


def test_of_a_single_poisoned_batch_the_step_and_its_lines_are_named(tmp_path: Path) -> None:
    task = table(tmp_path, training={"batch": 8, "steps": 120})
    run = trained(poisoned(90)(task), tmp_path / "run")
    (spikes,) = (one for one in diagnose(run)["findings"] if one["illness"] == "loss_spikes")
    assert spikes["step"] == 90
    expected = [
        task.origin(example) for example in (list(task.epoch(0)) + list(task.epoch(1)) + list(task.epoch(2)))[89]
    ]
    assert sorted(spikes["lines"]) == sorted(expected)
