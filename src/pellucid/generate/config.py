"""How the next token is chosen: the settings of decoding."""

from typing import Literal, Protocol

from pydantic import Field

from pellucid.config import Config


class Sampling(Protocol):
    """What drawing a token asks of a configuration."""

    @property
    def temperature(self) -> float: ...

    @property
    def top_k(self) -> int: ...

    @property
    def top_p(self) -> float: ...


class DecodingConfig(Config):
    """Greedy, beam or sampling, and their dials."""

    method: Literal["greedy", "beam", "sample"] = Field("beam", description="how the next token is chosen")
    beam: int = Field(4, ge=1, le=64, description="hypotheses kept side by side (beam)")
    length_penalty: float = Field(1.0, ge=0, description="a in score = log p / length^a (beam); more favours longer")
    max_ratio: float = Field(3.0, gt=0, description="longest translation, in tokens per source token")
    max_extra: int = Field(12, ge=1, description="tokens allowed on top of max_ratio")
    temperature: float = Field(1.0, gt=0, description="divides the scores before sampling; below 1 is more certain")
    top_k: int = Field(0, ge=0, description="sample among this many best tokens; 0: all")
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the best tokens that hold this share")
    seed: int = Field(1, ge=0, description="of sampling")
    batch: int = Field(32, ge=1, description="sentences translated side by side")


class WritingConfig(Config):
    """How a language model goes on with a text."""

    length: int = Field(500, ge=0, description="tokens to write")
    temperature: float = Field(0.8, ge=0, description="divides the scores before sampling; 0: always the best token")
    top_k: int = Field(0, ge=0, description="sample among this many best tokens; 0: all")
    top_p: float = Field(1.0, gt=0, le=1, description="sample among the best tokens that hold this share")
    seed: int = Field(1, ge=0, description="of sampling")
