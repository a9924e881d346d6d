"""What a notebook says, in English and Chinese: one JSON file a language, with the same keys."""

from html import escape
from typing import Any

from pellucid.words import filled, sentences, spoken


def say(key: str, **values: Any) -> str:
    """HTML of a sentence in the person's language, values escaped."""
    safe = {name: escape(str(value)) for name, value in values.items()}
    return filled(escape(words(spoken())[key], quote=False), safe)


def words(language: str) -> dict[str, str]:
    return sentences("pellucid.see.notebook", f"words.{language}.json")
