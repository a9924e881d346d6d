"""What is seen of each task: one input of it, passed through the run's model, as a trace. One module a task."""

from importlib import import_module
from typing import TYPE_CHECKING

from pellucid.errors import DataError

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.see.trace import Trace

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
    trace: Trace = import_module(f"pellucid.see.subjects.{task}").trace_of(run, given)
    return trace


def missing(task: str, run: str) -> tuple[str, str]:
    """What is said where an input is needed: the sentence, and an example."""
    what, example = {
        "translate": ("text to translate", '"Save the file"'),
        "language": ("text to read", '"To be, or not to be"'),
        "embed": ("word", "king"),
    }[task]
    return f"no {what} was given", f"For example: pellucid see {run} {example}."
