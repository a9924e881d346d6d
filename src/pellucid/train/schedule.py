"""The learning rate over the course of a training: a warm-up, then a descent."""

import math

from pellucid.config import TrainingConfig

TINY_WIDTH, TINY_RATE = 128, 3e-3  # the best of the rates tried at this width: docs/quality.md
ROLLBACK_FACTOR = 0.5  # of the rate, when the training goes back to before it broke
HIGH_MOMENTUM, LOW_MOMENTUM = 0.95, 0.85  # of a cycle: PyTorch's
CYCLE_START, CYCLE_END = 25.0, 1e4  # how much lower a cycle begins than its top, and ends than it began: PyTorch's


def rate_for_width(width: int) -> float:
    """A learning rate that suits a network of this width: a wider one wants smaller steps (Yang et al., 2022)."""
    return TINY_RATE * math.pow(TINY_WIDTH / width, 0.75)


def learning_rate(step: int, steps: int, config: TrainingConfig, cuts: int = 0, rollbacks: int = 0) -> float:
    """The rate of step 1..steps; `cuts` are those that a plateau has made so far, `rollbacks` halve it each.

        warm-up of w steps:  r s / w              (so that Adam's averages settle before large steps)
        cosine:              r (1 + cos(pi t)) / 2,  t = (s - w) / (steps - w), down to 1% of r
        inverse-sqrt:        r sqrt(w / s)        (the paper's)
        constant:            r
        step:                r f^k,  k = floor((s - w) / e), cut every e steps by f
        plateau:             r f^k,  k = cuts: one each time that some evaluations bring no new best
        one-cycle:           the warm-up from r / 25 along a cosine, then a cosine down to r / 250,000

    Sources: Vaswani et al., 2017, section 5.3; Loshchilov & Hutter, "SGDR", 2016; Smith & Topin, "Super-Convergence",
    2017 (one-cycle; with PyTorch's numbers).
    """
    assert config.learning_rate is not None, "make_plan settles the rate"
    highest = config.learning_rate * ROLLBACK_FACTOR**rollbacks
    warmup = max(round(config.warmup * steps), 1)
    if config.schedule == "one-cycle":
        if step <= warmup:
            return _between(highest / CYCLE_START, highest, (step - 1) / (warmup - 1) if warmup > 1 else 1.0)
        share = (step - warmup) / max(steps - warmup, 1)
        return _between(highest, highest / CYCLE_START / CYCLE_END, share)
    if step <= warmup:
        return highest * step / warmup * (config.plateau_factor**cuts if config.schedule == "plateau" else 1.0)
    if config.schedule == "cosine":
        share = (step - warmup) / max(steps - warmup, 1)
        return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
    if config.schedule == "inverse-sqrt":
        return highest * math.sqrt(warmup / step)
    if config.schedule == "step":
        every = max(round(config.step_every * steps), 1)
        return highest * config.step_factor ** ((step - warmup) // every)
    if config.schedule == "plateau":
        return highest * config.plateau_factor**cuts
    return highest


def cycled_momentum(step: int, steps: int, config: TrainingConfig) -> float | None:
    """What momentum is at step 1..steps of a cycle: against the rate, between 0.95 and 0.85; None where none is made.

    While the rate is high, the gradients before are of places far behind; while it is low, they steady the way.
    Source: Smith, "A disciplined approach to neural network hyper-parameters", 2018; PyTorch's numbers.
    """
    if config.schedule != "one-cycle" or not config.cycle_momentum:
        return None
    warmup = max(round(config.warmup * steps), 1)
    if step <= warmup:
        return _between(HIGH_MOMENTUM, LOW_MOMENTUM, (step - 1) / (warmup - 1) if warmup > 1 else 1.0)
    return _between(LOW_MOMENTUM, HIGH_MOMENTUM, (step - warmup) / max(steps - warmup, 1))


def _between(start: float, end: float, share: float) -> float:
    """From one number to another along half a wave."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
