"""When a loss or a gradient is no number: is it the data, and where does the training go back to?

The examples of the step are tried with weights that were good: what is no number even there is the data's doing, and
is named. All else may be the rate's: the training goes back and takes smaller steps (loop.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pellucid.tasks.task import Task
from pellucid.train.aside import aside
from pellucid.train.state import Counters

TRIALS = 400  # forward and backward passes that the search for single examples may take
NEAR = 0.1  # of the lowest loss, above which an evaluation is not sound
NAMED = 100  # lines of the data that are kept of a step, at most


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step whose loss or gradient norm is no number, and where in the data its batches begin."""

    step: int
    loss: float
    norm: float
    epoch: int
    position: int

    def told(self) -> dict[str, float | int | None]:
        """As metrics.jsonl has it: JSON has no name for what is no number."""
        return {"step": self.step, "loss": _finite(self.loss), "gradient_norm": _finite(self.norm)}


def where_to(counters: Counters, back_to: int | None) -> list[int]:
    """The steps to go back to, the first that can be had: the last good evaluation; if that was no help, a sound one.

    `back_to` is where the training went back to last. They depend on steps alone, not on when a state was saved: a
    training that was killed goes back to the same one.
    """
    if counters.good == back_to:
        return [counters.sound]
    return list(dict.fromkeys([counters.good, counters.sound]))


def is_sound(loss: float, lowest: float, best: bool) -> bool:
    """Whether a network with this loss on the development side is one to go back to."""
    return math.isfinite(loss) and (best or loss <= lowest + NEAR * abs(lowest))


def examples_of(task: Task, trouble: Trouble) -> tuple[list[int], list[int]]:
    """The examples of the step's batches, and those of another batch to hold them against (none if there is none)."""
    epoch, position = trouble.epoch, trouble.position
    found: list[int] = []
    for _ in range(task.training.accumulate):
        batches = task.epoch(epoch)
        if position >= len(batches):
            epoch, position = epoch + 1, 0
            batches = task.epoch(epoch)
        found += batches[position]
        position += 1
    first, batches = trouble.position, task.epoch(trouble.epoch)
    others = [number for number in (first - 1, first + task.training.accumulate) if 0 <= number < len(batches)]
    return found, list(batches[others[0]]) if others else []


def faulty_examples(task: Task, model: nn.Module, examples: Sequence[int], others: Sequence[int]) -> list[int]:
    """Those of `examples` whose loss or gradient is no number with the weights of `model`; none if it is not they.

    It is not they if with these weights `others` have none either, or, without any, if all of them have none. Nothing
    is changed: no weight, no average, no random number, nothing that the task remembers.
    """
    trials = TRIALS

    def is_finite(chosen: Sequence[int]) -> bool:
        nonlocal trials
        trials -= 1
        return _is_finite(task, model, chosen)

    def search(chosen: Sequence[int]) -> list[int]:
        """Halves of halves, down to single examples while there are trials left."""
        if len(chosen) == 1 or trials <= 0:
            return list(chosen)
        middle = len(chosen) // 2
        found = [one for half in (chosen[:middle], chosen[middle:]) if not is_finite(half) for one in search(half)]
        return found or list(chosen)

    unique = list(dict.fromkeys(int(one) for one in examples))
    if not unique or is_finite(unique) or (others and not is_finite(others)):
        return []
    found = search(unique)
    return [] if len(found) == len(unique) and not others else found


def _is_finite(task: Task, model: nn.Module, examples: Sequence[int]) -> bool:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    device = parameters[0].device
    with (
        aside(task, model) as apart,
        torch.backends.cudnn.flags(enabled=False),  # its recurrent networks have no backward pass in evaluation mode
    ):
        total = apart.loss(model, apart.collate(examples).to(device)).total
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    norms = torch._foreach_norm([one for one in gradients if one is not None])
    return math.isfinite(total.item()) and all(math.isfinite(norm) for norm in norms)


def origins(task: Task, examples: Sequence[int]) -> list[str]:
    """Where they stood in the data, each place once."""
    return list(dict.fromkeys(task.origin(int(number)) for number in examples[:NAMED]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
