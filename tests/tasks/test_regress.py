"""Regress: the closed form and the descent meet, the path lies in its valley, nothing is lost by a kill."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch.nn import functional as F

from pellucid import api
from pellucid.errors import ConfigError, DataError
from pellucid.models.mlp import MLP
from pellucid.run import Run
from pellucid.tasks.regress import RegressConfig, RegressTask

Trained = Callable[..., Run]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setattr(import_module("pellucid.train.plan"), "TRIAL_STEPS", 2)

    def trained(files: list[str], name: str = "run", **sections: Any) -> Run:
        data = {"files": files, **sections.pop("data", {})}
        return api.train(RegressConfig.parse({"data": data, **sections}), tmp_path / name)

    return trained


def houses(folder: Path, rows: int = 120, faults: Callable[[list[list[str]]], None] = lambda cells: None) -> str:
    """A table with a number, a category and a target that depends on both."""
    draw = torch.Generator().manual_seed(5)
    areas = torch.rand(rows, generator=draw) * 100 + 40
    towns = torch.randint(3, (rows,), generator=draw)
    prices = 3 * areas + torch.tensor([10.0, 50.0, 90.0])[towns] + torch.randn(rows, generator=draw)
    cells = [[f"{a:.2f}", "abc"[t], f"{p:.2f}"] for a, t, p in zip(areas.tolist(), towns, prices.tolist(), strict=True)]
    faults(cells)
    path = folder / "houses.csv"
    path.write_text("area,town,price\n" + "".join(",".join(row) + "\n" for row in cells), encoding="utf-8")
    return str(path)


def result_of(run: Run) -> dict[str, Any]:
    return next(line for line in run.metrics() if line["kind"] == "test")


def test_diabetes_in_closed_form_is_scikit_learns_and_the_descent_arrives_there(train: Trained) -> None:
    run = train(["sample:diabetes"], training={"steps": 2000})
    task, result = run.task, result_of(run)
    x, y = task.numbers.numpy(), task.truth.numpy()
    sides = task.sides
    theirs = LinearRegression().fit(x[sides.train], y[sides.train])
    found = [row["closed_form"] for row in result["coefficients"]]
    np.testing.assert_allclose(found[1:], theirs.coef_, atol=1e-6)
    assert found[0] == pytest.approx(theirs.intercept_, abs=1e-6)
    assert result["systems"]["closed_form"]["r2"] == pytest.approx(theirs.score(x[sides.test], y[sides.test]), abs=1e-6)
    assert result["train"]["closed_form"]["r2"] == pytest.approx(theirs.score(x[sides.train], y[sides.train]), abs=1e-6)
    assert result["systems"]["model"]["r2"] == pytest.approx(result["systems"]["closed_form"]["r2"], abs=1e-3)
    errors = [row["standard_error"] for row in result["coefficients"]]
    apart = [abs(row["descent"] - row["closed_form"]) for row in result["coefficients"]]
    assert all(distance < 0.1 * error for distance, error in zip(apart, errors, strict=True))


def test_one_hots_have_the_same_coefficients_both_ways(train: Trained, tmp_path: Path) -> None:
    result = result_of(train([houses(tmp_path)], data={"target": "price"}, training={"steps": 500}))
    rows = {row["name"]: row for row in result["coefficients"]}
    assert rows["town=c"]["standard_error"] is None
    assert rows["town=c"]["descent"] == 0
    for row in rows.values():
        assert row["descent"] == pytest.approx(row["closed_form"], abs=1e-2)
    assert rows["town=a"]["closed_form"] == pytest.approx(-80, abs=2)
    json.dumps(result, allow_nan=False)


def test_the_path_of_both_weights_of_a_line_lies_on_the_loss_surface_and_ends_at_its_lowest_point(
    train: Trained,
) -> None:
    run = train(["curve:line"], training={"steps": 300})
    path = [point for line in run.metrics() if line["kind"] == "evaluation" for point in line["samples"][0]["path"]]
    assert [point[0] for point in path] == list(range(300))
    task, found = run.task, result_of(run)["surface"]
    inputs, targets = task._whole["train"]
    for _, weight, bias, loss in path:
        assert F.mse_loss(inputs[:, 0] * weight + bias, targets).item() == pytest.approx(loss, abs=1e-5)
    assert found["start"] == pytest.approx(path[0][1:3], abs=1e-6)
    losses = torch.tensor(found["loss"])
    row, column = divmod(int(losses.argmin()), losses.size(1))
    assert found["x"][column] == pytest.approx(found["end"][0], abs=1e-4)
    assert found["y"][row] == pytest.approx(found["end"][1], abs=1e-4)
    assert losses[0, 0].item() == pytest.approx(
        F.mse_loss(inputs[:, 0] * found["x"][0] + found["y"][0], targets).item(), rel=1e-4
    )
    rate = run.config.training.learning_rate
    for (_, weight, bias, _), (_, next_weight, next_bias, _) in pairwise(path[:50]):
        off = inputs[:, 0] * weight + bias - targets
        assert next_weight == pytest.approx(weight - rate * 2 * (off * inputs[:, 0]).mean().item(), abs=1e-5)
        assert next_bias == pytest.approx(bias - rate * 2 * off.mean().item(), abs=1e-5)
    losses_along = [point[3] for point in path]
    assert losses_along == sorted(losses_along, reverse=True)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_losses_equal_their_formulas(tmp_path: Path, loss: str) -> None:
    config = RegressConfig.parse({"data": {"files": [houses(tmp_path)], "target": "price"}, "loss": loss})
    task = RegressTask(RegressTask.proposed(config.changed(huber_delta=0.5)))
    model, batch = task.build_model(), task.collate(list(range(30)))
    errors = (model(batch.tensors["inputs"])[:, 0] - batch.tensors["targets"]).abs()
    expected = {
        "squared": errors.square(),
        "absolute": errors,
        "huber": torch.where(errors < 0.5, errors.square() / 2, 0.5 * (errors - 0.25)),
    }[loss]
    torch.testing.assert_close(task.loss(model, batch).total, expected.mean())


def test_the_absolute_loss_is_not_drawn_away_by_a_few_wild_rows(train: Trained, tmp_path: Path) -> None:
    def wild(cells: list[list[str]]) -> None:
        for number in (5, 50, 90):
            cells[number][2] = "9999"

    path = houses(tmp_path, faults=wild)
    slopes = {}
    for loss in ("squared", "absolute", "huber"):
        result = result_of(
            train([path], loss, data={"target": "price"}, loss=loss, huber_delta=0.1, training={"steps": 600})
        )
        slopes[loss] = abs(next(row["descent"] for row in result["coefficients"] if row["name"] == "area") - 3)
    assert slopes["absolute"] < 0.2 * slopes["squared"]
    assert slopes["huber"] < slopes["squared"]


def test_more_neurons_come_nearer_to_a_curve_and_each_learns_as_if_alone(train: Trained) -> None:
    both = train(["curve:parabola"], "both", model={"sizes": [1, 8]}, training={"steps": 400})
    distances = [network["distance"] for network in result_of(both)["networks"]]
    assert distances[1] < 0.2 * distances[0]
    config = both.config
    torch.manual_seed(config.training.seed)
    alone = RegressTask(config)
    model = alone.build_model()
    batch = alone.collate(range(len(alone.sides.train)))
    alone.loss(model, batch).total.backward()
    together = [p.grad.clone() for p in model.networks[1].parameters()]  # type: ignore[union-attr, operator]
    model.zero_grad()
    F.mse_loss(model(batch.tensors["inputs"])[:, 1], batch.tensors["targets"]).backward()
    for one, other in zip(together, model.networks[1].parameters(), strict=True):  # type: ignore[arg-type, union-attr]
        torch.testing.assert_close(one, other.grad)


def test_what_is_not_said_suits_the_network_and_what_is_said_stays() -> None:
    def proposed(**sections: Any) -> RegressConfig:
        return RegressTask.proposed(RegressConfig.parse({"data": {"files": ["sample:diabetes"]}, **sections}))

    linear, deep = proposed(), proposed(model={"depth": 2})
    assert (linear.training.optimizer, deep.training.optimizer) == ("sgd", "adamw")
    said = proposed(training={"optimizer": "adamw", "learning_rate": 0.5, "budget": "5s"})
    assert (said.training.optimizer, said.training.learning_rate, said.training.steps) == ("adamw", 0.5, None)
    assert proposed(loss="absolute").training.schedule == "cosine"


def test_descent_on_strongly_alike_columns_does_not_diverge(train: Trained, tmp_path: Path) -> None:
    base = torch.randn(60)
    columns = [base + 0.01 * torch.randn(60) for _ in range(30)]
    text = ",".join([*(f"c{i}" for i in range(30)), "y"]) + "\n"
    for number in range(60):
        text += ",".join(f"{column[number]:.5f}" for column in [*columns, 2 * base]) + "\n"
    (tmp_path / "alike.csv").write_text(text, encoding="utf-8")
    result = result_of(train([str(tmp_path / "alike.csv")], data={"target": "y"}, training={"steps": 200}))
    assert result["systems"]["model"]["r2"] > 0.9


def test_a_prediction_needs_only_the_run_and_is_the_networks_own(train: Trained, tmp_path: Path) -> None:
    path = Path(houses(tmp_path))
    run = train([str(path)], data={"target": "price"}, model={"depth": 1, "width": 8}, training={"steps": 50})
    path.unlink()
    asked = tmp_path / "asked.tsv"
    asked.write_text("town\tnote\tarea\nb\tx\t50\nc\ty\t120.5\n", encoding="utf-8")
    fresh = Run.open(run.path)
    found = RegressTask.predict(fresh, asked)
    schema = json.loads((run.path / "columns.json").read_text(encoding="utf-8"))
    area, target = schema["inputs"][0], schema["target"]
    model = fresh.model
    assert isinstance(model, MLP)
    for row, (size, town) in zip(found, ((50, 1), (120.5, 2)), strict=True):
        inputs = torch.tensor([(size - area["mean"]) / area["deviation"], *torch.eye(3)[town].tolist()])
        expected = model(inputs[None])[0, 0].item() * target["deviation"] + target["mean"]
        assert row["prediction"] == pytest.approx(expected, rel=1e-4)
    assert found[1]["line"] == f"{asked}, line 3"
    asked.write_text("area\n3\n", encoding="utf-8")
    with pytest.raises(DataError, match="there is no column 'town'"):
        RegressTask.predict(fresh, asked)
    with pytest.raises(DataError, match="no such file"):
        _ = fresh.task


def test_a_changed_table_is_refused_when_the_run_goes_on(train: Trained, tmp_path: Path) -> None:
    path = houses(tmp_path)
    run = train([path], data={"target": "price"}, training={"steps": 5})
    houses(tmp_path, rows=121)
    with pytest.raises(DataError, match="not the one that this run was trained on"):
        _ = Run.open(run.path).task


@pytest.mark.parametrize(
    ("sections", "error", "said"),
    [
        ({"data": {}}, DataError, "which column is to be predicted is not said"),
        ({"data": {"target": "cost"}}, DataError, "there is no column 'cost'"),
        ({"data": {"target": "town"}}, DataError, "column 'town' is not a number"),
        ({"data": {"target": "price", "leave_out": ["area", "town"]}}, DataError, "no column is left"),
        ({"data": {"target": "price"}, "surface": ["area"]}, ConfigError, "surface names 1 weight"),
        ({"data": {"target": "price"}, "surface": ["area", "garden"]}, ConfigError, "there is no input 'garden'"),
        ({"data": {"target": "price"}, "surface": ["area", "output.weight[0,9]"]}, ConfigError, "no weight"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, sections: dict[str, Any], error: type[Exception], said: str
) -> None:
    sections["data"]["files"] = [houses(tmp_path)]
    with pytest.raises(error, match=said):
        RegressTask.open(RegressTask.proposed(RegressConfig.parse(sections)))


def test_too_few_rows_are_told(tmp_path: Path) -> None:
    config = RegressConfig.parse({"data": {"files": [houses(tmp_path, rows=12)], "target": "price"}})
    with pytest.raises(DataError, match="12 usable rows of 12; training needs at least 20"):
        RegressTask(config)


SCRIPT = """
import sys
from pathlib import Path
from pellucid import api
from pellucid.tasks.regress import RegressConfig
path, *files = sys.argv[1:]
settings = {"model": {"depth": 1, "width": 8, "dropout": 0.2}, "surface": ["output.weight[0,0]", "output.bias[0]"]}
training = {"steps": 1500, "save_every": 0.05, "batch": 16, "evaluate_every": 150, "patience": 99, "watch": 50}
data = {"files": files, "target": "price"}
config = RegressConfig.parse({"data": data, "training": training, **settings})
api.resume(path) if (Path(path) / "config.toml").exists() else api.train(config, path)
"""


def kept(path: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """What a run holds, but for times."""
    times = {"seconds", "tokens_per_second", "loading", "matmul"}
    lines = [{key: value for key, value in line.items() if key not in times} for line in Run(path).metrics()]
    return lines, Run.open(path).model.state_dict()


def test_a_training_stopped_at_three_steps_resumes_to_the_same_bits_and_the_same_path(
    train: Trained, tmp_path: Path
) -> None:
    sections: dict[str, Any] = {
        "data": {"target": "price"},
        "model": {"depth": 1, "width": 8, "dropout": 0.2},
        "training": {"steps": 200, "batch": 16, "evaluate_every": 25, "patience": 99, "watch": 20},
    }
    path = houses(tmp_path)
    whole = train([path], "whole", **sections).path
    stops = iter((13, 75, 130))
    asked = {"step": 0, "stop": next(stops)}

    def watch(event: Any) -> None:
        asked["step"] = event.get("step", 0)

    def stop() -> bool:
        return asked["step"] == asked["stop"]

    config = RegressConfig.parse({**sections, "data": {"files": [path], "target": "price"}})
    run = api.train(config, tmp_path / "stopped", watcher=watch, should_stop=stop)
    for asked["stop"] in (*stops, -1):
        assert run.ending() == "interrupted"
        run = api.resume(run.path, watcher=watch, should_stop=stop)
    (lines, weights), (again, same) = kept(whole), kept(run.path)
    assert again == lines
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    way = [point for line in lines if line["kind"] == "evaluation" for point in line["samples"][0]["path"]]
    assert [point[0] for point in way] == list(range(200))


@pytest.mark.slow
def test_a_training_killed_in_its_midst_resumes_to_the_same_bits_and_the_same_path(tmp_path: Path) -> None:
    table = houses(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    commands = {name: [sys.executable, "-c", SCRIPT, str(tmp_path / name), table] for name in ("whole", "killed")}
    subprocess.run(commands["whole"], check=True, env=environment)
    metrics = tmp_path / "killed" / "metrics.jsonl"
    kills = 0
    for lines in (200, 700, 1200):
        process = subprocess.Popen(commands["killed"], env=environment)
        while process.poll() is None and not (metrics.exists() and metrics.read_bytes().count(b"\n") > lines):
            time.sleep(0.005)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills >= 2, "the training must be long enough to be killed in its midst"
    subprocess.run(commands["killed"], check=True, env=environment)
    (whole, weights), (again, same) = kept(tmp_path / "whole"), kept(tmp_path / "killed")
    assert again == whole
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    path = [point for line in whole if line["kind"] == "evaluation" for point in line["samples"][0]["path"]]
    assert [point[0] for point in path] == list(range(1500))
