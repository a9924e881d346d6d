"""Transformer blocks: attention and feed-forward, each wrapped in a residual connection and a normalization.

An encoder block looks at the whole source; a decoder block looks at the target so far and at the encoder's result;
a causal block looks at the text so far and at nothing else.
"""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from pellucid.nn.attention import MultiHeadAttention
from pellucid.nn.dropout import Dropout
from pellucid.nn.feedforward import FeedForward

PLACES = ("pre", "post", "none")  # of a norm


class Residual(nn.Module):
    """Adds what a sublayer finds to what came in, so that gradients have a straight way back.

        pre-norm:  y = x + dropout(f(norm(x)))        post-norm:  y = norm(x + dropout(f(x)))
        no norm:   y = x + dropout(f(x))              and each without `x +` where `residual` is off

    Post-norm is the paper's; pre-norm trains without a long warm-up. Without a norm or without a residual few layers
    train and many do not: they are there to be compared with. Raises ValueError for another norm than these.
    Sources: He et al., 2015 (residuals); Ba et al., 2016 (layer norm); Xiong et al., 2020 (pre-norm).
    """

    def __init__(self, model: int, norm: str, dropout: float, *, residual: bool = True) -> None:
        super().__init__()
        if norm not in PLACES:
            raise ValueError(f"norm={norm!r} is none of {', '.join(PLACES)}")
        self.place, self.residual = norm, residual
        self.norm = nn.Identity() if norm == "none" else nn.LayerNorm(model)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch position model"], sublayer: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "batch position model"]:
        found = self.dropout(sublayer(self.norm(x) if self.place == "pre" else x))
        if self.residual:
            found = x + found
        return self.norm(found) if self.place == "post" else found  # type: ignore[no-any-return]


class EncoderBlock(nn.Module):
    """Self-attention, then feed-forward. Shapes: (batch, source, model) -> the same."""

    def __init__(
        self,
        model: int,
        heads: int,
        inner: int,
        *,
        dropout: float = 0.0,
        norm: str = "pre",
        residual: bool = True,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(model, heads)
        self.self_attention_residual = Residual(model, norm, dropout, residual=residual)
        self.feed_forward = FeedForward(model, inner, activation, dropout)
        self.feed_forward_residual = Residual(model, norm, dropout, residual=residual)

    def forward(
        self, x: Float[Tensor, "batch source model"], allowed: Bool[Tensor, "#batch 1 #source source"] | None = None
    ) -> Float[Tensor, "batch source model"]:
        x = self.self_attention_residual(x, lambda y: self.self_attention(y, y, allowed))
        return self.feed_forward_residual(x, self.feed_forward)  # type: ignore[no-any-return]


class CausalBlock(EncoderBlock):
    """An encoder block in which no position looks ahead: what a decoder-only Transformer is made of.

    Shapes: (batch, position, model) -> the same. Source: Radford et al., "Improving Language Understanding by
    Generative Pre-Training", 2018.
    """

    def step(
        self,
        x: Float[Tensor, "batch 1 model"],
        position: int,
        past_key: Float[Tensor, "batch head capacity d_k"],
        past_value: Float[Tensor, "batch head capacity d_k"],
    ) -> Float[Tensor, "batch 1 model"]:
        """The block for one new position, whose key and value are written into `past_*` at `position`."""
        x = self.self_attention_residual(
            x, lambda y: self.self_attention.attend_past(y, position, past_key, past_value)
        )
        return self.feed_forward_residual(x, self.feed_forward)  # type: ignore[no-any-return]

    def read(
        self,
        x: Float[Tensor, "batch position model"],
        causal: Bool[Tensor, "1 1 position position"],
        past_key: Float[Tensor, "batch head capacity d_k"],
        past_value: Float[Tensor, "batch head capacity d_k"],
    ) -> Float[Tensor, "batch position model"]:
        """The block for the first positions all at once, their keys and values written into `past_*`."""

        def self_attention(y: Tensor) -> Tensor:
            key, value = self.self_attention.keys_and_values(y)
            past_key[:, :, : y.size(1)] = key
            past_value[:, :, : y.size(1)] = value
            return self.self_attention.attend(y, key, value, causal)

        x = self.self_attention_residual(x, self_attention)
        return self.feed_forward_residual(x, self.feed_forward)  # type: ignore[no-any-return]


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to the encoder's result (the memory), then feed-forward.

    Shapes: x (batch, target, model), memory (batch, source, model) -> (batch, target, model).
    """

    def __init__(
        self,
        model: int,
        heads: int,
        inner: int,
        *,
        dropout: float = 0.0,
        norm: str = "pre",
        residual: bool = True,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(model, heads)
        self.self_attention_residual = Residual(model, norm, dropout, residual=residual)
        self.cross_attention = MultiHeadAttention(model, heads)
        self.cross_attention_residual = Residual(model, norm, dropout, residual=residual)
        self.feed_forward = FeedForward(model, inner, activation, dropout)
        self.feed_forward_residual = Residual(model, norm, dropout, residual=residual)

    def forward(
        self,
        x: Float[Tensor, "batch target model"],
        memory: Float[Tensor, "batch source model"],
        causal: Bool[Tensor, "target target"],
        memory_allowed: Bool[Tensor, "#batch 1 1 source"] | None = None,
    ) -> Float[Tensor, "batch target model"]:
        x = self.self_attention_residual(x, lambda y: self.self_attention(y, y, causal[None, None]))
        x = self.cross_attention_residual(x, lambda y: self.cross_attention(y, memory, memory_allowed))
        return self.feed_forward_residual(x, self.feed_forward)  # type: ignore[no-any-return]

    def step(
        self,
        x: Float[Tensor, "batch 1 model"],
        position: int,
        past_key: Float[Tensor, "batch head capacity d_k"],
        past_value: Float[Tensor, "batch head capacity d_k"],
        memory_key: Float[Tensor, "batch head source d_k"],
        memory_value: Float[Tensor, "batch head source d_k"],
        memory_allowed: Bool[Tensor, "batch 1 1 source"],
    ) -> Float[Tensor, "batch 1 model"]:
        """The block for one new position, whose key and value are written into `past_*` at `position`."""
        x = self.self_attention_residual(
            x, lambda y: self.self_attention.attend_past(y, position, past_key, past_value)
        )
        x = self.cross_attention_residual(
            x, lambda y: self.cross_attention.attend(y, memory_key, memory_value, memory_allowed)
        )
        return self.feed_forward_residual(x, self.feed_forward)  # type: ignore[no-any-return]
