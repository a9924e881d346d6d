"""What a walk through a model says, in English and Chinese: one JSON file a language, with the same keys."""

from typing import Any

from pellucid.words import filled, sentences


def told(key: str, language: str, /, **values: Any) -> str:
    """The sentence for `key`, with its values filled in: numbers with three decimals, counts with commas."""
    return filled(words(language)[key], {name: written(value) for name, value in values.items()})


def written(value: Any) -> str:
    """A fact as it stands in a sentence."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}".replace("-", "−")
        case float():
            return f"{value:.3f}".replace("-inf", "−∞").replace("-", "−")
    return str(value)


def words(language: str) -> dict[str, str]:
    return sentences("pellucid.see.words", f"{language}.json")
