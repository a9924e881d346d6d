"""`pellucid data check`: what is wrong with data, where it stands, and how to mend it.

Exit codes: 0 nothing was found, 1 something was, 2 what was named cannot be checked.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pellucid.cli.console import out, print_json
from pellucid.cli.words import say
from pellucid.errors import ConfigError

if TYPE_CHECKING:
    from pellucid.data.check.fault import Checked, Fault
    from pellucid.data.check.mend import Mended
    from pellucid.data.check.whole import Kind
    from pellucid.data.pairs import Pair

PLACES = 3  # shown of a kind of fault; the JSON has more


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Tables, folders of images, .npz, IDX, text files, sentence pairs, sample:NAME.", show_default=False
        ),
    ],
    kind: Annotated[
        str | None, typer.Option("--as", help="table, images, text or pairs; told by the names when not given.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Tables: the column to be predicted.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Tables: between the columns.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Pairs: the language to translate from.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Pairs: the language to translate to.")] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Pairs: files, or a run, whose held-out sentences must not be here; may be repeated."),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Pairs: write them mended, and a list of what was done.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where --fix writes: .tsv or .jsonl.", show_default=False)
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A kind of fault that is none here, by its id; may be repeated.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Faults of each kind that the JSON has; all are counted.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Find what is wrong with data before anything is trained on it: places, reasons and mends.

    Exit code 1 if something was found; with --fix if something stays.

    Example: pellucid data check houses.csv --target price

    Example: pellucid data check animals/ --json

    Example: pellucid data check pairs.tsv --held-out runs/en-zh --fix -o clean.tsv
    """
    from pellucid.data.check.mend import mending
    from pellucid.data.check.whole import check_files

    if fix != (output is not None):
        raise ConfigError("--fix and -o belong together", mend="Give both: --fix -o clean.tsv")
    with mending(output) if output else nullcontext() as mender:
        found = check_files(
            files,
            checked_kind(kind),
            target=target,
            delimiter=delimiter,
            languages=(source, to),
            ignored=ignore or (),
            kept=most,
            held_out=_held_out(held_out or (), source, to),
            mender=mender,
        )
    total = sum(one.findings.counts.total() for one in found)
    if json:
        written = {"fixed": {"file": str(output), **mender.done.json()}} if mender else {}
        print_json({"faults": total, "checked": [one.json() for one in found], **written})
    else:
        for one in found:
            _print(one)
        if mender and output:
            _print_mended(mender.done, output)
    if mender.done.outcomes["stays"] if mender else total:
        raise typer.Exit(1)


def _held_out(names: Sequence[str], source: str | None, target: str | None) -> list["Pair"]:
    """The pairs of files; of a run those that it held out for development and for the test."""
    from pellucid.data.pairs import Pair
    from pellucid.data.read import read_pairs

    pairs: list[Pair] = []
    for name in names:
        if (Path(name) / "config.toml").exists():
            from pellucid.run import Run
            from pellucid.tasks.translate import prepare

            run = Run.open(name)
            run.expect("translate")
            splits = prepare(run.config.data).splits
            for side, examples in (("dev", splits.dev), ("test", splits.test)):
                pairs += [Pair(one.source, one.references[0], f"{run.name}, {side}") for one in examples]
        else:
            pairs += read_pairs([name], source, target).pairs
    return pairs


def _print_mended(done: "Mended", output: Path) -> None:
    from pellucid.data.check.mend import OUTCOMES, report_of

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("check.kind"), no_wrap=True)
    for outcome in OUTCOMES:
        table.add_column(say(f"check.{outcome}"), justify="right", no_wrap=True)
    kinds = dict.fromkeys(kind for outcome in OUTCOMES for kind in done.outcomes[outcome])
    for kind in kinds:
        counts = [done.outcomes[outcome][kind] for outcome in OUTCOMES]
        table.add_row(Text(kind, "bold"), *(f"{count:,}" if count else "" for count in counts))
    if kinds:
        out.print(table)
    out.print(Text(say("check.fixed", pairs=f"{done.pairs:,}", file=output, report=report_of(output))), soft_wrap=True)


def checked_kind(kind: str | None) -> "Kind | None":
    """Raises ConfigError if there is no such kind of data."""
    if kind not in (None, "table", "images", "text", "pairs"):
        raise ConfigError(f"--as is {kind!r}: no such kind of data", mend="Use table, images, text or pairs.")
    return kind  # type: ignore[return-value]


def _print(one: "Checked") -> None:
    counts = one.findings.counts
    sizes = ", ".join(say(f"check.{what}", count=f"{count:,}") for what, count in one.size.items())
    out.print(Text(f"{one.name}: {sizes}"), soft_wrap=True)
    if not counts:
        out.print(Text(say("check.clean")), style="green")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("check.where"), overflow="fold", ratio=2)
    table.add_column(say("check.what"), overflow="fold", ratio=5)
    table.add_column(say("check.times"), justify="right", no_wrap=True)
    for kind, faults in one.findings.by_kind().items():
        table.add_row(_places(faults, counts[kind], one.name), _sentence(faults[0]), f"{counts[kind]:,}")
    out.print(table)
    out.print(Text(say("check.total", faults=f"{counts.total():,}", kinds=len(counts))))
    out.print()


def _places(faults: Sequence["Fault"], count: int, name: str) -> Text:
    """The first few places, without the name of the file that stands above."""
    shown = [_place(fault, name) for fault in faults[:PLACES]]
    shown = list(dict.fromkeys(shown))
    more = say("check.more", count=f"{count - PLACES:,}") if count > PLACES else ""
    return Text("\n".join(filter(None, [*shown, more])))


def _place(fault: "Fault", name: str) -> str:
    if fault.file != name:
        return fault.where(fault.file.removeprefix(f"{name.rstrip('/')}/"))
    at = []
    if fault.line is not None:
        at.append(say("check.line", line=f"{fault.line:,}"))
    if fault.row is not None:
        at.append(say("check.row", row=f"{fault.row:,}"))
    if fault.column is not None:
        at.append(fault.column)
    return ", ".join(at) or say("check.whole")


def _sentence(fault: "Fault") -> Text:
    return Text.assemble((fault.kind, "bold"), "  ", fault.said(), "\n", (fault.mend(), "dim"), overflow="fold")
