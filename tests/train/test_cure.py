"""A run trained again with one change: which fields, which trainings, and that nothing but the change differs."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import pellucid
from pellucid.errors import ConfigError, DataError, RunError
from pellucid.files import read_tensors
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig
from pellucid.tasks.kinds import config_class
from pellucid.tasks.language import LanguageConfig
from pellucid.tasks.regress import RegressConfig
from pellucid.tasks.translate import TranslateConfig
from pellucid.train.comparison import READING, settings_of
from pellucid.train.cure import (
    REFUSED,
    chosen_seeds,
    field_of,
    file_name,
    parse_changes,
    parse_seeds,
    plan_cure,
    said,
    treated_config,
)

Event = dict[str, Any]


def wine(**training: Any) -> ClassifyConfig:
    return ClassifyConfig.parse(
        {"data": {"files": ["sample:wine"]}, "training": {"epochs": 6, "threads": 1, **training}}
    )


def weights(run: str | Path) -> dict[str, torch.Tensor]:
    return read_tensors(Path(run) / "model.safetensors")[0]


def same_bits(one: str | Path, other: str | Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/wine, trained by its default seed."""
    place = tmp_path_factory.mktemp("cure")
    pellucid.train(wine(), place / "runs" / "wine")
    return place


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return Path("runs/wine")


def settled(**values: Any) -> ClassifyConfig:
    return ClassifyConfig.parse(
        {"data": {"files": ["x"]}, "training": {"steps": 100, "evaluate_every": 10, "epochs": None}, **values}
    )


# Which field is meant


def test_a_field_is_found_by_the_last_part_of_its_name_where_that_tells_it() -> None:
    config = settled(model={"kind": "mlp"})
    assert field_of(config, "clip") == "training.clip"
    assert field_of(config, "label_smoothing") == "label_smoothing"
    assert field_of(config, "training.weight_decay") == "training.weight_decay"


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_short_name_means_the_part_of_the_network_that_was_built(kind: str) -> None:
    assert field_of(settled(model={"kind": kind}), "dropout") == f"model.{kind}.dropout"


def test_a_part_of_a_network_that_was_not_built_cannot_be_changed() -> None:
    with pytest.raises(ConfigError, match="this run's network has no such part") as error:
        field_of(settled(model={"kind": "mlp"}), "model.cnn.dropout")
    assert "model.mlp.dropout" in error.value.mend


def test_a_field_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no field dropuot") as error:
        field_of(settled(model={"kind": "mlp"}), "dropuot")
    assert "model.mlp.dropout" in error.value.mend
    with pytest.raises(ConfigError) as error:
        field_of(settled(), "decay")
    assert "training.weight_decay" in error.value.mend


def test_a_name_that_several_fields_have_must_be_given_in_full() -> None:
    with pytest.raises(ConfigError, match="dropout: several fields are called so") as error:
        field_of(settled(), "dropout")
    assert error.value.mend == "Write one of model.mlp.dropout, model.cnn.dropout."


def test_the_seed_of_a_training_is_meant_before_any_other() -> None:
    assert "writing.seed" in settings_of(LanguageConfig())
    with pytest.raises(ConfigError, match=r"training\.seed: a cure cannot change it"):
        field_of(LanguageConfig(), "seed")


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("training.seed", "--seeds"),
        ("seed", "--seeds"),
        ("data.held_out", "held out"),
        ("split_seed", "held out"),
        ("budget", "training.steps"),
        ("task", "what the network is for"),
        ("threads", "how a training is computed"),
    ],
)
def test_what_would_make_scores_incomparable_is_refused(field: str, why: str) -> None:
    with pytest.raises(ConfigError, match="a cure cannot change it") as error:
        field_of(settled(), field)
    assert why in error.value.message


@pytest.mark.parametrize("task", ["translate", "regress", "language", "embed", "classify"])
def test_every_field_of_every_task_can_be_named_in_full_or_is_refused_with_a_reason(task: str) -> None:
    config = config_class(task)()
    for name in settings_of(config):
        if name in REFUSED or (name.startswith("data.") and name not in READING):
            with pytest.raises(ConfigError, match="cannot change it"):
                field_of(config, name)
        else:
            assert field_of(config, name) == name


def test_changes_are_parted_at_commas_and_read_as_toml() -> None:
    assert parse_changes("dropout=0.2, l2=1e-4,norm=post") == {"dropout": 0.2, "l2": 1e-4, "norm": "post"}
    assert parse_changes("model.cnn.channels=[8,16],residual=true") == {"model.cnn.channels": [8, 16], "residual": True}
    assert parse_changes('norm="a,b"') == {"norm": "a,b"}


