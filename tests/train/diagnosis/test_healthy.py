"""Healthy trainings of all tasks: the doctor finds nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Task
from pellucid.train.diagnosis import diagnose
from pellucid.train.diagnosis.examination import examine
from tests.train.diagnosis import trainings
from tests.train.diagnosis.trainings import curve, images, language, merged, settled, table, trained, translator, words


def sample(name: str, steps: int, **sections: object) -> ClassifyTask:
    """A classifier of one of the samples."""
    start = {"data": {"files": [f"sample:{name}"]}}
    config = ClassifyConfig.parse(merged(start, settled(sections, steps=steps)))
    ClassifyTask.fetch(config)
    return ClassifyTask(config)


def regression(file: str, steps: int, **sections: object) -> RegressTask:
    """With what regression proposes for the data."""
    start = {"data": {"files": [file]}}
    config = RegressTask.proposed(RegressConfig.parse(merged(start, settled(sections, steps=steps))))
    RegressTask.fetch(config)
    return RegressTask(config)


def shakespeare(cell: str) -> LanguageTask:
    start = {"data": {"files": ["sample:shakespeare"]}, "model": {"cell": cell, "width": 64, "layers": 1}}
    sections = {"writing": {"length": 20}, "training": {"evaluate_every": 120}}
    config = LanguageConfig.parse(merged(start, settled(sections, steps=120, batch=8)))
    LanguageTask.fetch(config)
    return LanguageTask(LanguageTask.proposed(config))


HEALTHY: dict[str, Callable[[Path], Task]] = {
    "rings": table,
    "rings, batches of 4": lambda folder: table(folder, training={"batch": 4}),
    "20 residual layers": lambda folder: table(
        folder, model={"mlp": {"depth": 20, "width": 16, "residual": True, "dropout": 0.0}}
    ),
    "three sigmoid layers": lambda folder: curve(
        folder, model={"depth": 3, "activation": "sigmoid"}, training={"steps": 600, "learning_rate": 0.01}
    ),
    "stripes": images,
    "waves": curve,
    "waves, one row at a time": lambda folder: curve(folder, training={"batch": 1}),
    "waves, gradient descent": lambda folder: curve(folder, training={"optimizer": "sgd", "learning_rate": 0.05}),
    "waves, one cycle": lambda folder: curve(folder, training={"schedule": "one-cycle"}),
    "diabetes": lambda folder: regression("sample:diabetes", 500),
    "a line": lambda folder: regression("curve:line", 300),
    "wine": lambda folder: sample("wine", 120),
    "digits": lambda folder: sample("digits", 60, model={"cnn": {"channels": [8, 16]}}),
    "characters, recurrent": lambda folder: language(folder, "rnn", training={"steps": 100}),
    "words": words,
    "sentences": lambda folder: translator(folder, training={"steps": 80}),
}
SLOW: dict[str, Callable[[Path], Task]] = {
    "characters, attention": lambda folder: language(folder, training={"steps": 80}),
    "digits, changed on the way": lambda folder: sample(
        "digits",
        80,
        model={"cnn": {"channels": [8, 16]}},
        augmentation={"preset": "light", "noise": 0.05},
    ),
    "digits, fully connected": lambda folder: sample("digits", 300, model={"kind": "mlp"}),
    "networks side by side": lambda folder: regression("curve:sine", 1500),
    "rings, long": lambda folder: table(folder, training={"steps": 1500}),
    "characters, LSTM": lambda folder: language(folder, "lstm", training={"steps": 500}),
    "characters, GRU": lambda folder: language(folder, "gru", training={"steps": 500}),
    "characters, recurrent, long": lambda folder: language(folder, "rnn", training={"steps": 500}),
    "sentences, long": lambda folder: translator(folder, training={"steps": 400, "seed": 2}),
    "sentences, post-norm with warm-up": lambda folder: translator(folder, model={"norm": "post"}),
    "Shakespeare, recurrent": lambda folder: shakespeare("rnn"),
    "Shakespeare, attention": lambda folder: shakespeare("gpt"),
    **{
        f"{name}, seed {seed}": (
            lambda folder, task=task, seed=seed: task(folder, training={"seed": seed})  # type: ignore[misc]
        )
        for name, task in trainings.TASKS.items()
        for seed in (2, 3)
    },
}


def check(task: Task, folder: Path) -> None:
    """Nothing is found at any evaluation on the way, and nothing at the end, when it is also examined."""
    told: list[object] = []

    def hear(event: Mapping[str, Any]) -> None:
        if event["kind"] == "finding":
            told.append((event["illness"], event["place"], event["step"]))

    run = trained(task, folder, hear)
    assert told == []
    assert [finding["said"]["en"] for finding in diagnose(run, examine(run))["findings"]] == []


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_in_a_healthy_training(name: str, tmp_path: Path) -> None:
    check(HEALTHY[name](tmp_path), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_nothing_is_found_in_a_longer_healthy_training(name: str, tmp_path: Path) -> None:
    check(SLOW[name](tmp_path), tmp_path / "run")
