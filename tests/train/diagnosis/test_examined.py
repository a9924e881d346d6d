"""Illnesses of fit, data and modes are found by name where planted, cures cure them, and the healthy stay silent."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.diagnosis import diagnose_fully
from tests.train.diagnosis.examined_plants import (
    EvaluatedInTrainingMode,
    InEvaluationMode,
    OthersInputs,
    PaddingCounted,
    blobs,
    cured,
    diagnosed,
    flipped,
    known,
    row_numbers,
    rows_task,
    written_rows,
)
from tests.train.diagnosis.trainings import curve, language, merged, settled, trained, translator, waves, with_set


def regress(files: str, **sections: Any) -> RegressTask:
    start = {"data": {"files": [files]}}
    return RegressTask(RegressTask.proposed(RegressConfig.parse(merged(start, settled(sections, steps=1000)))))


def classify(files: str, **sections: Any) -> ClassifyTask:
    return ClassifyTask(ClassifyConfig.parse(merged({"data": {"files": [files]}}, settled(sections))))


def of_kind(kind: type[TranslateTask], task: TranslateTask) -> TranslateTask:
    return kind(TranslateConfig.parse(task.config.model_dump()))


def accuracy(run: Run, task: ClassifyTask) -> float:
    return task.evaluate(run.model).scores["accuracy"]


@pytest.mark.parametrize("name", ["wine", "breast-cancer", "iris"])
def test_healthy_trainings_on_known_tables_have_nothing_found(tmp_path: Path, name: str) -> None:
    if name == "iris":
        task = rows_task(written_rows(tmp_path / "iris.csv", *known("iris")), training={"learning_rate": 0.02})
    else:
        task = classify(f"sample:{name}", training={"steps": 120, "batch": 32})
    assert diagnosed(trained(task, tmp_path / "run")) == {}


@pytest.mark.parametrize("files", ["sample:diabetes", "curve:sine", "curve:line"])
def test_healthy_regressions_have_nothing_found(tmp_path: Path, files: str) -> None:
    assert diagnosed(trained(regress(files), tmp_path / "run")) == {}


@pytest.mark.slow
def test_healthy_trainings_on_digits_have_nothing_found(tmp_path: Path) -> None:
    images = classify("sample:digits", training={"steps": 200})
    assert diagnosed(trained(images, tmp_path / "images")) == {}
    rows = rows_task(written_rows(tmp_path / "digits.csv", *known("digits")), training={"steps": 400})
    assert diagnosed(trained(rows, tmp_path / "rows")) == {}


def test_a_large_network_on_few_rows_overfits_and_dropout_makes_it_better(tmp_path: Path) -> None:
    def make(**sections: Any) -> RegressTask:
        start = {"model": {"width": 256, "depth": 3}, "training": {"steps": 600, "weight_decay": 0.0}}
        return regress("sample:diabetes", **merged(start, sections))

    task = make()
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["overfitting"]
    losses = [line["loss"] for line in run.metrics() if line["kind"] == "evaluation"]
    assert found["step"] < 600
    again = trained(cured(task, found, make), tmp_path / "again")
    after = [line["loss"] for line in again.metrics() if line["kind"] == "evaluation"]
    assert after[-1] < 0.95 * losses[-1]
    assert diagnosed(again).get("overfitting", {"number": 0.0})["number"] < found["number"]


def test_examples_known_by_heart_are_named(tmp_path: Path) -> None:
    task = regress("sample:diabetes", model={"width": 256, "depth": 3}, training={"weight_decay": 0.0})
    found = diagnosed(trained(task, tmp_path / "run"))["memorization"]
    assert found["number"] > 0.4
    train = {task.table.lines[row] for row in task.sides.train}
    assert found["lines"]
    assert set(found["lines"]) <= train


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_wrong_labels_are_found_and_their_lines_named(tmp_path: Path, name: str) -> None:
    rows, labels = known(name)
    rows, labels = rows[:900], labels[:900]
    given, wrong = flipped(labels, 0.2)
    task = rows_task(written_rows(tmp_path / "rows.csv", rows, given))
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["label_noise"]
    named, there = row_numbers(found["lines"]), wrong & set(task.data.sides.train)
    precision, recall = len(named & there) / len(named), len(named & there) / len(there)
    assert precision > 0.8
    assert recall > 0.6
    assert abs(found["number"] - 0.2) < 0.08
    keep = [n for n in range(len(rows)) if n not in named]
    mended = rows_task(written_rows(tmp_path / "mended.csv", [rows[n] for n in keep], [given[n] for n in keep]))
    again = trained(mended, tmp_path / "again")
    assert "label_noise" not in diagnosed(again)


def test_hard_classes_are_no_wrong_labels(tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = [[round(draw.gauss(1.5 * (n % 2), 1), 4) for _ in range(2)] for n in range(800)]
    labels = ["ab"[n % 2] for n in range(800)]  # clouds that overlap: one in seven is on the other side
    found = diagnosed(trained(rows_task(written_rows(tmp_path / "rows.csv", rows, labels)), tmp_path / "run"))
    assert found.get("label_noise", {"sure": 0.0})["sure"] < 0.75


def test_rows_that_stand_on_two_sides_under_other_numbers_are_named_together(tmp_path: Path) -> None:
    rows, labels = known("digits")
    rows, labels = rows[:500], labels[:500]
    again = random.Random(2).sample(range(500), 100)
    numbered = [[n, *row] for n, row in enumerate([*rows, *(rows[n] for n in again)])]
    task = rows_task(written_rows(tmp_path / "rows.csv", numbered, [*labels, *(labels[n] for n in again)]))
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["leakage"]
    twins = {500 + place: first for place, first in enumerate(again)}
    for line in found["lines"]:
        held_out, train = (next(iter(row_numbers([part]))) for part in line.split(" = "))
        assert twins.get(held_out) == train or twins.get(train) == held_out or twins.get(held_out) == twins.get(train)
    once = rows_task(written_rows(tmp_path / "once.csv", numbered[:500], labels))
    assert "leakage" not in diagnosed(trained(once, tmp_path / "once"))


@pytest.mark.slow
def test_shuffled_targets_are_found_in_rows_and_in_sentences(tmp_path: Path) -> None:
    rows, labels = known("digits")
    labels = labels[:400]
    random.Random(1).shuffle(labels)
    task = rows_task(written_rows(tmp_path / "rows.csv", rows[:400], labels), model={"mlp": {"width": 128}})
    assert "unrelated" in diagnosed(trained(task, tmp_path / "rows"))

    healthy = translator(tmp_path)
    lines = [line.split("\t") for line in (tmp_path / "pairs.tsv").read_text().splitlines()]
    targets = [target for _, target in lines]
    random.Random(1).shuffle(targets)
    shuffled = tmp_path / "shuffled.tsv"
    shuffled.write_text("".join(f"{pair[0]}\t{target}\n" for pair, target in zip(lines, targets, strict=True)))
    values = merged(healthy.config.model_dump(), {"data": {"files": [str(shuffled)], "fingerprint": None}})
    run = trained(TranslateTask(TranslateConfig.parse(values)), tmp_path / "sentences")
    assert "unrelated" in diagnosed(run)


@pytest.mark.parametrize("brighter", [0, 80])
def test_test_images_of_another_kind_are_a_shift(tmp_path: Path, brighter: int) -> None:
    generator, arrays = np.random.default_rng(3), {}
    for side, count, more in (("train", 150, 0), ("test", 60, brighter)):
        labels = np.arange(count) % 3
        rows = np.arange(8)[None, :, None] + generator.integers(0, 8, (count, 1, 1))
        pixels = 100 * (rows % (labels[:, None, None] + 2) == 0) + generator.integers(0, 60, (count, 8, 8)) + more
        arrays |= {f"x_{side}": pixels.astype(np.uint8), f"y_{side}": labels}
    np.savez(tmp_path / "stripes.npz", **arrays)
    network = {"cnn": {"channels": [4], "convolutions": 1, "dropout": 0.1}}
    task = classify(str(tmp_path / "stripes.npz"), model=network, training={"steps": 60, "batch": 16})
    found = list(diagnosed(trained(task, tmp_path / "run")))
    assert found[:1] == (["shift"] if brighter else [])


@pytest.mark.slow
def test_some_pairs_with_another_ones_target_are_named(tmp_path: Path) -> None:
    healthy = translator(tmp_path)
    lines = [line.split("\t") for line in (tmp_path / "pairs.tsv").read_text().splitlines()]
    lines += [[f"please {a}", f"请{b}"] for a, b in lines] + [[f"do not {a}", f"不要{b}"] for a, b in lines]
    wrong = random.Random(5).sample(range(len(lines)), 120)
    targets = [lines[n][1] for n in wrong]
    for n, target in zip(wrong, targets[1:] + targets[:1], strict=True):
        lines[n][1] = target
    mixed = tmp_path / "mixed.tsv"
    mixed.write_text("".join(f"{source}\t{target}\n" for source, target in lines))
    values = merged(
        healthy.config.model_dump(),
        {"data": {"files": [str(mixed)], "fingerprint": None}, "training": {"steps": 450}},
    )
    found = diagnosed(trained(TranslateTask(TranslateConfig.parse(values)), tmp_path / "run"))["mispaired"]
    named = {int(line.rpartition(":")[2]) - 1 for line in found["lines"]}
    looked = found["values"]["looked"] / (0.8 * len(lines))  # of the training side, which is four fifths and more
    assert len(named & set(wrong)) / len(named) > 0.9
    assert len(named & set(wrong)) > 0.5 * looked * len(wrong)


@pytest.mark.slow
def test_padding_that_counts_is_found_by_the_code_and_by_the_weights(tmp_path: Path) -> None:
    task = of_kind(PaddingCounted, translator(tmp_path))
    run = trained(task, tmp_path / "run")
    assert diagnosed(run, task)["padding_counted"]["number"] > 0.01
    assert "padding_counted" in diagnosed(run)  # the code is sound again, but the weights have learned to write it


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_training_in_evaluation_mode_is_found(tmp_path: Path, norm: str) -> None:
    sections = {"model": {"cnn": {"channels": [8], "norm": norm, "dropout": 0.4}}, "training": {"steps": 80}}
    healthy = classify("sample:digits", **sections)
    task = InEvaluationMode(healthy.config)
    run = trained(task, tmp_path / "run")
    assert "trained_in_evaluation_mode" in diagnosed(run)
    assert "trained_in_evaluation_mode" in diagnosed(run, task)
    assert "trained_in_evaluation_mode" not in diagnosed(trained(healthy, tmp_path / "healthy"))


@pytest.mark.slow
def test_a_training_that_ends_with_no_loss_at_all_has_no_mode_mistaken(tmp_path: Path) -> None:
    run = trained(classify("sample:wine", training={"steps": 12_000}), tmp_path / "run")
    assert not {"trained_in_evaluation_mode", "evaluated_in_training_mode"} & diagnosed(run).keys()


@pytest.mark.slow
def test_a_crawl_of_many_steps_is_a_rate_that_is_too_low_before_it_is_underfitting(tmp_path: Path) -> None:
    rate = {"steps": 18_000, "learning_rate": 1e-6, "schedule": "cosine"}
    found = list(diagnosed(trained(classify("sample:wine", training=rate), tmp_path / "run")))
    assert found[:2] == ["learning_rate_too_low", "underfitting"]


def test_evaluation_in_training_mode_is_found(tmp_path: Path) -> None:
    path = written_rows(tmp_path / "digits.csv", *(part[:800] for part in known("digits")))
    sick = rows_task(path, EvaluatedInTrainingMode, model={"mlp": {"dropout": 0.3}})
    assert "evaluated_in_training_mode" in diagnosed(trained(sick, tmp_path / "run"))
    healthy = rows_task(path, model={"mlp": {"dropout": 0.3}})
    assert "evaluated_in_training_mode" not in diagnosed(trained(healthy, tmp_path / "healthy"))


def test_a_rare_class_that_is_not_found_is_named_and_balanced_weights_find_it(tmp_path: Path) -> None:
    path = written_rows(tmp_path / "rows.csv", *blobs(rare=30, often=1500))

    def make(**sections: Any) -> ClassifyTask:
        return rows_task(path, **sections)

    task = make()
    found = diagnosed(trained(task, tmp_path / "run"))["class_imbalance"]
    assert (found["values"]["rare"], found["values"]["frequent"]) == ("yes", "no")
    again = diagnosed(trained(cured(task, found, make), tmp_path / "again"))
    assert "class_imbalance" not in again


def test_a_network_that_is_too_small_is_found_and_a_wider_one_cures_it(tmp_path: Path) -> None:
    path = written_rows(tmp_path / "digits.csv", *(part[:800] for part in known("digits")))

    def make(**sections: Any) -> ClassifyTask:
        return rows_task(path, **merged({"model": {"mlp": {"width": 1, "dropout": 0.0}}}, sections))

    task = make()
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["underfitting"]
    wider = cured(task, found, make)
    again = trained(wider, tmp_path / "again")
    assert accuracy(again, wider) > accuracy(run, task) + 30
    assert "underfitting" not in diagnosed(again)


def test_a_line_through_a_wave_is_too_little(tmp_path: Path) -> None:
    def make(**sections: Any) -> RegressTask:
        return regress("curve:sine", **merged({"model": {"depth": 0}}, sections))

    task = make()
    found = diagnosed(trained(task, tmp_path / "run"))["underfitting"]
    deeper = merged({"training": {"optimizer": "adamw", "learning_rate": 0.01, "batch": 32}}, {})
    again = trained(cured(task, found, lambda **sections: make(**merged(deeper, sections))), tmp_path / "again")
    assert "underfitting" not in diagnosed(again)


def test_inputs_of_other_examples_are_found(tmp_path: Path) -> None:
    path = written_rows(tmp_path / "digits.csv", *(part[:500] for part in known("digits")))
    network = {"mlp": {"width": 256, "depth": 2, "dropout": 0.0}}
    run = trained(rows_task(path, OthersInputs, model=network, training={"steps": 400}), tmp_path / "run")
    assert "unused" in diagnosed(run)


def test_target_values_out_of_all_bounds_are_named(tmp_path: Path) -> None:
    task = curve(tmp_path)
    rows = Path(task.config.data.files[0]).read_text().splitlines()
    wrong = random.Random(3).sample(range(1, len(rows)), 16)
    for n in wrong:
        *cells, y = rows[n].split(",")
        rows[n] = ",".join([*cells, f"{float(y) + 40:.3f}"])
    sick = tmp_path / "sick.csv"
    sick.write_text("\n".join(rows) + "\n")
    found = diagnosed(trained(curve(tmp_path, data={"files": [str(sick)]}), tmp_path / "run"))["outliers"]
    assert row_numbers(found["lines"]) <= {n - 1 for n in wrong}
    assert len(found["lines"]) > 6


def test_text_that_was_copied_to_both_sides_is_found(tmp_path: Path) -> None:
    task = language(tmp_path)
    text = (tmp_path / "book.txt").read_text()
    draw = random.Random(1)
    strange = " ".join("".join(draw.choice("abcdefgh") for _ in range(draw.randint(2, 7))) for _ in range(1500))
    copied = tmp_path / "copied.txt"
    copied.write_text(f"{strange}\n{text[:4000]}\n{strange}\n")
    values = {"data": {"files": [str(copied)], "held_out": 0.1}, "training": {"steps": 10}}
    sick = type(task)(
        type(task.config).parse(
            merged(
                task.config.model_dump(),
                {**values, "task": "language"} | {"data": {**values["data"], "fingerprint": None}},
            )
        )
    )
    assert "seen_text" in diagnosed(trained(sick, tmp_path / "run"))


def test_the_learning_curve_says_whether_more_data_would_help(tmp_path: Path) -> None:
    few = curve(tmp_path, data={"files": [str(waves(tmp_path, rows=300))]})
    run = trained(few, tmp_path / "few")
    before = sorted(path.name for path in run.path.iterdir())
    found = {one["illness"]: one for one in diagnose_fully(run, learning_curve=True)["findings"]}
    assert found["too_little_data"]["plot"][0]["steps"] == [52, 105, 210]
    assert sorted(path.name for path in run.path.iterdir()) == sorted({*before, "diagnosis.json"})
    enough = trained(regress("curve:line", training={"steps": 300}), tmp_path / "enough")
    assert diagnose_fully(enough, learning_curve=True)["findings"] == []


def test_without_its_data_a_run_is_diagnosed_by_its_metrics(tmp_path: Path) -> None:
    path = written_rows(tmp_path / "iris.csv", *known("iris"))
    run = trained(rows_task(path, training={"steps": 20}), tmp_path / "run")
    path.unlink()
    found = diagnose_fully(Run.open(run.path))
    assert found["examined"] is False
    assert "iris.csv" in found["unexamined"]


@pytest.mark.slow
def test_a_large_language_model_on_little_text_overfits_and_its_first_cure_helps(tmp_path: Path) -> None:
    healthy = language(tmp_path)
    little = tmp_path / "little.txt"
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefghiklmnoprst", k=draw.randint(3, 8))) for _ in range(300)]
    little.write_text(" ".join(draw.choices(words, k=600)))
    sections = {
        "data": {"files": [str(little)], "held_out": 0.2, "fingerprint": None},
        "model": {"width": 128, "dropout": 0.0},
        "training": {"steps": 600, "evaluate_every": 50, "weight_decay": 0.0},
    }
    task = type(healthy)(type(healthy.config).parse(merged(healthy.config.model_dump(), sections)))
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["overfitting"]
    again = trained(with_set(task, found["cures"][0]["set"]), tmp_path / "again")
    before, after = (
        [line["loss"] for line in one.metrics() if line["kind"] == "evaluation"][-1] for one in (run, again)
    )
    assert after < 0.9 * before
