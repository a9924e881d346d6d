"""The words of the page in English and Chinese: each text stands in it twice, and style shows one of the two."""

from html import escape
from typing import Any

from pellucid.words import LANGUAGES, sentences


def words(language: str) -> dict[str, str]:
    return sentences("pellucid.see.report", f"words.{language}.json")


def both(key: str, **values: Any) -> str:
    """HTML of a sentence in both languages, values escaped."""
    safe = {name: escape(str(value)) for name, value in values.items()}
    return "".join(
        f'<span class="{language}" lang="{language}">{escape(words(language)[key], quote=False).format(**safe)}</span>'
        for language in LANGUAGES
    )
