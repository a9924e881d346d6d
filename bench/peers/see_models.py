"""The models that bench/see.py looks into, with a batch and a loss: what each process builds anew, all alike."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig

VOCABULARY = 8000
SHAPES = {"tiny": (4, 24), "small": (4, 24), "gpt": (1, 256)}  # sequences, tokens
Model = tuple[nn.Module, tuple[Tensor, ...], Callable[[Any], Tensor]]


class Block(nn.Module):
    """Attention and a feed-forward layer, each normalized before and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            one.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for one in self.attention(self.attention_norm(x)).chunk(3, dim=-1)
        )
        heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.projection(heads.transpose(1, 2).flatten(2))
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT(nn.Module):
    """A decoder of six layers, of PyTorch's own parts."""

    def __init__(self, width: int = 384, heads: int = 6, layers: int = 6, length: int = 256) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token(ids) + self.position(torch.arange(ids.size(1)))
        return self.logits(self.norm(self.blocks(x)))


def build(name: str) -> Model:
    """A model in evaluation mode, what goes in, and how surprised it is by the next tokens."""
    torch.manual_seed(0)
    ids = torch.randint(4, VOCABULARY, SHAPES[name])
    if name == "gpt":
        return GPT().eval(), (ids,), lambda logits: surprise(logits[:, :-1], ids[:, 1:])
    target = torch.randint(4, VOCABULARY, SHAPES[name])
    translator = Translator(TranslatorConfig.parse({"preset": name}), VOCABULARY).eval()
    return translator, (ids, target[:, :-1]), lambda logits: surprise(logits, target[:, 1:])


def surprise(logits: Tensor, wanted: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
