"""`pellucid predict`: a trained run, given a file, says what it makes of each example in it."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.words import say
from pellucid.errors import ConfigError, DataError

LIKELIEST = 3  # classes shown beside the first


def predict(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    file: Annotated[
        str, typer.Argument(help="A table, a picture, a folder of pictures, .npz or IDX.", show_default=False)
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here, as CSV.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV: a line an example, a column a number.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON object an example, with all probabilities.")] = False,
) -> None:
    """Say the class of each example, with probabilities, or the number that is predicted for it.

    Example: pellucid predict runs/digits seven.png
    """
    from pellucid.run import Run

    opened = Run.open(find_run(run))
    if as_csv and json:
        raise ConfigError("--csv and --json were both given", mend="Give one of them.")
    found = opened.predict(file)
    if output is not None:
        _write(found, output)
    elif json:
        for one in found:
            print_json(one)
    elif as_csv:
        _write_csv(found, sys.stdout)
    else:
        _print(found)


def flat(one: dict[str, Any]) -> dict[str, Any]:
    """One line of a table: a probability a column."""
    told = {key: value for key, value in one.items() if not isinstance(value, dict)}
    for key, values in one.items():
        if isinstance(values, dict):
            told |= {f"p({name})" if key == "probabilities" else f"{key}.{name}": v for name, v in values.items()}
    return told


def _write(found: list[dict[str, Any]], output: Path) -> None:
    from io import StringIO

    from pellucid.files import write_text

    text = StringIO()
    _write_csv(found, text)
    try:
        write_text(output, text.getvalue())
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror})", mend="Choose another place.") from None


def _write_csv(found: list[dict[str, Any]], file: Any) -> None:
    rows = [flat(one) for one in found]
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print(found: list[dict[str, Any]]) -> None:
    """A table of what was found; how many are right, where the file tells."""
    classes = all("class" in one for one in found)
    truths = any("truth" in one for one in found)
    names = ["name", *(["class", "probability", "others"] if classes else []), *(["truth"] if truths else [])]
    if not classes:
        names = list(dict.fromkeys(key for one in found for key, value in one.items() if not isinstance(value, dict)))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:  # of columns
        words = say(f"predict.{name}") if name in WORDED else name
        number = name == "probability" or (not classes and name not in ("name", "line"))
        table.add_column(words, justify="right" if number else "left", overflow="fold")
    for one in found:
        table.add_row(*(_cell(one, name) for name in names))
    out.print(table)
    told = [one for one in found if "truth" in one and classes]
    if told:
        right = sum(one["truth"] == one["class"] for one in told)
        out.print(
            say("predict.right", right=f"{right:,}", count=f"{len(told):,}", share=f"{100 * right / len(told):.1f}")
        )


WORDED = ("name", "line", "class", "probability", "others", "truth", "prediction")


def _cell(one: dict[str, Any], name: str) -> str:
    if name in ("name", "line"):
        return escape(str(one[name]))
    if name == "probability":
        return f"{100 * one['probability']:.1f}%"
    if name == "others":
        rest = sorted(one["probabilities"].items(), key=lambda pair: -pair[1])[1 : LIKELIEST + 1]
        return escape(", ".join(f"{label} {100 * share:.1f}%" for label, share in rest if share >= 0.0005))
    value = one.get(name, "")
    return f"{value:,.6g}" if isinstance(value, float) else escape(str(value))
