"""A network that learns: the gradients of a batch, and what the optimizer makes of them. Both the training itself
(loop.py) and the trial that measures this machine (plan.py) take their steps here.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import nn
from torch.nn.modules import module as hooked

from pellucid.config import TrainingConfig
from pellucid.tasks.task import Batch, Task
from pellucid.train.flat import flattened, update_of
from pellucid.train.limits import limit_gradients
from pellucid.train.parallel import Workers
from pellucid.train.penalties import Penalties
from pellucid.train.precision import autocast
from pellucid.train.state import MovingAverage

OF_MODULE = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
OF_ALL_MODULES = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


class Learner:
    """The gradients of one network and its updates; asks the task for a way to them that is shorter than autograd's.

    Made after any state has been loaded. The gradients are its own: they stay where they are, and `update` clears them.
    """

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: MovingAverage,
        workers: Workers,
        precision: str,
    ) -> None:
        self.task, self.model, self.optimizer, self.average = task, model, optimizer, average
        self.workers, self.precision = workers, precision
        self.training: TrainingConfig = task.training
        self.device = next(model.parameters()).device
        # Of several workers the gradients lie where they are exchanged (parallel.py).
        self.flat = flattened(model) if workers.size == 1 else None
        if self.flat is not None:
            average.lie_flat(self.flat)
        self._step = update_of(optimizer, self.flat)
        self.penalties = Penalties(model, self.training)
        self.objective = workers.objective(task, model)
        shortens = self.flat is not None and precision == "float32"
        self.shortcut = task.shortcut(model) if shortens else None
        self._is_watched = watched(self.objective)
        self._is_cleared = True

    def backward(self, batch: Batch, counts: bool, more: bool) -> tuple[float, float, float]:
        """Add the gradients of a batch, which `counts` or not; `more` says that others follow before the update.

        Gives its mean loss, the items (tokens) that it is over, and the share of the step's mean that it makes.
        """
        workers = self.workers
        if self.shortcut is not None and not self._is_watched():
            weight = 1 / self.training.accumulate
            loss, count = self.shortcut(batch, weight, not self._is_cleared)
            self._is_cleared = False
            return loss.item(), count, weight
        if self._is_cleared and self.flat is not None:
            self.flat.gradients.zero_()
        self._is_cleared = False
        with workers.keeping(self.objective, more):
            with autocast(self.precision, self.device):
                losses = self.objective(batch)
            count = losses.count * counts
            weight = workers.weight(count) / self.training.accumulate
            (losses.total * (weight * workers.size)).backward()  # the gradients' mean is taken, not their sum
        return losses.total.item(), count, weight

    def clip(self) -> float:
        """Add the gradients of penalties; the norm of all together, which are then cut to what is allowed."""
        self.penalties.add_gradients()
        if self.flat is not None:
            return limit_gradients([self.flat.gradients], self.training)
        found = (parameter.grad for parameter in self.model.parameters())
        return limit_gradients([gradient for gradient in found if gradient is not None], self.training)

    def update(self, step: int) -> None:
        """New weights, and their average after step number `step`."""
        self._step()
        self.penalties.shrink(self.optimizer)
        self.average.update(self.model, step)

    def clear(self) -> None:
        """Have the next backward pass begin anew; on flat memory the gradients can be looked at until then."""
        self._is_cleared = True
        if self.flat is None:
            self.optimizer.zero_grad()


class Place(Protocol):
    """Where in the data a training stands."""

    epoch: int
    position: int


def batches_from(task: Task, workers: Workers, device: torch.device, place: Place) -> Iterator[tuple[Batch, bool]]:
    """This worker's shares of the batches from `place` on, epoch after epoch, and whether they count.

    `place` is kept in step.
    """
    for number in itertools.count(place.epoch):
        place.epoch = number
        if workers.size == 1:
            for batch in task.batches(number, place.position):
                place.position += 1
                yield batch.to(device), True
        else:
            for examples in task.epoch(number)[place.position :]:
                share, counts = workers.share(examples)
                place.position += 1
                yield task.collate(share).to(device), counts
        place.position = 0


def watched(objective: nn.Module) -> Callable[[], bool]:
    """A function that says whether anybody listens to what the modules, functions and gradients of a network do.

    Then all is to happen in the usual way, module by module, with autograd. Asked at each step, so it looks only at
    dictionaries found once: where PyTorch keeps hooks.
    """
    hooks = [vars(module)[name] for module in objective.modules() for name in OF_MODULE]
    hooks += [getattr(hooked, name) for name in OF_ALL_MODULES]
    parameters = list(objective.parameters())

    def is_watched() -> bool:
        return (
            any(hooks)
            or torch._C._len_torch_function_stack() > 0
            or any(one._backward_hooks or one._post_accumulate_grad_hooks for one in parameters)
        )

    return is_watched
