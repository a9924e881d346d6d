"""How long a gradient may be, and how large each of its numbers: what is done between the loss and the step."""

import math

import torch
from torch import Tensor

from pellucid.config import TrainingConfig
from pellucid.train.clipping import clip_gradients


def limit_gradients(gradients: list[Tensor], training: TrainingConfig) -> float:
    """The norm of all gradients together before anything is cut; then `clip_value`, then `clip`, where they are on.

        g_i <- min(max(g_i, -v), v),    then    g <- g min(1, c / (||g|| + 1e-6))

    Cutting each number by itself turns the gradient, towards the directions that were not cut; scaling keeps it.
    A norm that is not finite stays what it is: the trainer stops on it.
    Sources: Mikolov, "Statistical Language Models Based on Neural Networks", 2012 (values); Pascanu et al., 2013.
    """
    if not training.clip_value:
        return clip_gradients(gradients, training.clip or math.inf)
    norm = clip_gradients(gradients, math.inf)
    torch._foreach_clamp_min_(gradients, -training.clip_value)
    torch._foreach_clamp_max_(gradients, training.clip_value)
    if training.clip:
        clip_gradients(gradients, training.clip)
    return norm
