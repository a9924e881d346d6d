"""The look of what a notebook shows: scoped to `.pellucid`, in the notebook's own light or dark, without a script.

Color is meaning: blue below zero, brown above, teal for shares that sum to 1, orange for focus. The text of a cell
keeps a contrast of 4.5:1 because its color is mixed in only up to the share `most`.
"""

from functools import lru_cache
from importlib.resources import files

LIGHT = {
    "own-paper": "#fbfaf8",
    "own-ink": "#1d2329",
    "cell-ink": "#1d2329",
    "quiet": "#626b75",
    "line": "#e3e0da",
    "focus": "#c2410c",
    "neg": "33,102,172",
    "pos": "179,88,6",
    "share": "37,99,102",
    "zero": "247,246,243",
    "most": ".67",
}
DARK = {
    "own-paper": "#14171a",
    "own-ink": "#e8e6e1",
    "cell-ink": "#e8e6e1",
    "quiet": "#98a0a9",
    "line": "#2d3338",
    "focus": "#fb923c",
    "neg": "103,169,220",
    "pos": "206,152,96",
    "share": "94,190,186",
    "zero": "33,37,42",
    "most": ".46",
}
# How Jupyter, VS Code and Colab say which theme is on; where nothing is said, the system's choice holds.
SAYS_LIGHT = ("body[data-jp-theme-light=true]", "body.vscode-light", "html[theme=light]")
SAYS_DARK = ("body[data-jp-theme-light=false]", "body.vscode-dark", "body.vscode-high-contrast", "html[theme=dark]")
ROOT = ".pellucid.pellucid.pellucid"  # thrice, to weigh more than a notebook's own rules for tables


@lru_cache
def style() -> str:
    """The style sheet."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in theme.items()) for theme in (LIGHT, DARK))
    said = [
        f"{','.join(f'{marker} .pellucid' for marker in markers)}{{{theme}}}"
        for markers, theme in ((SAYS_LIGHT, light), (SAYS_DARK, dark))
    ]
    system = f".pellucid{{{light}}}@media (prefers-color-scheme:dark){{.pellucid{{{dark}}}}}"
    rules = files("pellucid.see.notebook").joinpath("style.css").read_text(encoding="utf-8").replace("&", ROOT)
    return f"<style>{system}{''.join(said)}{rules}</style>"
