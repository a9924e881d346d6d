"""Snapshots of the weights at some steps, so that every number of a training can be looked at as it was then.

A snapshot is the network as it is being trained (not the moving average), exact. Small ones are kept in memory and
written together, at the latest when a state is saved; a killed training makes the same ones again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.run import Run

TOGETHER = 8 << 20  # bytes of one file, unless a single snapshot has more
MOST = 1 << 30  # bytes of all snapshots of a training; more would fill disks unasked


@dataclass(frozen=True, slots=True)
class Cost:
    """What recording takes on the disk: `every` steps (0: at evaluations) as settled, so many snapshots and bytes."""

    every: int
    snapshots: int
    bytes: int

    def told(self) -> dict[str, int]:
        return {"every": self.every, "snapshots": self.snapshots, "bytes": self.bytes}


def cost_of(model: nn.Module, training: TrainingConfig, steps: int, evaluate_every: int) -> Cost | None:
    """What `training.record` will take; an interval that would take more than 1 GiB is made longer. None: nothing."""
    if training.record is None:
        return None
    one = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    asked = training.record
    if asked == "evaluations":
        count = math.ceil(steps / evaluate_every) + 1
        if one * count <= MOST:
            return Cost(0, count, one * count)
        asked = evaluate_every
    allowed = max(MOST // max(one, 1), 2)
    every = max(asked, math.ceil(steps / (allowed - 1)))
    count = steps // every + 1
    return Cost(every, count, one * count)


@dataclass
class Recording:
    """Takes snapshots of `model` for `run`; `every` as in the config.

    if recording.due(step, evaluating):
        recording.take(step)
    """

    run: Run
    model: nn.Module
    every: int | str | None
    _held: dict[str, Tensor] = field(default_factory=dict)
    _bytes: int = 0

    def due(self, step: int, evaluating: bool) -> bool:
        if self.every is None:
            return False
        return evaluating if self.every == "evaluations" else step % int(self.every) == 0

    def take(self, step: int) -> None:
        state: Mapping[str, Tensor] = self.model.state_dict()
        self._held |= {f"{step}.{name}": tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
        self._bytes += sum(tensor.numel() * tensor.element_size() for tensor in state.values())

    @property
    def is_full(self) -> bool:
        return self._bytes >= TOGETHER

    def write(self) -> dict[str, Any]:
        """Write what is held; returns which steps and how many bytes, empty if nothing was held."""
        if not self._held:
            return {}
        steps = sorted({int(name.partition(".")[0]) for name in self._held})
        size = self.run.save_recorded(steps, self._held)
        self._held, self._bytes = {}, 0
        return {"steps": steps, "bytes": size}
