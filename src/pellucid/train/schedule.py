"""The learning rate over the course of a training: a warm-up, then a descent."""

import math

from pellucid.config import TrainingConfig

TINY_WIDTH, TINY_RATE = 128, 3e-3  # the best of the rates tried at this width: docs/quality.md


def rate_for_width(width: int) -> float:
    """A learning rate that suits a network of this width: a wider one wants smaller steps (Yang et al., 2022)."""
    return TINY_RATE * math.pow(TINY_WIDTH / width, 0.75)


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """The rate of step 1..steps.

        warm-up of w steps:  r s / w              (so that Adam's averages settle before large steps)
        cosine:              r (1 + cos(pi t)) / 2,  t = (s - w) / (steps - w), down to 1% of r
        inverse-sqrt:        r sqrt(w / s)        (the paper's)
        constant:            r

    Sources: Vaswani et al., 2017, section 5.3; Loshchilov & Hutter, "SGDR", 2016.
    """
    highest = config.learning_rate
    assert highest is not None, "make_plan settles the rate"
    warmup = max(round(config.warmup * steps), 1)
    if step <= warmup:
        return highest * step / warmup
    if config.schedule == "cosine":
        share = (step - warmup) / max(steps - warmup, 1)
        return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
    if config.schedule == "inverse-sqrt":
        return highest * math.sqrt(warmup / step)
    return highest
