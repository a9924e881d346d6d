"""SIGKILL at random moments: what is gone on with ends in the same weights, metrics and counters, to the bit."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.train.loop import Trainer
from tests.train.conftest import tiny_config
from tests.train.diagnosis.trainings import curve, language
from tests.train.test_loop import counters, fingerprint, kill, untimed

Made = Callable[[Path, Path], Task]


def translator(folder: Path, pairs: Path) -> Task:
    from pellucid.tasks.translate import TranslateTask

    return TranslateTask(tiny_config(pairs, steps=1200, evaluate_every=300, save_every=0.05))


def regression(folder: Path, pairs: Path) -> Task:
    settings = {"steps": 2500, "evaluate_every": 500, "save_every": 0.02, "record": "evaluations"}
    return curve(folder, training=settings)


def recurrent(folder: Path, pairs: Path) -> Task:
    return language(folder, "lstm", training={"steps": 1500, "evaluate_every": 500, "save_every": 0.05})


def check(make: Made, pairs: Path, folder: Path, times: int, longest: float) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"moments drawn with seed {seed}")
    whole = Run.create(folder / "whole", make(folder, pairs))
    Trainer(whole, make(folder, pairs)).train()
    killed = Run.create(folder / "killed", make(folder, pairs))
    kill(killed, random.Random(seed), times=times, least=2, longest=longest)
    recorded = [[line for line in untimed(run) if line["kind"] != "recorded"] for run in (killed, whole)]
    assert recorded[0] == recorded[1], seed
    assert counters(killed) == counters(whole), seed
    assert fingerprint(killed) == fingerprint(whole), seed
    assert killed.recorded_steps() == whole.recorded_steps(), seed
    assert not list(killed.path.rglob(".*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("make", [translator, regression, recurrent])
def test_a_training_killed_at_twenty_random_moments_resumes_to_the_same_bits(
    make: Made, pairs_file: Path, tmp_path: Path
) -> None:
    check(make, pairs_file, tmp_path, times=20, longest=0.3 if make is regression else 0.8)


def test_a_regression_killed_at_five_random_moments_resumes_to_the_same_bits(pairs_file: Path, tmp_path: Path) -> None:
    check(regression, pairs_file, tmp_path, times=5, longest=0.3)
