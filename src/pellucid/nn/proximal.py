"""The proximal step of an l1 penalty: what comes after an optimizer's step and makes weights exactly 0.

Stands beside the optimizers, of which it knows how far each number would go for a gradient of 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def shrunk(weight: Tensor, amount: Tensor | float) -> Tensor:
    """sign(w) max(|w| - a, 0): moved towards 0 by `amount`, and not beyond. Shapes: both the same, or one amount.

    Source: Beck & Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm", 2009 (of l1: soft thresholding).
    """
    if isinstance(amount, Tensor):
        return weight.sign() * (weight.abs() - amount).clamp(min=0)
    return F.softshrink(weight, amount)


def scale_of(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor | float:
    """What an optimizer divides a gradient by that stays the same; 1 where it takes it as it is.

        Adam, AdamW: sqrt(v^) + e,    RMSProp: sqrt(v) + e,    momentum: 1 - mu, as b = g + mu g + mu^2 g ...

    The proximal step at lr l1 / scale has its rest where the loss with the penalty is least, as a step of plain
    descent has at lr l1: a weight stays 0 as long as its gradient is below l1.
    Source: Yun, Lozano & Yang, "Adaptive Proximal Gradient Methods for Structured Neural Networks", 2021 (ProxGen).
    """
    kept: float = (1 - group.get("momentum", 0.0)) / (1 - group.get("dampening", 0.0))
    if "exp_avg_sq" in state:
        square = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
        corrected: Tensor = square / (1 - group["betas"][1] ** float(state["step"]))
        return corrected.sqrt() + float(group["eps"])
    if "square_avg" in state:
        variance: Tensor = state["square_avg"]
        if group.get("centered"):
            variance = torch.addcmul(variance, state["grad_avg"], state["grad_avg"], value=-1)
        return (variance.sqrt() + float(group["eps"])) * kept
    return 1.0 if "ns_steps" in group else kept
