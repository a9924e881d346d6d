"""`pellucid cure` and `pellucid compare` as a person meets them: verdict, tables, curves, JSON, and what goes wrong."""

import json
import os
import sys
from pathlib import Path

import pytest

from pellucid.cli.main import main
from pellucid.cli.verdict import mean_curve, sparkline, value_at
from tests.cli.conftest import Command, lines

SHORT = ["--steps", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/wine, runs/diabetes and a cure of runs/wine over three seeds, made by the commands."""
    place = tmp_path_factory.mktemp("work")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    try:
        for command in (
            ["train", "classify", "sample:wine", *SHORT, "--json"],
            ["train", "regress", "sample:diabetes", *SHORT, "--json"],
            ["cure", "runs/wine", "--with", "learning_rate=1e-6", "--json"],
        ):
            sys.argv = ["pellucid", *command]
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


def test_a_cure_prints_the_verdict_each_seed_the_curves_and_where_the_page_is(here: Path, pellucid: Command) -> None:
    result = pellucid("cure", "runs/wine", "--with", "learning_rate=1e-6")
    text = result.out
    assert result.code == 0, result
    assert "runs/wine with learning_rate=1e-06, seeds 1, 2, 3: 6 trainings, 6 of them there already" in " ".join(
        text.split()
    )
    assert "learning_rate=1e-06 made it worse." in text
    assert "its 95% interval" in text
    assert "3 seeds can give no less than 0.25" in " ".join(text.split())
    assert [line.split()[0] for line in text.split("\n") if line.strip()[:1] in "123" and "−" in line][:3] == [
        "1",
        "2",
        "3",
    ]
    assert "Loss on the development side" in text
    assert "▁" in text
    assert "page: runs/wine.cures/learning_rate=1e-06.html" in text
    assert (here / "runs/wine.cures/learning_rate=1e-06.html").stat().st_size > 1_000_000
    assert all(len(line) <= 80 for line in text.split("\n"))


def test_a_cure_speaks_chinese(here: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert "使结果变差" in pellucid("cure", "runs/wine", "--with", "learning_rate=1e-6").out


def test_a_cure_tells_every_event_as_json_and_the_comparison_last(here: Path, pellucid: Command) -> None:
    found = [
        json.loads(line) for line in lines(pellucid("cure", "wine", "--with", "clip=0.5", "--seeds", "1", "--json"))
    ]
    assert found[0]["kind"] == "cure"
    assert found[0]["changes"] == {"training.clip": 0.5}
    assert [one["state"] for one in found[0]["trainings"]] == ["original", "new"]
    assert {event["run"] for event in found if event["kind"] == "step"} == {"runs/wine.cures/clip=0.5-seed-1"}
    last = found[-1]
    assert (last["kind"], last["verdict"], last["effects"][0]["reason"]) == ("comparison", "none", "few")
    assert json.loads((here / "runs/wine.cures/clip=0.5.json").read_text("utf-8")) == {
        key: value for key, value in last.items() if key != "page"
    }


def test_one_seed_is_told_to_train_more(here: Path, pellucid: Command) -> None:
    text = pellucid("cure", "runs/wine", "--with", "clip=0.5", "--seeds", "1").out
    assert "No verdict on clip=0.5" in text
    assert "One seed each: no verdict; train more with --seeds." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "dropuot=0.2"], "there is no field dropuot"),
        (["--with", "dropout=2"], "model.mlp.dropout is 2"),
        (["--with", "dropout"], "is not a change"),
        (["--with", "seed=4"], "give --seeds"),
        (["--with", "held_out=0.2"], "scores on others cannot be compared"),
        (["--with", "clip=1", "--seeds", "many"], "neither how many nor which"),
        (["--with", "clip=1", "--seeds", "0"], "--seeds is 0"),
    ],
)
def test_what_cannot_be_done_is_two_lines_and_nothing_is_trained(
    here: Path, pellucid: Command, arguments: list[str], said: str
) -> None:
    before = sorted(here.glob("runs/*/*"))
    result = pellucid("cure", "runs/wine", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.strip().split("\n")) == 2
    assert sorted(here.glob("runs/*/*")) == before


def test_a_run_that_there_is_not_is_told(here: Path, pellucid: Command) -> None:
    assert "runs/wine" in pellucid("cure", "runs/win", "--with", "clip=1").err


def test_the_list_of_runs_tells_what_cures_found_and_their_folder_is_listed_like_any(
    here: Path, pellucid: Command
) -> None:
    text = pellucid("runs").out
    assert "runs/wine.cures:" in text
    assert "learning_rate=1e-06 (made it worse)" in " ".join(text.split())
    told = {run["name"]: run for run in json.loads(pellucid("runs", "--json").out)}
    assert told.keys() == {"wine", "diabetes"}
    assert {"what": "learning_rate=1e-06", "verdict": "worse", "page": "runs/wine.cures/learning_rate=1e-06.html"} in (
        told["wine"]["cures"]
    )
    assert told["diabetes"]["cures"] == []
    inside = pellucid("runs", "runs/wine.cures").out
    assert "untreated-seed-2" in inside
    assert "learning_rate=1e-06-seed-3" in inside


def test_a_result_that_is_damaged_hides_no_run(here: Path, pellucid: Command) -> None:
    (here / "runs/diabetes.cures").mkdir(exist_ok=True)
    (here / "runs/diabetes.cures/x=1.json").write_text("{", encoding="utf-8")
    assert pellucid("runs").code == 0


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_runs_are_compared_group_by_group(
    here: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = pellucid("compare", "runs/wine", "runs/wine.cures")
    assert result.code == 0, result
    text = " ".join(result.out.split())
    assert "learning_rate=1e-06 is worse than wine." in text
    assert columns < 80 or "training.learning_rate 0.003 → 1e-06" in text
    assert all(len(line) <= columns for line in result.out.split("\n"))


def test_runs_of_other_tasks_are_shown_and_not_ranked(here: Path, pellucid: Command) -> None:
    text = pellucid("compare", "wine", "diabetes").out
    assert "These are not ranked." in text
    assert "their scores are not of one kind" in " ".join(text.split())
    assert "is better" not in text.replace("more is better", "")


def test_a_comparison_is_json_and_a_page_as_well(here: Path, pellucid: Command, tmp_path: Path) -> None:
    (told,) = lines(pellucid("compare", "runs/wine.cures", "--json", "--html", tmp_path / "compare.html"))
    found = json.loads(told)
    assert found["page"] == str(tmp_path / "compare.html")
    assert "untreated" in [group["name"] for group in found["groups"]]
    assert (tmp_path / "compare.html").exists()


def test_one_run_alone_is_told(here: Path, pellucid: Command) -> None:
    result = pellucid("compare", "runs/wine")
    assert result.code == 2
    assert "one run alone" in result.err


def test_a_curve_is_drawn_from_its_highest_to_its_lowest_block() -> None:
    falling = [(step, 10.0 - step) for step in range(11)]
    drawn = sparkline(falling, width=10, last=10, low=0.0, high=10.0)
    assert (drawn[0], drawn[-1], len(drawn)) == ("▇", "▁", 10) or drawn[0] == "█"
    assert list(drawn) == sorted(drawn, reverse=True)
    assert sparkline(falling, width=20, last=20, low=0.0, high=10.0)[12:] == " " * 8
    assert sparkline([], width=5, last=9, low=0.0, high=1.0) == " " * 5
    assert set(sparkline([(1, 2.0), (9, 2.0)], width=5, last=9, low=2.0, high=2.0)) == {"▁"}


def test_between_two_points_a_curve_is_straight_and_of_several_the_mean() -> None:
    assert value_at([(0, 1.0), (10, 3.0)], 2.5) == 1.5
    assert (value_at([(2, 1.0), (4, 3.0)], 0), value_at([(2, 1.0), (4, 3.0)], 9)) == (1.0, 3.0)
    assert mean_curve([[(1, 1.0), (2, 2.0)], [(2, 4.0), (3, 5.0)], []]) == [(2, 3.0)]
    assert mean_curve([[(0, 0.0), (4, 4.0)], [(0, 2.0), (1, 2.0), (6, 2.0)]]) == [(0, 1.0), (1, 1.5), (4, 3.0)]
