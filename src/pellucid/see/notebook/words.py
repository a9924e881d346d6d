"""What a notebook says, in English and Chinese: one JSON file a language, with the same keys."""

import json
import os
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any


def say(key: str, **values: Any) -> str:
    """HTML of a sentence in the person's language, values escaped."""
    safe = {name: escape(str(value)) for name, value in values.items()}
    return escape(words(spoken())[key], quote=False).format(**safe)


def spoken() -> str:
    """zh or en: $PELLUCID_LANG, else the language of the locale, as on the command line."""
    names = ("PELLUCID_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


@lru_cache
def words(language: str) -> dict[str, str]:
    text = files("pellucid.see.notebook").joinpath(f"words.{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
