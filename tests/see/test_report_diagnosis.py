"""The section of the doctor in a report: its learning curve is drawn, with what it lacks."""

from typing import Any

from pellucid.see.report.diagnosis import learning_curve
from pellucid.see.report.plots import Plot
from pellucid.see.report.words import both_of


def told(*points: tuple[int, float, float], stopped: bool = False) -> dict[str, Any]:
    named = [dict(zip(("examples", "training", "held_out"), point, strict=True)) for point in points]
    broken = [{"examples": 31, "why": "<b>diverged</b>"}]
    return {"learning_curve": {"points": named, "broken": broken, "stopped": stopped}}


def test_the_points_of_a_learning_curve_are_drawn_over_the_examples_and_lost_ones_named() -> None:
    body = learning_curve(both_of("classify"), told((62, 0.1, 0.3), (124, 0.05, 0.2)))
    (plot,) = [part for part in body if isinstance(part, Plot)]
    assert {tuple(trace["x"]): tuple(trace["y"]) for trace in plot.traces[:1]} == {(62, 124): (0.3, 0.2)}
    assert plot.layout["xaxis"]["ticktext"] == ["62", "124"]
    text = "".join(part for part in body if isinstance(part, str))
    assert "&lt;b&gt;diverged&lt;/b&gt;" in text


def test_a_single_point_is_said_and_a_stopped_curve_says_so() -> None:
    both = both_of("classify")
    alone = learning_curve(both, told((124, 0.05, 0.2)))
    assert not any(isinstance(part, Plot) for part in alone)
    assert any("124" in part and "0.2" in part for part in alone if isinstance(part, str))
    stopped = learning_curve(both, told((62, 0.1, 0.3), (124, 0.05, 0.2), stopped=True))
    assert not any(isinstance(part, Plot) for part in stopped)
    assert learning_curve(both, {}) == []
