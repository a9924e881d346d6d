"""What `pellucid data show` prints of tables, images and texts; data.py prints sentence pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import one_line, out, print_json
from pellucid.cli.words import say

SHOWN = 40  # columns, classes or texts; the JSON has all
ALPHABET = 60  # characters


def show_survey(files: Sequence[str], kind: str, delimiter: str | None, size: str | None, json: bool) -> None:
    """Raises DataError as training does where something cannot be read; `data check` then finds all such places."""
    survey = {"kind": kind, "files": list(files), **_survey(files, kind, delimiter, size)}
    if json:
        print_json(survey)
        return
    {"table": _print_table, "images": _print_images, "text": _print_texts}[kind](survey)


def _survey(files: Sequence[str], kind: str, delimiter: str | None, size: str | None) -> dict[str, Any]:
    from pellucid.data.check.whole import is_made, made_table
    from pellucid.data.columns import read_table
    from pellucid.data.images import read_images
    from pellucid.data.survey import survey_images, survey_table, survey_texts
    from pellucid.data.works import read_works

    if kind == "table":
        made = len(files) == 1 and is_made(files[0])
        return survey_table(made_table(files[0])[0] if made else read_table(files, delimiter))
    if kind == "images":
        return survey_images(read_images(files, size, fewest_classes=1))
    return survey_texts(read_works(files))


def _print_table(survey: Mapping[str, Any]) -> None:
    columns = survey["columns"]
    out.print(say("survey.table", rows=f"{survey['rows']:,}", columns=f"{len(columns):,}"), markup=False)
    table = _table("survey.column", "survey.missing", "survey.different", "survey.holds")
    for column in columns[:SHOWN]:
        if column["kind"] == "number":
            holds = say("survey.numbers", **{key: f"{column[key]:.4g}" for key in ("lowest", "mean", "highest")})
        else:
            holds = ", ".join(f"{one['text']} ({one['rows']:,})" for one in column["frequent"])
        counts = (f"{column[key]:,}" for key in ("missing", "different"))
        table.add_row(escape(column["name"]), *counts, escape(one_line(holds, max(out.width // 2, 20))))
    out.print(table)
    _say_more(len(columns))


def _print_images(survey: Mapping[str, Any]) -> None:
    facts = {**survey, "images": f"{survey['images']:,}", "brightness": f"{survey['brightness']:.2f}"}
    out.print(say(f"survey.images.{survey['channels']}", **facts), markup=False)
    if survey["sides"]:
        said = ", ".join(f"{name} {count:,}" for name, count in survey["sides"].items())
        out.print(say("survey.sides", sides=said), markup=False)
    table = _table("survey.class", "survey.count")
    for one in survey["classes"][:SHOWN]:
        table.add_row(escape(one["name"]), f"{one['images']:,}")
    out.print(table)
    _say_more(len(survey["classes"]))


def _print_texts(survey: Mapping[str, Any]) -> None:
    works = survey["works"]
    facts = {"texts": f"{len(works):,}", **{key: f"{survey[key]:,}" for key in ("characters", "different")}}
    out.print(say("survey.texts", **facts), markup=False)
    alphabet = "".join(sign for sign in survey["alphabet"] if sign.isprintable() and sign != " ")[:ALPHABET]
    out.print(say("survey.alphabet", signs=alphabet), markup=False, style="dim")
    table = _table("survey.text", "survey.characters", "survey.lines", "survey.words")
    for work in works[:SHOWN]:
        counts = (f"{work[key]:,}" for key in ("characters", "lines", "words"))
        table.add_row(escape(work["name"]), *counts)
    out.print(table)
    _say_more(len(works))


def _say_more(count: int) -> None:
    if count > SHOWN:
        out.print(say("check.more", count=f"{count - SHOWN:,}"), style="dim", markup=False)


def _table(first: str, *keys: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say(first), overflow="fold")
    for key in keys:
        right = key != "survey.holds"
        table.add_column(say(key), justify="right" if right else "left", no_wrap=right)
    return table
