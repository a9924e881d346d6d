"""Of several findings the cause stands first, and what only looks like an illness is not taken for one."""

import random
from pathlib import Path

import pytest
import torch

from pellucid.run import Run
from pellucid.train.diagnosis.chart import Chart, chart_of
from pellucid.train.diagnosis.examination import examine
from pellucid.train.diagnosis.labels import error_floor, suspicious
from pellucid.train.diagnosis.rules.gradients import vanishing_gradients
from pellucid.train.diagnosis.rules.steps import spikes
from tests.train.diagnosis.examined_plants import blobs, diagnosed, rows_task, written_rows
from tests.train.diagnosis.trainings import curve, language, table, trained, waves, with_outlier, with_set, words

DEEP = {"mlp": {"depth": 12, "width": 16, "activation": "sigmoid"}}


def test_vanishing_gradients_stand_before_the_underfitting_that_they_bring_about(tmp_path: Path) -> None:
    found = diagnosed(trained(table(tmp_path, model=DEEP), tmp_path / "run"))
    assert next(iter(found)) == "vanishing_gradients"
    assert [cure["name"] for cure in found["underfitting"]["cures"]] == ["cause_first"]
    assert "unused" not in found, "nothing is wrong on the way into the network"


def test_a_rate_that_is_too_low_for_word_vectors_is_not_too_high_because_a_table_begins_at_zero(tmp_path: Path) -> None:
    found = diagnosed(trained(words(tmp_path, training={"learning_rate": 1e-7}), tmp_path / "run"))
    assert list(found) == ["learning_rate_too_low"]


def test_weights_that_begin_too_large_are_not_taken_for_a_rate_that_is_too_low(tmp_path: Path) -> None:
    large = {"initialization": "normal", "initialization_std": 2.0, "steps": 60}
    found = diagnosed(trained(language(tmp_path, "rnn", training=large), tmp_path / "run"))
    assert "exploding_gradients" in found
    assert "learning_rate_too_low" not in found


def test_a_batch_of_a_few_examples_may_stray_further_than_a_whole_one() -> None:
    draw = random.Random(0)
    losses = [1 + draw.uniform(-0.05, 0.05) for _ in range(60)]
    losses[30] = 4.5
    assert spikes(losses) == [30]
    reach = [1.0] * 60
    reach[30] = (32 / 2) ** 0.5
    assert spikes(losses, reach) == []
    losses[30] = 45.0
    assert spikes(losses, reach) == [30]


@pytest.mark.parametrize("apart", [1.0, 1.5, 2.0, 2.5])
def test_classes_that_overlap_are_no_wrong_labels_and_flipped_ones_are(apart: float) -> None:
    torch.manual_seed(1)
    labels = torch.arange(600) % 2
    x = torch.randn(600, 2) + labels[:, None] * torch.tensor([apart, 0.0])
    assert suspicious(x, labels, ["a", "b"], str) == []
    x = torch.randn(600, 2) + labels[:, None] * torch.tensor([5.0, 0.0])
    wrong = torch.rand(600) < 0.2
    found = {one.number for one in suspicious(x, torch.where(wrong, 1 - labels, labels), ["a", "b"], str)}
    assert len(found & set(wrong.nonzero().flatten().tolist())) >= 0.7 * int(wrong.sum())


def test_neighbours_that_know_nothing_accuse_no_label() -> None:
    torch.manual_seed(2)
    labels = torch.arange(84) % 3
    for far in (0.1, 0.2, 0.3, 0.5):
        x = torch.randn(84, 60) + far * torch.randn(3, 60)[labels]
        assert suspicious(x, labels, ["a", "b", "c"], str) == []


@pytest.mark.parametrize("shared", [0.1, 0.2, 0.4])
def test_a_strip_that_two_classes_share_is_no_label_noise(shared: float) -> None:
    torch.manual_seed(3)
    labels = torch.arange(400) % 2
    x = torch.rand(400, 2) + labels[:, None] * torch.tensor([1 - shared, 0.0])
    assert suspicious(x, labels, ["a", "b"], str) == []


def test_the_floor_of_errors_is_the_share_of_flipped_labels_and_none_of_an_overlap() -> None:
    torch.manual_seed(4)
    distance = torch.rand(3000) * 4
    overlapping = torch.rand(3000) < torch.sigmoid(-1.5 * distance)
    floor, likelier = error_floor(distance, overlapping, 2)
    assert floor <= 0.02
    assert likelier < 4
    floor, likelier = error_floor(distance, overlapping ^ (torch.rand(3000) < 0.2), 2)
    assert abs(floor - 0.2) < 0.03
    assert likelier > 20


def test_a_rare_class_that_is_hard_to_tell_does_not_make_inputs_and_targets_unrelated(tmp_path: Path) -> None:
    file = written_rows(tmp_path / "rows.csv", *blobs(rare=20, often=600))
    for weights in ("none", "balanced"):
        task = rows_task(file, class_weights=weights)
        assert not {"unrelated", "unused"} & set(diagnosed(trained(task, tmp_path / weights)))


