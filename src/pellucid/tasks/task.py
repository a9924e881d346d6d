"""What the trainer knows of a task, and nothing more: examples in batches, a model, a loss, an evaluation.

A task joins a source of examples, a model family, a loss and metrics. The trainer has no `if task == ...`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Losses:
    """Named parts of a loss; their sum is minimized. `count` is how many items (tokens) the mean is over."""

    parts: dict[str, Tensor]
    count: int

    @property
    def total(self) -> Tensor:
        first, *rest = self.parts.values()
        return sum(rest, start=first)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is now. `headline` is the number that picks the best model: higher is better."""

    loss: float
    scores: dict[str, float]
    headline: float
    samples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some examples as tensors by name, and the share of their cells that hold nothing."""

    tensors: dict[str, Tensor]
    padding: float

    def to(self, device: torch.device) -> "Batch":
        return Batch({name: tensor.to(device) for name, tensor in self.tensors.items()}, self.padding)


class Task(Protocol):
    """What every task offers; `tasks/translate.py` is the first."""

    @property
    def training(self) -> TrainingConfig:
        """How its network is to be trained."""
        ...

    def build_model(self) -> nn.Module:
        """A new network with fresh weights, drawn from torch's global generator."""
        ...

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        """The batches of one pass over the training examples, as example numbers; the same for the same number."""
        ...

    def collate(self, examples: Sequence[int]) -> Batch:
        """The tensors of these training examples."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """The loss that training minimizes."""
        ...

    def evaluate(self, model: nn.Module) -> Evaluation:
        """The model's loss and scores on the development examples."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the data holds, for the report: the `data` line of metrics.jsonl."""
        ...
