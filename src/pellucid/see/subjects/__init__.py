"""What is seen of each task: one input of it, passed through the run's model, as a trace. One module a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pellucid.errors import DataError
from pellucid.tasks.kinds import known

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.see.capture import Labels
    from pellucid.see.trace import Trace
    from pellucid.tasks.task import Batch, Task

WITHOUT_TEXT = {"classify": "0", "regress": "0"}  # what is looked at unless something is named: the first held-out row


def trace_of(run: "Run", text: str | None, target: str | None = None) -> "Trace":
    """The pass of one input through a run's model, with the loss and all gradients.

    Raises DataError if the task needs an input and none was given, or a target was given to one that has none;
    TraceError or DataError for an input that cannot be passed.
    """
    task = run.task_name
    given = text if text is not None else WITHOUT_TEXT.get(task)
    if given is None:
        raise DataError(*missing(task, str(run.path)))
    if task == "translate":
        from pellucid.see.translation import trace_of as translation

        return translation(run, given, target)
    if target is not None:
        raise DataError(f"{run.path}: a run of {task} has no target to read", mend="Leave --target out.")
    trace: Trace = _module(task).trace_of(run, given)
    return trace


@dataclass(frozen=True)
class Rows:
    """What one batch of a training holds: its tensors by name, and what a person calls each of its rows.

    `places` are the tokens that are asked for, one after the other, where a row is a text; `about` is of a batch that a
    person gave.
    """

    batch: "Batch"
    names: Sequence[str]
    places: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def rows_of_text(run: "Run", text: str, target: str | None = None) -> Rows:
    """One input that a person gave, as training would read it, were it all of a batch.

    Raises DataError or TraceError as `trace_of`, and where training would need to know what the input does not say.
    """
    if target is not None and run.task_name != "translate":
        raise DataError(f"{run.path}: a run of {run.task_name} has no target to read", mend="Leave --target out.")
    found: Rows = _module(run.task_name).rows_of_text(
        run, *((text, target) if run.task_name == "translate" else (text,))
    )
    return found


def rows_of_examples(task: "Task", name: str, batch: "Batch", examples: Sequence[int]) -> Rows:
    """A batch of a training's own examples; `name` is the task's."""
    return Rows(batch, _module(name).names_of(task, batch, examples))


def labels_of(run: "Run") -> "Labels":
    """What the rows of a run's parameters are called."""
    found: Labels = _module(run.task_name).labels_of_run(run)
    return found


def _module(task: str) -> Any:
    return import_module(f"pellucid.see.subjects.{known(task)}")


def missing(task: str, run: str) -> tuple[str, str]:
    """What is said where an input is needed: the sentence, and an example."""
    what, example = {
        "translate": ("text to translate", '"Save the file"'),
        "language": ("text to read", '"To be, or not to be"'),
        "embed": ("word", "king"),
    }[task]
    return f"no {what} was given", f"For example: pellucid see {run} {example}."
