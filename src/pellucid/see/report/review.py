"""The page on which the proposals for a localization file are reviewed: what came of it, and every entry, worst first.

Made of what a filling's summary and its rows tell as plain data; review.js writes the rows, a step at a time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from pellucid.generate.filling.place import write_bytes
from pellucid.generate.filling.review import Row, table_of, told
from pellucid.see.report.elements import Body, Section, copied, headline, paragraph, table
from pellucid.see.report.page import framed
from pellucid.see.report.words import both_of
from pellucid.words import spoken

both = both_of("review")
Told = Mapping[str, Any]
SHOWN = 20_000  # rows of a page: more than a person reads, and as much as a browser opens in a moment
SPACE = '<span class="en"> </span>'  # between sentences; Chinese has none
STATES = ("refused", "model", "memory", "copied", "existing")


def write_reviews(
    paths: Sequence[Path], summary: Told, rows: Sequence[Row], languages: tuple[str, str], run: str
) -> None:
    """Write the review to each path: a table where it ends in .csv, else the page. Raises DataError."""
    for path in paths:
        if path.suffix.lower() == ".csv":
            write_bytes(path, table_of(rows, spoken()))
        else:
            page = review_page(summary, rows, languages, run)
            write_bytes(path, page.encode("utf-8", "replace"))


def review_page(summary: Told, rows: Sequence[Row], languages: tuple[str, str], run: str) -> str:
    """The whole page as HTML; `summary` is what a Summary tells as plain data, `rows` come worst first."""
    name, shown = PurePath(summary["output"]).name, [told(row) for row in rows[:SHOWN]]
    sections = [
        Section("verdict", verdict(summary, run)),
        Section("entries", entries(len(rows))),
        Section("next", next_steps(summary, run)),
    ]
    facts = {"rows": shown, "languages": languages, "counts": {"state": _states(shown), "check": _checks(shown)}}
    return framed(
        "review",
        name,
        summary["output"],
        sections,
        step=0,
        last=0,
        facts={"review": facts},
        style=_file("review.css"),
        script=_file("review.js"),
    )


def verdict(summary: Told, run: str) -> Body:
    """How much of the file is filled, by what, and what was refused for which reason."""
    wanted = summary["filled"] + summary["refused"]
    share = f"{100 * summary['filled'] / wanted:.0f}%" if wanted else "–"
    counts = {key: f"{summary[key]:,}" for key in ("entries", "finished", "filled", "refused")}
    said = ["lead", f"lead.{_marked(summary)}", *(["lead.finished"] if summary["finished"] else [])]
    said += ["lead.refused"] if summary["refused"] else []
    rows = [
        (both(f"count.{key}"), f"{summary[key]:,}", both(f"count.{key}.note"))
        for key in ("finished", "existing", "memory", "copied", "model", "refused")
        if summary[key]
    ]
    reasons = [(both_kind(kind), f"{count:,}") for kind, count in summary["reasons"].items()]
    body = [
        headline(share, both("headline", wanted=f"{wanted:,}")),
        f'<p class="verdict">{SPACE.join(both(key, file=summary["file"], run=run, **counts) for key in said)}</p>',
        table([both("column.what"), both("column.entries"), ""], rows, numbers=(1,)),
    ]
    if reasons:
        heads = [both("column.reason"), both("column.entries")]
        body += [f"<h3>{both('reasons')}</h3>", table(heads, reasons, numbers=(1,))]
    if variety := summary["variety"]:
        key = "region" if variety["kind"] == "region" else variety["wanted"]
        body.append(f'<p class="note">{both(f"variety.{key}", locale=variety["locale"])}</p>')
    if summary["memory_missing"]:
        body.append(f'<p class="note">{both("memory.missing", why=summary["memory_missing"])}</p>')
    return body


def entries(count: int) -> Body:
    """Tools and an empty list: review.js fills it."""
    if not count:
        return [paragraph(both("nothing"))]
    body = [paragraph(both("entries.lead")), f'<noscript><p class="note">{both("script")}</p></noscript>']
    if count > SHOWN:
        body.append(f'<p class="note">{both("cut", shown=f"{SHOWN:,}", count=f"{count:,}")}</p>')
    orders = ("worst", "file", "confidence", "similarity", "length")
    options = "".join(f'<option value="{order}"></option>' for order in orders)
    body.append(
        '<div class="review"><div class="tools">'
        f'<label>{both("search")} <input type="search" name="q"></label>'
        f'<label>{both("check")} <select name="check"></select></label>'
        f'<label>{both("sort")} <select name="sort">{options}</select></label>'
        '<output class="found" aria-live="polite"></output></div>'
        f'<div class="tools states" role="group" aria-label="state"></div>'
        f'<div class="entries" role="list"></div><p class="none quiet" hidden>{both("none.found")}</p>'
        f'<button type="button" class="more" hidden>{both("more")}</button></div>'
    )
    return body


def next_steps(summary: Told, run: str) -> Body:
    again = f"pellucid translate {run} --file {summary['output']} -o {summary['output']}"
    body: list[str] = [f"<p>{both(f'next.{_marked(summary)}')}</p>"]
    if summary["refused"] and summary["format"] not in ("json", "android"):
        body += [f"<p>{both('next.again')}</p>{copied(both, 'next-again', again)}"]
    return body


def _marked(summary: Told) -> str:
    return "marked" if summary["is_marked"] else "unmarked"


def both_kind(kind: str) -> str:
    """A kind of breach in words, or as it is named where there are none for it."""
    try:
        return both(f"kind.{kind}")
    except KeyError:
        return escape(kind)


def _states(rows: Sequence[Told]) -> dict[str, int]:
    found = Counter(row["state"] for row in rows)
    return {state: found[state] for state in STATES if found[state]}


def _checks(rows: Sequence[Told]) -> dict[str, int]:
    return dict(Counter(kind for row in rows for kind in {one["kind"] for one in row["checks"]}).most_common())


def _file(name: str) -> str:
    return files("pellucid.see.report").joinpath(name).read_text(encoding="utf-8")
