"""What each of two workers does in test_parallel.py: `python workers.py SCENE PAIRS FOLDER`, results as files there.

Not a test itself, and not mocked: the processes, the group and the trainings are those of any run.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from conftest import tiny_config

from pellucid.errors import PellucidError, TrainingError
from pellucid.run import Run
from pellucid.tasks.task import Batch, Losses
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.parallel import Workers, joined, leave

BATCHES = {"even": list(range(16)), "uneven": [3, 50, 90, 7, 120], "fewer rows than workers": [11]}


def gradients(task: TranslateTask, workers: Workers, batch: list[int]) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    model = task.build_model()
    objective = workers.objective(task, model)
    share, counts = workers.share(batch)
    losses = objective(task.collate(share))
    (losses.total * workers.weight(losses.count * counts) * workers.size).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def without_dropout(task: TranslateTask, **training: object) -> TranslateTask:
    model = {**task.config.model.model_dump(), "dropout": 0.0}
    settings = {**task.config.training.model_dump(), **training}
    return TranslateTask(task.config.changed(model=model, training=settings), task.data, task.tokenizer)


class Broken(TranslateTask):
    """Its loss is once no number, with one worker."""

    breaks, calls = False, 0

    def loss(self, model: torch.nn.Module, batch: Batch) -> Losses:
        found = super().loss(model, batch)
        self.calls += model.training
        broken = self.breaks and model.training and self.calls == 12
        return Losses(
            {name: part * (float("nan") if broken else 1.0) for name, part in found.parts.items()}, found.count
        )


def trained(
    workers: Workers, folder: Path, task: TranslateTask, after_step: Callable[[int], object] = lambda step: None
) -> Trainer:
    """A training as api.train does it, from whatever stands in the folder; `after_step` may stop or kill it."""
    run = Run(folder)
    if workers.first(lambda: not folder.exists()):
        workers.first(lambda: Run.create(folder, task))
    trainer = Trainer(run, task, workers=workers)
    trainer.should_stop = lambda: bool(after_step(trainer.counters.step))
    trainer.train()
    return trainer


def learn_and_be_killed(workers: Workers, task: TranslateTask, folder: Path) -> None:
    plain = without_dropout(task)
    for name, batch in BATCHES.items():
        torch.save(gradients(plain, workers, batch), folder / f"{name}.{workers.rank}.pt")
    trained(workers, folder / "accumulated", without_dropout(task, steps=10, accumulate=2))
    whole = trained(workers, folder / "whole", task)
    torch.save((whole.model.state_dict(), torch.get_rng_state()), folder / f"weights.{workers.rank}.pt")
    broken = Broken(task.config, task.data, task.tokenizer)
    broken.breaks = workers.rank == 1
    rolled = trained(workers, folder / "rolled back", broken)
    torch.save(rolled.model.state_dict(), folder / f"rolled.{workers.rank}.pt")
    trained(workers, folder / "stopped", task, lambda step: workers.rank == 1 and step == 5)

    def die(step: int) -> None:
        if workers.rank == 1 and step == 13:
            os.kill(os.getpid(), signal.SIGKILL)

    trained(workers, folder / "killed", task, die)


def resume_and_fail(workers: Workers, task: TranslateTask, folder: Path) -> None:
    trained(workers, folder / "killed", task)
    trained(workers, folder / "stopped", task)
    workers.agree(lambda: "alike", "other data", mend="")
    try:
        workers.agree(lambda: workers.rank, "other data", mend="")
    except TrainingError as error:
        (folder / f"disagree.{workers.rank}.error").write_text(str(error), encoding="utf-8")
    if workers.rank == 1:
        raise TrainingError("only the second worker knows this")
    workers.sum(1.0)


if __name__ == "__main__":
    scene, pairs, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    rank = os.environ["RANK"]
    try:
        with joined() as workers:
            task = TranslateTask(tiny_config(pairs))
            {"learn": learn_and_be_killed, "resume": resume_and_fail}[scene](workers, task, folder)
    except PellucidError as error:
        (folder / f"{scene}.{rank}.error").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        leave(0)
