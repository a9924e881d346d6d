"""From text to text: take out what must be copied, encode, decode, put it back."""

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text as the model reads it: ids with the end token, and the strings that its slots stand for."""

    ids: tuple[int, ...]
    strings: tuple[str, ...]


def translate_texts(
    engine: Engine, tokenizer: Tokenizer, texts: Sequence[str], config: DecodingConfig
) -> list[list[Translation]]:
    """For each text its translations, best first. An empty or blank text is its own translation.

    A text longer than the model's longest sentence is cut there.
    """
    wanted = [number for number, text in enumerate(texts) if text.strip()]
    prepared = prepare(tokenizer, [texts[number] for number in wanted], engine.max_length)
    hypotheses = engine.translate_ids([one.ids for one in prepared], config)
    results = [[Translation(text, 0.0)] for text in texts]
    for number, one, found in zip(wanted, prepared, hypotheses, strict=True):
        results[number] = [Translation(text_of(tokenizer.decode(h.tokens), one.strings), h.score) for h in found]
    return results


def prepare(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int, is_word: Callable[[str], bool] | None = None
) -> list[Prepared]:
    """Each text, stripped, with slots for what must be copied, as at most `max_length` ids.

    `is_word` says which names are translated like any word; if not given, those that are one token.
    """
    slotted = [take_out(text.strip(), is_word or tokenizer.is_word) for text in texts]
    ids = tokenizer.encode_all([one.text for one in slotted])
    return [Prepared((*row[: max_length - 1], EOS), one.strings) for row, one in zip(ids, slotted, strict=True)]


def text_of(decoded: str, strings: Sequence[str]) -> str:
    """The translation as a person reads it: bytes that form no character dropped, what was taken out put back."""
    return put_back(decoded.replace(REPLACEMENT, ""), tuple(strings)).strip()
