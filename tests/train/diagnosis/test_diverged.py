"""A training that ends with an error and without a model is diagnosed all the same."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pellucid import api
from pellucid.errors import TrainingError
from pellucid.run import Run
from pellucid.train.diagnosis import diagnose
from pellucid.train.loop import Trainer
from tests.train.diagnosis.trainings import curve

DIVERGING = {"training": {"optimizer": "sgd", "learning_rate": 1000.0, "clip": 1e9}}


def test_the_doctor_speaks_when_the_training_breaks_off_and_keeps_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("pellucid.train.plan"), "TRIAL_STEPS", 2)
    events: list[dict[str, Any]] = []
    with pytest.raises(TrainingError):
        api.train(
            curve(tmp_path, **DIVERGING).config, tmp_path / "run", watcher=lambda event: events.append(dict(event))
        )
    assert [event["illness"] for event in events if event["kind"] == "finding"][:1] == ["learning_rate_too_high"]
    kept = json.loads((tmp_path / "run" / "diagnosis.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert kept["findings"][0]["illness"] == "learning_rate_too_high"
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_training_that_goes_on_from_the_last_good_state_takes_the_line_back(tmp_path: Path) -> None:
    task = curve(tmp_path, training={"steps": 40, "rollbacks": 0})
    run = Run.create(tmp_path / "run", task)
    loss = task.loss

    def poisoned(model: Any, batch: Any) -> Any:
        found = loss(model, batch)
        if trainer.counters.step == 20:
            return type(found)({name: part * float("nan") for name, part in found.parts.items()}, found.count)
        return found

    task.loss = poisoned  # type: ignore[method-assign]
    task.shortcut = lambda model: None  # type: ignore[method-assign]
    trainer = Trainer(run, task)
    with pytest.raises(TrainingError):
        trainer.train()
    assert [line["step"] for line in run.metrics() if line["kind"] == "diverged"] == [21]
    Trainer(run, curve(tmp_path, training={"steps": 40, "rollbacks": 0})).train()
    assert [line for line in run.metrics() if line["kind"] == "diverged"] == []
    assert diagnose(run)["findings"] == []
