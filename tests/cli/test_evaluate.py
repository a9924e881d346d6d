"""`pellucid evaluate` of every task: the report's scores again, and the same of other files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pellucid.run import Run
from tests.cli.conftest import PAIRS, TRAININGS, Command, lines


@pytest.fixture(autouse=True)
def _inside(every_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(every_task)


def reported(name: str) -> dict[str, object]:
    return next(line for line in Run.open(f"runs/{name}").metrics() if line["kind"] == "test")


@pytest.mark.parametrize("name", TRAININGS)
def test_the_scores_are_those_of_the_report(name: str, pellucid: Command) -> None:
    told = json.loads(pellucid("evaluate", f"runs/{name}", "--json").out)
    wanted = {key: value for key, value in reported(name).items() if key not in ("kind", "seconds")}
    assert told == wanted


@pytest.mark.parametrize("name", TRAININGS)
def test_the_development_side_and_other_files_are_scored_alike(name: str, pellucid: Command) -> None:
    file = TRAININGS[name][0]
    dev = json.loads(pellucid("evaluate", f"runs/{name}", "--split", "dev", "--json").out)
    other = json.loads(pellucid("evaluate", f"runs/{name}", "--on", f"other/{file}", "--json").out)
    assert dev["split"] == "dev"
    assert other["split"] == f"other/{file}"
    assert dev.keys() == other.keys() == {key for key in reported(name) if key not in ("kind", "seconds")}
    assert dev["systems"].keys() == other["systems"].keys()
    assert {**dev, "split": ""} != {**other, "split": ""}


def test_other_rows_are_scored_by_what_predict_says_of_them(pellucid: Command) -> None:
    told = json.loads(pellucid("evaluate", "runs/classify", "--on", "other/flowers.csv", "--json").out)
    answers = Run.open("runs/classify").predict("other/flowers.csv")
    right = sum(one["class"] == one["truth"] for one in answers)
    assert told["examples"] == len(answers) == 80
    assert told["systems"]["model"]["value"] == round(100 * right / 80, 2)
    told = json.loads(pellucid("evaluate", "runs/regress", "--on", "other/houses.csv", "--json").out)
    predicted = Run.open("runs/regress").predict("other/houses.csv")
    truth = np.array([float(one["price"]) for one in predicted])
    off = np.array([one["prediction"] for one in predicted]) - truth
    assert told["systems"]["model"]["rmse"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)
    assert told["systems"]["model"]["r2"] == pytest.approx(
        1 - (off**2).sum() / ((truth - truth.mean()) ** 2).sum(), rel=1e-4
    )


def test_a_single_class_of_images_can_be_scored(pellucid: Command) -> None:
    np.savez("one.npz", images=np.random.default_rng(3).integers(0, 256, (5, 8, 8), dtype=np.uint8), labels=np.ones(5))
    told = json.loads(pellucid("evaluate", "runs/pictures", "--on", "one.npz", "--json").out)
    assert [sum(row) for row in told["confusion"]] == [0, 5, 0]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", TRAININGS)
def test_scores_fit_eighty_columns(
    name: str, language: str, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("PELLUCID_LANG", language)
    printed = lines(pellucid("evaluate", f"runs/{name}", "--on", f"other/{TRAININGS[name][0]}"))
    assert all(cell_len(line) <= 80 for line in printed)
    assert f"other/{TRAININGS[name][0]}" in printed[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs/regress", "--on", "other/flowers.csv"), "there is no column 'area'"),
        (("runs/classify", "--on", "wrong.csv"), "'green'"),
        (("runs/pictures", "--on", "wrong.npz"), "is none that the run knows"),
        (("runs/language", "--on", "short.txt"), "needs at least"),
        (("runs/embed", "--beam", "3"), "is a run of embed, and this needs a run of translate"),
        (("runs/embed", "--on", "nothing.txt"), "no such file"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(arguments: tuple[str, ...], said: str, pellucid: Command) -> None:
    Path("wrong.csv").write_text(Path("flowers.csv").read_text().replace("red", "green"))
    np.savez("wrong.npz", images=np.zeros((4, 8, 8), dtype=np.uint8), labels=np.arange(4) + 5)
    Path("short.txt").write_text("Short.\n")
    result = pellucid("evaluate", *arguments)
    assert result.code == 2
    assert said in " ".join(result.err.split())


def test_a_run_of_another_task_is_told_what_is_needed(pellucid: Command, tmp_path: Path) -> None:
    shutil.copytree("runs/language", tmp_path / "language")
    for command, needed in (
        (("translate", tmp_path / "language", "a"), "this needs a run of translate"),
        (("predict", tmp_path / "language", PAIRS), "this needs a run of classify or regress"),
    ):
        result = pellucid(*command)
        assert result.code == 2
        assert f"is a run of language, and {needed}" in " ".join(result.err.split())
