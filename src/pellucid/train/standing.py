"""Where a training stands: its last saved state read back to be looked at, with nothing of the run touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pellucid.errors import RunError
from pellucid.run import Run
from pellucid.tasks.task import Batch, Task
from pellucid.train.optimizer import make_optimizer
from pellucid.train.schedule import learning_rate
from pellucid.train.state import Counters, MovingAverage, carried_of, random_state, unpack


@dataclass(frozen=True)
class Standing:
    """The weights, the optimizer with the rate of its next step, the counters, and where random numbers go on."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    counters: Counters
    randomness: Mapping[str, Tensor]
    carried: Sequence[Mapping[str, Tensor]]  # what the task remembers from step to step, of each worker
    is_over: bool  # no step follows: the next one is one more, at the rate of the last


def standing(run: Run, model: nn.Module) -> Standing:
    """Fill `model`, a network of the run's shape, from the newest state. Raises RunError if there is none."""
    saved = run.load_state() if run.has_state else None
    if saved is None:
        raise RunError(
            f"{run.path}: holds no saved state of its training",
            mend="The folder `state` has the optimizer's memory; copy it along with the run.",
        )
    tensors, about, _ = saved
    config = run.config.training
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, config, config.precision)
    with torch.random.fork_rng():
        counters = unpack(tensors, about, model, MovingAverage(model, config.average), optimizer, 0, device)
        randomness = random_state(device)
    assert config.steps is not None, "a run's config has its steps settled"
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(
            min(counters.step + 1, config.steps), config.steps, config, counters.cuts, counters.rollbacks
        )
    carried = [carried_of(tensors, rank) for rank in range(about.get("workers", 1))]
    return Standing(model, optimizer, counters, randomness, carried, counters.step >= config.steps)


def next_batches(task: Task, counters: Counters, count: int) -> list[tuple[Sequence[int], Batch]]:
    """The batches that the training takes next, whole, whichever workers would share them, and of which examples."""
    epoch, position = counters.epoch, counters.position
    found: list[tuple[Sequence[int], Batch]] = []
    while len(found) < count:
        batches = task.epoch(epoch)
        chosen = batches[position : position + count - len(found)]
        found += [(list(examples), task.collate(examples)) for examples in chosen]
        epoch, position = epoch + 1, 0
    return found
