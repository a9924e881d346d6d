"""The way that two chosen weights take while a network learns, and the loss around where they end: valley and path.

The path is noted where the loss is computed, so the trainer need not know of it; it is handed out with each evaluation.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pellucid.errors import ConfigError

KEPT = 400  # points between two evaluations; from there on every second one is dropped, and so on
GRID = 41  # values of each weight for which the loss is computed
MARGIN = 0.35  # of the path's extent, shown around it


@dataclass(frozen=True, slots=True)
class Weight:
    """One number of a network: the name of a parameter, and the place in it."""

    parameter: str
    place: tuple[int, ...]

    @property
    def address(self) -> str:
        return f"{self.parameter}[{','.join(map(str, self.place))}]"

    def of(self, model: nn.Module) -> Tensor:
        return model.get_parameter(self.parameter)[self.place]

    @classmethod
    def parse(cls, text: str, model: nn.Module) -> "Weight":
        """From an address such as `output.weight[0,3]`. Raises ConfigError if the network has no such weight."""
        name, _, places = text.strip().removesuffix("]").partition("[")
        try:
            weight = cls(name, tuple(int(place) for place in places.split(",")))
            if weight.of(model).dim():
                raise IndexError
        except (AttributeError, ValueError, IndexError):
            known = ", ".join(dict(model.named_parameters()))
            raise ConfigError(
                f"surface: the network has no weight {text!r}",
                mend=f"Write such as output.weight[0,1]; it has: {known}.",
            ) from None
        return weight


class Path:
    """Where the two weights stood before each step, and the loss there: rows of (step, first, second, loss)."""

    def __init__(self, weights: Sequence[Weight]) -> None:
        self.weights = weights
        self.forget()

    def forget(self) -> None:
        self.steps, self.stride, self.points = 0, 1, list[Tensor]()

    def note(self, model: nn.Module, loss: Tensor) -> None:
        if self.steps % self.stride == 0:
            numbers = [torch.tensor(float(self.steps)), *(weight.of(model) for weight in self.weights), loss]
            self.points.append(torch.stack([number.detach().cpu().double() for number in numbers]))
            if len(self.points) >= KEPT:
                self.points, self.stride = self.points[::2], self.stride * 2
        self.steps += 1

    def take(self) -> list[list[float]]:
        """The points since the last time."""
        taken = [[int(step), *(round(number, 7) for number in rest)] for step, *rest in map(Tensor.tolist, self.points)]
        self.points, self.stride = [], 1
        return taken

    def state(self) -> dict[str, Tensor]:
        points = torch.stack(self.points) if self.points else torch.zeros(0, 2 + len(self.weights)).double()
        return {"steps": torch.tensor([self.steps, self.stride]), "path": points}

    def put_back(self, state: Mapping[str, Tensor]) -> None:
        if not state:
            self.forget()
            return
        self.steps, self.stride = state["steps"].tolist()
        self.points = list(state["path"].double())


def surface(
    model: nn.Module, weights: Sequence[Weight], start: Sequence[float], loss: Callable[[nn.Module], Tensor]
) -> dict[str, object]:
    """The loss for values of two weights around the way from `start` to where `model` stands, all others as they are.

    Gives {"x", "y", "loss", "end"}; loss[i][j] is at y[i], x[j].
    """
    moved = copy.deepcopy(model)
    ends = [weight.of(moved).item() for weight in weights]
    axes = [_around(first, last) for first, last in zip(start, ends, strict=True)]
    first, second = (moved.get_parameter(weight.parameter) for weight in weights)
    rows: list[list[float]] = []
    with torch.no_grad():
        for y in axes[1]:
            second[weights[1].place] = y
            row = []
            for x in axes[0]:
                first[weights[0].place] = x
                row.append(loss(moved).item())
            rows.append([float(f"{value:.6g}") for value in row])
    return {"x": axes[0], "y": axes[1], "loss": rows, "end": ends}


def _around(first: float, last: float) -> list[float]:
    """Values from a margin below the lower to a margin above the higher of two, one of them the last itself."""
    extent = max(abs(last - first), 0.5)
    low, high = min(first, last) - MARGIN * extent, max(first, last) + MARGIN * extent
    step = (high - low) / (GRID - 1)
    shift = (last - low) % step  # so that the valley's floor is a point of the grid
    return [round(low + shift + number * step, 6) for number in range(GRID)]
