"""A trace and its parts as a notebook shows them: tables first, in the notebook's own light or dark.

Every drawing is a string of HTML that needs no script, no font and no file, and asks the network for nothing. The last
line of a cell is enough (`trace`, `trace["decoder.0"]`, `trace.explain(...)`); `show` chooses what a drawing is of.
"""

from collections.abc import Callable
from html import escape
from typing import Any

from pellucid.see.attention import Attention
from pellucid.see.chain import Path
from pellucid.see.diff import Divergence
from pellucid.see.displayed import Displayed, Listed
from pellucid.see.explain import Explanation
from pellucid.see.notebook.attention import attention, attentions
from pellucid.see.notebook.matrix import WINDOW
from pellucid.see.notebook.steps import comparison, replay, selection, trace
from pellucid.see.notebook.style import style
from pellucid.see.notebook.values import step
from pellucid.see.notebook.why import divergence, explanation, path, paths
from pellucid.see.operation import Step
from pellucid.see.replay import Replay
from pellucid.see.selection import Comparison, Selection
from pellucid.see.trace import Trace

DRAWINGS: dict[type, Callable[[Any], str]] = {
    Trace: trace,
    Step: step,
    Attention: attention,
    Explanation: explanation,
    Path: path,
    Replay: replay,
    Divergence: divergence,
    Selection: selection,
    Comparison: comparison,
}
LISTS: dict[type, Callable[[Any], str]] = {Path: paths, Attention: attentions}


class Drawing(Displayed):
    """HTML that shows itself."""

    def __init__(self, html: str, text: str) -> None:
        self.html = html
        self.text = text

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.text


def html(thing: Any) -> str:
    """What a notebook shows of a trace or a part of one; of anything else, its text."""
    if isinstance(thing, Listed) and thing:
        draw = next((draw for kind, draw in LISTS.items() if isinstance(thing[0], kind)), None)
    else:
        draw = next((draw for kind, draw in DRAWINGS.items() if isinstance(thing, kind)), None)
    return framed(draw(thing) if draw else f"<pre>{escape(str(thing))}</pre>")


def show(thing: Step | Attention, rows: int = WINDOW[0], columns: int = WINDOW[1], **where: int | str) -> Drawing:
    """A step or a call of attention at chosen positions, by number or label: show(call, head=2, batch=1).

    `rows` and `columns` are how many are written out. Raises SelectionError where there is no such axis or position.
    """
    if isinstance(thing, Attention):
        return Drawing(framed(attention(thing, where, rows, columns)), str(thing))
    return Drawing(framed(step(thing, where, rows, columns)), str(thing))


def framed(body: str) -> str:
    """With the style it needs; a notebook's own typesetting of formulas keeps out, since labels may hold dollars."""
    return f'<div class="pellucid tex2jax_ignore mathjax_ignore">{style()}{body}</div>'
