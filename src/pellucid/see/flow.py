"""What flows through a network: norms of activations, gradients, weights and updates, place by place.

A row that is far from its neighbours is where a training goes wrong: gradients that vanish or explode, units that are
never on, weights that move by a hundredth of themselves at each step or not at all.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from pellucid.see.operation import Step
from pellucid.see.trace import Trace
from pellucid.see.training import TrainingStep

COLUMNS = ("output", "zeros", "dL/dout", "weights", "dL/dw", "ratio")
WIDTH = 7  # of each
PLACE_WIDTH = 80 - len(COLUMNS) * (1 + WIDTH)


@dataclass(frozen=True)
class Row:
    """One place of a model; None where it has no such thing, or it was not measured.

    `activation` is the norm of what comes out, `zeros` the share of it that is exactly 0, `activation_gradient` the
    norm of dL/d of it; `weights`, `gradient` (before clipping) and `update` are norms over the parameters of the place.
    """

    place: str
    activation: float | None = None
    zeros: float | None = None
    activation_gradient: float | None = None
    weights: float | None = None
    gradient: float | None = None
    update: float | None = None

    @property
    def ratio(self) -> float | None:
        """How large the update is beside the weights: around 0.001 is common."""
        return None if self.update is None or not self.weights else self.update / self.weights

    @property
    def numbers(self) -> tuple[float | None, ...]:
        """Those of a table's columns."""
        return self.activation, self.zeros, self.activation_gradient, self.weights, self.gradient, self.ratio


@dataclass(frozen=True)
class Flow:
    """Rows in the order of the data; `norm` is that of all gradients before clipping, `factor` what clipping left.

    Of statistics the gradients are those that reached the optimizer, and `factor` is None.
    """

    rows: Sequence[Row]
    norm: float | None = None
    clip: float | None = None
    factor: float | None = None
    step: int | None = None

    def __getitem__(self, place: str) -> Row:
        """The row of a place. Raises KeyError if there is none."""
        for row in self.rows:
            if row.place == place:
                return row
        raise KeyError(place)

    def json(self) -> dict[str, Any]:
        """As plain data; numbers that are not finite are None, which JSON can say."""
        head = {"step": self.step, "norm": self.norm, "clip": self.clip, "factor": self.factor}
        return {**finite(head), "rows": [finite({**asdict(row), "ratio": row.ratio}) for row in self.rows]}

    def __str__(self) -> str:
        lines = [" ".join([" " * PLACE_WIDTH, *(f"{column:>{WIDTH}}" for column in COLUMNS)])]
        for place, row in arranged(self.rows):
            cells = [f"{short(number):>{WIDTH}}" for number in (row.numbers if row is not None else ())]
            lines.append(" ".join([f"{shortened(place, PLACE_WIDTH):{PLACE_WIDTH}}", *cells]))
        if self.norm is not None and self.clip is not None:
            lines.append(f"norm of all gradients {self.norm:.4g}, clipped at {self.clip:g}: times {self.factor:.4g}")
        elif self.norm is not None:
            lines.append(f"norm of all gradients {self.norm:.4g}{', not clipped' if self.factor == 1 else ''}")
        return "\n".join(line.rstrip() for line in lines)


def arranged(rows: Sequence[Row]) -> Iterator[tuple[str, Row | None]]:
    """What stands at the side of each row: under a line for each layer of a list, its parts, indented."""
    layer = ""
    for row in rows:
        parts = row.place.split(".")
        depth = max((number + 1 for number, part in enumerate(parts) if part.isdigit()), default=0)
        above, rest = ".".join(parts[:depth]), ".".join(parts[depth:])
        if above and rest and above != layer:
            yield above, None
        layer = above
        yield (f"  {rest}" if above and rest else row.place or "model"), row


def short(number: float | None) -> str:
    """Three digits in at most 7 characters."""
    if number is None:
        return ""
    if 100 <= abs(number) < 1e6:
        return f"{number:.0f}"
    return f"{number:.3g}" if number == 0 or 1e-3 <= abs(number) < 100 else f"{number:.1e}"


def shortened(place: str, width: int) -> str:
    """Without its middle, where it is longer."""
    after = (width - 1) // 2
    return place if len(place) <= width else f"{place[: width - 1 - after]}…{place[len(place) - after :]}"


def flow(training: TrainingStep, optimizer: torch.optim.Optimizer | None = None) -> Flow:
    """As `Trace.flow`; updates are what the optimizer's own step makes of copies of the weights."""
    gradients = training.gradients
    changes = updates(training, optimizer)
    rows = []
    for place, steps in places(training.traces).items():
        parameters = [step for step in training.traces[0].steps if step.op == "parameter" and owner(step.name) == place]
        outputs = [step for step in steps if step is not None]
        back = [step.gradient for step in outputs if step.gradient is not None]
        names = [step.name for step in parameters]
        rows.append(
            Row(
                place,
                norm(step.value for step in outputs) if outputs else None,
                zero_share(outputs) if outputs else None,
                norm(back) if back else None,
                norm(step.value for step in parameters) if parameters else None,
                norm(gradients[name] for name in names if name in gradients) if names and gradients else None,
                norm(changes[name] for name in names if name in changes) if names and changes else None,
            )
        )
    whole = training.norm if gradients else None
    return Flow(rows, whole, training.clip, training.factor if gradients else None, training.number)


def places(traces: Sequence[Trace]) -> dict[str, list[Step]]:
    """For each place that computes something, in order, its last value in each pass."""
    found: dict[str, list[Step]] = {}
    for trace in traces:
        last: dict[str, Step] = {}
        for step in trace.steps:
            if step.op == "parameter":
                found.setdefault(owner(step.name), [])
            elif not step.leaf and step.place:
                last[step.place] = step
                found.setdefault(step.place, [])
            elif (
                step.name in trace.outputs and step.name != trace.loss
            ):  # computed by the model itself, in none of its layers
                last[step.name] = step
                found.setdefault(step.name, [])
        for place, step in last.items():
            found[place].append(step)
    return found


def owner(name: str) -> str:
    """The place that a parameter belongs to."""
    return name.rpartition(".")[0]


def updates(training: TrainingStep, optimizer: torch.optim.Optimizer | None) -> Mapping[str, Tensor]:
    """How each parameter moves, by the optimizer given, else the one remembered; none without either."""
    parameters = training.traces[0].parameters if optimizer is not None else training.parameters
    optimizer = optimizer or training.optimizer
    if optimizer is None:
        return {}
    held = {id(one) for group in optimizer.param_groups for one in group["params"]}
    gradients = training.gradients
    moving = {name: one for name, one in parameters.items() if name in gradients and id(one) in held}
    if training.skipped:
        return {name: torch.zeros_like(one) for name, one in moving.items()}
    after = training.after(optimizer, moving)
    return {name: after[name] - one.detach() for name, one in moving.items()}


def norm(values: Iterable[Tensor]) -> float:
    """sqrt(sum of all squares)."""
    return math.sqrt(sum(float(torch.linalg.vector_norm(value.float())) ** 2 for value in values))


def zero_share(steps: Sequence[Step]) -> float:
    """How much of the values is exactly 0."""
    numbers = sum(step.value.numel() for step in steps)
    return sum(int((step.value == 0).sum()) for step in steps) / numbers if numbers else 0.0


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