@pytest.mark.parametrize("line", [102, 110, 118])
def test_one_number_that_outweighs_all_others_is_an_outlier_and_not_unrelated(tmp_path: Path, line: int) -> None:
    task = curve(tmp_path, data={"files": [str(with_outlier(waves(tmp_path), line, "90000"))]})
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)
    assert "unrelated" not in found
    sample = task.sample("train", 400)
    assert sample is not None
    where = [sample.origin(place) for place in range(len(sample))]
    if any(place.endswith(f"line {line}") for place in where):
        assert next(iter(found)) == "outliers"
        assert f"line {line}" in found["outliers"]["lines"][0]


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ({"training": {"l2": 5.0}}, "training.l2"),
        ({"model": {"dropout": 0.9}}, "model.dropout"),
        ({"model": {"dropout": 0.95}}, "model.dropout"),
    ],
)
def test_what_holds_a_network_back_is_the_first_cure_of_its_underfitting(
    tmp_path: Path, sections: dict[str, dict[str, float]], field: str
) -> None:
    task = curve(tmp_path, **sections)
    run = trained(task, tmp_path / "run")
    first = diagnosed(run)["underfitting"]["cures"][0]["set"]
    assert list(first) == [field]
    again = trained(with_set(task, first), tmp_path / "again")
    assert "underfitting" not in diagnosed(again)


def test_a_schedule_that_is_cut_twice_at_once_ends_early(tmp_path: Path) -> None:
    cut = {"schedule": "step", "step_every": 0.05, "warmup": 0.0, "learning_rate": 0.003, "steps": 800}
    assert "schedule_ends_early" in diagnosed(trained(curve(tmp_path, training=cut), tmp_path / "run"))


def test_a_tiny_rate_of_plain_descent_is_raised_at_once_by_as_much_as_its_steps_are_short(tmp_path: Path) -> None:
    task = curve(tmp_path, training={"optimizer": "sgd", "learning_rate": 1e-6})
    run = trained(task, tmp_path / "run")
    first = diagnosed(run)["learning_rate_too_low"]["cures"][0]["set"]
    again = trained(with_set(task, first), tmp_path / "again")
    assert losses(again)[-1] < 0.8 * losses(run)[-1]


def losses(run: Run) -> list[float]:
    return [line["loss"] for line in run.metrics() if line["kind"] == "evaluation"]


def test_a_rate_of_word_vectors_that_is_far_too_high_is_lowered_to_one_that_learns(tmp_path: Path) -> None:
    task = words(tmp_path, training={"learning_rate": 50.0})
    first = diagnosed(trained(task, tmp_path / "run"))["learning_rate_too_high"]["cures"][0]["set"]
    healthy = trained(words(tmp_path), tmp_path / "healthy")
    again = trained(with_set(task, first), tmp_path / "again")
    assert losses(again)[-1] < 1.2 * losses(healthy)[-1]


def test_dropout_that_changes_nothing_among_dead_units_was_not_off(tmp_path: Path) -> None:
    task = table(tmp_path, training={"learning_rate": 5.0, "optimizer": "rmsprop", "steps": 400})
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)
    assert {"learning_rate_too_high", "dead_relus"} <= set(found)
    assert "trained_in_evaluation_mode" not in found
    again = trained(with_set(task, found["learning_rate_too_high"]["cures"][0]["set"]), tmp_path / "again")
    assert losses(again)[-1] < 0.7 * losses(run)[-1]


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.8])
def test_the_fall_at_the_beginning_is_no_spike_and_the_same_loss_later_is(factor: float) -> None:
    losses = [1000 * factor**step + 10 + step % 3 for step in range(60)]
    assert spikes(losses) == []
    assert spikes([*losses[:40], 1000.0, *losses[41:]]) == [40]


def test_what_vanished_at_first_is_the_cause_of_a_long_training_that_ended_badly(tmp_path: Path) -> None:
    """Sigmoids that begin with Xavier's weights get their gradients back, too late."""
    deep = {"mlp": {"depth": 12, "width": 16, "activation": "sigmoid"}}
    training = {"initialization": "xavier", "steps": 400, "learning_rate": 6e-3}
    chart, late = chart_of_a_recovery(trained(table(tmp_path, model=deep, training=training), tmp_path / "run"))
    found = vanishing_gradients(chart)
    assert [one.evidence for one in found] == ["early.vanishing_gradients"]
    assert found[0].place == "layers.0.linear"
    assert found[0].values["again"] == f"{late:,}"
    chart.examination = None
    assert vanishing_gradients(chart) == [], "nothing says that it ended badly"


def chart_of_a_recovery(run: Run) -> tuple[Chart, int]:
    """A run's chart, with the gradients of all layers alike from a third of its looks on."""
    chart = chart_of(run.config.model_dump(mode="json"), run.metrics())
    chart.examination = examine(run)
    back = len(chart.statistics) // 4
    for look in chart.statistics[back:]:
        for told in look["places"].values():
            if "gradient" in told:
                told["gradient"] = told["weight"]
    return chart, int(chart.statistics[back]["step"])


def test_an_example_that_is_hard_is_no_spike_where_a_batch_is_one_and_a_poisoned_one_is() -> None:
    draw = random.Random(0)
    losses = [2.3] * 10 + [0.01 * draw.random() for _ in range(90)]
    losses[50] = 5.6
    assert spikes(losses, few=4.0) == []
    assert spikes(losses) == [50]
    losses[50] = 60.0
    assert spikes(losses, few=4.0) == [50]


def test_too_much_label_smoothing_is_the_first_cure_of_what_it_holds_back(tmp_path: Path) -> None:
    found = diagnosed(trained(table(tmp_path, label_smoothing=0.9), tmp_path / "run"))
    assert found["underfitting"]["cures"][0]["set"] == {"label_smoothing": 0.1}


def test_gradients_cut_to_nothing_are_the_first_cure_of_plain_descent_that_crawls(tmp_path: Path) -> None:
    training = {"optimizer": "sgd", "clip": 1e-5}
    found = diagnosed(trained(table(tmp_path, training=training), tmp_path / "run"))
    assert found["learning_rate_too_low"]["cures"][0]["set"] == {"training.clip": 1.0}
