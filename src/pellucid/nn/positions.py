"""Positions: attention is blind to order, so each place in the sentence gets a vector of its own, added to its word.

Stands between the embedding and the first block.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sinusoids(positions: int, model: int) -> Float[Tensor, "positions model"]:
    """PE[p, 2i] = sin(p / 10000^(2i/d)), PE[p, 2i+1] = cos(p / 10000^(2i/d)).

    From one position to another k places on is the same rotation everywhere, so that "k words back" can be learned.
    Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
    """
    angle = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, model, 2) * (-math.log(10000.0) / model))
    table = torch.empty(positions, model)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : model // 2]
    return table


class SinusoidalPositions(nn.Module):
    """Fixed position vectors; nothing to train, any length up to `positions`."""

    table: Tensor

    def __init__(self, positions: int, model: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, model), persistent=False)

    def forward(self, length: int, start: int = 0) -> Float[Tensor, "length model"]:
        return self.table[start : start + length]


class LearnedPositions(nn.Module):
    """Position vectors found by training; a position that training never showed stays random."""

    def __init__(self, positions: int, model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(positions, model) * 0.02)  # small beside the scaled word vectors

    def forward(self, length: int, start: int = 0) -> Float[Tensor, "length model"]:
        return self.table[start : start + length]
