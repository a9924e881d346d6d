"""The tables that several commands print: scores beside the baselines, and sample translations."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import one_line, out
from pellucid.cli.words import say

MEASURES = {"chrf": "chrF", "bleu": "BLEU", "exact": "exact", "placeholders": "placeholders"}
SAMPLES = 8
NARROW = 60  # columns below which intervals are left out


def print_scores(test: Mapping[str, Any]) -> None:
    """The model and both baselines, for all sentences and for those of four words or more."""
    out.print(say(title_of("scores.title", test), split=test["split"]), markup=False)
    for subset, result in test["subsets"].items():
        measures = [m for m in MEASURES if any(m in scores for scores in result["systems"].values())]
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column(say(f"scores.{subset}", pairs=f"{result['pairs']:,}"), overflow="fold")
        for measure in measures:
            table.add_column(MEASURES[measure], justify="right", no_wrap=True)
        for system, scores in result["systems"].items():
            cells = [_cell(scores.get(measure)) for measure in measures]
            table.add_row(say(f"scores.{system}"), *cells, style="bold" if system == "model" else None)
        out.print(table)
        out.print()
    out.print(say("scores.interval"), style="dim", markup=False)


def title_of(key: str, tested: Mapping[str, Any]) -> str:
    """The key of a title: of what the run held out, or of other files."""
    return key if tested["split"] in ("test", "dev") else f"{key}.on"


def print_samples(samples: Sequence[Mapping[str, Any]], title: str) -> None:
    """A few, evenly from best to worst: the translation beside its reference."""
    chosen = samples[:: max(len(samples) // SAMPLES, 1)][:SAMPLES]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left", title=title, title_style="")
    for key in ("samples.source", "samples.output", "samples.reference"):
        table.add_column(say(key), ratio=1, overflow="fold")
    limit = out.width * 2 // 3
    for sample in chosen:
        texts = (sample["source"], sample["output"], sample["references"][0])
        table.add_row(*(escape(one_line(text, limit)) for text in texts))
    out.print(table)


def _cell(score: Mapping[str, float] | None) -> str:
    if score is None:
        return ""
    value = f"{score['value']:.1f}"
    if out.width < NARROW:
        return value
    return f"{value} [dim]{score['low']:.0f}-{score['high']:.0f}[/]"
