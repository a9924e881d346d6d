"""The commands of classify as a person meets them: train, predict, report, runs, and what goes wrong."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from pellucid.cli.main import main
from tests.cli.conftest import Command, lines
from tests.tasks.test_classify import write_images, write_table

TINY = ["--steps", "12", "--threads", "1", "--set", "model.cnn.channels=[4]"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stripes.npz, insects.csv and a run of each, made by the command itself."""
    place = tmp_path_factory.mktemp("work")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    try:
        write_images(place)
        write_table(place / "insects.csv")
        for rest in (["stripes.npz", "--augment", "light"], ["insects.csv", "--target", "kind", "--balanced"]):
            sys.argv = ["pellucid", "train", "classify", *rest, *TINY, "--json"]
            with pytest.raises(SystemExit) as done:
                main()
            assert done.value.code == 0
    finally:
        sys.argv = arguments
        os.chdir(before)
    return place


@pytest.fixture
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(work)
    return work


def test_training_prints_the_scores_the_mistakes_and_what_to_do_next(here: Path, pellucid: Command) -> None:
    result = pellucid("train", "classify", "stripes.npz", *TINY, "--name", "shown")
    text = result.out
    assert result.code == 0, result
    assert "images of 8 x 8 pixels, gray, 3 classes: 84 to train on, 18 and 18 held" in text
    for said in ("accuracy, %", "nearest training example", "precision", "A fully connected network", "runs/shown"):
        assert said in text
    assert all(len(line) <= 80 for line in text.split("\n") if "report:" not in line and "pellucid " not in line)


def test_each_event_is_a_line_of_json(here: Path, pellucid: Command) -> None:
    result = pellucid("train", "classify", "insects.csv", "--target", "kind", *TINY, "--json", "--name", "json")
    events = [json.loads(line) for line in lines(result)]
    assert [event["kind"] for event in events][:2] == ["data", "plan"]
    assert events[-1]["kind"] == "test"
    assert events[-1]["systems"]["model"]["value"] > 40


def test_predictions_are_a_table_json_or_csv(here: Path, pellucid: Command) -> None:
    Image.new("L", (20, 30), 99).save(here / "one.png")
    assert "one.png" in pellucid("predict", "runs/stripes", "one.png").out
    (told,) = [json.loads(line) for line in lines(pellucid("predict", "stripes", "one.png", "--json"))]
    assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    rows = list(csv.DictReader(io.StringIO(pellucid("predict", "runs/insects", "insects.csv", "--csv").out)))
    assert len(rows) == 90
    assert float(rows[0]["p(ant)"]) + float(rows[0]["p(bee)"]) == pytest.approx(1, abs=1e-5)
    assert {row["truth"] for row in rows} == {"ant", "bee"}
    shown = pellucid("predict", "runs/insects", "insects.csv").out
    right = sum(row["class"] == row["truth"] for row in rows)
    assert f"{right} of 90 right" in shown


def test_a_picture_whose_class_nobody_told_is_looked_at(here: Path, pellucid: Command) -> None:
    Image.new("L", (20, 30), 99).save(here / "two.png")
    (told,) = [json.loads(line) for line in lines(pellucid("predict", "stripes", "two.png", "--json"))]
    shown = lines(pellucid("see", "runs/stripes", "two.png"))
    assert shown[0].startswith(f"stripes: two.png; the model says {told['class']}")
    assert shown[2:4] == ["what the network reads", "image"]


def test_predictions_are_written_whole(here: Path, pellucid: Command) -> None:
    assert pellucid("predict", "runs/insects", "insects.csv", "-o", "out.csv").out == ""
    assert len((here / "out.csv").read_text(encoding="utf-8").splitlines()) == 91


def test_runs_lists_it_with_its_accuracy(here: Path, pellucid: Command) -> None:
    text = pellucid("runs").out
    assert "stripes" in text
    assert "%" in text


def test_a_stopped_training_is_resumed_by_the_command(here: Path, pellucid: Command) -> None:
    from pellucid.run import Run
    from pellucid.tasks.classify import ClassifyTask
    from pellucid.train.loop import Trainer

    task = ClassifyTask(Run.open("runs/stripes").config, Run.open("runs/stripes").task.form)
    cut = Run.create("runs/cut", task)
    trainer = Trainer(cut, task)
    trainer.should_stop = lambda: trainer.counters.step >= 5
    trainer.train()
    assert pellucid("resume", "runs/cut").code == 0
    assert (here / "runs/cut/model.safetensors").read_bytes() == (here / "runs/stripes/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says", "mend"),
    [
        (["train", "classify"], "no data to train on", "sample:digits"),
        (["train", "classify", "nowhere/"], "nowhere: no such file", ""),
        (["train", "classify", "insects.csv"], "which column is to be predicted?", "size, colour, kind"),
        (["train", "classify", "sample:cats"], "no such sample", "sample:digits"),
        (
            ["train", "classify", "stripes.npz", "--target", "kind"],
            "data.target is 'kind', which is for tables",
            "Leave",
        ),
        (
            ["train", "classify", "stripes.npz", "--missing", "drop"],
            "and stripes.npz holds images",
            "Leave",
        ),
        (["train", "classify", "insects.csv", "--target", "kind", "--size", "8"], "holds a table", "Leave it out"),
        (["data", "check", "stripes.npz", "--target", "kind"], "stripes.npz is no table", "Leave --target out"),
        (["see", "runs/stripes", "0", "--head", "1"], "--head 1 is of attention, and this network has none", "Leave"),
        (["see", "runs/stripes", "0", "--layer", "1", "--html", "x.html"], "--layer 1 is of attention", "Leave"),
        (["train", "classify", "stripes.npz", "--size", "big"], "not a size in pixels", "--size 64"),
        (["train", "classify", "stripes.npz", "--augment", "much"], "augmentation.preset is 'much'", ""),
        (["train", "classify", "stripes.npz", "--set", "model.cnn.channels=[4,4,4,4,4]"], "nothing is left", "stages"),
        (["train", "classify", "stripes.npz", "--steps", "5", "--budget", "5s"], "say the same thing", "one of them"),
        (
            ["train", "classify", "stripes.npz", "--set", "class_weights=[1]"],
            "class_weights is [1]: input should be 'none' or 'balanced', or input should be a valid dictionary",
            "Change",
        ),
        (["train", "classify", "stripes.npz", "--set", "class_weights={a='b'}"], "class_weights.a is 'b'", "Change"),
        (["demo", "classify", "--data", "cats"], "no such sample", "digits, mnist"),
        (["predict", "runs/stripes", "insects.csv"], "not an image", "picture"),
        (["predict", "runs/stripes", "stripes.npz", "--csv", "--json"], "both given", "one of them"),
        (["translate", "runs/stripes", "hello"], "is a run of classify", ""),
    ],
)
def test_a_wrong_input_gets_one_sentence_and_how_to_mend_it(
    here: Path, pellucid: Command, arguments: list[str], says: str, mend: str
) -> None:
    result = pellucid(*arguments)
    assert result.code == 2, result
    assert says in result.err
    assert mend in result.err
    assert "Traceback" not in result.err
