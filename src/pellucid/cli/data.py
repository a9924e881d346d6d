"""`pellucid data show`: what would be read from files, before anything is trained on it; here of sentence pairs."""

from itertools import pairwise
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import one_line, out, print_json
from pellucid.cli.data_check import checked_kind
from pellucid.cli.data_survey import show_survey
from pellucid.cli.words import say
from pellucid.errors import DataError

BINS = (0, 10, 20, 40, 60, 100, 150, 250, 400, 1 << 30)
SAMPLES = 6


def show(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Sentence pairs, tables, images or texts: files, folders, globs, sample:NAME.", show_default=False
        ),
    ],
    source: Annotated[str | None, typer.Option("--from", help="Language to translate from.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Language to translate to.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the columns of a table.")] = None,
    held_out: Annotated[int, typer.Option(help="Pairs: sources to hold out, twice.")] = 1000,
    kind: Annotated[
        str | None, typer.Option("--as", help="pairs, table, images or text; told by the names when not given.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="Images: width x height that each is brought to.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Show what training would read: of pairs counts, filters, samples, lengths, splits; of tables each column.

    Of images the classes, of texts their characters. `data check` looks for faults.

    Example: pellucid data show pairs.tsv --from en --to zh

    Example: pellucid data show houses.csv
    """
    found = checked_kind(kind) or kind_of_files(files, source, target)
    if found != "pairs":
        show_survey(files, found, delimiter, size, json)
        return
    from pellucid.data.filters import Limits, clean
    from pellucid.data.read import read_pairs
    from pellucid.data.splits import split

    reading = read_pairs(files, source, target, delimiter)
    cleaned = clean(reading.pairs, reading.source, reading.target, Limits())
    if not reading.pairs:
        raise DataError(
            f"{', '.join(files)}: no pair in it", mend="Each line holds a sentence, a tab, its translation."
        )
    splits = split(cleaned.pairs, held_out)
    survey = {
        "source": reading.source,
        "target": reading.target,
        "files": [
            {"path": file.path, "kind": file.kind, "pairs": file.pairs, "left_out": file.left_out}
            for file in reading.files
        ],
        "read": len(reading.pairs),
        "removed": cleaned.removed,
        "removed_samples": {
            name: [{"source": p.source, "target": p.target, "origin": p.origin} for p in pairs]
            for name, pairs in cleaned.samples.items()
        },
        "kept": len(cleaned.pairs),
        "sources": len({pair.source for pair in cleaned.pairs}),
        "clusters": splits.clusters,
        "largest_cluster": splits.largest_cluster,
        "train": len(splits.train),
        "dev": len(splits.dev),
        "test": len(splits.test),
        "lengths": {
            "edges": list(BINS),
            "source": _histogram([len(pair.source) for pair in cleaned.pairs]),
            "target": _histogram([len(pair.target) for pair in cleaned.pairs]),
        },
        "samples": [
            {"source": p.source, "target": p.target, "origin": p.origin}
            for p in cleaned.pairs[:: max(len(cleaned.pairs) // SAMPLES, 1)][:SAMPLES]
        ],
    }
    if json:
        print_json(survey)
    else:
        _print(survey)


def kind_of_files(files: list[str], source: str | None, target: str | None) -> str:
    """What the first of them is."""
    from pellucid.data.check.whole import kind_of

    return kind_of(files[0], bool(source or target))


def _print(survey: dict[str, Any]) -> None:
    facts = {key: f"{value:,}" if isinstance(value, int) else value for key, value in survey.items()}
    out.print(say("data.title", **facts), markup=False)
    files = _table("data.file", "data.format", "data.pairs", "data.left_out")
    for file in survey["files"]:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in file["left_out"].items())
        files.add_row(escape(file["path"]), file["kind"], f"{file['pairs']:,}", left_out)
    out.print(files)
    filters = _table("data.filter", "data.taken", "data.example")
    for name, count in survey["removed"].items():
        sample = next(iter(survey["removed_samples"].get(name, [])), None)
        shown = f"{one_line(sample['source'], 30)} | {one_line(sample['target'], 20)}" if sample else ""
        filters.add_row(name, f"{count:,}", escape(shown))
    out.print(filters)
    lengths = _table("data.characters", "data.source", "data.target")
    for low, high, *counts in zip(
        BINS, BINS[1:], survey["lengths"]["source"], survey["lengths"]["target"], strict=False
    ):
        label = f"{low}-{high - 1}" if high < BINS[-1] else f"{low}+"
        lengths.add_row(label, *(f"{count:,}" for count in counts))
    out.print(lengths)
    out.print(
        say(
            "data.kept",
            **{key: facts[key] for key in ("kept", "sources", "clusters")},
            largest=facts["largest_cluster"],
        ),
        markup=False,
    )
    out.print(say("data.sides", **facts), markup=False)
    samples = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title=say("data.samples"), title_justify="left")
    samples.add_column(say("data.source"), ratio=1, overflow="fold")
    samples.add_column(say("data.target"), ratio=1, overflow="fold")
    for sample in survey["samples"]:
        samples.add_row(escape(one_line(sample["source"], 120)), escape(one_line(sample["target"], 120)))
    out.print()
    out.print(samples)


def _table(*keys: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key in keys:
        number = key in ("data.pairs", "data.taken") or (keys[0] == "data.characters" and key != keys[0])
        table.add_column(say(key), justify="right" if number else "left", overflow="fold")
    return table


def _histogram(lengths: list[int]) -> list[int]:
    return [sum(low <= length < high for length in lengths) for low, high in pairwise(BINS)]