@pytest.mark.parametrize("text", ["dropout", "=3", "dropout=1,dropout=2"])
def test_what_is_no_change_is_said_so(text: str) -> None:
    with pytest.raises(ConfigError, match="--with"):
        parse_changes(text)


def test_seeds_are_how_many_or_which() -> None:
    assert chosen_seeds(5, parse_seeds("3")) == [5, 6, 7]
    assert chosen_seeds(5, parse_seeds("1,2, 9")) == [1, 2, 9]
    for wrong in ("0", "1,1", "101"):
        with pytest.raises(ConfigError, match="--seeds"):
            chosen_seeds(5, parse_seeds(wrong))
    for wrong in ("", "three", "-1", "1.5", "1,,2"):
        with pytest.raises(ConfigError, match="--seeds"):
            parse_seeds(wrong)


# What each training is


def test_nothing_but_the_change_differs_and_the_length_is_said_once() -> None:
    config = settled(training={"steps": 100, "epochs": 6, "evaluate_every": 10})
    treated, adapted = treated_config(config, {"training.clip": 0.5})
    before, after = settings_of(config), settings_of(treated)
    assert {name: after[name] for name in after if after[name] != before[name]} == {
        "training.clip": 0.5,
        "training.epochs": None,
    }
    assert adapted == {}


def test_with_another_batch_as_many_examples_are_seen_and_evaluations_follow() -> None:
    config = settled(training={"steps": 100, "batch": 32, "evaluate_every": 10, "patience": 4})
    treated, adapted = treated_config(config, {"training.batch": 64}, examples=640)
    assert (treated.training.steps, treated.training.evaluate_every, treated.training.patience) == (50, 5, 4)
    assert adapted == {"training.steps": (100, 50), "training.evaluate_every": (10, 5)}
    treated, _ = treated_config(config, {"training.accumulate": 4}, examples=640)
    assert treated.training.steps == 25


def test_a_batch_larger_than_all_examples_sees_only_those() -> None:
    config = settled(training={"steps": 100, "batch": 50, "evaluate_every": 10})
    treated, _ = treated_config(config, {"training.batch": 9999}, examples=100)
    assert treated.training.steps == 50


def test_tokens_and_stretches_are_counted_as_their_tasks_count_them() -> None:
    translate = TranslateConfig.parse({"training": {"steps": 100, "batch_tokens": 1000}})
    assert treated_config(translate, {"training.batch_tokens": 500})[0].training.steps == 200  # type: ignore[attr-defined]
    language = LanguageConfig.parse({"training": {"steps": 100}})
    doubled = {"model.context": 2 * language.model.context}
    assert treated_config(language, doubled)[0].training.steps == 50  # type: ignore[attr-defined]


def test_steps_that_are_asked_for_are_not_adapted() -> None:
    treated, adapted = treated_config(settled(), {"training.batch": 8, "training.steps": 77}, examples=640)
    assert (treated.training.steps, adapted) == (77, {})


def test_another_preset_fills_in_its_own_values_and_keeps_what_was_chosen() -> None:
    config = TranslateConfig.parse({"model": {"preset": "tiny", "norm": "post"}, "training": {"steps": 9}})
    config = TranslateConfig.parse(config.model_dump())  # as config.toml has it: all fields written out
    treated, _ = treated_config(config, {"model.preset": "small"})
    assert treated.model == TranslateConfig.parse({"model": {"preset": "small", "norm": "post"}}).model


def test_a_value_that_a_field_cannot_have_is_told() -> None:
    with pytest.raises(ConfigError, match=r"--with: model\.mlp\.dropout is 3"):
        treated_config(settled(model={"kind": "mlp"}), {"model.mlp.dropout": 3})


def test_a_cure_is_called_the_same_however_it_is_written(run: Path) -> None:
    one = plan_cure(Run.open(run), {"clip": 0.50, "dropout": 0})
    other = plan_cure(Run.open(run), {"model.mlp.dropout": 0.0, "training.clip": "0.5"})
    assert one.what == other.what == "dropout=0, clip=0.5"
    assert [each.folder for each in one.trainings] == [each.folder for each in other.trainings]
    assert one.page == Path("runs/wine.cures/dropout=0,clip=0.5.html")


def test_a_name_that_a_shell_would_take_otherwise_is_made_plain_and_stays_unique() -> None:
    first, second = file_name("channels=[8,16]"), file_name("channels=[8;16]")
    assert first != second
    assert not set(first) & set("[]; /")
    assert len(file_name("x=" + "9" * 500)) < 100
    assert said(settled(model={"kind": "mlp"}), {"model.mlp.dropout": 0.1}) == "dropout=0.1"


# Trained


