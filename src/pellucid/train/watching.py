"""Always-on statistics of a training: at some steps, what every layer puts out, weighs, is told and does.

Its lines in metrics.jsonl (`kind` "statistics") are what the doctor of train/diagnosis/ reads and the report draws. It
only looks: a training that is watched ends in the same weights, to the bit.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.train.listening import Listener, number_of

SHARE = 0.02  # of the time, which leaves room for a slow machine below the 3% that are promised
AT_LEAST = 8  # looks in a training; in a short one fewer, unless they cost next to nothing
NEXT_TO_NOTHING = 0.5  # seconds, of all those looks together
DEAREST = 34  # steps between two looks of which each takes a step: 3%; what measures more was disturbed


def watch_every(steps: int, step_seconds: float, look_seconds: float) -> int:
    """Steps between two looks: as often as a small share of the time allows, and fewer than 200 in a training."""
    allowed = math.ceil(look_seconds / (SHARE * max(step_seconds, 1e-9)))
    nearest = 1 if AT_LEAST * look_seconds < NEXT_TO_NOTHING else DEAREST
    return max(min(allowed, max(steps // AT_LEAST, nearest)), steps // 100, 1)


class Watching:
    """Looks at the first, the last and every `every`-th step; with 0, at none.

        if watching.due(step):
            with watching.listening():  # around the forward pass
                ...
            watching.slopes()  # after the backward pass, before clipping
            optimizer.step()
            line = watching.told()

    For each place (the name of a module that has parameters, or that computes an activation): `weight`, `gradient`
    (before clipping) and `update` are norms over its parameters, `spread` how different its units are afterwards,
    `output` the root mean square of what it puts out; of a relu the share of `zeros` and of `dead` units, of others the
    share that is `flat` (saturated).
    """

    def __init__(self, model: nn.Module, every: int, steps: int) -> None:
        self.model, self.every, self.steps = model, every, steps
        self._parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
        self._listener: Listener | None = None
        self._before: list[Tensor] = []
        self._gradients: list[float] = []

    def due(self, step: int) -> bool:
        return self.every > 0 and (step % self.every == 0 or step in (1, self.steps))

    @contextmanager
    def listening(self) -> Iterator[None]:
        self._listener = self._listener or Listener(self.model)
        with self._listener:
            yield

    @torch.no_grad()
    def slopes(self) -> None:
        """Take the gradients' norms and keep the weights as they are before the update."""
        parameters = list(self._parameters.values())
        self._gradients = norms([torch.zeros(()) if one.grad is None else one.grad for one in parameters])
        self._before = [one.detach().clone() for one in parameters]

    @torch.no_grad()
    def told(self) -> dict[str, dict[str, Any]]:
        """All of the step by place, in the order of the network."""
        after = [one.detach() for one in self._parameters.values()]
        spreads = spreads_of(self.model, self._parameters)
        moved = norms(torch._foreach_sub(after, self._before))
        weights = norms(self._before)
        heard = self._listener.told() if self._listener else {}
        squares: dict[str, list[float]] = {}
        for name, *numbers in zip(self._parameters, weights, self._gradients, moved, strict=True):
            held = squares.setdefault(name.rpartition(".")[0], [0.0, 0.0, 0.0])
            for place, number in enumerate(numbers):
                held[place] += number * number
        found: dict[str, dict[str, Any]] = {}
        for place in dict.fromkeys([*(name for name, _ in self.model.named_modules()), *squares, *heard]):
            if place not in squares and place not in heard:
                continue
            told = {
                said: number_of(math.sqrt(square)) if square >= 0 else None
                for said, square in zip(("weight", "gradient", "update"), squares.get(place, ()), strict=False)
            }
            if place in spreads:
                told["spread"] = number_of(spreads[place])
            found[place] = {**told, **heard.get(place, {})}
        self._before, self._listener = [], None
        return found


def places_of(model: nn.Module) -> dict[str, dict[str, Any]]:
    """The places with parameters: what module each is, and how many parameters it holds."""
    found: dict[str, dict[str, Any]] = {}
    for name, module in model.named_modules():
        own = [one for one in module.parameters(recurse=False) if one.requires_grad]
        if own:
            found[name] = {"type": type(module).__name__, "parameters": sum(one.numel() for one in own)}
    return found


def spreads_of(model: nn.Module, parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """By place, how far the units of its weights are from their mean, as a share of how large they are; 0: all alike.

        spread = ||W - mean_units(W)|| / ||W||,    0 where W is 0

    The units of a layer are the rows of its weights; of a table of embeddings, whose rows are tokens, the columns.
    Where a place has several matrices, that of the one whose units are most alike. A layer of one unit has none.
    """
    tables = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    flat = {name: one.detach().flatten(1) for name, one in parameters.items() if one.dim() > 1}
    units = {name: one.T if name in tables else one for name, one in flat.items()}
    many = {name: one for name, one in units.items() if one.size(0) > 1}
    sizes = norms(list(many.values()))
    apart = norms([one - one.mean(0) for one in many.values()])
    found: dict[str, float] = {}
    for name, size, distance in zip(many, sizes, apart, strict=True):
        place = name.rpartition(".")[0]
        spread = distance / size if size else 0.0
        found[place] = min(found.get(place, spread), spread) if spread >= 0 else math.nan
    return found


def norms(tensors: Sequence[Tensor]) -> list[float]:
    if not tensors:
        return []
    found: list[float] = torch.stack([one.float() for one in torch._foreach_norm(list(tensors))]).tolist()
    return found
