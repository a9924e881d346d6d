"""Trying examples in the midst of a training, of which nothing is left behind."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from pellucid.tasks.task import Task


@contextmanager
def aside(task: Task, model: nn.Module) -> Iterator[Task]:
    """A copy of the task that remembers nothing, while the network is in evaluation mode and draws are not counted."""
    device = next(model.parameters()).device
    apart = task.apart()
    apart.carry({})
    training = model.training
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.eval()
        try:
            yield apart
        finally:
            model.train(training)
