"""In which language people are spoken to, and the sentences for it: one JSON file a language beside who says them."""

import json
import os
import string
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


def spoken() -> str:
    """zh or en: $PELLUCID_LANG, else the language of the locale."""
    names = ("PELLUCID_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


@lru_cache
def sentences(package: str, name: str) -> dict[str, str]:
    """Those of a JSON file of that package, by key."""
    return dict(json.loads(files(package).joinpath(name).read_text(encoding="utf-8")))


class Counting(string.Formatter):
    """As str.format, and `{rows:row|rows}` is the word that goes with so many: the first one for 1."""

    def format_field(self, value: Any, format_spec: str) -> str:
        one, two, many = format_spec.partition("|")
        if not two:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else many


def filled(sentence: str, values: Mapping[str, Any]) -> str:
    """A sentence with its values in it."""
    return Counting().vformat(sentence, (), values)
