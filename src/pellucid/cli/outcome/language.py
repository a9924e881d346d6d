"""A training of a language model, told in the terminal: bits per character, and a text that grows more like one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import out
from pellucid.cli.tables import title_of
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.tasks.language import LanguageConfig

Event = Mapping[str, Any]
LINES = 4  # of the sample at an evaluation
BAR = 24  # columns for a bar at most


def data_line(event: Event) -> str:
    characters = event["characters"]
    said = [
        say(
            f"language.data.{event['by']}",
            texts=f"{len(event['works']):,}",
            train=f"{characters['train']:,}",
            dev=f"{characters['dev']:,}",
            test=f"{characters['test']:,}",
            vocabulary=f"{event['vocabulary']:,}",
            pieces=say(f"language.{event['pieces']}"),
        )
    ]
    said += [say(f"language.noticed.{what}", count=f"{count:,}") for what, count in event["noticed"].items()]
    return "\n".join(said)


def score_text(scores: Mapping[str, float]) -> str:
    return say("language.score", bits=f"{scores['bits_per_character']:.3f}")


def evaluation(event: Event) -> None:
    """The scores, and some lines that the model wrote."""
    scores = event["scores"]
    out.print(
        say(
            "language.evaluation",
            step=event["step"],
            bits=f"{scores['bits_per_character']:.3f}",
            perplexity=f"{scores['perplexity']:.2f}",
        )
    )
    for sample in event["samples"][:1]:
        for line in [line for line in sample["text"].splitlines() if line.strip()][:LINES]:
            out.print(f"  [dim]{escape(line[: max(out.width - 4, 20)])}[/]", soft_wrap=False)


def print_outcome(run: "Run", tested: Event) -> None:
    """Bits per character beside counts and compressors, a sample, next steps."""
    print_tested(run, tested)
    out.print()
    sample = tested["samples"][0]
    out.print(say("report.written", path=run.path / "report.html"), markup=False, soft_wrap=True)
    out.print(say("next.title"))
    prompt = next((line for line in sample["prompt"].splitlines() if line), "")
    facts = {"run": run.path, "prompt": prompt.replace('"', "'"), "files": " ".join(run.config.data.files)}
    sampled = run.config.data.files[0].startswith("sample:")
    for key in ("generate", "longer", *(("own",) if sampled else ())):
        out.print("  " + say(f"language.next.{key}", **facts), markup=False, soft_wrap=True)


def print_tested(run: "Run", tested: Event) -> None:
    print_bits(tested)
    out.print()
    sample = tested["samples"][0]
    out.print(say("language.sample"), style="bold")
    lines = (sample["prompt"] + sample["text"]).splitlines()
    for line in lines[:14]:
        out.print("  " + line, markup=False, soft_wrap=False)


def print_bits(tested: Event) -> None:
    """One row a system, the model first; fewer bits are better."""
    systems = tested["systems"]
    most = max(found["bits_per_character"] for found in systems.values())
    title = say(title_of("language.scores", tested), split=tested["split"], characters=f"{tested['characters']:,}")
    out.print(title, markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("language.system"), overflow="fold")
    table.add_column(say("language.bits"), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for system, found in systems.items():
        bits = f"{found['bits_per_character']:.3f}"
        if "low" in found:
            bits += f" [dim]{found['low']:.3f}-{found['high']:.3f}[/]"
        bar = "█" * max(round(BAR * found["bits_per_character"] / most), 1)
        table.add_row(say(f"language.system.{system}"), bits, bar, style="bold" if system == "model" else None)
    out.print(table)
    out.print(say("language.perplexity", perplexity=f"{tested['perplexity']:.2f}"), style="dim", markup=False)


def about(config: "LanguageConfig") -> str:
    return f"{config.task} {config.model.cell}"


def scores_of(tested: Event) -> dict[str, float]:
    return {
        "bits_per_character": tested["systems"]["model"]["bits_per_character"],
        "perplexity": tested["perplexity"],
    }


def score_of(line: Event) -> str:
    scores = line["scores"] if "scores" in line else scores_of(line)
    return say("language.score", bits=f"{scores['bits_per_character']:.3f}")
