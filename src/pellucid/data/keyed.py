"""Random numbers that belong to a key: the same seed and key give the same numbers, whoever asks, and when.

A generator that is drawn from one number after another must stand at the right place; one that hashes a key has no
place. So an image is changed in the same way in the same epoch, whether a training was resumed, shared among several
processes, or is only looked at.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: the step of splitmix64
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def uniforms(seed: int, keys: Int[Tensor, " key"], count: int) -> Float[Tensor, "key count"]:
    """`count` uniform numbers in [0, 1) for each key, float32.

    Source: Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (splitmix64's mixing function).
    """
    start = mixed(mixed(keys) + mixed(torch.tensor(seed)))
    places = torch.arange(1, count + 1) * signed(GOLDEN)
    bits = mixed(start[:, None] + places)
    return shifted(bits, 40).float() / 2**24


def normals(seed: int, keys: Int[Tensor, " key"], count: int) -> Float[Tensor, "key count"]:
    """`count` numbers of mean 0 and variance 1 for each key. Source: Box & Muller, 1958."""
    one, two = uniforms(seed, keys, 2 * count).chunk(2, dim=1)
    return (-2 * (1 - one).log()).sqrt() * (2 * math.pi * two).cos()


def mixed(numbers: Tensor) -> Tensor:
    """Each 64-bit number made into one that looks random; different ones stay different."""
    numbers = (numbers ^ shifted(numbers, 30)) * signed(FIRST)
    numbers = (numbers ^ shifted(numbers, 27)) * signed(SECOND)
    return numbers ^ shifted(numbers, 31)


def shifted(numbers: Tensor, places: int) -> Tensor:
    """Bits moved to the right, zeros coming in; PyTorch's own shift of int64 would bring in the sign."""
    return (numbers >> places) & ((1 << (64 - places)) - 1)


def signed(number: int) -> int:
    """The int64 with the bits of an unsigned number."""
    return number - (1 << 64) if number >= 1 << 63 else number
