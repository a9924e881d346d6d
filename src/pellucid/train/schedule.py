"""The learning rate over the course of a training: a warm-up, then a descent."""

import math

from pellucid.config import TrainingConfig


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """The rate of step 1..steps.

        warm-up of w steps:  r s / w              (so that Adam's averages settle before large steps)
        cosine:              r (1 + cos(pi t)) / 2,  t = (s - w) / (steps - w), down to 1% of r
        inverse-sqrt:        r sqrt(w / s)        (the paper's)
        constant:            r

    Sources: Vaswani et al., 2017, section 5.3; Loshchilov & Hutter, "SGDR", 2016.
    """
    warmup = max(round(config.warmup * steps), 1)
    if step <= warmup:
        return config.learning_rate * step / warmup
    if config.schedule == "cosine":
        share = (step - warmup) / max(steps - warmup, 1)
        return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
    if config.schedule == "inverse-sqrt":
        return config.learning_rate * math.sqrt(warmup / step)
    return config.learning_rate
