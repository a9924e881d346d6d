"""`pellucid export`: a trained run for another engine, and how far the two are apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pellucid.cli.console import err, find_run, out, print_json
from pellucid.cli.words import say
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.adapt.ctranslate2 import Quantization
    from pellucid.adapt.parity import Parity

FORMATS = ("ctranslate2",)
QUANTIZATIONS: tuple["Quantization", ...] = ("none", "int8")


def export(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    to: Annotated[str, typer.Option(help="ctranslate2.")] = "ctranslate2",
    quantize: Annotated[str, typer.Option(help="none or int8: weights in 8 bits.")] = "none",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder; else the run's own, where translate uses it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The comparison as one JSON object.")] = False,
) -> None:
    """Write a run's model for a faster engine, and compare the two on the run's held-out sentences.

    Example: pellucid export runs/en-zh --to ctranslate2 --quantize int8
    """
    if to not in FORMATS:
        raise ConfigError(f"--to is {to!r}: no such format", mend=f"Use {' or '.join(FORMATS)}.")
    if quantize not in QUANTIZATIONS:
        raise ConfigError(f"--quantize is {quantize!r}: not offered", mend=f"Use {' or '.join(QUANTIZATIONS)}.")
    from pellucid import api
    from pellucid.generate.ctranslate2 import FOLDER
    from pellucid.run import Run

    opened = Run.open(find_run(run))
    compared = api.export(opened, output, quantize)
    folder = output or opened.path / FOLDER
    size = (folder / "model.bin").stat().st_size
    if json:
        whole = (opened.path / "model.safetensors").stat().st_size
        found = compared.as_dict() if compared else None
        print_json({"path": str(folder), "bytes": size, "bytes_before": whole, "parity": found})
        return
    out.print(say("export.written", size=_megabytes(size), path=folder), markup=False)
    if compared is None:
        err.print(f"{say('warning')} {say('export.no_data')}", markup=False)
    else:
        _print_parity(compared, (opened.path / "model.safetensors").stat().st_size, size)
    if output is None:
        out.print(say("next.title"), style="bold", markup=False)
        out.print(f"  {say('export.next', run=opened.path)}", markup=False)


def _print_parity(parity: "Parity", size_before: int, size_after: int) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("export.title", sentences=f"{parity.sentences:,}"), overflow="fold")
    for name in ("export.torch", "export.exported"):
        table.add_column(say(name), justify="right", no_wrap=True)
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
