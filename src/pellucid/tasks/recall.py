"""Recall: say what stood k steps ago. The task on which a network's memory is measured, on symbols drawn anew.

    y_t = x_{t-k}

Nothing but the distance makes it hard: the network must carry each symbol through k steps, and the gradient must find
its way back through as many.
"""

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import ExampleTraining, RunConfig
from pellucid.errors import DataError
from pellucid.models.initialization import initialized
from pellucid.models.language import LanguageModel, LanguageModelConfig, build_language_model
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, SideName, Task

SYMBOLS = 8  # chance is 1 in 8
ASKED = 16  # symbols asked for in each sequence, after the first k
TRAIN = 1 << 16  # sequences of one pass
HELD = 64  # sequences held out


class RecallConfig(RunConfig):
    """How far back, and by which network."""

    task: Literal["recall"] = Field("recall", description="what the network is for")
    distance: int = Field(8, ge=1, description="k: how many steps ago the symbol stood that is asked for")
    model: LanguageModelConfig = Field(default_factory=LanguageModelConfig)
    training: ExampleTraining = Field(default_factory=ExampleTraining)


class RecallTask(Task):
    """The Task protocol for recalling; an example is a number that its symbols are drawn from."""

    item = "token"
    config: RecallConfig

    def __init__(self, config: RecallConfig) -> None:
        self.config = config.changed(model={**config.model.model_dump(), "context": config.distance + ASKED})

    @classmethod
    def fetch(cls, config: RecallConfig) -> None:
        """Nothing: symbols are drawn, not read."""

    @classmethod
    def open(cls, config: RecallConfig, folder: Path | None = None) -> "RecallTask":
        return cls(config)

    @classmethod
    def network(cls, config: RecallConfig, folder: Path) -> LanguageModel:
        return build_language_model(config.model, SYMBOLS)

    @property
    def training(self) -> ExampleTraining:
        return self.config.training

    @property
    def name(self) -> str:
        return f"{self.config.model.cell}-{self.config.distance}"

    def fingerprint(self) -> str:
        return hashlib.sha256(self.config.model_dump_json().encode()).hexdigest()

    def build_model(self) -> LanguageModel:
        return initialized(build_language_model(self.config.model, SYMBOLS), self.training)

    def keep(self, folder: Path) -> None:
        """Nothing is fitted to the data."""

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        batch = self.training.batch
        first = HELD + number * TRAIN
        return [range(start, start + batch) for start in range(first, first + TRAIN, batch)]

    def collate(self, examples: Sequence[int]) -> Batch:
        length = self.config.distance + ASKED
        drawn = torch.Generator().manual_seed(random.Random(f"{self.config.distance} {examples[0]}").getrandbits(60))
        return Batch({"symbols": torch.randint(SYMBOLS, (len(examples), length), generator=drawn)}, padding=0.0)

    def origin(self, example: int) -> str:
        return f"drawn from {example}"

    def sample(self, side: SideName, most: int) -> Sample:
        """Of drawn symbols; those held out are evaluated in both names."""
        first = {"train": HELD, "dev": 0, "test": -HELD}[side]
        symbols = self.collate(range(first, first + min(most, HELD))).tensors["symbols"]
        return Sample(symbols, symbols, lambda place: self.origin(first + place))

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = cast(LanguageModel, model)(inputs)[:, self.config.distance :]
        nats = F.cross_entropy(logits.transpose(1, 2), targets[:, : -self.config.distance], reduction="none")
        return nats.sum(1), torch.full((len(targets),), float(nats.size(1)))

    def uninformed(self, targets: Tensor) -> Tensor:
        return torch.full((len(targets),), ASKED * math.log(SYMBOLS))

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        logits, asked = self._answers(model, batch.tensors["symbols"])
        return Losses({"cross_entropy": F.cross_entropy(logits.flatten(0, 1), asked.flatten())}, asked.numel())

    def _answers(self, model: nn.Module, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """The logits wherever there is something to recall, and what it is."""
        distance = self.config.distance
        return cast(LanguageModel, model)(symbols)[:, distance:], symbols[:, :-distance]

    def evaluate(self, model: nn.Module) -> Evaluation:
        device = next(model.parameters()).device
        with torch.inference_mode():
            logits, asked = self._answers(model, self.collate(range(HELD)).tensors["symbols"].to(device))
        loss = float(F.cross_entropy(logits.flatten(0, 1), asked.flatten()))
        right = float((logits.argmax(dim=-1) == asked).float().mean())
        return Evaluation(loss, {"accuracy": right}, headline=right)

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        raise DataError("recall reads no files: its symbols are drawn anew", mend="Use another task.")

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        return dict(self.evaluate(model).scores)

    def describe(self) -> dict[str, Any]:
        return {"train": TRAIN, "symbols": SYMBOLS, "distance": self.config.distance}

    def carry(self, carried: Mapping[str, Tensor]) -> None:
        """Each sequence begins anew."""
