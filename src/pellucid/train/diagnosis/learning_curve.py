"""The learning curve: the same training on a quarter and on half of the examples, beside the whole.

Where the held-out loss still falls when the data is doubled, more data is what helps most. It trains twice more, for as
many steps as the run did.
"""

import copy
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pellucid.errors import TrainingError
from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.train.diagnosis.examination import MOST, Broken, Examination, Learned, examined, held_out_of
from pellucid.train.loop import Trainer

SHARES = (0.25, 0.5)


def with_learning_curve(
    run: Run,
    examination: Examination,
    task: Task | None = None,
    watcher: Callable[[Mapping[str, Any]], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Examination:
    """The examination with its learning curve. `watcher` gets the events of the trainings; the run is not touched.

    A training that diverges is no point of the curve, and stands in `broken` with what it said. Where `should_stop`
    ends one, there is no curve.
    """
    task = task or run.task
    whole = trained_on(run)
    points, broken = [], []
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            part = part_of(task, share)
            watcher({"kind": "share", "share": share, "steps": part.training.steps})
            again = Run.create(Path(folder) / f"{share}", part)
            try:
                Trainer(again, part, watcher, should_stop).train()
            except TrainingError as error:
                # Its folder is gone when anybody reads this.
                broken.append(Broken(round(share * whole), error.message.removeprefix(f"{again.path}: ")))
                continue
            if should_stop():
                return replace(examination, curve=(), broken=(), stopped=True)
            train, held_out = part.sample("train", MOST), held_out_of(task)
            if train is None or held_out is None:
                return examination  # a task that has no examples to show was not examined either
            model = again.model.cpu()
            points.append(Learned(round(share * whole), examined(task, model, train), examined(task, model, held_out)))
    points.append(Learned(whole, examination.train, examination.held_out))
    return replace(examination, curve=points, broken=broken)


def part_of(task: Task, share: float) -> Task:
    """The task on a share of its examples. Nobody looks at its training: no snapshots are kept, nothing is watched."""
    part = copy.copy(task.share(share))
    part.config = part.config.changed(training={**part.config.training.model_dump(), "record": None, "watch": 0})
    return part


def trained_on(run: Run) -> int:
    """How many training examples the run had."""
    return next((int(line["train"]) for line in run.metrics() if line["kind"] == "data"), 0)
