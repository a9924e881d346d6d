"""What the command line says, in English and Chinese: one JSON file a language, with the same keys."""

from typing import Any

from pellucid.words import sentences, spoken


def say(key: str, **values: Any) -> str:
    """The sentence for `key` in the person's language, with its values filled in."""
    return words(spoken())[key].format(**values)


def words(language: str) -> dict[str, str]:
    return sentences("pellucid.cli.words", f"{language}.json")
