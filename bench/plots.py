"""A small picture for a benchmark page: points and their fitted line on two logarithmic axes, as an SVG by hand.

The background is transparent and every colour is of middle lightness, so that one file reads on light and dark
pages; each series has its own marker, so that colour is never the only signal.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 46, 52
TEXT, GRID = "#808080", "#80808040"
COLOURS = ("#2f86c8", "#d9731a")  # told apart with every kind of colour blindness
STEPS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1,))  # of each power of ten: where an axis may have ticks
MOST_TICKS = 7


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) under one name, and the line that was fitted to them."""

    name: str
    points: Sequence[tuple[float, float]]
    line: Callable[[float], float]


def log_log(
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    series: Sequence[Series],
) -> None:
    """Write the picture. Ticks of x stand at the points' own values, those of y at round numbers."""
    xs = sorted({x for one in series for x, _ in one.points})
    ys = [y for one in series for x, y in one.points] + [one.line(x) for one in series for x in (xs[0], xs[-1])]
    low, high = min(ys) / 1.25, max(ys) * 1.25
    if high / low < 4:  # a flat line must look flat, not like the noise around it
        middle = math.sqrt(low * high)
        low, high = middle / 2, middle * 2

    def across(x: float) -> float:
        return LEFT + 16 + (WIDTH - LEFT - RIGHT - 32) * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])

    def down(y: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / y) / math.log(high / low)

    bottom = HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
    ]
    for y in ticks(low, high):
        parts.append(f'<path d="M{LEFT} {down(y):.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{short(y)}</text>')
    for x in xs:
        parts.append(f'<path d="M{across(x):.1f} {bottom}v5" stroke="{TEXT}"/>')
        parts.append(f'<text x="{across(x):.1f}" y="{bottom + 19}" text-anchor="middle">{short(x)}</text>')
    parts.append(f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="{TEXT}"/>')
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + bottom) / 2
    parts.append(f'<text x="{middle_x:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text transform="translate(18 {middle_y:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    for number, one in enumerate(series):
        colour, legend = COLOURS[number], TOP - 28 + 18 * number
        ends = [f"{across(x):.1f} {down(one.line(x)):.1f}" for x in (xs[0], xs[-1])]
        dashes = ' stroke-dasharray="7 4"' if number else ""
        parts.append(f'<path d="M{ends[0]}L{ends[1]}" stroke="{colour}" stroke-width="1.5"{dashes}/>')
        parts += [marker(number, across(x), down(y), colour) for x, y in one.points]
        parts.append(marker(number, LEFT + 16, legend, colour))
        parts.append(f'<text x="{LEFT + 28}" y="{legend + 4}">{escape(one.name)}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def marker(number: int, x: float, y: float, colour: str) -> str:
    """A disc for the first series, a hollow square for the second."""
    if number == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>'
    return f'<path d="M{x - 4.5:.1f} {y - 4.5:.1f}h9v9h-9z" fill="none" stroke="{colour}" stroke-width="2"/>'


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between, as close together as is still easy to read."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in STEPS:
        found = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= MOST_TICKS:
            break
    return found


def short(number: float) -> str:
    """8,192 as it is, 100,000 as `100 k`, 4,650,000 as `4.7 M`."""
    size, unit = (1e6, " M") if number >= 1e6 else (1e3, " k") if number >= 1e4 else (1, "")
    return f"{number / size:,.1f}".removesuffix(".0") + unit
