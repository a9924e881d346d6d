"""What the command line says, in English and Chinese: one JSON file a language, with the same keys."""

from typing import Any

from pellucid.words import filled, sentences, spoken


def say(key: str, **values: Any) -> str:
    """The sentence for `key` in the person's language, with its values filled in."""
    return filled(words(spoken())[key], values)


def words(language: str) -> dict[str, str]:
    return sentences("pellucid.cli.words", f"{language}.json")
