"""Which learning rate? Tried out on a copy: some steps, each at a higher rate, until the loss breaks out.

And how large a batch is worth its time: how much the gradients of single batches differ from each other. Neither
changes anything of the training that is asked about; what is trained here is thrown away.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import ConfigError, TrainingError
from pellucid.tasks.task import Batch, Task
from pellucid.train.limits import limit_gradients
from pellucid.train.optimizer import make_optimizer
from pellucid.train.parallel import Objective
from pellucid.train.penalties import Penalties
from pellucid.train.precision import autocast
from pellucid.train.state import Counters

LOWEST, HIGHEST = 1e-6, 10.0  # rates between which all optimizers' useful ones lie
STEPS = 100
SMOOTHING = 0.9  # of the loss: an average over about ten steps
BREAKS_OUT = 4.0  # times the least smoothed loss (Gugger, 2018)
FALLS = 0.02  # share of the loss by which it must fall for a rate to be told
WINDOW = 10  # steps over which the loss's fall is taken
WARMING = 10  # steps whose smoothed loss is of too few numbers
BELOW = 10.0  # how far below the rate of the least loss, where the loss is about to rise, is safe (Howard & Gugger)
NOISE_BATCHES = 16
ROUNDING = 1e-5  # share of a squared gradient by which equal ones differ in float32


@dataclass(frozen=True, slots=True)
class NoiseScale:
    """How many items a batch needs for its gradient to be as much signal as noise. `batch` is how many it has.

        scale = tr(S) / |G|^2,  with G the true gradient and S the covariance of a single item's

    A batch far below it gains nearly as much as it grows; one far above it wastes what it has more. `scale` is None
    where the batches differ so much that no true gradient can be told from them. `items` says what is counted.
    Source: McCandlish et al., "An Empirical Model of Large-Batch Training", 2018, appendix A.
    """

    scale: float | None
    batch: float
    items: str


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The loss of each step at its rate, raw and smoothed, and what follows from it.

    `least` is the rate where the smoothed loss was least, `steepest` where it fell fastest; `suggested` is a tenth of
    `least`, or None where the loss did not fall at any rate. `broke_out` says whether it rose above bounds.
    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
    """

    rates: Sequence[float]
    losses: Sequence[float]
    smoothed: Sequence[float]
    suggested: float | None
    least: float
    steepest: float
    broke_out: bool
    noise: NoiseScale | None = None

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": "rate_curve", **asdict(self)}


def find_rate(
    task: Task,
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    counters: Counters | None = None,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    noise_batches: int = NOISE_BATCHES,
) -> RateCurve:
    """Try rates from `lowest` to `highest`, evenly in their logarithm, on the batches that come next.

    Without `model` on the network that the training would begin with. The model, the optimizer, what the task carries
    and the random numbers are after it what they were before, to the bit. With fewer than two `noise_batches` no noise
    scale is measured. Raises ConfigError for rates that do not rise or too few steps, TrainingError where the first
    loss is no number.
    """
    if not 0 < lowest < highest:
        raise ConfigError(f"rates from {lowest:g} to {highest:g}: not rising", mend="Give a lowest below the highest.")
    if steps <= WARMING:
        raise ConfigError(f"{steps} steps are too few to find a rate", mend=f"Give more than {WARMING}.")
    config = task.training
    precision = "float32" if config.precision == "auto" else config.precision
    apart = copy.copy(task)  # so that what its methods set is not set in the task itself
    carried = {name: value.clone() for name, value in task.carried().items()}
    with torch.random.fork_rng():
        try:
            torch.manual_seed(config.seed)
            if model is None:
                model = task.build_model().to(config.device)
            trial = Trial(apart, copy.deepcopy(model).train(), optimizer, counters or Counters(), precision)
            noise = trial.noise_scale(noise_batches) if noise_batches > 1 else None
            apart.carry(carried)
            return trial.curve(lowest, highest, steps, noise)
        finally:
            apart.carry(carried)  # into what both share


