"""What turns source ids into target ids: our own decoding in PyTorch, or a library that reads an exported model.

Nothing here or in the CTranslate2 engine imports torch, which takes a second to load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from pellucid.generate.config import DecodingConfig

EngineName = Literal["auto", "torch", "ctranslate2", "onnx"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One way to go on: its tokens (without the end token), log p of all of them with the end, and its score."""

    tokens: tuple[int, ...]
    log_probability: float
    score: float


class Engine(Protocol):
    """A trained model, ready to decode and to score."""

    @property
    def max_length(self) -> int:
        """The longest sentence in tokens, the end token included."""
        ...

    def translate_ids(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        """The hypotheses for each source, which holds its end token; best first, in the order of the sources."""
        ...

    def log_probabilities(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """log p of each token of each target, the end token's last. Sources hold their end token, targets do not."""
        ...


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a translation must say: tokens and how often exactly, and phrases (rows of tokens), each at least once.

    `limited` are the tokens that may be written as often as `counts` says and no more: 0 times if it does not say.
    `closes` gives for a token that closes something the one that opens it: what was opened last is closed first. Those
    of `filled` close only what holds more than tokens of `blank`. Those of `order` come in that order, as often.
    """

    counts: Mapping[int, int]
    phrases: tuple[tuple[int, ...], ...]
    limited: frozenset[int]
    closes: Mapping[int, int] = field(default_factory=dict)
    filled: frozenset[int] = frozenset()
    blank: frozenset[int] = frozenset()
    order: tuple[int, ...] = ()


@runtime_checkable
class ConstrainedEngine(Protocol):
    """An engine that can be told what a translation must say; ours in PyTorch can."""

    def constrained_ids(
        self, sources: Sequence[Sequence[int]], constraints: Sequence[Constraint], config: DecodingConfig
    ) -> list[list[Hypothesis]]:
        """For each source the hypotheses that keep its constraint, best first; none where there was no room."""
        ...


def longest(source_tokens: int, config: DecodingConfig, max_length: int) -> int:
    """The most tokens, the end token included, that a translation of so many source tokens may have."""
    return min(int(source_tokens * config.max_ratio) + config.max_extra, max_length)
