"""Runs side by side: which belong together, what they differ in, which may not be ranked, what a folder says."""

import json
import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.errors import RunError
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig
from pellucid.tasks.headline import HEADLINES, headline_of
from pellucid.tasks.kinds import TASKS, config_class
from pellucid.train.comparison import (
    Training,
    compare,
    compared,
    differing,
    gap_of,
    grouped,
    refusal_of,
    runs_in,
    settings_of,
    stretches,
    training_of,
)


def training(
    name: str = "a", seed: int = 1, score: float | None = 80.0, task: str = "classify", **said: Any
) -> Training:
    """As a folder would say it; `said` are fields of the config by full name, with __ for the point."""
    config = config_class(task).parse({"data": {"fingerprint": "f"}, "training": {"seed": seed, "steps": 9}})
    settings = {**settings_of(config), **{key.replace("__", "."): value for key, value in said.items()}}
    standing = "scored" if score is not None else "unfinished"
    curve = [(1, 1.0), (9, 0.5)]
    return Training(
        name, f"runs/{name}", task, seed, settings, standing, score, 0.0, None, 9, 9, 1.0, curve, curve, curve, 0.1
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four short runs: two seeds, another width, and another way to hold out."""
    place = tmp_path_factory.mktemp("runs")
    for name, changed in {
        "one": {},
        "two": {"training": {"seed": 2}},
        "wide": {"model": {"mlp": {"width": 70}}},
        "split": {"data": {"split_seed": 5}},
    }.items():
        values: dict[str, Any] = {"data": {"files": ["sample:wine"]}, "training": {"steps": 6, "threads": 1}}
        for section, fields in changed.items():
            values[section] = {**values.get(section, {}), **fields}
        pellucid.train(ClassifyConfig.parse(values), place / name)
    return place


# Which belong together


def test_runs_that_differ_in_nothing_but_the_seed_are_one_group() -> None:
    groups = grouped([training("a", 1), training("b", 1, training__clip=0.5), training("c", 2), training("d", 3)])
    assert [[one.name for one in group.trainings] for group in groups] == [["a", "c", "d"], ["b"]]
    assert list(groups[0].scores) == [1, 2, 3]


@pytest.mark.parametrize("field", ["training__budget", "training__threads", "training__save_every", "data__files"])
def test_what_says_how_a_training_is_computed_keeps_no_runs_apart(field: str) -> None:
    assert len(grouped([training("a", 1), training("b", 2, **{field: "other"})])) == 1


def test_the_same_training_done_twice_counts_once() -> None:
    (group,) = grouped([training("a", 1, 80.0), training("b", 1, 90.0)])
    assert group.scores == {1: 80.0}


def test_other_data_keeps_runs_apart() -> None:
    assert len(grouped([training("a", 1), training("b", 2, data__fingerprint="g")])) == 2


def test_only_the_fields_that_groups_do_not_share_are_said_to_differ() -> None:
    groups = grouped([training("a"), training("b", training__clip=0.5, training__threads=7), training("c", odd=True)])
    assert differing(groups) == {"training.clip": [1.0, 0.5, 1.0], "odd": [None, None, True]}


def test_settings_of_a_network_that_was_not_built_are_left_out() -> None:
    config = ClassifyConfig.parse({"model": {"kind": "mlp"}})
    names = settings_of(config)
    assert "model.mlp.width" in names
    assert not [name for name in names if name.startswith("model.cnn")]
    assert names["label_smoothing"] == 0.0


# Which may be ranked


@pytest.mark.parametrize(
    ("other", "reason", "told"),
    [
        ({"task": "regress"}, "task", "regress"),
        ({"data__fingerprint": "g"}, "data", "data.fingerprint"),
        ({"data__split_seed": 9}, "data", "data.split_seed"),
        ({"data__held_out": 0.2}, "data", "data.held_out"),
        ({"data__missing": "drop"}, "data", "data.missing"),
    ],
)
def test_other_tasks_data_or_held_out_sides_are_not_ranked(other: dict[str, Any], reason: str, told: str) -> None:
    trainings = [training(f"a{n}", n) for n in (1, 2, 3)] + [training(f"b{n}", n, 99.0, **other) for n in (1, 2, 3)]
    refusal = refusal_of(trainings)
    assert refusal is not None
    assert refusal.reason == reason
    assert told in refusal.values.values()
    found = compared("x", grouped(trainings), refusal)
    assert (found.effects, found.verdict) == ([], "none")


def test_columns_that_a_network_does_not_read_change_no_held_out_side() -> None:
    assert refusal_of([training("a"), training("b", data__left_out=["ash"], data__files=["elsewhere.csv"])]) is None


def test_runs_without_any_score_are_not_ranked() -> None:
    refusal = refusal_of([training("a", score=None), training("b", score=None)])
    assert refusal is not None
    assert refusal.reason == "unscored"


def test_each_group_is_held_against_the_first_and_several_share_the_risk() -> None:
    trainings = [training(f"a{n}", n, 80.0 + n) for n in (1, 2, 3)]
    trainings += [training(f"b{n}", n, 90.0 + n + 0.1 * (n == 2), training__clip=0.5) for n in (1, 2, 3)]
    trainings += [training(f"c{n}", n, 80.0 - n, training__clip=0.1) for n in (1, 2, 3)]
    found = compared("x", grouped(trainings), None)
    assert [effect.verdict for effect in found.effects] == ["helped", "noise"]
    assert [effect.level for effect in found.effects] == pytest.approx([0.975, 0.975])


def test_trainings_that_are_not_finished_have_no_part_in_the_score() -> None:
    groups = grouped([training("a", 1), training("b", 2, None), training("c", 3)])
    assert groups[0].scores == {1: 80.0, 3: 80.0}
    failed = replace(training("d", 4, None), standing="failed", failed="a loss of nan")
    assert grouped([training("a", 1), failed])[0].scores == {1: 80.0, 4: None}


# What a folder says


def test_a_run_folder_says_its_score_its_curves_and_its_gap(runs: Path) -> None:
    found = training_of(Run.open(runs / "one"))
    lines = list(Run.open(runs / "one").metrics())
    losses = {line["step"]: line["loss"] for line in lines if line["kind"] == "step"}
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    (test,) = (line for line in lines if line["kind"] == "test")
    assert found.score == pytest.approx(test["systems"]["model"]["value"], abs=0.005)
    assert found.step == pytest.approx(100 / 27)
    assert dict(found.losses) == pytest.approx(losses)
    assert found.dev_losses == [(line["step"], line["loss"]) for line in evaluations]
    before, end = evaluations[-2]["step"], evaluations[-1]["step"]
    last = statistics.mean(loss for step, loss in losses.items() if before < step <= end)
    assert found.gap == pytest.approx(evaluations[-1]["loss"] - last)


def test_the_gap_is_development_less_training_at_the_end() -> None:
    losses = [(1, 9.0), (2, 9.0), (3, 1.0), (4, 2.0), (5, 99.0)]
    assert gap_of(losses, [(2, 5.0), (4, 4.0)]) == 2.5
    assert gap_of(losses, []) is None
    assert gap_of([], [(2, 5.0)]) is None
    assert gap_of([(1, math.nan)], [(1, 5.0)]) is None


def test_a_long_curve_is_told_by_means_that_leave_out_no_step() -> None:
    points = [(step, float(step % 7)) for step in range(1, 1235)]
    found = stretches(points, count=100)
    assert len(found) == 100
    assert found[-1][0] == 1234
    begin, total = 0, 0.0
    for step, mean in found:
        total, begin = total + mean * (step - begin), step
    assert total == pytest.approx(sum(value for _, value in points))
    assert stretches(points[:5], count=100) == points[:5]


def test_runs_are_grouped_ranked_and_told_as_json(runs: Path) -> None:
    found = compare([Run.open(runs / name) for name in ("one", "two", "wide")])
    assert [len(group.trainings) for group in found.groups] == [2, 1]
    assert found.differing == {"model.mlp.width": [64, 70]}
    assert (found.verdict, found.effects[0].reason) == ("none", "few")
    told = json.loads(json.dumps(found.json(), allow_nan=False))
    assert told["groups"][0]["seeds"] == [1, 2]
    assert told["effects"][0]["seeds"] == [2, 1]


def test_runs_with_another_held_out_side_are_shown_and_not_ranked(runs: Path) -> None:
    found = pellucid.compare([runs / "one", runs / "split"])
    assert found.refusal is not None
    assert (found.refusal.reason, found.refusal.values["fields"]) == ("data", "data.split_seed")
    assert len(found.groups) == 2


def test_a_folder_of_runs_stands_for_all_in_it_and_none_counts_twice(runs: Path) -> None:
    found = pellucid.compare([runs / "wide", runs])
    assert sum(len(group.trainings) for group in found.groups) == 4
    assert found.groups[0].name == "wide"
    assert runs_in(runs) == [runs / name for name in ("one", "split", "two", "wide")]


def test_one_run_has_nothing_to_be_compared_with(runs: Path) -> None:
    with pytest.raises(RunError, match="one run alone"):
        pellucid.compare([runs / "one", str(runs / "one")])
    with pytest.raises(RunError, match="no such run"):
        pellucid.compare([runs / "one", runs / "missing"])


def test_a_run_that_was_stopped_is_shown_without_a_score(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "two", tmp_path / "cut")
    metrics = tmp_path / "cut" / "metrics.jsonl"
    kept = [line for line in metrics.read_text("utf-8").splitlines(keepends=True) if '"kind": "test"' not in line]
    metrics.write_text("".join(kept), encoding="utf-8")
    found = pellucid.compare([runs / "one", tmp_path / "cut"])
    assert [one.standing for one in found.groups[0].trainings] == ["scored", "unfinished"]
    assert found.groups[0].scores.keys() == {1}


# The score that trainings are compared by


def test_every_task_has_a_headline() -> None:
    assert HEADLINES.keys() == TASKS.keys()


def test_an_accuracy_is_a_share_of_examples_and_moves_by_whole_ones() -> None:
    test = {"confusion": [[5, 1], [2, 19]], "examples": 27, "systems": {}}
    headline = headline_of("classify")
    assert headline.of(test) == pytest.approx(100 * 24 / 27)
    assert headline.step(test) == pytest.approx(100 / 27)
