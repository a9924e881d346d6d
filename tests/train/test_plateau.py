"""Reduce on plateau, and early stopping: what they watch, that they can be off, that they resume to the same bits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pellucid.run import Run
from pellucid.tasks.task import Evaluation
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from tests.train.test_loop import counters, fingerprint, untimed

MakeRun = Callable[..., tuple[Run, TranslateTask]]
SCORES = [1.0, 0.5, 2.0, 1.9, 1.8, 1.7, 2.1, 2.0, 2.0, 2.0, 3.0, 1.0]  # of evaluations, higher is better
SETTINGS: dict[str, Any] = {
    "schedule": "plateau",
    "steps": len(SCORES),
    "evaluate_every": 1,
    "warmup": 0.0,
    "plateau_patience": 2,
    "plateau_factor": 0.5,
    "patience": 0,
}


class Scripted(TranslateTask):
    """Its scores are given, by the number of the evaluation."""

    done = 0

    def evaluate(self, model: torch.nn.Module) -> Evaluation:
        Scripted.done += 1
        score = SCORES[Scripted.done - 1]
        return Evaluation(-score, {"chrf": score, "bleu": score}, headline=score)


def scripted(task: TranslateTask) -> TranslateTask:
    Scripted.done = 0
    task.__class__ = Scripted
    return task


def test_the_rate_is_cut_where_pytorchs_scheduler_cuts_it(make_run: MakeRun) -> None:
    run, task = make_run(**SETTINGS)
    Trainer(run, scripted(task)).train()
    found = [line["learning_rate"] for line in run.metrics() if line["kind"] == "step"]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-3)
    # PyTorch cuts after more than `patience` evaluations without a new best, ours after as many as it says
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.5, patience=1, threshold=0.0)
    expected = []
    for score in SCORES:
        expected.append(optimizer.param_groups[0]["lr"])
        theirs.step(score)
    assert found == pytest.approx(expected, rel=1e-9)
    assert found[0] > found[-1]


@pytest.mark.parametrize("optimizer", ["muon", "rmsprop", "nesterov", "adam"])
def test_stopped_between_any_two_evaluations_it_resumes_to_the_same_bits(optimizer: str, make_run: MakeRun) -> None:
    penalized = {"optimizer": optimizer, "l1": 1e-3, "l2": 1e-3, "clip_value": 0.05, "noise": 0.1}
    whole, task = make_run("whole", **SETTINGS, **penalized)
    Trainer(whole, scripted(task)).train()
    cut, task = make_run("cut", **SETTINGS, **penalized)
    task = scripted(task)
    for stop in (4, 5, 6, 9):
        trainer = Trainer(cut, task)
        trainer.should_stop = lambda stop=stop, trainer=trainer: trainer.counters.step >= stop  # type: ignore[misc]
        trainer.train()
        assert trainer.counters.step == stop
    Trainer(cut, task).train()
    assert counters(cut)["cuts"] > 0
    assert untimed(cut) == untimed(whole)
    assert counters(cut) == counters(whole)
    assert fingerprint(cut) == fingerprint(whole)


def test_early_stopping_watches_the_best_score_and_can_be_off(make_run: MakeRun) -> None:
    run, task = make_run("stopped", **{**SETTINGS, "patience": 3})
    Trainer(run, scripted(task)).train()
    last = list(run.metrics())[-1]
    assert last["step"] == 6  # the third evaluation after that of step 3, whose 2.0 was the best so far
    assert last["best_step"] == 3
    run, task = make_run("on", **SETTINGS)
    Trainer(run, scripted(task)).train()
    assert list(run.metrics())[-1]["step"] == len(SCORES)


def test_a_state_saved_before_there_were_plateaus_goes_on(make_run: MakeRun) -> None:
    from pellucid.train.state import Counters

    about = {"step": 3, "epoch": 0, "position": 3, "tokens": 9, "seconds": 1.0, "best": 2.0, "best_step": 2}
    assert Counters(**about, without_improvement=1, metrics_bytes=0).cuts == 0
