"""Noise in what a network reads, other in each epoch, so that it cannot learn single examples by heart.

Of numbers each is moved a little; of tokens some are replaced by others. What is drawn belongs to the example and the
epoch (keyed.py), so that a resumed training reads the same. Stands between the examples and their batches.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.data.keyed import normals, uniforms

ADDED, REPLACED = 2 << 32, 3 << 32  # added to the seed, so that they have nothing to do with what else is drawn from it


def with_noise(
    inputs: Float[Tensor, "example ..."], deviation: float, seed: int, keys: Int[Tensor, " example"]
) -> Float[Tensor, "example ..."]:
    """x + s e, with e of mean 0 and variance 1; the same seed and key always add the same.

    For a linear model and the squared loss its mean effect is an l2 penalty of s^2 (Bishop, "Training with Noise is
    Equivalent to Tikhonov Regularization", 1995).
    """
    drawn = normals(seed + ADDED, keys, inputs[0].numel())
    return inputs + deviation * drawn.view_as(inputs).to(inputs)


def with_replaced(
    tokens: Int[Tensor, "example position"],
    share: float,
    seed: int,
    keys: Int[Tensor, " example"],
    pool: Int[Tensor, " token"],
    kept: Sequence[int] = (),
) -> Int[Tensor, "example position"]:
    """Each token replaced with probability `share` by one drawn from `pool`; those of `kept` neither go nor come.

    With the training text as the pool, a token is drawn as often as it stands there.
    Source: Xie et al., "Data Noising as Smoothing in Neural Network Language Models", 2017 (unigram noising).
    """
    drawn_twice = uniforms(seed + REPLACED, keys, 2 * tokens.size(1)).view(*tokens.shape, 2)
    chance, place = drawn_twice.unbind(2)
    drawn = pool[(place.double() * len(pool)).long()].to(tokens)
    changing = chance < share
    for token in kept:
        changing &= (tokens != token) & (drawn != token)
    return torch.where(changing, drawn, tokens)


class Marked(Sequence[Sequence[int]]):
    """The batches of an epoch, in each example's number how many epochs there were before: number + epoch * count."""

    def __init__(self, batches: Sequence[Sequence[int]], epoch: int, count: int) -> None:
        self.batches, self.added = batches, epoch * count

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int | slice) -> "list[int] | Marked":  # type: ignore[override]
        if isinstance(number, slice):
            return Marked(self.batches[number], 1, self.added)
        return [example + self.added for example in self.batches[number]]
