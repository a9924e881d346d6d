"""Illnesses are planted into real trainings: each is found by name where it is, and its first cure cures it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pellucid.run import Run
from pellucid.train.diagnosis import diagnose
from tests.train.diagnosis.plants import PLANTS, SLOW_PLANTS, Plant
from tests.train.diagnosis.trainings import trained, with_set


def found(run: Run) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by illness, as a program reads it: without numbers that JSON does not have."""
    diagnose(run)
    told = json.loads((run.path / "diagnosis.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    return {finding["illness"]: finding for finding in told["findings"]}


def end(run: Run, score: str) -> float:
    """The loss of the last evaluation, or one of its scores; infinite if the training did not come to one."""
    evaluations = [line for line in run.metrics() if line["kind"] == "evaluation"]
    diverged = any(line["kind"] == "diverged" for line in run.metrics())
    if diverged or not evaluations:
        return float("inf")
    return float(evaluations[-1]["scores"][score] if score else evaluations[-1]["loss"])


def check(plant: Plant, folder: Path) -> None:
    sick = trained(plant.plant(plant.task(folder)), folder / "sick")
    findings = found(sick)
    assert plant.illness in findings, f"found {list(findings)}"
    finding = findings[plant.illness]
    assert finding["place"].startswith(plant.place)
    assert finding["step"] <= plant.within
    assert all(finding["said"][language][what] for language in ("en", "zh") for what in ("title", "evidence", "why"))
    if not plant.cured:
        return
    first = finding["cures"][0]
    cured = trained(plant.plant(with_set(plant.task(folder), first["set"])), folder / "cured")
    if plant.gone:
        assert plant.illness not in found(cured)
    if plant.better:
        assert end(cured, plant.score) < 0.97 * end(sick, plant.score)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_illness_is_found_and_its_first_cure_cures_it(name: str, tmp_path: Path) -> None:
    check(PLANTS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_PLANTS)
def test_a_planted_illness_of_a_larger_network_is_found_and_its_first_cure_cures_it(name: str, tmp_path: Path) -> None:
    check(SLOW_PLANTS[name], tmp_path)
