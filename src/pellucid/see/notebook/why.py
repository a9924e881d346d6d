"""Where a number comes from, drawn: an explanation, the chain rule path by path, and the cell where two passes part."""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from pellucid.see.chain import Path
from pellucid.see.diff import Divergence
from pellucid.see.explain import Explanation
from pellucid.see.expression import Difference, Expression, Sum
from pellucid.see.notebook.matrix import MINUS, breakable, short
from pellucid.see.notebook.steps import bar, listed
from pellucid.see.notebook.words import say

TERMS = 12  # of a sum that stand in the table, before the rest is added up


def readable(text: str) -> str:
    """The engine's plain text with the signs of a book: a true minus before numbers, a dot between factors."""
    signs = re.sub(r"(?<![a-zA-Z_])-(?=[\d.]|inf)|(?<=\de)-(?=\d)| - ", lambda m: m[0].replace("-", MINUS), text)
    return escape(re.sub(r"(?<=[\w)])\*(?=[\w(])", "·", signs))


def explanation(why: Explanation) -> str:
    """Formula, numbers, value; then each operand by its address, with its part of a sum where it is one."""
    whose = "dL/d " if why.backward else ""
    kind = "badge whole" if why.how == "whole" else "badge"
    html = f'<div><span class="name">{whose}{escape(why.address)} = {short(why.value, 6)}</span>'
    html += f'<span class="{kind}">{say(why.how)}</span>'
    html += f'<span class="badge">{say("backward")}</span></div>' if why.backward else "</div>"
    if why.expression is None:
        return html + f'<p class="note">{say("leaf", what=why.formula)}</p>'
    html += f'<p class="formula">{readable(why.formula)}</p>'
    html += f'<p class="sum">= {readable(why.text().rpartition(f"{whose}{why.address} = ")[2])}</p>'
    html += terms(why.expression, say("went_into" if why.backward else "operands"))
    digits = f"{escape(why.exact)}<br>{say('within', difference=short(why.difference, 2))}"
    return html + f'<details><summary>{say("exact")}</summary><p class="sum">{digits}</p></details>'


def terms(expression: Expression, title: str) -> str:
    """The operands: as parts of a sum, strongest first, or in the order in which they are used."""
    parts = list(expression.terms) if isinstance(expression, Sum) and len(expression.terms) > 1 else None
    if parts is None:
        cells = dict.fromkeys(expression.cells())
        rows = [
            f'<tr><td class="code">{breakable(one.address)}</td>{number(one.value)}</tr>' for one in list(cells)[:TERMS]
        ]
        rest = len(cells) - TERMS
        more = f'<p class="note">{say("more_operands", count=rest)}</p>' if rest > 0 else ""
        return listed([("", title), ("num", say("number"))], rows) + more if rows else ""
    order = sorted(parts, key=lambda part: -abs(part.value))
    largest = abs(order[0].value)
    rows = []
    for part in order[:TERMS]:
        cells_of = list(part.cells())
        addresses = "<br>".join(breakable(one.address) for one in cells_of)
        shown = readable(part.text(4, 4)) if not isinstance(part, Difference | Sum) else ""
        rows.append(
            f'<tr><td class="code">{addresses}</td><td class="num">{shown}</td>'
            f"<td>{bar(part.value, largest, 'n' if part.value < 0 else 'p')}</td>{number(part.value)}</tr>"
        )
    if len(order) > TERMS:
        rest_of = sum(part.value for part in order[TERMS:])
        rows.append(f"<tr><td>{say('rest', count=len(order) - TERMS)}</td><td></td><td></td>{number(rest_of)}</tr>")
    head = [("", title), ("num", say("number")), ("", ""), ("num", say("part"))]
    return listed(head, rows)


def number(value: float) -> str:
    return f'<td class="num" title="{value!r}">{short(value, 4)}</td>'


def path(one: Path) -> str:
    """The cells from the loss back to the number, with the partial derivative of each by the next."""
    cells, partials = list(reversed(one.cells)), list(reversed(one.partials))
    rows = [
        f'<tr><td class="code">∂ {escape(above)}</td><td class="code">/ ∂ {escape(below)}</td>{number(partial)}</tr>'
        for (above, below), partial in zip(pairwise(cells), partials, strict=True)
    ]
    rows.append(f'<tr><td>{say("product")}</td><td></td><td class="num"><b>{short(one.product, 4)}</b></td></tr>')
    return listed([("", say("cell")), ("", ""), ("num", say("partial"))], rows)


def paths(ways: Sequence[Path]) -> str:
    """Each way with its product, and what they add up to."""
    largest = max((abs(one.product) for one in ways), default=0.0)
    rows = []
    for one in ways:
        way = " ← ".join(breakable(cell) for cell in reversed(one.cells))
        factors = " · ".join(short(partial, 4) for partial in reversed(one.partials))
        rows.append(
            f'<tr><td class="code">{way}</td><td class="code">{factors}</td>'
            f"<td>{bar(one.product, largest, 'n' if one.product < 0 else 'p')}</td>{number(one.product)}</tr>"
        )
    total = sum(one.product for one in ways)
    rows.append(f'<tr><td>{say("sum")}</td><td></td><td></td><td class="num"><b>{short(total, 4)}</b></td></tr>')
    head = [("", say("way")), ("", say("partials")), ("", ""), ("num", say("product"))]
    return f'<p class="note">{say("paths", count=len(ways))}</p>{listed(head, rows)}'


def divergence(found: Divergence) -> str:
    """The cell where two passes part, in both."""
    html = f'<div><span class="name">{say("divergence")}</span></div>'
    if found.shapes:
        one, other = (" × ".join(map(str, shape)) for shape in found.shapes)
        return f'{html}<p class="note">{escape(found.address)}: {say("shapes_differ", one=one, other=other)}</p>'
    rows = [
        f'<tr><td>{say(which)}</td><td class="code">{escape(address)}</td><td class="num">{short(value, 9)}</td></tr>'
        for which, address, value in (
            ("first", found.address, found.first),
            ("second", found.other, found.second),
        )
    ]
    rows.append(f'<tr><td>{say("difference")}</td><td></td><td class="num"><b>{short(found.difference)}</b></td></tr>')
    return html + listed([("", ""), ("", say("address")), ("num", say("number"))], rows)
