"""The words of the page in English and Chinese: each text stands in it twice, and style shows one of the two."""

import json
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


@lru_cache
def words(language: str) -> dict[str, str]:
    text = files("pellucid.see.report").joinpath(f"words.{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def both(key: str, **values: Any) -> str:
    """HTML of a sentence in both languages, values escaped."""
    safe = {name: escape(str(value)) for name, value in values.items()}
    return "".join(
        f'<span class="{language}" lang="{language}">{escape(words(language)[key], quote=False).format(**safe)}</span>'
        for language in LANGUAGES
    )
