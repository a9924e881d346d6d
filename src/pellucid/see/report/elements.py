"""The pieces that sections are made of, as HTML: tables, figures, pictures, lists that can be searched, commands."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from pellucid.see.report.plots import Curve, Plot
from pellucid.see.report.words import Both

Body = Sequence[str | Plot]  # HTML and plots in the order in which they are read
SAVED = ("csv", "svg", "png")
RANGE = ("first", "last", "low", "high")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its title is the word NAME, a question. One with an empty body is left out."""

    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as a `data:` address, with what it shows in words; the caption is HTML."""

    address: str
    shows: str
    caption: str = ""


def paragraph(html: str) -> str:
    return f'<p class="lead">{html}</p>'


def headline(value: str, says: str) -> str:
    """The one number that a verdict is about (a text), and what it is (HTML)."""
    return f'<div class="headline"><p class="value">{escape(value)}</p><p class="small quiet">{says}</p></div>'


def heading(html: str) -> str:
    return f"<h3>{html}</h3>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    """Heads and cells are HTML; the columns of `numbers` stand to the right, in figures of one width."""
    right = set(numbers)
    kinds = [' class="number"' if place in right else "" for place in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{text}</th>' for kind, text in zip(kinds, heads, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def named_values(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns: what it is (HTML), and how much; what is empty is left out."""
    cells = "".join(
        f'<tr><th scope="row">{name}</th><td class="number">{escape(value)}</td></tr>' for name, value in rows if value
    )
    return f'<div class="scroll"><table class="plain"><tbody>{cells}</tbody></table></div>'


def searchable(both: Both, section: str, table: str) -> str:
    """The long table of a section, best row first, in which a text can be found and which can be turned round."""
    return (
        f'<div class="searchable"><div class="tools"><label>{both("filter")} <input type="search"></label>'
        f'<button type="button" class="order" aria-pressed="false">{both("order")}</button></div>'
        f'<div class="reveal" tabindex="0" role="region" aria-labelledby="title-{section}">{table}'
        f'<p class="none" hidden>{both("none.found")}</p></div></div>'
    )


def sheet(pictures: Iterable[Picture]) -> str:
    """Pictures side by side, their pixels as they are. Raises ValueError for an address that is not within the page."""
    cells = []
    for picture in pictures:
        if not picture.address.startswith("data:image/"):
            raise ValueError(f"a picture of a report is a data:image/ address, not {picture.address[:40]!r}")
        caption = f"<figcaption>{picture.caption}</figcaption>" if picture.caption else ""
        image = f'<img src="{escape(picture.address)}" alt="{escape(picture.shows)}">'
        cells.append(f"<figure>{image}{caption}</figure>")
    return f'<div class="sheet">{"".join(cells)}</div>'


def slider(both: Both, name: str, plot: str, shows: Sequence[tuple[str, Sequence[int]]], *, first: int = 0) -> str:
    """A slider over a plot of the page: each place has a label and the traces that are seen there; called word NAME."""
    places = escape(json.dumps([{"label": label, "traces": list(traces)} for label, traces in shows]))
    return (
        f'<div class="slider"><label for="slider-{plot}">{both(name)}</label>'
        f'<input type="range" id="slider-{plot}" min="0" max="{len(shows) - 1}" value="{first}" '
        f'data-slides="{plot}" data-places="{places}">'
        f'<output class="mono" for="slider-{plot}">{escape(shows[first][0])}</output></div>'
    )


def copied(both: Both, name: str, text: str) -> str:
    """A text to be copied, such as a command."""
    return (
        f'<div class="copied"><button type="button" data-copy="{name}">{both("copy")}</button>'
        f'<pre id="{name}" tabindex="0">{escape(text)}</pre></div>'
    )


def composed(both: Both, body: Body) -> str:
    """A body's HTML; plots that follow each other stand side by side where there is room."""
    html, grid = [], False
    for piece in body:
        drawn = isinstance(piece, Plot)
        if drawn != grid:
            html.append('<div class="plots">' if drawn else "</div>")
        html.append(figure(both, piece) if isinstance(piece, Plot) else piece)
        grid = drawn
    return "".join(html) + ("</div>" if grid else "")


def figure(both: Both, plot: Plot) -> str:
    """A plot with its title, what saves it, a sentence, and its numbers for those who do not see it."""
    title = both(f"plot.{plot.name}")
    saves = "".join(
        f'<button type="button" data-save="{kind}" data-plot="{plot.name}">{kind.upper()}'
        f'<span class="unseen">{title}</span></button>'
        for kind in SAVED
    )
    counted = any(trace.get("type") == "bar" for trace in plot.traces)
    return (
        f'<figure{" class=wide" if plot.wide else ""}><figcaption><b id="title-plot-{plot.name}">{title}</b>'
        f'<span class="menu">{saves}</span></figcaption>'
        f'<div class="plot" id="plot-{plot.name}" style="height:{plot.height}px" role="img"'
        f' aria-labelledby="title-plot-{plot.name}"></div>'
        f"<p>{both(f'plot.{plot.name}.note', **plot.values)}</p>"
        f"{legend(both, plot.legend)}{counts(both, plot.curves) if counted else ranges(both, plot.curves)}</figure>"
    )


def legend(both: Both, curves: Sequence[Curve]) -> str:
    """The marks and names of curves."""
    return f"<p>{' '.join(key(both, curve) for curve in curves)}</p>" if curves else ""


def ranges(both: Both, curves: Sequence[Curve]) -> str:
    """The legend of curves and, beside each, where it begins, ends and turns."""
    if not curves:
        return ""
    heads = "".join(f'<th scope="col" class="number">{both(f"range.{key}")}</th>' for key in RANGE)
    rows = ""
    for curve in curves:
        values = (curve.y[0], curve.y[-1], min(curve.y), max(curve.y))
        cells = "".join(f'<td class="number">{figures(value)}</td>' for value in values)
        rows += f'<tr><th scope="row">{key(both, curve)}</th>{cells}</tr>'
    corner = f'<th scope="col"><span class="unseen">{both("range.curve")}</span></th>'
    return (
        f'<div class="scroll"><table class="plain ranges"><thead><tr>{corner}{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def counts(both: Both, curves: Sequence[Curve]) -> str:
    """The legend of bars and, on request, all their numbers."""
    if not curves:
        return ""
    heads = [f'<span class="unseen">{both("range.bar")}</span>', *(both(f"line.{curve.name}") for curve in curves)]
    rows = [(escape(str(place)), *(figures(curve.y[i]) for curve in curves)) for i, place in enumerate(curves[0].x)]
    legend = " ".join(key(both, curve, block=True) for curve in curves)
    numbers = table(heads, rows, numbers=range(1, len(heads)))
    return f"<p>{legend}</p><details><summary>{both('in.numbers')}</summary>{numbers}</details>"


def key(both: Both, curve: Curve, *, block: bool = False) -> str:
    """A curve's mark in a legend, and its name."""
    smooth = both("line.smoothed") if curve.smooth else ""
    kind = " block" if block else " dashed" if curve.dashed else ""
    return f'<i class="key c-{curve.colour}{kind}"></i>{both(f"line.{curve.name}")}{smooth} '


def figures(value: float) -> str:
    """A number as it is read: whole, or with the four digits that count; a true minus."""
    if not math.isfinite(value):
        text = str(value)
    elif value == int(value):
        text = f"{int(value):,}"
    elif 1000 <= abs(value) < 1e5:
        text = f"{value:,.0f}"
    elif 1e-3 <= abs(value) < 1000:
        text = f"{value:#.4g}"
    else:
        digits, exponent = f"{value:.2e}".split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "−")
