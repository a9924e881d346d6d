"""From text to text: take out what must be copied, encode, decode, put it back."""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.data.slots import put_back, take_out
from pellucid.data.tokenizer import EOS, Tokenizer
from pellucid.generate.config import DecodingConfig
from pellucid.generate.engine import Engine

REPLACEMENT = "\ufffd"  # what decoding gives for bytes that form no character


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of one text, and its score: log p per token, 0 at best."""

    text: str
    score: float


def translate_texts(
    engine: Engine, tokenizer: Tokenizer, texts: Sequence[str], config: DecodingConfig
) -> list[list[Translation]]:
    """For each text its translations, best first. An empty or blank text is its own translation.

    A text longer than the model's longest sentence is cut there.
    """
    slotted = [take_out(text.strip(), tokenizer.is_word) for text in texts]
    wanted = [number for number, text in enumerate(texts) if text.strip()]
    limit = engine.max_length - 1
    ids = tokenizer.encode_all([slotted[number].text for number in wanted])
    hypotheses = engine.translate_ids([[*row[:limit], EOS] for row in ids], config)
    results = [[Translation(text, 0.0)] for text in texts]
    for number, found in zip(wanted, hypotheses, strict=True):
        strings = slotted[number].strings
        results[number] = [Translation(text_of(tokenizer.decode(h.tokens), strings), h.score) for h in found]
    return results


def text_of(decoded: str, strings: Sequence[str]) -> str:
    """The translation as a person reads it: bytes that form no character dropped, what was taken out put back."""
    return put_back(decoded.replace(REPLACEMENT, ""), tuple(strings)).strip()
