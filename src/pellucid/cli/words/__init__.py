"""What the command line says, in English and Chinese: one JSON file a language, with the same keys."""

import json
import os
from functools import lru_cache
from importlib.resources import files
from typing import Any


def say(key: str, **values: Any) -> str:
    """The sentence for `key` in the person's language, with its values filled in."""
    return words(spoken())[key].format(**values)


def spoken() -> str:
    """zh or en: $PELLUCID_LANG, else the language of the terminal's locale."""
    names = ("PELLUCID_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


@lru_cache
def words(language: str) -> dict[str, str]:
    text = files("pellucid.cli.words").joinpath(f"{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
