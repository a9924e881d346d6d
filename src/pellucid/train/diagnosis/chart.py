"""The chart: what a run's metrics say, as series by step. Read from lines alone; no model, no data."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pellucid.train.diagnosis.thresholds import LEARNED

if TYPE_CHECKING:
    from pellucid.train.diagnosis.examination import Examination

Line = Mapping[str, Any]
NO_LAYERS = ("Embedding", "Norm", "Positions")  # parts of the names of modules that multiply nothing that comes in


@dataclass
class Chart:
    """One training's lines by kind (metrics.jsonl), its config as a dict, and what was found by examining it."""

    config: Mapping[str, Any]
    data: Line = field(default_factory=dict)
    plan: Line = field(default_factory=dict)
    network: Line = field(default_factory=dict)
    test: Line = field(default_factory=dict)
    end: Line = field(default_factory=dict)
    diverged: Line = field(default_factory=dict)
    steps: list[Line] = field(default_factory=list)
    evaluations: list[Line] = field(default_factory=list)
    statistics: list[Line] = field(default_factory=list)
    rollbacks: list[Line] = field(default_factory=list)
    examination: "Examination | None" = None
    origins: Callable[[int], Sequence[str]] = lambda step: ()  # where the examples of a step's batches came from

    def add(self, line: Line) -> None:
        match line["kind"]:
            case "step":
                self.steps.append(line)
            case "evaluation":
                self.evaluations.append(line)
            case "statistics":
                self.statistics.append(line)
            case "rollback":
                self.rollbacks.append(line)
                for lines in (self.steps, self.evaluations, self.statistics):
                    lines[:] = [one for one in lines if one["step"] <= line["to"]]
            case "data" | "plan" | "network" | "test" | "end" | "diverged":
                setattr(self, line["kind"], line)

    @property
    def task(self) -> str:
        return str(self.config.get("task", "translate"))

    @property
    def training(self) -> Mapping[str, Any]:
        return self.config["training"]  # type: ignore[no-any-return]

    @property
    def model(self) -> Mapping[str, Any]:
        """The section of the network that is used: of classify that of its kind."""
        section: Mapping[str, Any] = self.config.get("model", {})
        kind = section.get("kind")
        inner = section.get(kind) if isinstance(kind, str) else None
        return inner if isinstance(inner, Mapping) else section

    def model_field(self, name: str) -> str | None:
        """How `--with` names a field of the network, if the network has it."""
        section = self.config.get("model", {})
        if isinstance(section, Mapping):
            kind = section.get("kind")
            inner = section.get(kind) if isinstance(kind, str) else None
            if isinstance(inner, Mapping) and name in inner:
                return f"model.{kind}.{name}"
            if name in section:
                return f"model.{name}"
        return None

    @property
    def last(self) -> int:
        """The last step there is a line of."""
        return int(self.steps[-1]["step"]) if self.steps else 0

    def losses(self) -> tuple[list[int], list[float]]:
        """Steps and the loss of each batch, as far as it is a number."""
        held = [(int(line["step"]), number(line["loss"])) for line in self.steps]
        return [step for step, loss in held if math.isfinite(loss)], [loss for _, loss in held if math.isfinite(loss)]

    @property
    def passes(self) -> float:
        """How often the training has read its examples; nan where the metrics do not say how many there are."""
        batches = int(self.data.get("batches") or 0)
        if not batches and self.data.get("train") and self.training.get("batch"):
            batches = math.ceil(int(self.data["train"]) / int(self.training["batch"]))
        return self.last * int(self.training.get("accumulate") or 1) / batches if batches else math.nan

    def loss_around(self, step: int) -> float:
        """The mean loss of the batches in the tenth of the training so far that ends at `step`."""
        width = max(step // 10, 1)
        near = [number(line["loss"]) for line in self.steps if step - width < line["step"] <= step]
        return statistics.fmean(near) if near else math.nan

    @property
    def has_learned(self) -> bool:
        """Whether next to nothing is left of the loss that the training began with."""
        _, losses = self.losses()
        return len(losses) > 1 and self.loss_around(self.last) < LEARNED * losses[0]

    def held_out(self) -> tuple[list[int], list[float]]:
        """Steps and held-out losses of the evaluations."""
        return [int(line["step"]) for line in self.evaluations], [number(line["loss"]) for line in self.evaluations]

    def series(self, place: str, what: str) -> tuple[list[int], list[float]]:
        """Steps and one statistic of one place; where it was no number, nan."""
        held = [
            (int(line["step"]), number(line["places"][place][what]))
            for line in self.statistics
            if what in line["places"].get(place, {})
        ]
        return [step for step, _ in held], [value for _, value in held]

    def places(self, what: str) -> list[str]:
        """The places that a statistic was taken of, in the order of the network."""
        if not self.statistics:
            return []
        return [place for place, told in self.statistics[-1]["places"].items() if what in told]

    def layers(self) -> list[str]:
        """The places that multiply what comes in by weights (linear, convolutional, recurrent), first to last.

        Of a network of tables alone (word vectors) these.
        """
        kinds = {place: str(told["type"]) for place, told in self.network.get("places", {}).items()}
        places = self.places("gradient")
        return [place for place in places if not any(no in kinds.get(place, "") for no in NO_LAYERS)] or places

    def training_field(self, name: str) -> str | None:
        """How `--with` names a field of the training, if there is one."""
        return f"training.{name}" if name in self.training else None

    def is_past(self, share: float) -> bool:
        """Whether the training is over, or this share of its steps is done: before that it may just be beginning."""
        return self.is_over or self.last >= share * int(self.training.get("steps") or 0)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return bool(self.end) or bool(self.diverged)

    def lasts(self, count: int, share: float, of: int) -> bool:
        """Whether `count` of `of` steps (or looks) so far will be this share of all, whatever the rest is like."""
        planned = int(self.training.get("steps") or 0)
        whole = of * planned / self.last if self.last else of
        return self.is_over or count >= share * max(whole, of)

    @property
    def highest_rate(self) -> float:
        """The highest learning rate of the schedule."""
        return number(self.training.get("learning_rate"))

    def parameters(self, place: str) -> int:
        """How many parameters a place holds."""
        return int(self.network.get("places", {}).get(place, {}).get("parameters", 0))


def chart_of(config: Mapping[str, Any], lines: Iterable[Line]) -> Chart:
    chart = Chart(config)
    for line in lines:
        chart.add(line)
    return chart


def number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def share_of(look: Line, place: str, what: str) -> float:
    """A gradient's or an update's norm as a share of the weights' at one look; nan where the weights are 0."""
    told = look["places"].get(place, {})
    weight = number(told.get("weight"))
    return number(told.get(what)) / weight if weight else math.nan


def median(values: Iterable[float]) -> float:
    """Of those that are numbers; nan if none is."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """The median of each value and the `width` before it."""
    return [statistics.median(values[max(place - width, 0) : place + 1]) for place in range(len(values))]
