"""Lines of metrics.jsonl that are JSON and no lines of a training: every reader says a sentence or passes over them."""

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pellucid.cli.runs import summary
from pellucid.errors import RunError
from pellucid.run import Run
from pellucid.see.report import write_report
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.train.comparison import training_of
from pellucid.train.diagnosis import diagnose
from pellucid.train.loop import Trainer
from tests.train.diagnosis.trainings import waves

Told = list[dict[str, Any]]
READERS: dict[str, Callable[[Run], object]] = {
    "report": lambda run: write_report(run.path),
    "doctor": diagnose,
    "compare": training_of,
    "resume": lambda run: run.status,
    "begin anew": lambda run: run.begin_metrics(),
}
DRAWN = 60  # of all places in the lines, each with everything that is planted there


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    training = {"steps": 4, "evaluate_every": 2, "watch": 2, "batch": 8, "threads": 1}
    table = str(waves(place, rows=40))
    task = RegressTask(
        RegressTask.proposed(
            RegressConfig.parse(
                {"data": {"files": [table], "target": "y"}, "model": {"width": 4}, "training": training}
            )
        )
    )
    plan = {"parameters": 9, "preset": None, "item": "example", "steps": 4, "budget": None, "precision": "float32"}
    plan |= {"tokens_per_second": 9, "threads": 1, "workers": 1, "matmul": {}}
    lines = [{"kind": "data", **task.describe()}, {"kind": "plan", **plan}]
    run = Run.create(place / "run", task, lines)
    Trainer(run, task).train()
    run.append_metrics([{"kind": "test", **task.test(run.model), "seconds": 1.0}])
    return run.path


def lines_of(run: Path) -> Told:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def write(run: Path, lines: list[Any]) -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def first(lines: Told, kind: str) -> int:
    return next(number for number, line in enumerate(lines) if line["kind"] == kind)


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a line something stands: names and numbers from the outside in."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    found = [((*before, name), one) for name, one in inner]
    return [place for way, one in found for place in (way, *places(one, way))]


def planted(line: dict[str, Any], place: tuple[Any, ...], *value: Any) -> dict[str, Any]:
    """The line with another value there, or without it."""
    changed: dict[str, Any] = json.loads(json.dumps(line))
    inner: Any = changed
    for name in place[:-1]:
        inner = inner[name]
    if value:
        inner[place[-1]] = value[0]
    else:
        del inner[place[-1]]
    return changed


@pytest.mark.parametrize(
    ("kind", "field", "readers"),
    [
        ("step", "loss", ["doctor", "compare"]),
        ("step", "step", ["report", "doctor", "compare"]),
        ("evaluation", "scores", ["report", "compare"]),
        ("evaluation", "best", ["compare"]),
        ("statistics", "places", ["report", "doctor"]),
        ("end", "reason", ["report", "resume"]),
    ],
)
def test_a_line_that_lacks_a_field_is_told_by_number_and_field(
    kind: str, field: str, readers: list[str], copied: Path
) -> None:
    lines = lines_of(copied)
    number = first(lines, kind)
    del lines[number][field]
    write(copied, lines)
    for reader in readers:
        with pytest.raises(RunError, match=rf"metrics.jsonl, line {number + 1}: damaged, it has no {field}$"):
            READERS[reader](Run.open(copied))


@pytest.mark.parametrize(
    ("kind", "field", "value", "said"),
    [
        ("step", "step", "x", '"x"'),
        ("step", "step", float("nan"), "NaN"),
        ("step", "seconds", float("nan"), "NaN"),
        ("step", "loss", [1], "[1]"),
        ("evaluation", "loss", None, "null"),
        ("evaluation", "scores", {"r2": "good"}, '{"r2": "good"}'),
        ("evaluation", "best", 1, "1"),
        ("statistics", "places", {"a": {"weight": "x"}}, '{"a": {"weight": "x"}}'),
        ("end", "reason", None, "null"),
        ("data", "train", True, "true"),
    ],
)
def test_a_field_that_holds_what_it_cannot_is_told_by_every_reader(
    kind: str, field: str, value: Any, said: str, copied: Path
) -> None:
    lines = lines_of(copied)
    number = first(lines, kind)
    lines[number][field] = value
    write(copied, lines)
    for reader in ("report", "doctor", "compare"):
        with pytest.raises(RunError, match=rf"line {number + 1}: damaged, its {field} cannot be {re.escape(said)}$"):
            READERS[reader](Run.open(copied))
    assert summary(copied)["status"] == "damaged"


@pytest.mark.parametrize("line", [[], 5, None, "text", {}, {"kind": 5}, {"kind": None}])
def test_a_line_that_is_no_object_of_a_kind_is_told_by_every_reader(line: Any, copied: Path) -> None:
    write(copied, [*lines_of(copied)[:3], line, *lines_of(copied)[3:]])
    for reader in ("report", "doctor", "compare", "resume"):
        with pytest.raises(RunError, match=r"metrics.jsonl, line 4: damaged$"):
            READERS[reader](Run.open(copied))
    assert summary(copied)["status"] == "damaged"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_or_score_that_is_no_number_stops_no_reader(value: float, copied: Path) -> None:
    """A training can come to that, and says so in its lines."""
    lines = lines_of(copied)
    for line in lines:
        if line["kind"] in ("step", "evaluation"):
            line["loss"] = value
        if line["kind"] == "evaluation":
            line["scores"] = dict.fromkeys(line["scores"], value)
        if line["kind"] == "step":
            line["gradient_norm"] = value
    write(copied, lines)
    assert summary(copied)["status"] == "finished"
    for reader in READERS.values():
        reader(Run.open(copied))


def test_lines_of_kinds_that_nobody_knows_are_passed_over(copied: Path) -> None:
    (copied / "diagnosis.json").unlink(missing_ok=True)
    before = training_of(Run.open(copied))
    write(copied, [{"kind": "of tomorrow", "step": "x"}, *lines_of(copied)])
    assert training_of(Run.open(copied)) == before
    READERS["report"](Run.open(copied))


def error_of(reader: Callable[[Run], object], run: Path) -> RunError | None:
    try:
        reader(Run.open(run))
    except RunError as error:
        return error
    return None


@pytest.mark.slow
def test_whatever_stands_wherever_in_a_line_each_reader_says_one_sentence_or_passes_over_it(copied: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"places drawn with seed {seed}")
    draw, whole = random.Random(seed), lines_of(copied)
    kinds = sorted({line["kind"] for line in whole})
    every = [(kind, place) for kind in kinds for place in places(whole[first(whole, kind)])]
    values = ((), (float("nan"),), ("x",), (None,), ([],), ({},), (-1,), ([1],), ({"a": 1},), (2**70,))
    for kind, place in draw.sample(every, min(DRAWN, len(every))):
        number = first(whole, kind)
        for value in values:
            lines = [*whole[:number], planted(whole[number], place, *value), *whole[number + 1 :]]
            for name, reader in READERS.items():
                if name == "report" and draw.random() > 0.1:  # it takes longer than all others
                    continue
                write(copied, lines)
                said = error_of(reader, copied)
                assert said is None or ("\n" not in str(said) and said.mend), (kind, place, value, name)
            write(copied, lines)
            assert summary(copied)["status"] in ("finished", "stopped", "damaged"), (kind, place, value)
