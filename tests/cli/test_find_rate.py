"""Finding a learning rate from the command line."""

import json
from pathlib import Path

import pytest

from pellucid.cli.words import words
from tests.cli.conftest import Command, lines

TABLE = "a,b,y\n" + "".join(f"{i % 17},{i % 5},{2 * (i % 17) - (i % 5) + i % 3}\n" for i in range(200))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "table.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", ["50", "80", "120"])
def test_before_a_training_the_losses_and_a_rate_are_told_and_nothing_is_written(
    pellucid: Command, table: Path, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    result = pellucid("train", "regress", table, "--target", "y", "--depth", "1", "--find-rate")
    assert result.code == 0
    text = " ".join(result.out.split())
    assert "← suggested" in text
    assert "Set it with --learning-rate" in text
    assert "noise: a batch of" in text
    assert max(map(len, lines(result))) <= int(width)
    assert [path.name for path in table.parent.iterdir()] == ["table.csv"]


def test_of_a_config_file_and_of_a_run_it_is_one_json_object(pellucid: Command, table: Path) -> None:
    toml = table.with_name("run.toml")
    toml.write_text(
        'task = "regress"\n[data]\nfiles = ["table.csv"]\ntarget = "y"\n[model]\ndepth = 1\n[training]\nsteps = 50\n',
        encoding="utf-8",
    )
    (first,) = lines(pellucid("find-rate", toml, "--steps", "20", "--json"))
    told = json.loads(first)
    assert told["kind"] == "rate_curve"
    assert len(told["rates"]) == len(told["losses"]) == len(told["smoothed"]) <= 20
    assert told["rates"][0] == pytest.approx(1e-6)
    assert told["noise"]["items"] == "example"
    assert pellucid("train", "regress", "--config", toml, "--name", "mine").code == 0
    (again,) = lines(pellucid("find-rate", "mine", "--steps", "20", "--json"))
    assert json.loads(again)["losses"][0] < told["losses"][0]


def test_what_cannot_be_done_is_told_in_a_sentence(pellucid: Command, table: Path) -> None:
    missing = pellucid("find-rate", "nowhere")
    assert (missing.code, missing.out) == (2, "")
    assert "no such run" in missing.err
    toml = table.with_name("run.toml")
    toml.write_text('task = "regress"\n[data]\nfiles = ["table.csv"]\ntarget = "y"\n', encoding="utf-8")
    falling = pellucid("find-rate", toml, "--lowest", "1", "--highest", "0.1")
    assert falling.code == 2
    assert "not rising" in falling.err


def test_the_words_exist_in_both_languages() -> None:
    for language in ("en", "zh"):
        assert {key for key in words(language) if key.startswith("rates.")} >= {"rates.found", "rates.noise.none"}
