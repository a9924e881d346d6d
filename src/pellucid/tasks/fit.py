"""How near predicted numbers come to the true ones."""

import torch
from jaxtyping import Float
from torch import Tensor

RESAMPLES = 1000  # for an interval
LOW, HIGH = 0.025, 0.975  # of a 95% interval


def scores(predicted: Float[Tensor, " row"], truth: Float[Tensor, " row"], intervals: bool = False) -> dict[str, float]:
    """R², and the root mean squared and the mean absolute error in the target's own units.

        R² = 1 - sum_i (y_i - p_i)^2 / sum_i (y_i - mean y)^2

    1 is perfect, 0 as good as always saying the mean of these rows; it can be below. With `intervals` also the 95%
    interval of R² over rows drawn with replacement (Efron, 1979), the same draws for the same number of rows.
    """
    errors = predicted - truth
    found = {
        "r2": r_squared(errors, truth).item(),
        "rmse": errors.square().mean().sqrt().item(),
        "mae": errors.abs().mean().item(),
    }
    if intervals:
        draws = torch.randint(len(truth), (RESAMPLES, len(truth)), generator=torch.Generator().manual_seed(0))
        drawn = r_squared(errors[draws], truth[draws])
        found["low"], found["high"] = drawn.quantile(torch.tensor([LOW, HIGH], dtype=drawn.dtype)).tolist()
    return found


def r_squared(errors: Float[Tensor, "*draw row"], truth: Float[Tensor, "*draw row"]) -> Float[Tensor, "*draw"]:
    spread = (truth - truth.mean(dim=-1, keepdim=True)).square().sum(dim=-1)
    return 1 - errors.square().sum(dim=-1) / spread.clamp(min=torch.finfo(truth.dtype).tiny)