class Trial:
    """A copy of a training that is to be thrown away."""

    def __init__(
        self,
        task: Task,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        counters: Counters,
        precision: str,
    ) -> None:
        self.task, self.model, self.counters, self.precision = task, model, counters, precision
        self.config = task.training
        self.device = next(model.parameters()).device
        self.objective = Objective(task, model)
        self.optimizer = make_optimizer(model, self.config, precision)
        if optimizer is not None:
            self.optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        self.penalties = Penalties(model, self.config)

    def curve(self, lowest: float, highest: float, steps: int, noise: NoiseScale | None) -> RateCurve:
        rates: list[float] = []
        losses: list[float] = []
        smoothed: list[float] = []
        mean, broke_out = 0.0, False
        batches = self.batches()
        for number in range(steps):
            rate = lowest * (highest / lowest) ** (number / (steps - 1))
            loss = self.step(batches, rate)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            now = mean / (1 - SMOOTHING ** (number + 1))
            broke_out = not math.isfinite(now) or (number >= WARMING and _above(now, min(smoothed)))
            if broke_out:
                break
            rates.append(rate)
            losses.append(loss)
            smoothed.append(now)
        if not smoothed:
            raise TrainingError(
                f"the first loss is {loss}, at a rate of {rate:g}: no rate can be tried from these weights",
                mend="Look for numbers out of bounds with `pellucid data check`, or start from other weights.",
            )
        least = min(range(len(smoothed)), key=smoothed.__getitem__)
        falls = {i - WINDOW // 2: smoothed[i] - smoothed[i - WINDOW] for i in range(WINDOW + 1, least + 1)}
        steepest = min(falls, key=falls.__getitem__) if falls else least
        fell = smoothed[least] < (1 - FALLS) * max(smoothed[: least + 1])
        suggested = float(f"{rates[least] / BELOW:.2g}") if fell else None
        return RateCurve(rates, losses, smoothed, suggested, rates[least], rates[steepest], broke_out, noise)

    def step(self, batches: Iterator[Batch], rate: float) -> float:
        """One step as the trainer makes it; returns its loss, that of the data."""
        loss = 0.0
        for _ in range(self.config.accumulate):
            loss += self.backward(next(batches), 1 / self.config.accumulate)[0]
        self.penalties.add_gradients()
        found = (parameter.grad for parameter in self.model.parameters())
        limit_gradients([gradient for gradient in found if gradient is not None], self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.penalties.shrink(self.optimizer)
        self.optimizer.zero_grad()
        return loss

    def backward(self, batch: Batch, weight: float = 1.0) -> tuple[float, int]:
        """Adds the gradients of a batch; returns its loss times `weight`, and how many items it has."""
        with autocast(self.precision, self.device):
            losses = self.objective(batch)
        (losses.total * weight).backward()
        return losses.total.item() * weight, losses.count

    def noise_scale(self, count: int) -> NoiseScale:
        """From the gradients of `count` batches at the same weights:

        E |g|^2 = |G|^2 + tr(S) / b for one batch of b items, and for the mean of k batches with k b in place of b.
        """
        squares, items, mean = 0.0, 0, None
        parameters = [one for one in self.model.parameters() if one.requires_grad]
        for batch in itertools.islice(self.batches(), count):
            items += self.backward(batch)[1]
            gradient = torch.cat([_gradient(one).double().flatten() for one in parameters])
            self.model.zero_grad()
            squares += float(gradient.square().sum()) / count
            mean = gradient / count if mean is None else mean + gradient / count
        assert mean is not None
        together, batch_items = float(mean.square().sum()), items / count
        signal = (count * together - squares) / (count - 1)
        noise = (squares - together) * batch_items * count / (count - 1)
        if noise < ROUNDING * squares:  # as where each batch holds all examples
            noise = 0.0
        return NoiseScale(noise / signal if signal > 0 else None, batch_items, self.task.item)

    def batches(self) -> Iterator[Batch]:
        """Those that the training takes next, epoch after epoch."""
        position = self.counters.position
        for epoch in itertools.count(self.counters.epoch):
            for examples in self.task.epoch(epoch)[position:]:
                yield self.task.collate(examples).to(self.device)
            position = 0


def _above(loss: float, least: float) -> bool:
    return loss - least > (BREAKS_OUT - 1) * abs(least)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
