"""Functions of one number, drawn as points with noise: data to see what a network can bend itself to.

curve:line, curve:parabola, curve:sine, curve:steps, curve:bump, curve:wave
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pellucid.data.columns import Table
from pellucid.errors import DataError

PREFIX = "curve:"
X, Y = "x", "y"


@dataclass(frozen=True, slots=True)
class Curve:
    """y = f(x) between two ends; `text` is the formula as people write it."""

    function: Callable[[float], float]
    low: float
    high: float
    text: str


CURVES = {
    "curve:line": Curve(lambda x: 2 * x + 1, -2, 2, "2x + 1"),
    "curve:parabola": Curve(lambda x: x * x, -2, 2, "x²"),
    "curve:sine": Curve(lambda x: math.sin(3 * x), -math.pi, math.pi, "sin 3x"),
    "curve:steps": Curve(lambda x: float(math.floor(x)), -2, 2, "⌊x⌋"),
    "curve:bump": Curve(lambda x: math.exp(-4 * x * x), -2, 2, "exp(-4x²)"),
    "curve:wave": Curve(lambda x: math.sin(2 * x) + math.sin(5 * x) / 2, -math.pi, math.pi, "sin 2x + ½ sin 5x"),
}


def is_curve(name: str) -> bool:
    return name.startswith(PREFIX)


def curve_of(name: str) -> Curve:
    """Raises DataError, naming those there are, if there is none of that name."""
    if name not in CURVES:
        raise DataError(f"{name}: there is no such curve", mend=f"There are {', '.join(CURVES)}.")
    return CURVES[name]


def curve_table(name: str, points: int, noise: float, seed: int) -> Table:
    """Points evenly along x, y with normal noise of that deviation, as a table with the columns x and y."""
    curve = curve_of(name)
    errors = torch.randn(points, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * noise
    xs = torch.linspace(curve.low, curve.high, points, dtype=torch.float64).tolist()
    ys = [curve.function(x) + error for x, error in zip(xs, errors.tolist(), strict=True)]
    lines = [f"{name}, point {number}" for number in range(1, points + 1)]
    return Table([X, Y], [[f"{x:.9g}" for x in xs], [f"{y:.9g}" for y in ys]], lines)
