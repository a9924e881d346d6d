"""Random ids in the shape of a corpus: what the benchmark of costs trains on, as packed pairs or as one batch."""

import torch
from torch import Tensor

from pellucid.data.packed import SMALL, Packed, PackedPairs
from pellucid.data.tokenizer import BOS, EOS, SPECIAL
from pellucid.tasks.task import Batch

VOCABULARY = 8000
LOG_MEAN, LOG_SPREAD, LONGEST = 1.9, 0.7, 120  # of tokens a sentence, about those of the default corpus


def synthetic_pairs(count: int, seed: int = 0) -> PackedPairs:
    """Random ids with lengths of the default corpus' kind, packed as a task packs its own."""
    draw = torch.Generator().manual_seed(seed)
    source = (torch.randn(count, generator=draw) * LOG_SPREAD + LOG_MEAN).exp().round().long().add(2)
    target = (source * (0.6 + 0.9 * torch.rand(count, generator=draw))).round().long().add(1)
    return PackedPairs(*(_random_rows(lengths.clamp(2, LONGEST), draw) for lengths in (source, target)))


def _random_rows(lengths: Tensor, draw: torch.Generator) -> Packed:
    starts = torch.zeros(len(lengths) + 1, dtype=torch.int64)
    torch.cumsum(lengths, 0, out=starts[1:])
    assert VOCABULARY <= SMALL
    ids = torch.randint(len(SPECIAL), VOCABULARY, (int(starts[-1]),), dtype=torch.int16, generator=draw)
    ids[starts[:-1]], ids[starts[1:] - 1] = BOS, EOS
    return Packed(ids, starts)


def of_one_length(length: int, tokens: int) -> Batch:
    """A batch in which every source and target has `length` tokens."""
    rows = tokens // length
    return Batch(
        {
            "source": torch.randint(len(SPECIAL), VOCABULARY, (rows, length)),
            "target": torch.randint(len(SPECIAL), VOCABULARY, (rows, length + 1)),
        },
        padding=0.0,
    )
