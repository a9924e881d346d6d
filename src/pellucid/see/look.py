"""What the pages have in common: one style for their look, and JSON that may stand in them."""

import json
from importlib.resources import files
from typing import Any


def look() -> str:
    """The style that all pages share: palette, type, controls, places."""
    return files("pellucid.see").joinpath("look.css").read_text(encoding="utf-8")


def embedded(value: Any) -> str:
    """JSON that no text in it can end before its time."""
    found = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return found.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
