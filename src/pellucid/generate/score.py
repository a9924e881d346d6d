"""How likely a model finds a given translation: log p of each of its tokens, read all at once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pellucid.data.batching import padded
from pellucid.data.tokenizer import BOS, EOS, PAD

BATCH = 32


def log_probabilities(
    logits: Callable[[Tensor, Tensor], Tensor],
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    device: torch.device | None = None,
) -> list[list[float]]:
    """log p of each token of each target, the end token's last: log softmax(logits(source, target so far)).

    `logits` maps (batch, source) and (batch, target) to (batch, target, vocabulary); sources hold their end token,
    targets do not.
    """
    found: list[list[float]] = []
    with torch.inference_mode():
        for start in range(0, len(sources), BATCH):
            part = slice(start, start + BATCH)
            target = padded([[BOS, *ids, EOS] for ids in targets[part]], PAD).to(device)
            scores = logits(padded(sources[part], PAD).to(device), target[:, :-1]).float().log_softmax(dim=-1)
            chosen = scores.gather(2, target[:, 1:, None])[:, :, 0]  # batch, target
            found += [row[: len(ids) + 1].tolist() for row, ids in zip(chosen, targets[part], strict=True)]
    return found
