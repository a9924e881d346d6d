"""`pellucid export`: a trained run for another engine, and how far the two are apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pellucid.cli.console import err, find_run, out, print_json
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.adapt.parity import Parity
    from pellucid.generate.exported import Format
    from pellucid.run import Run


def export(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    to: Annotated[
        str | None,
        typer.Option(
            help="ctranslate2 (fast), onnx, or safetensors-hf (transformers); word2vec, of word vectors alone.",
            show_default="ctranslate2",
        ),
    ] = None,
    quantize: Annotated[str, typer.Option(help="none, or int8: weights in 8 bits (ctranslate2).")] = "none",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder; else the run's own, where translate uses it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The comparison as one JSON object.")] = False,
) -> None:
    """Write a run's model for another engine, and compare the two on the run's held-out sentences.

    Example: pellucid export runs/en-zh --to ctranslate2 --quantize int8
    """
    from pellucid import api
    from pellucid.adapt.export import check_format
    from pellucid.generate.exported import FORMATS
    from pellucid.run import Run

    if to == "word2vec":
        _export_words(Run.open(find_run(run)), output, json)
        return
    to, quantize = check_format(to or "ctranslate2", quantize)  # a wrong name is told before anything is loaded
    opened, form = Run.open(find_run(run)), FORMATS[to]
    compared = api.export(opened, to, output, quantize)
    folder = output or opened.path / form.folder
    size, size_before = form.size(folder), (opened.path / "model.safetensors").stat().st_size
    if compared is None:
        _say_why_not(form)
    if json:
        found = compared.as_dict() if compared else None
        print_json({"path": str(folder), "format": to, "bytes": size, "bytes_before": size_before, "parity": found})
        return
    out.print(say("export.written", size=_megabytes(size), path=folder), markup=False)
    if compared is not None:
        _print_parity(compared, form.label, size_before, size)
    if output is None or to == "safetensors-hf":
        out.print(say("next.title"), style="bold", markup=False)
        out.print(f"  {say(f'export.next.{to}', run=opened.path, path=folder)}", markup=False)


def _export_words(run: "Run", output: Path | None, json: bool) -> None:
    from pellucid.adapt.word2vec import write_word2vec
    from pellucid.data.words import Vocabulary
    from pellucid.tasks.embed import VOCABULARY, words_of

    run.expect("embed")
    words, table = Vocabulary.load(run.path / VOCABULARY).words, words_of(run.model)
    path = output or run.path / "vectors.txt"
    write_word2vec(path, words, table)
    facts = {"path": str(path), "words": len(words), "dimension": table.size(1)}
    if json:
        print_json({**facts, "format": "word2vec", "bytes": path.stat().st_size})
        return
    out.print(say("embed.exported", **{**facts, "words": f"{len(words):,}"}), markup=False, soft_wrap=True)


def _say_why_not(form: "Format") -> None:
    if form.is_installed():
        reason = say("export.no_data")
    else:
        reason = say("export.no_package", package=form.package, extra=form.extra)
    err.print(f"{say('warning')} {reason}", markup=False)


def _print_parity(parity: "Parity", label: str, size_before: int, size_after: int) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("export.title", sentences=f"{parity.sentences:,}"), overflow="fold")
    for name in ("PyTorch", label):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("chrF", f"{parity.chrf:.1f}", f"{parity.chrf_exported:.1f}")
    table.add_row("BLEU", f"{parity.bleu:.1f}", f"{parity.bleu_exported:.1f}")
    rates = (parity.sentences / seconds for seconds in (parity.seconds, parity.seconds_exported))
    table.add_row(say("export.speed"), *(f"{rate:,.0f}" for rate in rates))
    table.add_row(say("export.size"), _megabytes(size_before), _megabytes(size_after))
    out.print(table)
    words = say(
        "export.identical",
        share=f"{parity.identical:.1%}",
        largest=f"{parity.largest_difference:.2g}",
        mean=f"{parity.mean_difference:.2g}",
    )
    out.print(words, style="dim", markup=False)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
