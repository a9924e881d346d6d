"""What each of two workers does in test_parallel_tasks.py: `python workers_of_tasks.py FOLDER`, results
as files there.

Not a test itself, and not mocked: the processes, the group and the trainings are those of any run.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pellucid.run import Run
from pellucid.tasks.kinds import config_class, task_class
from pellucid.train.loop import Trainer
from pellucid.train.parallel import Workers, joined


def task_of(config: Path) -> Any:
    values = json.loads(config.read_text(encoding="utf-8"))
    kind = task_class(values["task"])
    return kind.open(kind.proposed(config_class(values["task"]).parse(values, where=str(config))))


def trained(
    workers: Workers, folder: Path, task: Any, after_step: Callable[[int], object] = lambda step: None
) -> Trainer:
    if workers.first(lambda: not folder.exists()):
        workers.first(lambda: Run.create(folder, task))
    trainer = Trainer(Run(folder), task, workers=workers)
    trainer.should_stop = lambda: bool(after_step(trainer.counters.step))
    trainer.train()
    return trainer


def gradients(workers: Workers, config: Path, folder: Path) -> None:
    """Of the first batch, and what the batch norms of this worker have averaged."""
    task = task_of(config)
    torch.manual_seed(1)
    model = task.build_model()
    objective = workers.objective(task, model)
    share, counts = workers.share(task.epoch(0)[0])
    losses = objective(task.collate(share))
    (losses.total * workers.weight(losses.count * counts) * workers.size).backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    torch.save((found, dict(model.named_buffers())), folder / f"gradients.{workers.rank}.pt")


def trainings(workers: Workers, config: Path, folder: Path) -> None:
    """One that goes through, and one that the second worker stops and both go on with."""
    whole = trained(workers, folder / "whole", task_of(config))
    torch.save(whole.model.state_dict(), folder / f"weights.{workers.rank}.pt")
    trained(workers, folder / "stopped", task_of(config), lambda step: workers.rank == 1 and step == 5)
    trained(workers, folder / "stopped", task_of(config))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    with joined() as workers:
        for scene, name in (
            (gradients, "pictures-none"),
            (gradients, "pictures-batch"),
            (trainings, "pictures-batch"),
            (trainings, "texts"),
        ):
            scene(workers, place / f"{name}.json", place / name)
