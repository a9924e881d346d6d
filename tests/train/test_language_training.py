"""Training a language model: stopped or killed, it goes on to the same bits, the carried state included."""

import random
from pathlib import Path

import pytest

from pellucid.run import Run
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.train.loop import Trainer
from tests.tasks.test_language import text
from tests.train.test_loop import counters, fingerprint, kill, untimed


def new_run(folder: Path, cell: str, name: str, **training: object) -> tuple[Run, LanguageTask]:
    book = folder / "book.txt"
    if not book.exists():
        book.write_text(text(), encoding="utf-8")
    config = LanguageConfig.parse(
        {
            "data": {"files": [str(book)]},
            "model": {"cell": cell, "width": 16, "heads": 2, "layers": 1, "context": 16, "dropout": 0.1},
            "training": {
                "steps": 24,
                "batch": 4,
                "threads": 1,
                "precision": "float32",
                "evaluate_every": 8,
                "watch": 5,
                "learning_rate": 5e-3,
                **training,
            },
            "writing": {"length": 20},
        }
    )
    task = LanguageTask(config)
    return Run.create(folder / name, task), task


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gpt"])
def test_a_training_stopped_after_any_step_resumes_to_the_same_bits(cell: str, tmp_path: Path) -> None:
    whole, task = new_run(tmp_path, cell, "whole")
    Trainer(whole, task).train()
    cut, _ = new_run(tmp_path, cell, "cut")
    for stop in (1, 7, 13):
        task = LanguageTask.open(cut.config, cut.path)  # as another process would
        trainer = Trainer(cut, task)
        trainer.should_stop = lambda stop=stop, trainer=trainer: trainer.counters.step >= stop
        trainer.train()
        assert trainer.counters.step == stop
    Trainer(cut, LanguageTask.open(cut.config, cut.path)).train()
    assert untimed(cut) == untimed(whole)
    assert counters(cut) == counters(whole)
    assert fingerprint(cut) == fingerprint(whole)
    saved = cut.load_state()
    assert saved is not None
    assert any(name.startswith("carried.") for name in saved[0]) == (cell != "gpt")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gpt"])
def test_a_training_killed_at_three_moments_resumes_to_the_same_bits(cell: str, tmp_path: Path) -> None:
    settings = {"steps": 600, "evaluate_every": 150, "save_every": 0.05}
    whole, task = new_run(tmp_path, cell, "whole", **settings)
    Trainer(whole, task).train()
    killed, _ = new_run(tmp_path, cell, "killed", **settings)
    kill(killed, random.Random(3), times=3, least=2, longest=1.0)
    assert untimed(killed) == untimed(whole)
    assert counters(killed) == counters(whole)
    assert fingerprint(killed) == fingerprint(whole)


@pytest.mark.parametrize("cell", ["rnn", "gpt"])
def test_training_learns_more_than_single_characters(cell: str, tmp_path: Path) -> None:
    run, task = new_run(tmp_path, cell, "run", steps=300, evaluate_every=300, learning_rate=1e-2)
    Trainer(run, task).train()
    found = task.test(run.model)["systems"]
    assert found["model"]["bits_per_character"] < 0.75 * found["unigram"]["bits_per_character"]
