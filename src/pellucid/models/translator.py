"""The encoder-decoder Transformer that translates.

Source ids go through the encoder once; the decoder reads the encoder's result (the memory) and the target so far,
and gives a score to each possible next token. `forward` does this for all target positions at once (training),
`begin` and `step` one position at a time with the keys and values of earlier ones kept (translation).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from pellucid.config import Config
from pellucid.nn.attention import causal_mask
from pellucid.nn.blocks import DecoderBlock, EncoderBlock
from pellucid.nn.dropout import Dropout
from pellucid.nn.positions import LearnedPositions, SinusoidalPositions

PADDING = 0  # the id that fills a batch up; data/tokenizer.py gives it to no text

PRESETS: dict[str, dict[str, Any]] = {
    # A small network that is trained for minutes has not the time to learn by heart: less dropout scores better.
    "tiny": {
        "d_model": 128,
        "heads": 4,
        "feed_forward": 512,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "dropout": 0.05,
    },
    "small": {"d_model": 256, "heads": 4, "feed_forward": 1024, "encoder_layers": 3, "decoder_layers": 3},
    "base": {"d_model": 512, "heads": 8, "feed_forward": 2048, "encoder_layers": 6, "decoder_layers": 6},
}


class TranslatorConfig(Config):
    """The size and kind of a Transformer. `preset` fills in what is not given: tiny, small, or base (the paper's)."""

    preset: Literal["auto", "tiny", "small", "base"] = Field(
        "auto", description="a named size; auto: the one that reaches most in the training's budget"
    )
    d_model: int = Field(128, ge=2, description="width of every position's vector")
    heads: int = Field(4, ge=1, description="attention heads; d_model must be a multiple of it")
    feed_forward: int = Field(512, ge=1, description="inner width of the feed-forward networks")
    encoder_layers: int = Field(2, ge=1, le=1000, description="blocks that read the source")
    decoder_layers: int = Field(2, ge=1, le=1000, description="blocks that write the target")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of numbers switched off during training")
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="layer norm before each sublayer, after it (the paper's), or none"
    )
    residual: bool = Field(True, description="add what came into each sublayer to what comes out")
    positions: Literal["sinusoidal", "learned"] = Field("sinusoidal", description="how word order is told")
    activation: Literal["relu", "gelu", "silu"] = Field("relu", description="g in the feed-forward networks")
    max_length: int = Field(256, ge=2, le=1_000_000, description="longest sentence in tokens")

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {**PRESETS.get(values.get("preset", "auto"), {}), **values}

    def with_preset(self, preset: str) -> "TranslatorConfig":
        """The same with another preset; fields that were given stay as they are."""
        return self.parse({**self.model_dump(exclude_unset=True), "preset": preset})

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "TranslatorConfig":
        if self.d_model % self.heads:
            raise ValueError(f"d_model={self.d_model} cannot be split into heads={self.heads} equal parts")
        return self


class Memory(NamedTuple):
    """What the encoder found: a state per source position, and which positions are words rather than padding."""

    states: Float[Tensor, "batch source model"]
    allowed: Bool[Tensor, "batch 1 1 source"]


