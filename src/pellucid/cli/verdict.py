"""A comparison told in the terminal: the verdict, scores seed by seed or group by group, curves, what differs.

The sentences are those of the page (see/report/comparison.py); it is made of the same `Comparison.json()`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pellucid.cli.console import one_line, out
from pellucid.cli.sparks import block
from pellucid.cli.words import say
from pellucid.see.report.comparison import (
    about_gap,
    figure,
    group_name,
    number,
    remarks,
    sentences,
    setting,
    signed,
)
from pellucid.see.report.words import words
from pellucid.words import spoken

Told = Mapping[str, Any]
Points = Sequence[tuple[int, float]]
LABEL = 26  # columns at most for the name of a group beside its curve
CURVE = 40  # columns at most for a curve
LOGARITHMIC = 20  # times that the highest value is the lowest, from which a curve is drawn on a logarithmic scale
WIDE = 100  # columns from which the table of groups has the interval


def print_comparison(told: Told) -> None:
    """Everything that the page says, as far as letters can."""
    print_verdict(told)
    if told["cured"]:
        print_seeds(told)
        if gap := about_gap(told):
            _print_sentences(gap)
            out.print()
    else:
        print_groups(told)
    print_curves(told)
    if not told["cured"]:
        print_settings(told)


def print_verdict(told: Told) -> None:
    for head, *rest in sentences(told):
        out.print(Text(_sentence(*head), style="bold"))
        _print_sentences(rest)
    _print_sentences(remarks(told))
    out.print()


def print_seeds(told: Told) -> None:
    """A row a seed: as it was, with the change, and the difference; then mean and deviation."""
    without, treated = ({one["seed"]: one for one in group["trainings"]} for group in told["groups"][:2])
    effect = told["effects"][0] if told["effects"] else None
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title=_score_head(told), title_justify="left")
    table.title_style = ""
    for key in ("seed", "untreated", "treated", "difference"):
        table.add_column(_word(key), justify="right", no_wrap=True)
    for seed in without:
        pair = (without[seed], treated[seed])
        known = all(one["score"] is not None for one in pair)
        difference = signed(told, pair[1]["score"] - pair[0]["score"]) if known else ""
        table.add_row(str(seed), *(_score(told, one) for one in pair), difference)
    groups = told["groups"][:2]
    known = effect is not None and effect["mean"] is not None
    means = [number(told, group["mean"]) for group in groups]
    table.add_section()
    table.add_row(_word("mean"), *means, signed(told, effect["mean"]) if known and effect else "", style="bold")
    table.add_row(_word("deviation"), *(number(told, group["deviation"]) for group in groups), "", style="dim")
    out.print(table)
    out.print()


def print_groups(told: Told) -> None:
    """A row a group: seeds, mean, deviation, the difference to the first and its interval."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title=_score_head(told), title_justify="left")
    table.title_style = ""
    table.add_column(_word("group"), overflow="fold", min_width=8)
    keys = ("seeds", "mean", "deviation", "difference", *(("interval",) if out.width >= WIDE else ()))
    for key in keys:
        table.add_column(_word(key), justify="right", no_wrap=key != "deviation")
    for place, group in enumerate(told["groups"]):
        effect = told["effects"][place - 1] if place and told["effects"] else None
        known = effect is not None and effect["mean"] is not None
        cells = [str(len(group["seeds"])), number(told, group["mean"]), number(told, group["deviation"])]
        cells.append(signed(told, effect["mean"]) if known and effect else "")
        if out.width >= WIDE:
            cells.append(f"{signed(told, effect['low'])} … {signed(told, effect['high'])}" if known and effect else "")
        table.add_row(escape(_label(told, place)), *cells)
    out.print(table)
    for group in told["groups"]:
        for one in group["trainings"]:
            if one["standing"] != "scored":
                out.print(
                    f"{one['path']}: {_word('standing.' + one['standing'])} {one['failed'] or ''}".rstrip(),
                    markup=False,
                )
    out.print()


