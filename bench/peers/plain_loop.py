"""Peer: `torch.nn.Transformer` as a tutorial trains it: nn.Dropout, the logits of the whole batch, F.cross_entropy."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.positions import sinusoids

PAD = 0


class PlainTransformer(nn.Module):
    """PyTorch's own encoder-decoder with a tied embedding, sized as ours."""

    def __init__(self, size: dict[str, Any], vocabulary: int) -> None:
        super().__init__()
        self.scale = math.sqrt(size["d_model"])
        self.embedding = nn.Embedding(vocabulary, size["d_model"])
        nn.init.normal_(self.embedding.weight, std=size["d_model"] ** -0.5)
        self.register_buffer("positions", sinusoids(size["max_length"], size["d_model"]))
        self.dropout = nn.Dropout(size["dropout"])
        self.transformer = nn.Transformer(
            size["d_model"],
            size["heads"],
            size["encoder_layers"],
            size["decoder_layers"],
            size["feed_forward"],
            size["dropout"],
            batch_first=True,
            norm_first=True,
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padding = source == PAD
        causal = torch.ones(target.size(1), target.size(1), dtype=torch.bool).triu(1)
        states = self.transformer(
            self.embed(source),
            self.embed(target),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return F.linear(states, self.embedding.weight)

    def embed(self, ids: Tensor) -> Tensor:
        return self.dropout(self.embedding(ids) * self.scale + self.positions[: ids.size(1)])


def build(size: dict[str, Any], vocabulary: int) -> nn.Module:
    return PlainTransformer(size, vocabulary)


def loss(model: nn.Module, source: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Label-smoothed cross-entropy of the target's tokens, its mean over them."""
    logits = model(source, target[:, :-1])
    return F.cross_entropy(
        logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD, label_smoothing=smoothing
    )
