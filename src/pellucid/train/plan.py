"""The plan of a training: how many steps fit a budget, in which number format, with how many evaluations.

All of it is found before the first step and written to config.toml, so that the run can be repeated and resumed
without a clock: the schedule depends on steps, never on time.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from pellucid.config import TrainingConfig, parse_budget
from pellucid.errors import ConfigError
from pellucid.models.parameters import count_parameters
from pellucid.tasks.task import Task
from pellucid.train.limits import limit_gradients
from pellucid.train.memory import keep_freed_memory
from pellucid.train.optimizer import make_optimizer
from pellucid.train.parallel import ALONE, Workers
from pellucid.train.penalties import Penalties
from pellucid.train.precision import autocast, faster, finish, matrix_rates
from pellucid.train.schedule import rate_for_width
from pellucid.train.state import MovingAverage
from pellucid.train.watching import Watching, watch_every

DEFAULT_BUDGET = "10m"
TRIAL_SECONDS, TRIAL_STEPS = 4.0, 40  # of measuring; whichever ends first
EVALUATIONS = (4, 12)  # at least and at most in one training
EVALUATION_SECONDS = 20.0  # wanted between two, where that gives a number in that range
MOST_ROWS = 4096  # of the product that is measured
EVALUATION_SHARE = 0.08  # of the time, taken off the budget before it is turned into steps


@dataclass(frozen=True, slots=True)
class Plan:
    """What was measured, and the training config with nothing left open."""

    training: TrainingConfig
    parameters: int
    tokens_per_second: float
    matrix_rates: dict[str, float]


def prepare_device(training: TrainingConfig, workers: Workers = ALONE) -> torch.device:
    """Set the threads, choose the device, keep freed memory. Raises ConfigError if the device is not there."""
    if training.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device is {training.device!r}: no CUDA device is usable here", mend="Use --device cpu.")
    try:
        device = workers.device(training.device)
    except RuntimeError:
        raise ConfigError(f"device is {training.device!r}: no such device", mend="Use cpu or cuda.") from None
    if device.type == "cuda" and device.index is not None:
        if device.index >= torch.cuda.device_count():
            there = torch.cuda.device_count()
            raise ConfigError(
                f"device is {device}: there are {there} CUDA devices here",
                mend=f"Start at most {there} workers on this machine." if workers.size > 1 else "Use --device cuda.",
            )
        torch.cuda.set_device(device)
    threads = training.threads or workers.threads()
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    return device


def make_plan(task: Task, clock: Callable[[], float] = time.perf_counter, workers: Workers = ALONE) -> Plan:
    """Measure this machine on the real model and batches (about 5 seconds) and settle every open field.

    Several workers are measured as they will train, all at once; the first one's clock settles the plan of all.
    """
    training = task.training
    said = [name for name in training.lengths() if getattr(training, name) is not None]
    if len(said) > 1:
        raise ConfigError(f"{' and '.join(said)} say the same thing", mend="Give only one of them.")
    device = prepare_device(training, workers)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(training.seed)
        model = task.build_model().to(device)
        width = min((parameter.size(-1) for parameter in model.parameters() if parameter.dim() == 2), default=1)
        rates: dict[str, float] = {}
        if training.precision == "auto":
            measured = matrix_rates(_rows(task, workers), width, device)
            rates = workers.first(lambda: measured)
        precision = faster(rates) if training.precision == "auto" else training.precision
        seconds, tokens, look = _trial(task, model, precision, clock, workers, device)
        task.carry({})
    steps = training.steps
    items = getattr(training, training.ITEMS) if training.ITEMS else None
    if items:
        steps = max(round(items / tokens / training.accumulate), 1)
    elif training.epochs:
        steps = max(round(training.epochs * len(task.epoch(0)) / training.accumulate), 1)
    elif steps is None:
        share = parse_budget(DEFAULT_BUDGET if training.budget is None else training.budget) * (1 - EVALUATION_SHARE)
        steps = max(int(share / seconds / training.accumulate), 1)
    step_seconds = seconds * training.accumulate
    settled = training.changed(
        steps=steps,
        learning_rate=training.learning_rate or rate_for_width(width),
        precision=precision,
        threads=torch.get_num_threads(),
        evaluate_every=training.evaluate_every or _evaluate_every(steps, step_seconds),
        watch=watch_every(steps, step_seconds, look) if training.watch is None else training.watch,
    )
    plan = Plan(settled, count_parameters(model), tokens / seconds, {name: round(r) for name, r in rates.items()})
    return workers.first(lambda: plan)


def _rows(task: Task, workers: Workers) -> int:
    """How many rows the products of a step have, about: as many as a worker's share of a batch has numbers."""
    tensors = task.collate(task.epoch(0)[0]).tensors.values()
    return min(max(max(tensor.numel() for tensor in tensors) // workers.size, 1), MOST_ROWS)


def _trial(
    task: Task,
    model: torch.nn.Module,
    precision: str,
    clock: Callable[[], float],
    workers: Workers,
    device: torch.device,
) -> tuple[float, float, float]:
    """Mean seconds and mean items (tokens) of one batch, forward, backward and update included; seconds of a look."""
    objective = workers.objective(task, model)
    optimizer, average = make_optimizer(model, task.training, precision), MovingAverage(model, task.training.average)
    penalties = Penalties(model, task.training)
    watching = Watching(model, every=1, steps=1)
    repeated = enumerate(_repeated(task))

    def batch_of(looking: bool = False) -> float:
        number, examples = next(repeated)
        share, counts = workers.share(examples)
        batch = task.collate(share).to(device)
        with autocast(precision, device), watching.listening() if looking else nullcontext():
            losses = objective(batch)
        count = losses.count * counts
        (losses.total * (workers.weight(count) * workers.size)).backward()
        if looking:
            watching.slopes()
        penalties.add_gradients()
        limit_gradients(model.parameters(), task.training)
        optimizer.step()
        penalties.shrink(optimizer)
        optimizer.zero_grad()
        average.update(model, number)
        if looking:
            watching.told()
        return float(count)

    for _ in range(2):  # these warm the caches up
        batch_of()
    finish(device)
    began, batches, tokens = clock(), 0, 0.0
    while not workers.any(batches > 0 and (clock() - began > TRIAL_SECONDS or batches >= TRIAL_STEPS)):
        batches, tokens = batches + 1, tokens + batch_of()
    finish(device)
    seconds = (clock() - began) / batches
    batch_of(looking=True)
    began = clock()
    batch_of(looking=True)
    finish(device)
    look = max(clock() - began - seconds, 0.0)
    return seconds, workers.sum(tokens)[0] / batches, look


def _repeated(task: Task) -> Iterator[Sequence[int]]:
    """Epoch after epoch: a small table has few batches."""
    for number in itertools.count():
        yield from task.epoch(number)


def _evaluate_every(steps: int, step_seconds: float) -> int:
    fewest, most = EVALUATIONS
    wanted = min(max(round(steps * step_seconds / EVALUATION_SECONDS), fewest), most)
    return math.ceil(steps / wanted)
