"""The one test score that a task's trainings are compared by: where it stands, which way is better, how fine it is.

A run's other scores stand in its report; two trainings are told better or worse by one number, chosen beforehand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.errors import ConfigError

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Headline:
    """A score of the `test` line of metrics.jsonl; `name` is also what an evaluation's `scores` call it.

    `step` gives the smallest difference that this score can show on that test side: one example more that is right, or
    the last digit that is told of it. `digits` are those after the point.
    """

    name: str
    higher: bool
    digits: int
    of: Callable[[Line], float]
    step: Callable[[Line], float]


HEADLINES = {
    "translate": Headline(
        "chrf", True, 1, lambda test: test["subsets"]["all"]["systems"]["model"]["chrf"]["value"], lambda test: 0.1
    ),
    "regress": Headline("r2", True, 3, lambda test: test["systems"]["model"]["r2"], lambda test: 0.001),
    "language": Headline(
        "bits_per_character",
        False,
        3,
        lambda test: test["systems"]["model"]["bits_per_character"],
        lambda test: 0.001,
    ),
    "embed": Headline(
        "related", True, 3, lambda test: test["systems"]["model"], lambda test: max(1 / max(test["pairs"], 1), 0.001)
    ),
    "classify": Headline(
        "accuracy", True, 2, lambda test: _accuracy(test["confusion"]), lambda test: 100 / test["examples"]
    ),
}


def _accuracy(confusion: Sequence[Sequence[int]]) -> float:
    """In percent, of the counts and so not rounded: differences of seeds are whole examples."""
    right = sum(row[place] for place, row in enumerate(confusion))
    return 100 * right / sum(map(sum, confusion))


def headline_of(task: str) -> Headline:
    """Raises ConfigError if there is no such task."""
    if task not in HEADLINES:
        raise ConfigError(f"task is {task!r}: there is no such task", mend=f"There are {', '.join(HEADLINES)}.")
    return HEADLINES[task]
