"""Carrying out a cure: each training that it needs is made, gone on with, or found finished, in the planned order.

How a network is trained is passed in: `train` and `resume` of api.py, which write whole run folders.
"""

import shutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pellucid.errors import TrainingError
from pellucid.files import UNFINISHED
from pellucid.run import Run
from pellucid.train.cure import Cure, Wanted
from pellucid.train.cured import OVER
from pellucid.train.loop import Event, Watcher


class Train(Protocol):
    def __call__(self, config: Any, run_folder: Any, *, watcher: Watcher, should_stop: Callable[[], bool]) -> Run: ...


class Resume(Protocol):
    def __call__(self, path: Any, *, watcher: Watcher, should_stop: Callable[[], bool]) -> Run: ...


def carried_out(planned: Cure, train: Train, resume: Resume, watcher: Watcher, should_stop: Callable[[], bool]) -> bool:
    """Make all trainings of a cure; False if it was stopped before their end.

    `watcher` gets one event of the cure, one as each training's turn comes, and between them the training's own, each
    with the `run` that it is of.
    """
    watcher(beginning(planned))
    for number, wanted in enumerate(planned.trainings, 1):
        if should_stop() or not _is_made(planned, number, wanted, train, resume, watcher, should_stop):
            return False
    return True


def beginning(planned: Cure) -> Mapping[str, Any]:
    """What is to be done, and how far it is already."""
    return {
        "kind": "cure",
        "run": planned.cured.run,
        "what": planned.what,
        "changes": dict(planned.cured.changes),
        "adapted": {name: list(values) for name, values in planned.cured.adapted.items()},
        "seeds": list(planned.seeds),
        "folder": str(planned.folder),
        "trainings": [_described(number, wanted) for number, wanted in enumerate(planned.trainings, 1)],
    }


def _described(number: int, wanted: Wanted) -> dict[str, Any]:
    return {
        "run": str(wanted.folder),
        "number": number,
        "seed": wanted.seed,
        "treated": wanted.treated,
        "state": wanted.state,
        "steps": wanted.config.training.steps,
        "steps_done": wanted.steps_done,
    }


def _is_made(
    planned: Cure,
    number: int,
    wanted: Wanted,
    train: Train,
    resume: Resume,
    watcher: Watcher,
    should_stop: Callable[[], bool],
) -> bool:
    """Make one training unless it is there; False if it was stopped. One that cannot go on says so in its metrics."""
    told = _described(number, wanted)
    watcher({"kind": "training", **told})

    def watch(event: Event) -> None:
        watcher({**event, "run": told["run"]})

    if told["state"] in OVER:
        return True
    _prepare(planned, wanted)
    try:
        if wanted.is_there:
            made = resume(wanted.folder, watcher=watch, should_stop=should_stop)
        else:
            made = train(wanted.config, wanted.folder, watcher=watch, should_stop=should_stop)
    except TrainingError as error:
        if not wanted.is_there:
            raise
        line = {"kind": "failed", "text": error.message}
        Run.open(wanted.folder).append_metrics([line])
        watch(line)
        return True
    return made.ending() != "interrupted"


def _prepare(planned: Cure, wanted: Wanted) -> None:
    """Take away what a killed process left half made; of the run itself, if it is unfinished, make a copy to finish."""
    if wanted.is_there:
        return
    if wanted.folder.exists():
        shutil.rmtree(wanted.folder)
    if wanted.treated or wanted.seed != planned.run.config.training.seed:
        return
    copy = wanted.folder.with_name(f".{wanted.folder.name}{UNFINISHED}")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(planned.run.path, copy, ignore=shutil.ignore_patterns("lock", "report.html", f".*{UNFINISHED}"))
    copy.rename(wanted.folder)
