"""The pieces that sections are made of, as HTML: tables, figures, pictures, lists that can be searched, commands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from pellucid.see.report.plots import Curve, Plot
from pellucid.see.report.words import Both

Body = Sequence[str | Plot]  # HTML and plots in the order in which they are read
SAVED = ("csv", "svg", "png")


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
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def named_values(rows: Iterable[tuple[str, str]]) -> str:
    """Two columns: what it is (HTML), and how much; what is empty is left out."""
    cells = "".join(
        f'<tr><th scope="row">{name}</th><td class="number">{escape(value)}</td></tr>' for name, value in rows if value
    )
    return f'<div class="scroll"><table><tbody>{cells}</tbody></table></div>'


def searchable(both: Both, label: str, table: str) -> str:
    """A long table, best row first, in which a text can be found and which can be turned round."""
    return (
        f'<div class="searchable"><div class="tools"><label>{both("filter")} <input type="search"></label>'
        f'<button type="button" class="order" aria-pressed="false">{both("order")}</button></div>'
        f'<div class="reveal" tabindex="0" role="region" aria-label="{escape(label)}">{table}'
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
    legend = "".join(
        f'<span><i class="{"dashed" if curve.dashed else ""}" style="color:var(--{curve.colour})"></i>'
        f"{both('line.' + curve.name)}</span>"
        for curve in plot.curves
    )
    saves = "".join(
        f'<button type="button" data-save="{kind}" data-plot="{plot.name}">{kind.upper()}</button>' for kind in SAVED
    )
    ranges = "".join(f"<p>{_range(both, curve)}</p>" for curve in plot.curves)
    return (
        f"<figure{' class=wide' if plot.wide else ''}><figcaption><span>{both(f'plot.{plot.name}')}</span>"
        f'<span class="saves">{saves}</span></figcaption><div class="legend">{legend}</div>'
        f'<div class="plot" id="plot-{plot.name}" style="height:{plot.height}px" aria-hidden="true"></div>'
        f'<p>{both(f"plot.{plot.name}.note", **plot.values)}</p><div class="ranges">{ranges}</div></figure>'
    )


def _range(both: Both, curve: Curve) -> str:
    values = curve.y
    shown = {"first": values[0], "last": values[-1], "low": min(values), "high": max(values)}
    numbers = {key: f"{value:.4g}" if isinstance(value, float) else f"{value:,}" for key, value in shown.items()}
    return both("plot.range", name="\0", **numbers).replace("\0", both(f"line.{curve.name}"))