def test_a_change_that_changes_nothing_trains_to_the_same_bits_as_the_run(run: Path) -> None:
    found = pellucid.cure(run, {"dropout": 0.2}, seeds=3)
    assert found is not None
    assert (found.verdict, found.effects[0].reason) == ("not", "same")
    assert same_bits(run, "runs/wine.cures/dropout=0.2-seed-1")
    for seed in (2, 3):
        assert same_bits(f"runs/wine.cures/untreated-seed-{seed}", f"runs/wine.cures/dropout=0.2-seed-{seed}")
    assert not same_bits(run, "runs/wine.cures/untreated-seed-2")


def test_each_training_is_the_one_that_train_itself_would_make(run: Path, tmp_path: Path) -> None:
    pellucid.cure(run, "clip=0.1", seeds="1,2,3")
    pellucid.train(wine(seed=2), tmp_path / "two")
    pellucid.train(wine(seed=3, clip=0.1), tmp_path / "three")
    assert same_bits(tmp_path / "two", "runs/wine.cures/untreated-seed-2")
    assert same_bits(tmp_path / "three", "runs/wine.cures/clip=0.1-seed-3")


def test_the_run_itself_is_not_touched(run: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    pellucid.cure(run, "clip=0.1", seeds=1)
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_differences_are_those_of_the_runs_test_scores(run: Path) -> None:
    found = pellucid.cure(run, {"learning_rate": 1e-5})
    assert found is not None
    scores = {}
    for name in (
        "wine",
        *(f"wine.cures/{what}-seed-{n}" for what in ("untreated", "learning_rate=1e-05") for n in (1, 2, 3)),
    ):
        if (place := Path("runs") / name).exists():
            test = next(line for line in Run.open(place).metrics() if line["kind"] == "test")
            scores[name] = test["systems"]["model"]["value"]
    expected = [
        scores[f"wine.cures/learning_rate=1e-05-seed-{n}"]
        - scores["wine" if n == 1 else f"wine.cures/untreated-seed-{n}"]
        for n in (1, 2, 3)
    ]
    assert list(found.effects[0].differences.values()) == pytest.approx(expected, abs=0.011)
    assert found.verdict == "worse"


def test_a_cure_that_was_done_is_told_again_without_training_and_shares_the_untreated(run: Path) -> None:
    events: list[Event] = []
    first = pellucid.cure(run, "clip=0.1", watcher=events.append)
    assert sum(event["kind"] == "test" for event in events) == 5
    events.clear()
    second = pellucid.cure(run, "clip=0.1", watcher=events.append)
    assert not [event for event in events if event["kind"] in ("step", "test")]
    assert first is not None
    assert second is not None
    assert second.json() == first.json()
    events.clear()
    pellucid.cure(run, "clip=0.2", watcher=events.append)
    assert sum(event["kind"] == "test" for event in events) == 3
    events.clear()
    pellucid.cure(run, "clip=0.1", seeds=4, watcher=events.append)
    assert sum(event["kind"] == "test" for event in events) == 2


def test_a_cure_that_is_stopped_goes_on_where_it_was(run: Path, tmp_path: Path) -> None:
    seen: list[Event] = []

    def stop() -> bool:
        return sum(event["kind"] == "step" for event in seen) >= 17

    assert pellucid.cure(run, "clip=0.1", watcher=seen.append, should_stop=stop) is None
    assert not Path("runs/wine.cures/clip=0.1.json").exists()
    again: list[Event] = []
    assert pellucid.cure(run, "clip=0.1", watcher=again.append) is not None
    (begun,) = (one for one in again[0]["trainings"] if one["state"] == "begun")
    assert 0 < begun["steps_done"] < begun["steps"]
    pellucid.train(wine(seed=begun["seed"], **({"clip": 0.1} if begun["treated"] else {})), tmp_path / "whole")
    assert same_bits(tmp_path / "whole", begun["run"])


CURING = "import sys, pellucid; pellucid.cure('runs/wine', 'clip=0.1', watcher=lambda e: print(e['kind'], flush=True))"


@pytest.mark.slow
def test_a_cure_that_is_killed_goes_on_and_ends_as_if_nothing_had_happened(run: Path, trained: Path) -> None:
    steps = 20
    process = subprocess.Popen([sys.executable, "-c", CURING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        steps -= line.startswith("step")
        if not steps:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (half_made := Path("runs/wine.cures/clip=0.1-seed-3")).mkdir(exist_ok=True)
    (half_made / ".form.json.x.part").touch()
    found = pellucid.cure(run, "clip=0.1")
    assert found is not None
    shutil.copytree(trained / "runs" / "wine", trained / "whole" / "wine")
    expected = pellucid.cure(trained / "whole" / "wine", "clip=0.1")
    assert expected is not None
    assert found.effects == expected.effects
    for one in sorted(Path("runs/wine.cures").glob("*-seed-*")):
        assert same_bits(one, trained / "whole" / "wine.cures" / one.name)


def diabetes(**training: Any) -> RegressConfig:
    chosen = {"steps": 40, "optimizer": "sgd", "learning_rate": 0.1, "threads": 1, "patience": 100, **training}
    return RegressConfig.parse({"data": {"files": ["sample:diabetes"]}, "training": chosen})


def test_a_run_that_diverges_is_cured_by_a_rate_that_does_not(tmp_path: Path) -> None:
    with pytest.raises(pellucid.PellucidError, match="gave a loss of"):
        pellucid.train(diabetes(learning_rate=1e12, clip=1e30), tmp_path / "sick")
    found = pellucid.cure(tmp_path / "sick", "learning_rate=0.1")
    assert found is not None
    assert (found.verdict, found.effects[0].reason, found.effects[0].failed) == ("helped", "failed", (3, 0))
    events: list[Event] = []
    pellucid.cure(tmp_path / "sick", "learning_rate=0.1", watcher=events.append)
    assert not [event for event in events if event["kind"] == "step"]
    assert Run.open(tmp_path / "sick").status == "stopped"


def test_a_change_that_makes_every_seed_fail_made_it_worse(tmp_path: Path) -> None:
    pellucid.train(diabetes(clip=1e30), tmp_path / "well")
    found = pellucid.cure(tmp_path / "well", "learning_rate=1e12")
    assert found is not None
    assert found.verdict == "worse"
    assert {one.standing for one in found.groups[1].trainings} == {"failed"}
    assert "gave a loss of" in str(found.groups[1].trainings[0].failed)


def test_an_unfinished_run_is_finished_in_a_copy(tmp_path: Path) -> None:
    seen: list[Event] = []
    pellucid.train(
        wine(), tmp_path / "half", watcher=seen.append, should_stop=lambda: sum(e["kind"] == "step" for e in seen) > 6
    )
    assert Run.open(tmp_path / "half").status == "stopped"
    pellucid.cure(tmp_path / "half", "clip=0.1", seeds=1)
    assert Run.open(tmp_path / "half").status == "stopped"
    pellucid.train(wine(), tmp_path / "whole")
    assert same_bits(tmp_path / "whole", tmp_path / "half.cures" / "untreated-seed-1")


def test_cures_of_another_run_that_had_the_name_are_not_taken_for_this_ones(run: Path) -> None:
    pellucid.cure(run, "clip=0.1", seeds=2)
    shutil.rmtree(run)
    pellucid.train(wine(learning_rate=1e-4), run)
    with pytest.raises(RunError, match=r"was trained with training\.learning_rate = 0\.003") as error:
        pellucid.cure(run, "clip=0.1", seeds=2)
    assert "wine.cures" in error.value.mend


def test_no_seed_that_was_trained_before_can_be_left_out(run: Path) -> None:
    pellucid.cure(run, "clip=0.1", seeds="1,2,7")
    events: list[Event] = []
    found = pellucid.cure(run, "clip=0.1", seeds=1, watcher=events.append)
    assert found is not None
    assert list(found.effects[0].differences) == [1, 2, 7]
    assert not [event for event in events if event["kind"] == "step"]


def test_one_seed_gets_no_verdict(run: Path) -> None:
    found = pellucid.cure(run, "learning_rate=1e-5", seeds=1)
    assert found is not None
    assert (found.verdict, found.effects[0].reason) == ("none", "few")


def test_changed_data_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    rows = [f"{x},{(7 * x) % 13},{'ab'[x % 2]}\n" for x in range(90)]
    (tmp_path / "t.csv").write_text("x,y,kind\n" + "".join(rows), encoding="utf-8")
    data = {"files": [str(tmp_path / "t.csv")], "target": "kind"}
    pellucid.train(ClassifyConfig.parse({"data": data, "training": {"steps": 4, "threads": 1}}), tmp_path / "run")
    (tmp_path / "t.csv").write_text("x,y,kind\n" + "".join(rows[1:]), encoding="utf-8")
    with pytest.raises(DataError, match="not those that this run was trained on"):
        pellucid.cure(tmp_path / "run", "dropout=0.1")


def test_a_run_that_is_being_trained_is_left_alone(run: Path) -> None:
    opened = Run.open(run)
    with opened.locked(), pytest.raises(RunError, match="being trained now"):
        plan_cure(opened, {"clip": 0.1})


def test_with_another_batch_the_same_number_of_examples_was_seen(run: Path) -> None:
    pellucid.cure(run, "batch=31", seeds=1)

    def seen(place: str | Path) -> int:
        return max(line["tokens"] for line in Run.open(place).metrics() if line["kind"] == "step")

    assert seen("runs/wine.cures/batch=31-seed-1") == seen(run)
