"""Attention: every position asks, every position answers, each takes what it needs.

The mathematics is a function of tensors; the module holds the weights and cuts them into heads.
Stands between embedding and feed-forward in every Transformer block.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

LONG = 64 * 128  # queries x keys, the scores of one head, from which the fused kernel is faster on a CPU
LONG_IN_BFLOAT16 = 1024 * 1024  # the same in bfloat16, whose fused kernel is slow on its way back


def attention(
    query: Float[Tensor, "*batch query d_k"],
    key: Float[Tensor, "*batch key d_k"],
    value: Float[Tensor, "*batch key d_v"],
    allowed: Bool[Tensor, "*#batch #query key"] | None = None,
) -> Float[Tensor, "*batch query d_v"]:
    """softmax(Q K^T / sqrt(d_k)) V, where a query may look only at the keys that are `allowed`.

    Dividing by sqrt(d_k) keeps the variance of a score at 1 whatever the width, so that softmax
    stays where its gradient is alive. Every query must be allowed at least one key.
    Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1.
    """
    if _long(query, key):
        return F.scaled_dot_product_attention(query, key, value, allowed)
    return attention_as_products(query, key, value, allowed)


def attention_as_products(
    query: Float[Tensor, "*batch query d_k"],
    key: Float[Tensor, "*batch key d_k"],
    value: Float[Tensor, "*batch key d_v"],
    allowed: Bool[Tensor, "*#batch #query key"] | None = None,
) -> Float[Tensor, "*batch query d_v"]:
    """`attention` written out, every score in memory at once: faster than the fused kernel where they are few.

    The query is divided rather than the scores: the same number, and one pass less over the largest tensor.
    """
    scores = (query / math.sqrt(query.size(-1))) @ key.transpose(-2, -1)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(dim=-1) @ value


def _long(query: Tensor, key: Tensor) -> bool:
    """Whether to take the fused kernel, which goes over the scores in blocks and never writes them all to memory.

    Where it saves time on a CPU and where it costs time, `bench/costs.py` shows for each length; on a GPU, where each
    operation is a launch, it is taken always. An exported graph serves all lengths, so it gets the products.
    """
    if torch.compiler.is_exporting():
        return False
    enough = LONG_IN_BFLOAT16 if query.dtype == torch.bfloat16 else LONG
    return query.is_cuda or query.size(-2) * key.size(-2) >= enough


def causal_mask(length: int, device: torch.device | None = None) -> Bool[Tensor, "query key"]:
    """True where key <= query: a position may look at itself and at what came before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own subspace.

        head_i = softmax(Q_i K_i^T / sqrt(d_k)) V_i,    output = concat(head_1 .. head_h) W_o

    Shapes: asking (batch, query, model), asked (batch, key, model) -> (batch, query, model).
    Raises ValueError if `model` is not a multiple of `heads`.
    Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2.2.
    """

    def __init__(self, model: int, heads: int) -> None:
        super().__init__()
        if model % heads:
            raise ValueError(f"model={model} cannot be split into heads={heads} equal parts")
        self.heads = heads
        self.query = nn.Linear(model, model)
        self.key = nn.Linear(model, model)
        self.value = nn.Linear(model, model)
        self.output = nn.Linear(model, model)

    def forward(
        self,
        asking: Float[Tensor, "batch query model"],
        asked: Float[Tensor, "batch key model"],
        allowed: Bool[Tensor, "#batch #heads #query key"] | None = None,
    ) -> Float[Tensor, "batch query model"]:
        key, value = self.keys_and_values(asked)
        return self.attend(asking, key, value, allowed)

    def keys_and_values(self, asked: Float[Tensor, "batch key model"]) -> tuple[Tensor, Tensor]:
        """What the asked positions answer with: (batch, head, key, d_k) twice. A decoder computes them once."""
        return self.split(self.key(asked)), self.split(self.value(asked))

    def attend(
        self,
        asking: Float[Tensor, "batch query model"],
        key: Float[Tensor, "batch head key d_k"],
        value: Float[Tensor, "batch head key d_k"],
        allowed: Bool[Tensor, "#batch #heads #query key"] | None = None,
    ) -> Float[Tensor, "batch query model"]:
        """Ask keys and values that are already there."""
        heads = attention(self.split(self.query(asking)), key, value, allowed)  # batch head query d_k
        return self.output(heads.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # batch query model

    def attend_past(
        self,
        asking: Float[Tensor, "batch 1 model"],
        position: int,
        past_key: Float[Tensor, "batch head capacity d_k"],
        past_value: Float[Tensor, "batch head capacity d_k"],
    ) -> Float[Tensor, "batch 1 model"]:
        """Self-attention of one new position, whose key and value are written into `past_*` at `position`."""
        key, value = self.keys_and_values(asking)
        past_key[:, :, position] = key[:, :, 0]
        past_value[:, :, position] = value[:, :, 0]
        seen = position + 1
        return self.attend(asking, past_key[:, :, :seen], past_value[:, :, :seen])

    def split(self, x: Float[Tensor, "batch position model"]) -> Float[Tensor, "batch head position d_k"]:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)
