"""A series of numbers as one line of a terminal."""

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int, *, logarithmic: bool = False) -> str:
    """At most `width` characters, each as high as the mean of its stretch; a space where there is no number."""
    drawn = [seen(value, logarithmic) for value in values]
    stretches = [drawn[place * len(drawn) // width : (place + 1) * len(drawn) // width] for place in range(width)]
    if len(drawn) < width:
        stretches = [[value] for value in drawn]
    means = [mean([value for value in stretch if value is not None]) for stretch in stretches]
    there = [value for value in means if value is not None]
    if not there:
        return ""
    low, high = min(there), max(there)
    span = (high - low) or 1.0
    return "".join(" " if value is None else block((value - low) / span) for value in means)


def block(height: float) -> str:
    """One of eight heights, of a share from 0 to 1; what is beyond stands at the end."""
    return BLOCKS[min(max(round(height * (len(BLOCKS) - 1)), 0), len(BLOCKS) - 1)]


def seen(value: float | None, logarithmic: bool) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    if logarithmic:
        return math.log10(value) if value > 0 else None
    return value


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
