"""Regression from the command line: what is printed, what is refused, what another program can read."""

import json
from pathlib import Path

import pytest

from pellucid.cli.words import words
from tests.cli.conftest import Command, lines

TABLE = "size,town,note,price\n" + "".join(f"{i}.5,{'ab'[i % 2]},same,{3 * i + 10 * (i % 2)}\n" for i in range(40))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "houses.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", ["60", "80", "120"])
def test_what_is_printed_tells_scores_coefficients_and_fits_the_terminal(
    pellucid: Command, table: Path, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    printed = lines(pellucid("train", "regress", table.name, "--target", "price", "--steps", "40"))
    text = "\n".join(printed)
    for told in ("price: 28 rows to train on, 6 for development, 6 held out; inputs: 3", "note (always same)"):
        assert told in " ".join(text.split())
    for told in ("this network", "closed form", "always the mean", "town=b", "reference", "runs/houses"):
        assert told in text
    tables = [line for line in printed if "─" in line or line.startswith(("size", "town", "this network"))]
    assert max(map(len, tables)) <= int(width)
    assert (table.parent / "runs" / "houses" / "report.html").exists()


def test_each_line_is_json_where_another_program_reads(pellucid: Command, table: Path) -> None:
    result = pellucid("train", "regress", table, "--target", "price", "--steps", "20", "--json", "--name", "mine")
    events = [json.loads(line) for line in lines(result)]
    kinds = {"data", "plan", "network", "step", "statistics", "evaluation", "end", "test"}
    assert {event["kind"] for event in events} - {"finding"} == kinds
    assert events[-1]["systems"]["closed_form"]["r2"] > 0.99
    (run,) = json.loads(lines(pellucid("runs", "--json"))[0])
    assert run["task"] == "price"
    assert run["scores"] == pytest.approx({key: events[-1]["systems"]["model"][key] for key in ("r2", "rmse", "mae")})


def test_networks_side_by_side_are_told_by_their_neurons(pellucid: Command, table: Path) -> None:
    command = ("train", "regress", "curve:wave", "--neurons", "1,4", "--steps", "30")
    printed = "\n".join(lines(pellucid(*command)))
    assert "one hidden layer against sin 2x + ½ sin 5x" in printed
    assert "runs/curve-wave" in printed


@pytest.mark.parametrize(
    ("arguments", "said", "mend"),
    [
        (["houses.csv"], "which column is to be predicted is not said", "size, town, note, price"),
        (["houses.csv", "--target", "prize"], "there is no column 'prize'", "size, town, note, price"),
        (["houses.csv", "--target", "price", "--missing", "guess"], "data.missing is 'guess'", "Change"),
        (["houses.csv", "--target", "price", "--loss", "cubic"], "loss is 'cubic'", "Change"),
        (["houses.csv", "--target", "price", "--neurons", "one"], "--neurons is 'one'", "1,2,4,8"),
        (["houses.csv", "--target", "price", "--activation", "step"], "model.activation is 'step'", "Change"),
        (["houses.csv", "--target", "town"], "'a' in column 'town' is not a number", "pellucid train classify"),
        (
            ["houses.csv", "--target", "price", "--surface", "size,air"],
            "no input 'air'",
            "size, town=a, town=b, and bias",
        ),
        (["sample:houses"], "there is no such table", "sample:diabetes"),
        (["curve:circle"], "there is no such curve", "curve:sine"),
        ([], "no data to train on", "sample:diabetes"),
    ],
)
def test_what_cannot_be_done_is_two_lines_and_no_run(
    pellucid: Command, table: Path, arguments: list[str], said: str, mend: str
) -> None:
    result = pellucid("train", "regress", *arguments)
    assert result.code == 2
    error = " ".join(result.err.split())
    assert said in error
    assert mend in error
    assert not (table.parent / "runs").exists()


def test_both_languages_say_the_same_of_regress() -> None:
    keys = [{key for key in words(language) if key.startswith("regress.")} for language in ("en", "zh")]
    assert keys[0] == keys[1]


def test_what_comes_next_keeps_what_was_left_out(pellucid: Command, table: Path) -> None:
    printed = lines(
        pellucid("train", "regress", table.name, "--target", "price", "--leave-out", "town", "--steps", "5")
    )
    (again,) = [line for line in printed if "--depth 2" in line]
    assert "--target price --leave-out town" in again


def test_a_row_of_the_persons_own_is_looked_at_without_its_target(pellucid: Command, table: Path) -> None:
    lines(pellucid("train", "regress", table.name, "--target", "price", "--steps", "5"))
    (table.parent / "new.csv").write_text("size,town\n7,b\n", encoding="utf-8")
    shown = lines(pellucid("see", "runs/houses", "new.csv"))
    assert "what the network reads" in shown
    start = shown.index("what the network reads") + 2
    assert [line.split()[0] for line in shown[start : start + 3]] == ["size", "town=a", "town=b"]
    back = pellucid("see", "runs/houses", "new.csv", "--backward")
    assert back.code == 2
    assert "no loss to go back from" in back.err
    assert back.out == ""
