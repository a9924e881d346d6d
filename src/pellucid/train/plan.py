"""The plan of a training: how many steps fit a budget, in which number format, with how many evaluations.

All of it is found before the first step and written to config.toml, so that the run can be repeated and resumed
without a clock: the schedule depends on steps, never on time.
"""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from pellucid.config import TrainingConfig, parse_budget
from pellucid.errors import ConfigError
from pellucid.models.parameters import count_parameters
from pellucid.tasks.task import Task
from pellucid.train.learner import Learner, batches_from
from pellucid.train.memory import keep_freed_memory
from pellucid.train.optimizer import make_optimizer
from pellucid.train.parallel import ALONE, Workers
from pellucid.train.precision import faster, finish, matrix_rates
from pellucid.train.recording import Cost, cost_of
from pellucid.train.room import check_batch, check_network, told_if_full
from pellucid.train.schedule import rate_for_width
from pellucid.train.state import Counters, MovingAverage
from pellucid.train.watching import Watching, watch_every

DEFAULT_BUDGET = "10m"
TRIAL_SECONDS, TRIAL_STEPS = 4.0, 40  # of measuring; whichever ends first
LOOKS = 4  # steps, plain and with a look, of which the fastest tells what a look costs
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
    recorded: Cost | None = None


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
    check_network(task, device)
    told = told_if_full(task, device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), told:
        torch.manual_seed(training.seed)
        model = task.build_model().to(device)
        width = min((parameter.size(-1) for parameter in model.parameters() if parameter.dim() == 2), default=1)
        check_batch(task, model, device, workers.size)
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
    evaluate_every = training.evaluate_every or _evaluate_every(steps, step_seconds)
    recorded = cost_of(model, training, steps, evaluate_every)
    settled = training.changed(
        steps=steps,
        learning_rate=training.learning_rate or rate_for_width(width),
        precision=precision,
        threads=torch.get_num_threads(),
        evaluate_every=evaluate_every,
        record=recorded.every if recorded and recorded.every else training.record,
        watch=watch_every(steps, step_seconds, look) if training.watch is None else training.watch,
    )
    speeds: dict[str, float] = {name: round(r) for name, r in rates.items()}
    plan = Plan(settled, count_parameters(model), tokens / seconds, speeds, recorded)
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
    optimizer, average = make_optimizer(model, task.training, precision), MovingAverage(model, task.training.average)
    learner = Learner(task, model, optimizer, average, workers, precision)
    watching = Watching(model, every=1, steps=1)
    batches = enumerate(batches_from(task, workers, device, Counters()))

    def batch_of(looking: bool = False) -> float:
        number, (batch, counts) = next(batches)
        with watching.listening() if looking else nullcontext():
            _, count, _ = learner.backward(batch, counts, more=False)
        if looking:
            watching.slopes()
        learner.clip()
        learner.update(number)
        learner.clear()
        if looking:
            watching.told()
        return float(count)

    for _ in range(2):  # these warm the caches up
        batch_of()
    finish(device)
    began, done, tokens = clock(), 0, 0.0
    while not workers.any(done > 0 and (clock() - began > TRIAL_SECONDS or done >= TRIAL_STEPS)):
        done, tokens = done + 1, tokens + batch_of()
    finish(device)
    seconds = (clock() - began) / done

    def fastest(looking: bool) -> float:
        """Of a few batches: other work on the machine makes any one of them look slow."""
        taken = []
        for _ in range(LOOKS):
            began = clock()
            batch_of(looking)
            finish(device)
            taken.append(clock() - began)
        return min(taken)

    plain = fastest(looking=False)
    look = max(fastest(looking=True) / max(plain, 1e-9) - 1, 0.0) * seconds
    return seconds, workers.sum(tokens)[0] / done, look


def _evaluate_every(steps: int, step_seconds: float) -> int:
    fewest, most = EVALUATIONS
    wanted = min(max(round(steps * step_seconds / EVALUATION_SECONDS), fewest), most)
    return math.ceil(steps / wanted)
