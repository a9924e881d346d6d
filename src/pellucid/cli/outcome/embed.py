"""A training of word vectors, told in the terminal: words and scenes, neighbours, and how often they are right."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import one_line, out
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.tasks.embed import EmbedConfig

Event = Mapping[str, Any]
SHOWN = 8  # words whose neighbours are printed


def data_line(event: Event) -> str:
    return say(
        "embed.data",
        works=f"{len(event['works']):,}",
        scenes=f"{sum(event['scenes'].values()):,}",
        words=f"{event['train']:,}",
        vocabulary=f"{event['vocabulary']:,}",
        kept=f"{event['kept']:,}",
    )


def score_text(scores: Mapping[str, float]) -> str:
    return say("embed.score", related=f"{scores['related']:.1%}")


def evaluation(event: Event) -> None:
    """The score, and the neighbours of another word each time."""
    scores = event["scores"]
    out.print(say("embed.sample", step=event["step"], loss=f"{scores['loss']:.3f}", related=f"{scores['related']:.1%}"))
    sample = event["samples"][event["step"] % len(event["samples"])]
    line = one_line(f"{sample['word']}: {', '.join(sample['near'])}", max(out.width - 4, 20))
    out.print(f"  [dim]{escape(line)}[/]")


def print_outcome(run: "Run", tested: Event) -> None:
    """The judgement beside its baselines, neighbours, and next steps."""
    print_tested(run, tested)
    out.print()
    out.print(say("report.written", path=run.path / "report.html"), markup=False, soft_wrap=True)
    out.print(say("next.title"))
    word = next(iter(tested["neighbours"]))
    for key in ("embed.next.neighbours", "embed.next.see", "embed.next.export"):
        out.print("  " + say(key, run=run.path, word=word), markup=False, soft_wrap=True)


def print_tested(run: "Run", tested: Event) -> None:
    if tested["pairs"]:
        print_judged(tested)
    else:
        out.print(say("embed.unjudged"), markup=False)
    out.print()
    print_neighbours(tested)


def print_judged(tested: Event) -> None:
    """How often the related word is the nearer one, beside the baselines."""
    out.print(say("embed.judged", pairs=f"{tested['pairs']:,}"), markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("embed.system"))
    table.add_column(say("embed.right"), justify="right")
    for system, share in tested["systems"].items():
        style = "bold" if system == "model" else ""
        table.add_row(say(f"embed.system.{system}"), f"{share:.1%}", style=style)
    out.print(table)


def print_neighbours(tested: Event) -> None:
    near = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    near.add_column(say("embed.word"), no_wrap=True)
    near.add_column(say("embed.neighbours"), overflow="fold")
    for word, found in list(tested["neighbours"].items())[:SHOWN]:
        near.add_row(word, ", ".join(f"{one['word']} {one['cosine']:.2f}" for one in found[:5]))
    for one in tested["analogies"]:
        near.add_row(one["asked"], ", ".join(one["near"]))
    out.print(near)


def about(config: "EmbedConfig") -> str:
    files = config.data.files
    return f"embed {Path(files[0].removeprefix('sample:')).stem}" if files else "embed"


def scores_of(tested: Event) -> dict[str, float]:
    return {"related": tested["systems"]["model"]}


def score_of(line: Event) -> str:
    scores = line["scores"] if "scores" in line else scores_of(line)
    return f"{scores['related']:.1%}"
