"""What the doctor says, in English and Chinese: one JSON file a language, with the same keys."""

from typing import Any

from pellucid.words import filled, sentences


def sentence(key: str, language: str, **values: Any) -> str:
    """The sentence for `key` with its values filled in."""
    return filled(sentences("pellucid.train.diagnosis.words", f"{language}.json")[key], values)
