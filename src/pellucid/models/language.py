"""Language models: given a text so far, a score for each possible next token.

Two families, one manner of use. The recurrent ones (plain, LSTM, GRU) read a token at a time and keep what they read in
a state of fixed size, which training carries from one stretch of text to the next. The GPT reads a whole stretch at
once and looks back at all of it. `read` gives the scores at all positions (training), `begin` and `step` one position
at a time at an even price (generation).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from pellucid.config import Config
from pellucid.nn.attention import causal_mask
from pellucid.nn.blocks import CausalBlock
from pellucid.nn.dropout import Dropout
from pellucid.nn.positions import LearnedPositions, SinusoidalPositions
from pellucid.nn.recurrent import CELLS, Recurrent

Cell = Literal["gpt", "rnn", "lstm", "gru"]
SIZES: dict[str, dict[str, Any]] = {
    # What reached the fewest bits per character in two minutes on two cores: docs/language.md has the trials.
    "gpt": {"width": 128, "layers": 3, "context": 64},
    "rnn": {"width": 256, "layers": 1, "context": 64},
    "lstm": {"width": 256, "layers": 1, "context": 64},
    "gru": {"width": 256, "layers": 1, "context": 64},
}


class LanguageModelConfig(Config):
    """The kind and size of a language model. `cell` fills in what is not given."""

    cell: Cell = Field("gpt", description="gpt: a decoder-only Transformer; rnn, lstm, gru: recurrent layers")
    width: int = Field(128, ge=2, description="numbers in the vector of a position, and in a recurrent state")
    layers: int = Field(3, ge=1, le=1000, description="blocks or recurrent layers on top of each other")
    context: int = Field(
        64,
        ge=2,
        le=1_000_000,
        description="tokens of a stretch: how far a GPT looks back, how far a gradient goes back in time",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of numbers switched off during training")
    heads: int = Field(4, ge=1, description="attention heads of a GPT; width must be a multiple of it")
    feed_forward: int = Field(4, ge=1, description="inner width of a GPT's feed-forward networks, in widths")
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="layer norm in a GPT: before each sublayer, after, or none"
    )
    residual: bool = Field(True, description="add what came into each sublayer of a GPT to what comes out")
    positions: Literal["sinusoidal", "learned"] = Field("sinusoidal", description="how a GPT is told the order")
    activation: Literal["relu", "gelu", "silu"] = Field("gelu", description="g in a GPT's feed-forward networks")

    @model_validator(mode="before")
    @classmethod
    def _fill_size(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {**SIZES.get(values.get("cell", "gpt"), {}), **values}

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "LanguageModelConfig":
        if self.cell == "gpt" and self.width % self.heads:
            raise ValueError(f"width={self.width} cannot be split into heads={self.heads} equal parts")
        return self


class RecurrentLanguageModel(nn.Module):
    """A recurrent language model.

        x_t = E[token_t],    h_t = layers(x_t, h_{t-1}),    p(token_{t+1} | text so far) = softmax(W_hy h_t + b_y)

    A row of E times W_xh is what the textbook's one-hot input times W_xh is. The state (layer, part, batch, width)
    holds h, and for an LSTM c as well, of every layer.
    Shapes: tokens (batch, time) -> logits (batch, time, vocabulary).
    """

    def __init__(self, config: LanguageModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        cell = CELLS[config.cell]
        self.embedding = nn.Embedding(vocabulary, config.width)
        self.dropout = Dropout(config.dropout)
        self.recurrent = nn.ModuleList(cell(config.width, config.width) for _ in range(config.layers))
        self.output = nn.Linear(config.width, vocabulary)
        nn.init.normal_(self.embedding.weight)
        nn.init.normal_(self.output.weight, std=0.5 * config.width**-0.5)  # near-even shares at first
        nn.init.zeros_(self.output.bias)

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time vocabulary"]:
        return self.read(tokens, self.fresh(tokens.size(0)))[0]

    def fresh(self, batch: int) -> Float[Tensor, "layer part batch width"]:
        """The state before anything was read: zeros."""
        parts = cast(Recurrent, self.recurrent[0]).states
        return self.embedding.weight.new_zeros(self.config.layers, parts, batch, self.config.width)

    def read(
        self, tokens: Int[Tensor, "batch time"], state: Float[Tensor, "layer part batch width"]
    ) -> tuple[Float[Tensor, "batch time vocabulary"], Float[Tensor, "layer part batch width"]]:
        """The scores after each token, and the state after the last."""
        x = self.dropout(self.embedding(tokens))
        states = []
        for layer, before in zip(self.recurrent, state.unbind(), strict=True):
            x, after = layer(x, before)
            x = self.dropout(x)
            states.append(after)
        return self.output(x), torch.stack(states)

    def begin(self, batch: int) -> "Remembered":
        return Remembered(self.fresh(batch))

    def read_prompt(self, tokens: Int[Tensor, "batch time"], past: "Remembered") -> Float[Tensor, "batch vocabulary"]:
        """The scores after the last of these tokens; `past` remembers them."""
        logits, past.state = self.read(tokens, past.state)
        return logits[:, -1]

    def step(self, tokens: Int[Tensor, " batch"], past: "Remembered") -> Float[Tensor, "batch vocabulary"]:
        """The scores after one more token."""
        x = self.embedding(tokens)
        states = []
        for layer, before in zip(self.recurrent, past.state.unbind(), strict=True):
            layer = cast(Recurrent, layer)
            after = layer.step(layer.from_input(x), before.unbind())
            x = after[0]
            states.append(torch.stack(after))
        past.state = torch.stack(states)
        return self.output(x)  # type: ignore[no-any-return]


@dataclass
class Remembered:
    """What a recurrent model keeps of a text: as much after a million tokens as after one."""

    state: Float[Tensor, "layer part batch width"]


class GPT(nn.Module):
    """A decoder-only Transformer.

        x = sqrt(d) E[tokens] + P,    p(token_{t+1} | token_{<=t}) = softmax(norm(blocks(x))_t E^T)

    E is the one table of input and output (Press & Wolf, 2016); no position looks ahead.
    Shapes: tokens (batch, time), at most `context` of them -> logits (batch, time, vocabulary).
    Source: Radford et al., 2018.
    """

    def __init__(self, config: LanguageModelConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.width)
        table = SinusoidalPositions if config.positions == "sinusoidal" else LearnedPositions
        self.positions = table(config.context, config.width)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            CausalBlock(
                config.width,
                config.heads,
                config.feed_forward * config.width,
                dropout=config.dropout,
                activation=config.activation,
                norm=config.norm,
                residual=config.residual,
            )
            for _ in range(config.layers)
        )
        # Pre-norm leaves the last residual sum unnormalized; post-norm has done it already.
        self.norm = nn.LayerNorm(config.width) if config.norm == "pre" else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier for matrices, 0 for biases; the tied table with variance 1/d, variance 1 once scaled."""
        nn.init.normal_(self.embedding.weight, std=self.config.width**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time vocabulary"]:
        causal = causal_mask(tokens.size(1), tokens.device)[None, None]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, causal)
        return self.project(x)

    def embed(self, tokens: Int[Tensor, "batch time"], start: int = 0) -> Float[Tensor, "batch time width"]:
        pieces = self.embedding(tokens) * math.sqrt(self.config.width)
        return self.dropout(pieces + self.positions(tokens.size(1), start))  # type: ignore[no-any-return]

    def project(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time vocabulary"]:
        return nn.functional.linear(self.norm(x), self.embedding.weight)

    def begin(self, batch: int) -> "Cache":
        config = self.config
        shape = (batch, config.heads, config.context, config.width // config.heads)
        table = self.embedding.weight
        return Cache(
            [table.new_empty(shape) for _ in self.blocks],
            [table.new_empty(shape) for _ in self.blocks],
            torch.empty(batch, 0, dtype=torch.long, device=table.device),
        )

    def read_prompt(self, tokens: Int[Tensor, "batch time"], past: "Cache") -> Float[Tensor, "batch vocabulary"]:
        """The scores after the last of these tokens; `past` holds what of them fits, to begin anew with."""
        past.tokens = tokens[:, -self.config.context :]
        causal = causal_mask(past.tokens.size(1), tokens.device)[None, None]
        x = self.embed(past.tokens)
        for block, keys, values in zip(self._blocks(), past.keys, past.values, strict=True):
            x = block.read(x, causal, keys, values)
        return self.project(x[:, -1:])[:, 0]

    def step(self, tokens: Int[Tensor, " batch"], past: "Cache") -> Float[Tensor, "batch vocabulary"]:
        """The scores after one more token.

        When the context is full, its newer half is read anew as the beginning of the next: once in half a context, so
        that a token costs the same however long the text grows.
        """
        longer = torch.cat([past.tokens, tokens[:, None]], dim=1)
        if longer.size(1) > self.config.context:
            return self.read_prompt(longer[:, -(self.config.context // 2) :], past)
        position, past.tokens = past.tokens.size(1), longer
        x = self.embed(tokens[:, None], start=position)
        for block, keys, values in zip(self._blocks(), past.keys, past.values, strict=True):
            x = block.step(x, position, keys, values)
        return self.project(x)[:, 0]

    def _blocks(self) -> list[CausalBlock]:
        return [cast(CausalBlock, block) for block in self.blocks]


@dataclass
class Cache:
    """Keys and values of the text that a GPT looks back at, one entry a block, and its tokens."""

    keys: list[Float[Tensor, "batch head context d_k"]]
    values: list[Float[Tensor, "batch head context d_k"]]
    tokens: Int[Tensor, "batch time"] = field(default_factory=lambda: torch.empty(1, 0, dtype=torch.long))


LanguageModel = RecurrentLanguageModel | GPT


def build_language_model(config: LanguageModelConfig, vocabulary: int) -> LanguageModel:
    """A new network of the kind that the config names."""
    return GPT(config, vocabulary) if config.cell == "gpt" else RecurrentLanguageModel(config, vocabulary)
