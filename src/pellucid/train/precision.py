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
ENOUGH_ROWS = 512  # on a CPU; where bfloat16 is emulated, one product of more would take seconds


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward and loss are computed."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def matrix_rates(rows: int, width: int, device: torch.device) -> dict[str, float]:
    """GFLOP/s of a product of the kind that fills a training step, in each number format; in less than 2 seconds."""
    if device.type == "cpu":
        rows = min(rows, ENOUGH_ROWS)
    shape = rows, width, 4 * width
    return {
        str(dtype).removeprefix("torch."): matrix_rate(dtype, *shape, device)
        for dtype in (torch.float32, torch.bfloat16)
    }


def matrix_rate(
    dtype: torch.dtype,
    rows: int,
    inner: int,
    columns: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """GFLOP/s of the product of a (rows, inner) and an (inner, columns) matrix."""
    a = torch.randn(rows, inner, device=device).to(dtype)
    b = torch.randn(inner, columns, device=device).to(dtype)
    began, products = clock(), 1
    a @ b  # takes longer than those after it, as a kernel may be chosen or compiled for the shape
    finish(device)
    if clock() - began < SECONDS:
        began, products = clock(), 0
        while clock() - began < SECONDS:
            a @ b
            products += 1
    finish(device)
    return products * 2 * rows * inner * columns / (clock() - began) / 1e9


def faster(rates: dict[str, float]) -> Precision:
    return "bfloat16" if rates["bfloat16"] > WORTH_IT * rates["float32"] else "float32"


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock tells the time of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
