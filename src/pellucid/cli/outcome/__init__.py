"""How a training of each task is told in the terminal, one module a task, named as the task is.

data_line(event)      one line of what was read: event is the `data` line of metrics.jsonl
score_text(scores)    the score beside the progress bar, of an evaluation's scores
evaluation(event)     prints what an evaluation found
print_outcome(run, tested)   prints the test's scores and what to do next
print_tested(run, tested)    prints the test's scores alone
about(config)         what the run is for, in a few characters: for `pellucid runs`
scores_of(tested)     the numbers of a test that sum it up, by name
score_of(line)        the score in a few characters, of an evaluation or a test
"""

from importlib import import_module
from typing import Any

from pellucid.tasks.kinds import known


def outcome_of(task: str) -> Any:
    """The module of a task."""
    return import_module(f"pellucid.cli.outcome.{known(task)}")
