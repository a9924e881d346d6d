"""Number formats: whether this processor gains from bfloat16 is measured, not assumed.

Under autocast matrix products run in bfloat16 and sums, norms and the weights themselves stay in float32
(Micikevicius et al., "Mixed Precision Training", 2017).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]
WORTH_IT = 1.5  # a product must be this much faster for the casts round it to pay
SECONDS = 0.15  # of measuring, for each of the two


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward and loss are computed."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def matrix_rates(
    rows: int, width: int, device: torch.device, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """GFLOP/s of a product of the kind that fills a training step, in each number format."""
    rates = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(rows, width, device=device).to(dtype)
        b = torch.randn(width, 4 * width, device=device).to(dtype)
        for _ in range(3):
            a @ b
        finish(device)
        began, products = clock(), 0
        while clock() - began < SECONDS:
            a @ b
            products += 1
        finish(device)
        rates[str(dtype).removeprefix("torch.")] = products * 2 * rows * width * 4 * width / (clock() - began) / 1e9
    return rates


def faster(rates: dict[str, float]) -> Precision:
    return "bfloat16" if rates["bfloat16"] > WORTH_IT * rates["float32"] else "float32"


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock tells the time of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
