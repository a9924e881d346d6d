"""The learning curve on request: its trainings keep nothing, may diverge or be stopped, and the run stays as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pellucid.run import Run
from pellucid.tasks.regress import RegressTask
from pellucid.tasks.task import Batch, Losses
from pellucid.train.diagnosis import diagnose, diagnose_fully
from pellucid.train.diagnosis.examination import examine
from pellucid.train.diagnosis.learning_curve import with_learning_curve
from tests.train.diagnosis.trainings import curve, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("curve")
    return trained(curve(folder, training={"steps": 80, "record": 20, "watch": 5}), folder / "run")


class DivergesOnAQuarter(RegressTask):
    """Training on less than 100 rows gives a loss that is no number from its fifth batch on."""

    def loss(self, model: Any, batch: Batch) -> Losses:
        found = super().loss(model, batch)
        if len(self.sides.train) >= 100 or not model.training:
            return found
        self.asked = getattr(self, "asked", 0) + 1
        scale = float("nan") if self.asked > 4 else 1.0
        return Losses({name: scale * part for name, part in found.parts.items()}, found.count)

    def shortcut(self, model: Any) -> None:
        return None


def test_a_part_that_diverges_is_told_and_the_other_points_and_findings_stand(run: Run) -> None:
    plain = examine(run)
    assert plain is not None
    found = with_learning_curve(run, plain, DivergesOnAQuarter(run.config))
    assert [one.examples for one in found.curve] == [140, 280]
    assert [one.examples for one in found.broken] == [70]
    assert "gave a loss of nan" in found.broken[0].why
    told = diagnose(run, found)
    assert told["examined"]
    assert [one["examples"] for one in told["learning_curve"]["broken"]] == [70]


def test_its_trainings_keep_no_snapshots_and_are_not_watched(run: Run) -> None:
    assert any(line["kind"] == "recorded" for line in run.metrics())
    kinds: set[str] = set()
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    examination = examine(run)
    assert examination is not None
    found = with_learning_curve(run, examination, watcher=lambda event: kinds.add(event["kind"]))
    assert kinds == {"share", "step", "evaluation", "end"}
    assert len(found.curve) == 3
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_stopped_it_leaves_the_diagnosis_without_a_curve(run: Run) -> None:
    steps: list[int] = []

    def watch(event: Mapping[str, Any]) -> None:
        if event["kind"] == "step":
            steps.append(event["step"])

    found = diagnose_fully(run, learning_curve=True, watcher=watch, should_stop=lambda: len(steps) >= 7)
    assert steps == list(range(1, 8))
    assert found["examined"]
    assert found["learning_curve"] == {"points": [], "broken": [], "stopped": True}
    assert diagnose(run, examine(run))["findings"] == found["findings"]


def test_each_share_trains_for_as_many_steps_as_the_run(run: Run, tmp_path: Path) -> None:
    shares: list[tuple[float, int]] = []

    def watch(event: Mapping[str, Any]) -> None:
        if event["kind"] == "share":
            shares.append((event["share"], event["steps"]))

    diagnose_fully(run, learning_curve=True, watcher=watch)
    assert shares == [(0.25, 80), (0.5, 80)]
