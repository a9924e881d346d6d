"""The learning curve: the same training on a quarter and on half of the examples, beside the whole.

Where the held-out loss still falls when the data is doubled, more data is what helps most. It trains twice more, for as
many steps as the run did.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.train.diagnosis.examination import MOST, Examination, Learned, examined, held_out_of
from pellucid.train.loop import Trainer

SHARES = (0.25, 0.5)


def with_learning_curve(
    run: Run,
    examination: Examination,
    task: Task | None = None,
    watcher: Callable[[Mapping[str, Any]], None] = lambda event: None,
) -> Examination:
    """The examination with its learning curve. `watcher` gets the events of the trainings; the run is not touched."""
    task = task or run.task
    whole = trained_on(run)
    points = []
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            watcher({"kind": "share", "share": share})
            part = task.share(share)
            again = Run.create(Path(folder) / f"{share}", part)
            Trainer(again, part, watcher).train()
            train, held_out = part.sample("train", MOST), held_out_of(task)
            if train is None or held_out is None:
                return examination  # a task that has no examples to show was not examined either
            model = again.model
            points.append(Learned(round(share * whole), examined(task, model, train), examined(task, model, held_out)))
    points.append(Learned(whole, examination.train, examination.held_out))
    return replace(examination, curve=points)


def trained_on(run: Run) -> int:
    """How many training examples the run had."""
    return next((int(line["train"]) for line in run.metrics() if line["kind"] == "data"), 0)
