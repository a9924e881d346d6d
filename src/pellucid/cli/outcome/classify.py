"""A training of a classifier, told in the terminal: accuracy, each class's precision and recall, what it got wrong."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import one_line, out
from pellucid.cli.tables import title_of
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.tasks.classify import ClassifyConfig

Event = Mapping[str, Any]
SHOWN_CLASSES = 20  # rows of the table of classes; the report has all
CONFUSED = 5  # pairs of classes
WRONG = 5
NARROW = 60  # columns below which intervals are left out


def data_line(event: Event) -> str:
    shape = event["shape"]
    what = (
        say("classify.images", width=shape[2], height=shape[1], colours=say(f"classify.colours.{shape[0]}"))
        if len(shape) == 3
        else say("classify.rows", inputs=shape[0], target=event["target"])
    )
    lines = [
        say(
            "classify.data",
            what=what,
            classes=len(event["classes"]),
            **{side: f"{event[side]:,}" for side in ("train", "dev", "test")},
        )
    ]
    if event["left_out_rows"]:
        lines.append(say("classify.left_out_rows", count=f"{event['left_out_rows']:,}"))
    lines += [
        say("classify.left_out", column=column, why=why)
        for column, why in event["left_out"].items()
        if why != "as asked"
    ]
    lines += [say(f"classify.note.{note['kind']}", count=f"{note['count']:,}") for note in event["notes"]]
    return "\n".join(lines)


def score_text(scores: Mapping[str, float]) -> str:
    return say("classify.score", accuracy=f"{scores['accuracy']:.1f}")


def evaluation(event: Event) -> None:
    scores = event["scores"]
    out.print(
        say(
            "classify.evaluation",
            step=f"{event['step']:,}",
            loss=f"{event['loss']:.3f}",
            accuracy=f"{scores['accuracy']:.2f}",
            f1=f"{scores['f1']:.2f}",
        ),
        markup=False,
    )


def print_outcome(run: "Run", tested: Event) -> None:
    """Accuracy beside its baselines, each class, what is taken for what, the worst mistakes, and what to do next."""
    print_tested(run, tested)
    _print_next(run)


def print_tested(run: "Run", tested: Event) -> None:
    systems, calibration = tested["systems"], tested["calibration"]
    out.print(say(title_of("classify.title", tested), examples=f"{tested['examples']:,}"), markup=False)
    scores = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    scores.add_column("")
    scores.add_column(say("classify.accuracy"), justify="right", no_wrap=True)
    for system, found in systems.items():
        interval = "" if out.width < NARROW else f" [dim]{found['low']:.1f}-{found['high']:.1f}[/]"
        style = "bold" if system == "model" else None
        scores.add_row(say(f"classify.system.{system}"), f"{found['value']:.2f}{interval}", style=style)
    out.print(scores)
    out.print(say("classify.interval", error=f"{calibration['error']:.1f}"), style="dim", markup=False)
    out.print()
    _print_classes(tested)
    _print_confusions(tested)
    _print_wrong(tested)
    if tested["fully_connected"]:
        out.print(
            say(
                "classify.fully_connected",
                parameters=f"{tested['parameters']:,}",
                dense=f"{tested['fully_connected']:,}",
                times=f"{tested['fully_connected'] / tested['parameters']:,.0f}",
            ),
            markup=False,
        )
        out.print()


def _print_classes(tested: Event) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("classify.class"), overflow="fold")
    for key in ("precision", "recall", "f1", "examples"):
        table.add_column(say(f"classify.{key}"), justify="right", no_wrap=True)
    rows = list(zip(tested["classes"], tested["by_class"], strict=True))
    worst = sorted(rows, key=lambda row: row[1]["f1"])[:SHOWN_CLASSES]
    for name, found in rows if len(rows) <= SHOWN_CLASSES else worst:
        numbers = (f"{found[key]:.1f}" for key in ("precision", "recall", "f1"))
        table.add_row(escape(name), *numbers, f"{found['examples']:,}")
    mean = tested["macro"]
    table.add_row(say("classify.mean"), *(f"{mean[key]:.1f}" for key in ("precision", "recall", "f1")), "", style="dim")
    out.print(table)
    if len(rows) > SHOWN_CLASSES:
        out.print(say("classify.worst_classes", shown=SHOWN_CLASSES, classes=len(rows)), style="dim", markup=False)
    out.print()


def _print_confusions(tested: Event) -> None:
    classes, table = tested["classes"], tested["confusion"]
    pairs = [(table[i][j], classes[i], classes[j]) for i in range(len(classes)) for j in range(len(classes)) if i != j]
    worst = [pair for pair in sorted(pairs, key=lambda pair: -pair[0]) if pair[0]][:CONFUSED]
    if worst:
        told = ", ".join(
            say("classify.taken_for", count=count, truth=truth, predicted=predicted)
            for count, truth, predicted in worst
        )
        out.print(say("classify.confused", told=told), markup=False)
        out.print()


def _print_wrong(tested: Event) -> None:
    wrong = [one for one in tested["wrong"] if one["truth"] != one["predicted"]][:WRONG]
    if not wrong:
        out.print(say("classify.none_wrong"), markup=False)
        out.print()
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, title=say("classify.wrong"), title_justify="left")
    table.title_style = ""
    for key in ("origin", "truth", "predicted", "sure"):
        table.add_column(say(f"classify.{key}"), justify="right" if key == "sure" else "left", overflow="fold")
    for one in wrong:
        table.add_row(
            escape(one_line(one["origin"], max(out.width // 2, 20))),
            escape(one["truth"]),
            escape(one["predicted"]),
            f"{100 * one['probability']:.1f}%",
        )
    out.print(table)
    out.print()


def _print_next(run: "Run") -> None:
    out.print(say("report.written", path=run.path / "report.html"), markup=False, soft_wrap=True)
    out.print(say("next.title"))
    images = not run.config.data.target
    file = "picture.png" if images else "table.csv"
    given = " ".join(run.config.data.files)
    own = "pictures/" if images else "table.csv --target COLUMN"
    lines = [
        say("classify.next.predict", run=run.path, file=file),
        say("classify.next.see", run=run.path),
        say("classify.next.own", data=own) if given.startswith("sample:") else "",
    ]
    for line in filter(None, lines):
        out.print("  " + line, markup=False, soft_wrap=True)


def about(config: "ClassifyConfig") -> str:
    return say("classify.about", classes=config.model.kind)


def scores_of(tested: Event) -> dict[str, float]:
    return {"accuracy": tested["systems"]["model"]["value"], "f1": tested["macro"]["f1"]}


def score_of(line: Event) -> str:
    scores = line["scores"] if "scores" in line else scores_of(line)
    return f"{scores['accuracy']:.1f}%"
