"""How predictable a text is without a network: counts of characters and compressors, in bits per character.

They give a language model's bits per character a scale: one that does not beat the counts has learned no more than
which few characters follow each other.
"""

import lzma
import math
import zlib

import torch
from torch import Tensor

ORDER = 5  # characters in the longest sequence counted
COUNTED = 4_000_000  # characters of the training text that are counted at most; sorting them is what takes time


def baselines(train: str, held: str) -> dict[str, float]:
    """Bits per character of the held-out text: `unigram`, `ngram`, `zlib`, `lzma`."""
    return {
        "unigram": ngram_bits(train, held, 1),
        "ngram": ngram_bits(train, held, ORDER),
        "zlib": 8 * len(zlib.compress(held.encode(), 9)) / len(held),
        "lzma": 8 * len(lzma.compress(held.encode(), preset=9)) / len(held),
    }


def ngram_bits(train: str, held: str, order: int) -> float:
    """Bits per character by counts of up to `order` characters in a row, mixed as Witten and Bell do.

        p(c | h) = (n(hc) + t(h) p(c | shorter h)) / (n(h) + t(h))

    n counts in the training text, t(h) is how many different characters follow h there; the shortest history is none,
    and below it all characters are equally probable. Source: Witten & Bell, "The zero-frequency problem", 1991.
    """
    known, asked, alphabet = _numbered(train[:COUNTED], held)
    order = min(order, longest(alphabet))
    shares = torch.full((len(asked),), 1.0 / alphabet, dtype=torch.float64)
    for length in range(1, order + 1):
        counted, counts = _sequences(known, length, alphabet).unique(return_counts=True)  # type: ignore[no-untyped-call]
        histories, number = (counted // alphabet).unique_consecutive(return_inverse=True)
        n = torch.zeros(len(histories)).double().index_add_(0, number, counts.double())
        kinds = number.bincount(minlength=len(histories)).double()
        wanted = _sequences(asked, length, alphabet)  # of those with a whole history
        there = _found(histories, wanted // alphabet)
        row = there.clamp_min(0)
        seen = torch.where(there >= 0, n[row], 0.0)
        different = torch.where(there >= 0, kinds[row], 0.0)
        place = _found(counted, wanted)
        times = torch.where(place >= 0, counts[place.clamp_min(0)].double(), 0.0)
        shorter = shares[length - 1 :]
        better = (times + different * shorter) / (seen + different).clamp_min(1.0)
        shares[length - 1 :] = torch.where(there >= 0, better, shorter)
    return float(-shares.log2().mean())


def _numbered(train: str, held: str) -> tuple[Tensor, Tensor, int]:
    """Both texts as numbers from 0, and how many there are; characters that training has not share one number."""
    codes = [torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32).long() for text in (train, held)]
    alphabet, known = codes[0].unique(return_inverse=True)  # type: ignore[no-untyped-call]
    place = _found(alphabet, codes[1])
    return known, torch.where(place >= 0, place, len(alphabet)), len(alphabet) + 1


def _sequences(numbers: Tensor, length: int, alphabet: int) -> Tensor:
    """Every `length` numbers in a row as one number."""
    total = numbers.new_zeros(max(len(numbers) - length + 1, 0))
    for i in range(length):
        total = total * alphabet + numbers[i : i + len(total)]
    return total


def _found(ordered: Tensor, wanted: Tensor) -> Tensor:
    """Where each number stands in the ordered ones; -1 where it does not."""
    place = torch.searchsorted(ordered, wanted).clamp_max(len(ordered) - 1)
    return torch.where(ordered[place] == wanted, place, -1)


def longest(alphabet: int) -> int:
    """How many characters of such an alphabet fit one number of 63 bits: four of Chinese, nine of English."""
    return int(63 * math.log(2) / math.log(alphabet))