class Translator(nn.Module):
    """Scores of the next target token, given the source and the target so far.

        p(y_t | y_<t, x) = softmax(decoder(y_<t, encoder(x)) E^T)

    E is the one embedding table of source, target and output (Press & Wolf, 2016), scaled by sqrt(d) on the way in.
    Shapes: source (batch, source), target (batch, target) -> (batch, target, vocabulary).
    Source: Vaswani et al., "Attention Is All You Need", 2017.
    """

    def __init__(self, config: TranslatorConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocabulary, config.d_model)
        table = SinusoidalPositions if config.positions == "sinusoidal" else LearnedPositions
        self.positions = table(config.max_length, config.d_model)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(_block(EncoderBlock, config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(_block(DecoderBlock, config) for _ in range(config.decoder_layers))
        # Pre-norm leaves the last residual sum unnormalized; post-norm has done it already.
        self.encoder_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.d_model) if config.norm == "pre" else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings with variance 1/d, variance 1 once scaled; Xavier for matrices, 0 for biases."""
        nn.init.normal_(self.embedding.weight, std=self.config.d_model**-0.5)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(
        self, source: Int[Tensor, "batch source"], target: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocabulary"]:
        return self.project(self.decode(target, self.encode(source)))

    def encode(self, source: Int[Tensor, "batch source"]) -> Memory:
        allowed = (source != PADDING)[:, None, None, :]
        x = self.embed(source)
        for block in self.encoder:
            x = block(x, allowed)
        return Memory(self.encoder_norm(x), allowed)

    def decode(self, target: Int[Tensor, "batch target"], memory: Memory) -> Float[Tensor, "batch target model"]:
        """The decoder's last states. Padding stands at the end of the target, where the causal mask hides it."""
        causal = causal_mask(target.size(1), target.device)
        x = self.embed(target)
        for block in self.decoder:
            x = block(x, memory.states, causal, memory.allowed)
        return self.decoder_norm(x)  # type: ignore[no-any-return]

    def project(self, states: Float[Tensor, "*batch model"]) -> Float[Tensor, "*batch vocabulary"]:
        return nn.functional.linear(states, self.embedding.weight)

    def embed(self, ids: Int[Tensor, "batch position"], start: int = 0) -> Float[Tensor, "batch position model"]:
        words = self.embedding(ids) * math.sqrt(self.config.d_model)
        return self.dropout(words + self.positions(ids.size(1), start))  # type: ignore[no-any-return]

    def decoder_blocks(self) -> Iterator[DecoderBlock]:
        return (cast(DecoderBlock, block) for block in self.decoder)

    def begin(self, memory: Memory, capacity: int) -> "Cache":
        """A cache for up to `capacity` target positions: the memory's keys and values, computed once, and room."""
        batch, heads = memory.states.size(0), self.config.heads
        shape = (batch, heads, capacity, self.config.d_model // heads)
        # Contiguous, as heads cut out of one matrix would be copied together again at every step.
        memory_keys, memory_values = zip(
            *(
                (key.contiguous(), value.contiguous())
                for key, value in (b.cross_attention.keys_and_values(memory.states) for b in self.decoder_blocks())
            ),
            strict=True,
        )
        return Cache(
            keys=[memory_keys[0].new_empty(shape) for _ in self.decoder],
            values=[memory_keys[0].new_empty(shape) for _ in self.decoder],
            memory_keys=list(memory_keys),
            memory_values=list(memory_values),
            allowed=memory.allowed,
        )

    def step(self, tokens: Int[Tensor, " batch"], cache: "Cache") -> Float[Tensor, "batch vocabulary"]:
        """Scores of the token after `tokens`, which stand at position `cache.length`; the cache grows by one."""
        x = self.embed(tokens[:, None], start=cache.length)
        for layer, block in enumerate(self.decoder_blocks()):
            x = block.step(
                x,
                cache.length,
                cache.keys[layer],
                cache.values[layer],
                cache.memory_keys[layer],
                cache.memory_values[layer],
                cache.allowed,
            )
        cache.length += 1
        return self.project(self.decoder_norm(x)[:, 0])


@dataclass
class Cache:
    """Keys and values of the memory and of the target so far, one entry a decoder block; rows are hypotheses."""

    keys: list[Float[Tensor, "batch head capacity d_k"]]
    values: list[Float[Tensor, "batch head capacity d_k"]]
    memory_keys: list[Float[Tensor, "batch head source d_k"]]
    memory_values: list[Float[Tensor, "batch head source d_k"]]
    allowed: Bool[Tensor, "batch 1 1 source"]
    length: int = 0

    def select(self, rows: Int[Tensor, " selected"]) -> None:
        """Keep these rows, in this order: hypotheses that go on (beam search), sentences not yet finished."""
        self.keys = [self._filled(key, rows) for key in self.keys]
        self.values = [self._filled(value, rows) for value in self.values]
        self.memory_keys = [key[rows] for key in self.memory_keys]
        self.memory_values = [value[rows] for value in self.memory_values]
        self.allowed = self.allowed[rows]

    def reorder(self, rows: Int[Tensor, " batch"]) -> None:
        """Like `select` where each row is replaced by one of the same sentence: the memory stays where it is."""
        self.keys = [self._filled(key, rows) for key in self.keys]
        self.values = [self._filled(value, rows) for value in self.values]

    def _filled(self, tensor: Tensor, rows: Tensor) -> Tensor:
        selected = tensor.new_empty((len(rows), *tensor.shape[1:]))
        selected[:, :, : self.length] = tensor[rows, :, : self.length]
        return selected


def _block(kind: type[EncoderBlock] | type[DecoderBlock], config: TranslatorConfig) -> nn.Module:
    return kind(
        config.d_model,
        config.heads,
        config.feed_forward,
        dropout=config.dropout,
        norm=config.norm,
        residual=config.residual,
        activation=config.activation,
    )
