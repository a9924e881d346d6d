"""A training of a translator, told in the terminal: counts of pairs, chrF, translations beside their references."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pellucid.cli.console import one_line, out
from pellucid.cli.tables import print_samples, print_scores
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.tasks.translate import TranslateConfig

Event = Mapping[str, Any]


def data_line(event: Event) -> str:
    removed = sum(event["removed"].values())
    return say("train.data", **{**event, "removed": f"{removed:,}", "train": f"{event['train']:,}"})


def score_text(scores: Mapping[str, float]) -> str:
    return f"chrF {scores['chrf']:.1f}"


def evaluation(event: Event) -> None:
    """The scores, and another of the samples each time."""
    scores = event["scores"]
    out.print(say("train.sample", step=event["step"], chrf=f"{scores['chrf']:.1f}", bleu=f"{scores['bleu']:.1f}"))
    if event["samples"]:
        sample = event["samples"][event["step"] % len(event["samples"])]
        room = max(out.width - 6, 20)
        for sign, text in ((" ", sample["source"]), (">", sample["output"]), ("=", sample["references"][0])):
            style = "bold" if sign == ">" else "dim"
            out.print(f"  [{style}]{sign} {escape(one_line(text, room))}[/]", soft_wrap=False)


def print_outcome(run: "Run", tested: Event) -> None:
    """Scores, samples and next steps."""
    print_tested(run, tested)
    data = run.config.data
    out.print()
    out.print(say("report.written", path=run.path / "report.html"), markup=False, soft_wrap=True)
    out.print(say("next.title"))
    facts = {"run": run.path, "source": data.source, "target": data.target, "files": " ".join(data.files)}
    corpus = data.files[0].startswith("corpus:")
    for key in ("next.translate", "next.longer", *(("next.own",) if corpus else ())):
        out.print("  " + say(key, **facts), markup=False, soft_wrap=True)


def print_tested(run: "Run", tested: Event) -> None:
    print_scores(tested)
    out.print()
    print_samples(tested["samples"], say("samples.title"))


def about(config: "TranslateConfig") -> str:
    return f"{config.data.source}-{config.data.target}"


def scores_of(tested: Event) -> dict[str, float]:
    systems = tested["subsets"]["all"]["systems"]["model"]
    return {name: systems[name]["value"] for name in ("chrf", "bleu")}


def score_of(line: Event) -> str:
    scores = line["scores"] if "scores" in line else scores_of(line)
    return f"chrF {scores['chrf']:.1f}"
