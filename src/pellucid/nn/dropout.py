"""Dropout: switch random numbers off during training, so that no neuron can lean on one other alone.

The mask is cut from random bytes, eight numbers from one 64-bit draw, rather than drawn one Bernoulli variable
a number: on a CPU that takes dropout from 9% of a training step to 2% (`bench/train_translation.py`).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

BYTE = 256


def dropout(x: Float[Tensor, "*shape"], rate: float) -> Float[Tensor, "*shape"]:
    """y = x m / (1 - r), where each m is 0 with probability r and 1 otherwise: the mean of y is x.

    r is `rate` rounded to a multiple of 1/256, and the division is by what remains of exactly that.
    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """
    return x * dropout_mask(x, rate)


def dropout_mask(x: Float[Tensor, "*shape"], rate: float) -> Float[Tensor, "*shape"]:
    """m / (1 - r), drawn for x."""
    threshold = min(round(rate * BYTE), BYTE - 1)
    mask = torch.empty_like(x, requires_grad=False)
    torch.ge(random_bytes(x.shape, x.device), threshold - BYTE // 2, out=mask)  # 0 or 1, in the type of x at once
    return mask.mul_(BYTE / (BYTE - threshold))


def random_bytes(shape: torch.Size, device: torch.device) -> Tensor:
    """Uniform bytes of the given shape, from -128 to 127, from torch's global generator."""
    numbers = shape.numel()
    draws = torch.empty(-(-numbers // 8), dtype=torch.int64, device=device).random_(-(2**63), None)
    return draws.view(torch.int8)[:numbers].view(shape)


class Dropout(nn.Module):
    """`dropout` while training, nothing otherwise. Raises ValueError unless 0 <= rate < 1."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate} must be at least 0 and below 1")
        self.rate = rate

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return dropout(x, self.rate) if self.training and self.rate else x

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
