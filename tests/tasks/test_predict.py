"""A trained classifier asked about files: the answers are the network's own, whatever the file's form."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid.errors import DataError
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.predict import predict
from tests.tasks.test_classify import config_of, write_images, write_table

STEPS: dict[str, Any] = {"steps": 10, "threads": 1}


def finished(path: Path, config: ClassifyConfig) -> Run:
    """A run with the weights of an untrained network, which is all that answers need."""
    torch.manual_seed(3)
    task = ClassifyTask(config)
    run = Run.create(path, task)
    run.save_model(task.build_model().state_dict(), {})
    return Run.open(path)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def run(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("runs") / "stripes", config_of(stripes))


def test_answers_are_the_softmax_of_the_networks_scores(run: Run, stripes: Path) -> None:
    found = predict(run, str(stripes))
    with torch.inference_mode():
        expected = run.model(run.task.inputs(range(120))).softmax(1)
    for one, row in zip(found, expected, strict=True):
        assert list(one["probabilities"].values()) == pytest.approx(row.tolist(), abs=2e-6)
        assert one["class"] == ("0", "1", "2")[int(row.argmax())]
        assert one["probability"] == max(one["probabilities"].values())


def test_the_data_of_the_training_need_not_be_there(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, tmp_path / "moved")
    text = (tmp_path / "moved" / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "moved" / "config.toml").write_text(text.replace("stripes.npz", "gone.npz"), encoding="utf-8")
    Image.new("L", (8, 8), 90).save(tmp_path / "a.png")
    assert len(predict(Run.open(tmp_path / "moved"), str(tmp_path / "a.png"))) == 1


def test_a_picture_a_folder_and_an_array_of_the_same_pixels_get_the_same_answer(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    (tmp_path / "pictures" / "deeper").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "deeper/c.png")):
        Image.fromarray(pixels[number]).save(tmp_path / "pictures" / name)
    np.savez(tmp_path / "a.npz", images=pixels)
    of_folder = predict(run, str(tmp_path / "pictures"))
    of_array = predict(run, str(tmp_path / "a.npz"))
    assert [one["name"] for one in of_folder] == ["a.png", "b.png", str(Path("deeper") / "c.png")]
    assert [one["probabilities"] for one in of_folder] == [one["probabilities"] for one in of_array]
    (alone,) = predict(run, str(tmp_path / "pictures" / "b.png"))
    assert alone["probabilities"] == of_array[1]["probabilities"]


def test_larger_and_coloured_pictures_are_brought_to_what_the_network_reads(run: Run, tmp_path: Path) -> None:
    gray = Image.fromarray(np.repeat(np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, 2, 0), 2, 1))
    gray.save(tmp_path / "large.png")
    gray.convert("RGB").save(tmp_path / "coloured.png")
    large, coloured = (predict(run, str(tmp_path / name))[0] for name in ("large.png", "coloured.png"))
    assert large["probabilities"] == coloured["probabilities"]


def test_rows_of_a_table_are_answered_with_their_truth_where_it_stands(tmp_path: Path) -> None:
    table = write_table(tmp_path / "insects.csv")
    config = ClassifyConfig.parse({"data": {"files": [str(table)], "target": "kind"}, "training": STEPS})
    run = finished(tmp_path / "run", config)
    found = predict(run, str(table))
    assert [one["truth"] for one in found] == ["ant", "bee"] * 45
    rows = [line.rsplit(",", 1)[0] for line in table.read_text(encoding="utf-8").splitlines()]
    (tmp_path / "new.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    untold = predict(run, str(tmp_path / "new.csv"))
    assert "truth" not in untold[0]
    assert [one["probabilities"] for one in untold] == [one["probabilities"] for one in found]
    (tmp_path / "wrong.csv").write_text("size\n1.0\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column 'colour'"):
        predict(run, str(tmp_path / "wrong.csv"))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="images, but this run reads tables"):
        predict(run, str(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere.png", "no such file or folder"),
        ("table.csv", "not an image; this run reads images of 8 x 8"),
        ("empty", "no picture in this folder"),
        ("broken.png", "not an image that can be read"),
    ],
)
def test_what_is_no_image_is_told(run: Run, tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=says):
        predict(run, str(tmp_path / name))
