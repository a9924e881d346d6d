"""In which language people are spoken to, and the sentences for it: one JSON file a language beside who says them."""

import json
import os
from functools import lru_cache
from importlib.resources import files

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