def print_curves(told: Told) -> None:
    """Each group's loss over its steps, the mean over seeds; all on one scale."""
    for key, of in (("plot.dev_loss", "dev_losses"), ("plot.train_loss", "losses")):
        curves = [mean_curve([one[of] for one in group["trainings"]]) for group in told["groups"]]
        there = [value for curve in curves for _, value in curve]
        if not there:
            continue
        last = max(step for curve in curves for step, _ in curve)
        labels = [one_line(_label(told, place), min(LABEL, out.width // 3)) for place in range(len(curves))]
        widest = max(map(cell_len, labels))
        width = max(min(CURVE, out.width - widest - 24), 8)
        out.print(Text(_word(key), style="dim"))
        for label, curve in zip(labels, curves, strict=True):
            drawn = sparkline(curve, width, last, min(there), max(there))
            ends = f"{figure(curve[0][1])} → {figure(curve[-1][1])}" if curve else "–"
            out.print(Text(f"  {label}{' ' * (widest - cell_len(label))}  {drawn}  {ends}"), no_wrap=True)
    out.print()


def print_settings(told: Told) -> None:
    """Of each group but the first, the fields in which it is not like that one."""
    if not told["differing"]:
        return
    out.print(say("compare.differs", first=_label(told, 0)), markup=False)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", max_width=LABEL)
    table.add_column(overflow="fold")
    for place in range(1, len(told["groups"])):
        changed = [
            f"{name} {_setting(values[0])} → {_setting(values[place])}"
            for name, values in told["differing"].items()
            if values[place] != values[0]
        ]
        table.add_row(escape(_label(told, place)), escape("; ".join(changed)))
    out.print(Padding(table, (0, 0, 0, 2)))
    out.print()


def mean_curve(curves: Sequence[Points]) -> list[tuple[int, float]]:
    """The mean over several curves, from where all have begun to where the first one ends."""
    known = [curve for curve in curves if curve]
    if not known:
        return []
    begin, end = max(curve[0][0] for curve in known), min(curve[-1][0] for curve in known)
    steps = sorted({step for curve in known for step, _ in curve if begin <= step <= end})
    return [(step, math.fsum(value_at(curve, step) for curve in known) / len(known)) for step in steps]


def sparkline(curve: Points, width: int, last: int, low: float, high: float) -> str:
    """A curve over steps 0 to `last` as a row of blocks of eight heights from `low` to `high`; spaces beyond it."""
    if not curve:
        return " " * width
    logarithmic = low > 0 and high / low > LOGARITHMIC
    scaled = math.log if logarithmic else float
    bottom, span = scaled(low), (scaled(high) - scaled(low)) or 1.0
    blocks = []
    for column in range(width):
        step = (column + 0.5) / width * last
        if step > curve[-1][0] + last / width or step < curve[0][0] - last / width:
            blocks.append(" ")
            continue
        blocks.append(block((scaled(value_at(curve, step)) - bottom) / span))
    return "".join(blocks)


def value_at(curve: Points, step: float) -> float:
    """Between two points on the straight line that joins them; beyond the ends, the ends."""
    before = max((point for point in curve if point[0] <= step), default=curve[0])
    after = min((point for point in curve if point[0] >= step), default=curve[-1])
    if after[0] == before[0]:
        return before[1]
    share = (step - before[0]) / (after[0] - before[0])
    return before[1] + min(max(share, 0.0), 1.0) * (after[1] - before[1])


def _setting(value: Any) -> str:
    return one_line(setting(value), out.width // 3)


def _score(told: Told, one: Told) -> str:
    return (
        number(told, one["score"])
        if one["standing"] == "scored"
        else _word(f"standing.{one['standing']}").rstrip(":：")
    )


def _score_head(told: Told) -> str:
    way = say("compare.more" if told["score"]["higher"] else "compare.less")
    return say("compare.score", score=_word(f"score.{told['score']['name']}"), way=way)


def _label(told: Told, place: int) -> str:
    name = group_name(told, place)
    return _word("untreated") if name is None else name


def _print_sentences(said: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    for key, values in said:
        out.print(Text(_sentence(key, values)))


def _sentence(key: str, values: Mapping[str, str]) -> str:
    return _word(key).format(**values)


def _word(key: str) -> str:
    return words("compare", spoken())[key]
