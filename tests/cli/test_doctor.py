"""`pellucid doctor` and `pellucid see --step`: what a person reads of sick, healthy and recorded runs."""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from pellucid.cli.doctor import CurveLive
from pellucid.cli.sparks import spark
from tests.cli.conftest import Command, lines

SICK = [
    *("sample:breast-cancer", "--epochs", "60", "--set", "model.mlp.width=128", "--set", "model.mlp.depth=2"),
    *("--set", "model.mlp.dropout=0", "--set", "training.weight_decay=0", "--set", "training.patience=100"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose runs/ holds `sick`, recorded at every 100th step, and `well`."""
    from pellucid.cli.main import main

    place, before, arguments = tmp_path_factory.mktemp("doctor"), Path.cwd(), sys.argv
    os.chdir(place)
    try:
        for name, flags in (("sick", [*SICK, "--record", "every=100"]), ("well", ["sample:wine", "--epochs", "30"])):
            sys.argv = ["pellucid", "train", "classify", *flags, "--name", name, "--json"]
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    finally:
        os.chdir(before)
        sys.argv = arguments
    return place


@pytest.fixture
def here(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)


@pytest.mark.usefixtures("here")
def test_a_sick_training_is_named_with_its_evidence_and_a_cure_and_exits_with_1(pellucid: Command) -> None:
    result = pellucid("doctor", "sick")
    assert result.code == 1
    assert "Overfitting" in result.out
    assert re.search(r"held-out loss was lowest at step \d+", " ".join(result.out.split()))
    assert "pellucid cure runs/sick --with model.mlp.dropout=0.2" in result.out
    assert all(cell_len(line) <= 80 for line in result.out.splitlines() if "pellucid cure" not in line)
    page = (Path("runs") / "sick" / "report.html").read_text(encoding="utf-8")
    assert 'id="finding-1"' in page
    assert "pellucid cure runs/sick --with model.mlp.dropout=0.2" in page


@pytest.mark.usefixtures("here")
def test_a_learning_curve_shows_its_points(pellucid: Command) -> None:
    result = pellucid("doctor", "well", "--learning-curve")
    assert result.code in (0, 1)
    assert re.findall(r"(\d+) examples: training [\d.e-]+, held out [\d.e-]+", result.out) == ["31", "62", "124"]
    assert "On 25% of the examples" in result.out


@pytest.mark.usefixtures("here")
def test_ctrl_c_ends_a_learning_curve_with_what_was_found_without_it(
    pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = CurveLive.show

    def press(live: CurveLive, event: Mapping[str, Any]) -> None:
        show(live, event)
        if event["kind"] == "step" and event["step"] == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(CurveLive, "show", press)
    before = {path: path.read_bytes() for path in Path("runs/well").rglob("*") if path.is_file()}
    result = pellucid("doctor", "well", "--learning-curve")
    assert result.code == 130
    assert "healthy" in result.out
    assert "The learning curve was stopped" in result.out
    changed = {path.name for path, held in before.items() if path.read_bytes() != held}
    assert changed <= {"diagnosis.json", "report.html"}


@pytest.mark.usefixtures("here")
def test_a_healthy_training_is_told_so_and_exits_with_0(pellucid: Command) -> None:
    assert "healthy" in lines(pellucid("doctor", "runs/well"))[0]


@pytest.mark.usefixtures("here")
def test_json_holds_evidence_series_and_cures_in_both_languages(pellucid: Command) -> None:
    found = json.loads(pellucid("doctor", "sick", "--json").out)
    one = next(finding for finding in found["findings"] if finding["illness"] == "overfitting")
    assert one["number"] > one["threshold"] > 0
    assert set(one["said"]) == {"en", "zh"}
    assert [len(series["steps"]) == len(series["values"]) > 5 for series in one["plot"]] == [True] * len(one["plot"])
    assert any(cure["set"] == {"model.mlp.dropout": 0.2} for cure in one["cures"])


@pytest.mark.usefixtures("here")
def test_a_number_is_seen_as_it_was_at_a_recorded_step(pellucid: Command) -> None:
    address = "output.weight[unit=0, input=3]"
    course = json.loads(pellucid("see", "sick", "0", "--step", "all", "--at", address, "--json").out)
    assert course["steps"][:3] == [0, 100, 200]
    assert len(set(course["values"])) == len(course["steps"])
    for step, value in zip(course["steps"], course["values"], strict=True):
        told = json.loads(pellucid("see", "sick", "0", "--step", step, "--at", address, "--json").out)
        assert told["value"] == value
    drawn = lines(pellucid("see", "sick", "0", "--step", "all", "--at", address))
    assert drawn[0] == address
    assert len(drawn[1]) == len(course["steps"])
    backward = json.loads(pellucid("see", "sick", "0", "--step", "all", "--at", address, "--backward", "--json").out)
    assert backward["values"] != course["values"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["see", "sick", "0", "--step", "101"], "step 101 was not recorded"),
        (["see", "well", "0", "--step", "100"], "no step of this training was recorded"),
        (["see", "sick", "0", "--step", "soon"], "not a step"),
        (["see", "sick", "0", "--step", "all"], "needs a number to follow"),
        (["see", "sick", "0", "--step", "all", "--at", "output.weight"], "a whole tensor"),
        (["see", "sick", "--why", "output.bias[unit=0]", "--step", "100"], "Leave one of them out"),
        (["doctor", "nobody"], "no such run"),
        (["train", "classify", "sample:wine", "--record", "often"], "not an interval"),
        (["train", "classify", "sample:wine", "--record", "every=0"], "not an interval"),
    ],
)
def test_wrong_input_gets_one_sentence(pellucid: Command, arguments: list[str], said: str) -> None:
    result = pellucid(*arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_a_spark_shows_lowest_highest_and_holes() -> None:
    assert spark([0.0, 1.0, None, 7.0], 10) == "▁▂ █"
    assert spark([1.0, 10.0, 100.0], 3, logarithmic=True) == "▁▅█"
    assert spark([5.0, 5.0], 3) == "▁▁"
    assert spark([float("nan")], 3) == ""
    assert len(spark(list(range(1000)), 60)) == 60
