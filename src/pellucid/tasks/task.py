"""What the trainer knows of a task, and nothing more: examples in batches, a model, a loss, an evaluation.

A task joins a source of examples, a model family, a loss and metrics. The trainer has no `if task == ...`.
"""

import copy
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.data.pairs import Pair


@dataclass(frozen=True, slots=True)
class Losses:
    """Named parts of a loss; their sum is minimized. `count` is how many items (tokens) the mean is over."""

    parts: dict[str, Tensor]
    count: int

    @property
    def total(self) -> Tensor:
        first, *rest = self.parts.values()
        return sum(rest, start=first) if rest else first


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
        for tensor in self.tensors.values():
            if tensor.device != device:
                break
        else:
            return self
        return Batch({name: tensor.to(device) for name, tensor in self.tensors.items()}, self.padding)


SideName = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Some examples of one side as they are, nothing augmented: what is read of each, what is asked, where it stood.

    Row n of `inputs` belongs to row n of `targets`. A task whose inputs are rows or images gives them as floats, one
    that tells classes apart its targets as whole numbers, one a row.
    """

    inputs: Tensor
    targets: Tensor
    origin: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.inputs)


def some(count: int, most: int) -> list[int]:
    """At most so many of the numbers below `count`, in order: the same whenever it is asked."""
    numbers = range(count)
    return list(numbers) if count <= most else sorted(random.Random(count).sample(numbers, most))


def unigram_nats(ids: Tensor, vocabulary: int) -> Tensor:
    """-log of how often each token comes, each counted once more than it was seen."""
    counts = ids.flatten().long().bincount(minlength=vocabulary).float() + 1
    return -(counts / counts.sum()).log()


# Puts the gradients of the loss times the number into each .grad, or with True adds them to what is there; gives the
# loss, without the factor, and its count.
Shortcut = Callable[[Batch, float, bool], tuple[Tensor, int]]


class Task(Protocol):
    """What every task offers; `tasks/kinds.py` lists them. Made of a config, it reads the data that this names."""

    config: Any  # a RunConfig of its own; what is found before training (steps, fingerprints) is written back into it
    item: str  # what a loss's `count` counts: token, example, character, pair

    @classmethod
    def proposed(cls, config: Any) -> Any:
        """The config with what depends on the budget settled, before anything is read."""
        return config

    @classmethod
    def fetch(cls, config: Any) -> None:
        """Get default data into the cache, if the config names such. Raises DataError if it cannot be had."""

    @classmethod
    def open(cls, config: Any, folder: Path | None = None) -> Self:
        """The task with its data read; of a run that exists with what it keeps, so that nothing is fitted anew.

        Raises DataError if the data cannot be read, or has changed since the run began.
        """
        ...

    @classmethod
    def network(cls, config: Any, folder: Path) -> nn.Module:
        """A new network as the config and what the run keeps say, without reading any data."""
        ...

    def keep(self, folder: Path) -> None:
        """Write the files without which the network cannot be used (a tokenizer, the columns of a table)."""

    @property
    def name(self) -> str:
        """What a run of this task and data is called if nobody says otherwise, such as `en-zh`."""
        ...

    @property
    def training(self) -> TrainingConfig:
        """How its network is to be trained."""
        training: TrainingConfig = self.config.training
        return training

    def fingerprint(self) -> str:
        """SHA-256 of all that training depends on: the configuration and the examples in their order."""
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

    def origin(self, example: int) -> str:
        """Where a training example stood, as a person finds it: file and line."""
        return f"example {example}"

    def batches(self, number: int, first: int = 0) -> Iterable[Batch]:
        """The tensors of the batches of `epoch(number)`, from batch `first` on, as `collate` makes them one by one.

        A task whose examples are rows of tensors may cut many batches at once (data/cut.py).
        """
        return (self.collate(examples) for examples in self.epoch(number)[first:])

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """The loss that training minimizes."""
        ...

    def shortcut(self, model: nn.Module) -> Shortcut | None:
        """A shorter way than autograd's to the loss and its gradients, if this network has one.

        Asked for when each parameter has its .grad; must give the numbers that `loss` and autograd would.
        """
        return None

    def evaluate(self, model: nn.Module) -> Evaluation:
        """The model's loss and scores on the development examples."""
        ...

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """Scores on the examples held out to the end, beside baselines: the `test` line of metrics.jsonl."""
        ...

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on other examples, read as the run reads its own. Raises DataError if that cannot be."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the data holds, for the report: the `data` line of metrics.jsonl; `train` is how many examples."""
        ...

    def carried(self) -> dict[str, Tensor]:
        """What the task itself remembers from step to step (a hidden state carried on); saved with each state."""
        return {}

    def apart(self) -> Self:
        """The same task for passes that are only looked at: they leave nothing behind in this one."""
        return copy.copy(self)

    def carried_by_one(self, carried: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """What one worker alone would carry, of what several did, each of every so-manieth row of the batches."""
        return dict(carried[0])

    def carry(self, carried: Mapping[str, Tensor]) -> None:
        """Put back what `carried` gave, on whatever device it is needed; with {}, forget it."""

    def sample(self, side: SideName, most: int) -> Sample | None:
        """At most so many examples of a side for the doctor, the same each time; None if a task has none to show."""
        return None

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each example of a sample the loss summed over its items, and how many items it has.

        Without what only helps training: no label smoothing, no weights of classes. The model's mode is its own.
        """
        raise NotImplementedError

    def uninformed(self, targets: Tensor) -> Tensor:
        """The same losses of the best guess that reads no input: the mean, the shares of classes or of tokens."""
        raise NotImplementedError

    def texts(self, side: SideName) -> Sequence[Pair]:
        """The pairs of texts of a side, if its examples are such; to find those that stand on two sides."""
        return ()

    def prose(self, side: SideName) -> str:
        """The running text of a side, if its examples are stretches of one; to find what stands on two sides."""
        return ""

    def padded(self, batch: Batch) -> Batch | None:
        """The same batch with more padding, which must change nothing; None where nothing is padded."""
        return None

    def padding_learned(self, model: nn.Module, sample: Sample) -> float | None:
        """How probable the model makes padding behind the end of a target, in multiples of what chance has.

        No loss should ask for it, so that it is no likelier than any token; None where nothing is padded.
        """
        return None

    def share(self, share: float) -> "Task":
        """The same task with so much of its training examples, all else as it is fitted; for a learning curve."""
        return self
