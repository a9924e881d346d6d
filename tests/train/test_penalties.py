"""Penalties: held against autograd, against closed forms of least squares, and against zeros."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.models.parameters import weight_matrices
from pellucid.models.skipgram import SkipGram
from pellucid.run import Run
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.penalties import Penalties

MakeRun = Callable[..., tuple[Run, TranslateTask]]
USED, NOISY = 2, 6  # columns that the target is made of, and those that say nothing


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 16), nn.LayerNorm(16), nn.Conv1d(3, 4, 1), nn.Linear(16, 4))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """y = 3 a - 2 b and noise; the other columns say nothing."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(400, USED + NOISY))
    y = 3 * x[:, 0] - 2 * x[:, 1] + 0.5 * draw.normal(size=400)
    head = ",".join([*(f"x{i}" for i in range(USED + NOISY)), "y"])
    rows = [",".join(f"{value:.6f}" for value in (*row, target)) for row, target in zip(x, y, strict=True)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def fitted(table: Path, folder: Path, **training: object) -> tuple[RegressTask, Run]:
    settings = {"steps": 1500, "learning_rate": 0.1, "clip": 0, "evaluate_every": 500, "patience": 0, **training}
    config = RegressConfig.parse({"data": {"files": [str(table)], "target": "y"}, "training": settings})
    task = RegressTask(RegressTask.proposed(config))
    run = Run.create(folder, task)
    Trainer(run, task).train()
    return task, run


def standardized(task: RegressTask) -> tuple[np.ndarray, np.ndarray]:
    """The training rows and their targets as the network reads them."""
    rows = task.sides.train
    x = task.schema.standardized(task.numbers)[rows].double().numpy()
    y = (task.truth[rows] - task.schema.target.mean) / task.schema.target.deviation
    return x, y.double().numpy()


def test_matrices_are_the_weights_of_layers_that_multiply_and_of_nothing_else() -> None:
    model = network()
    assert list(weight_matrices(model)) == ["1.weight", "3.weight", "4.weight"]
    assert list(weight_matrices(nn.LSTM(3, 4))) == ["weight_ih_l0", "weight_hh_l0"]
    assert list(weight_matrices(SkipGram(7, 4))) == ["word.weight", "neighbour.weight"]
    tied = nn.ModuleDict({"table": nn.Embedding(5, 3), "hidden": nn.Linear(3, 3), "output": nn.Linear(3, 5)})
    tied["output"].weight = tied["table"].weight  # type: ignore[assignment]
    assert list(weight_matrices(tied)) == ["hidden.weight"]


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.2, 0.0), (0.2, 0.3)])
def test_value_and_gradient_are_those_of_the_formula_by_autograd(l1: float, l2: float) -> None:
    ours, theirs = network(), network()
    penalties = Penalties(ours, TrainingConfig(l1=l1, l2=l2, l1_method="subgradient"))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        one.grad = torch.randn_like(one)
        other.grad = one.grad.clone()
    ours[1].weight.grad = None
    theirs[1].weight.grad = None
    matrices = [theirs[1].weight, theirs[3].weight, theirs[4].weight]
    value = sum(l1 * m.abs().sum() + l2 / 2 * m.square().sum() for m in matrices)
    value.backward()  # type: ignore[union-attr]
    penalties.add_gradients()
    assert penalties.value() == pytest.approx(float(value.detach()), rel=1e-5)  # type: ignore[union-attr]
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_l2_brings_a_linear_network_to_the_ridge_solution(table: Path, tmp_path: Path) -> None:
    task, run = fitted(table, tmp_path / "run", l2=0.2)
    x, y = standardized(task)
    # mean (x w + b - y)^2 + l2 / 2 |w|^2 is least where x^T x w 2 / n + l2 w = x^T y 2 / n, the data being centered
    x, y = x - x.mean(0), y - y.mean()
    expected = np.linalg.solve(2 * x.T @ x / len(x) + 0.2 * np.eye(x.shape[1]), 2 * x.T @ y / len(x))
    np.testing.assert_allclose(run.model.output.weight.detach()[0].numpy(), expected, atol=1e-4)


def lasso(x: np.ndarray, y: np.ndarray, l1: float) -> np.ndarray:
    """Coordinate descent on mean (x w - y)^2 + l1 |w|. Source: Friedman et al., 2010."""
    weights = np.zeros(x.shape[1])
    for _ in range(500):
        for j in range(x.shape[1]):
            rest = y - x @ weights + x[:, j] * weights[j]
            pull, curvature = 2 * x[:, j] @ rest / len(x), 2 * x[:, j] @ x[:, j] / len(x)
            weights[j] = np.sign(pull) * max(abs(pull) - l1, 0) / curvature
    return weights


def test_proximal_l1_finds_the_lasso_solution_with_its_exact_zeros(table: Path, tmp_path: Path) -> None:
    task, run = fitted(table, tmp_path / "run", l1=0.25)
    x, y = standardized(task)
    expected = lasso(x - x.mean(0), y - y.mean(), 0.25)
    found = run.model.output.weight.detach()[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found == 0).sum() == NOISY == (expected == 0).sum()


def test_subgradient_l1_comes_near_zero_and_never_to_it(table: Path, tmp_path: Path) -> None:
    _, run = fitted(table, tmp_path / "run", l1=0.25, l1_method="subgradient")
    found = run.model.output.weight.detach()[0].abs()
    assert (found != 0).all()
    assert found[USED:].max() < 0.05


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop", "momentum", "nesterov"])
def test_every_optimizer_finds_the_lasso_solution_and_the_average_of_its_weights_keeps_the_zeros(
    optimizer: str, table: Path, tmp_path: Path
) -> None:
    settings = {"optimizer": optimizer, "learning_rate": 0.01, "average": 0.9, "weight_decay": 0.0}
    task, run = fitted(table, tmp_path / "run", l1=0.25, schedule="cosine", **settings)
    x, y = standardized(task)
    expected = lasso(x - x.mean(0), y - y.mean(), 0.25)
    found = run.model.output.weight.detach()[0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_array_equal(found == 0, expected == 0)


def test_muon_makes_exact_zeros_of_weights_whose_updates_are_smaller_than_the_shrinking(
    table: Path, tmp_path: Path
) -> None:
    settings = {"optimizer": "muon", "learning_rate": 0.02, "steps": 400, "weight_decay": 0.0}
    _, run = fitted(table, tmp_path / "run", l1=0.2, **settings)
    weights = run.model.output.weight.detach()[0]
    assert (weights[:USED] != 0).all()
    assert (weights == 0).any()


def test_the_penalty_is_a_curve_of_its_own_beside_the_loss_of_the_data(make_run: MakeRun) -> None:
    run, task = make_run(steps=4, l2=0.01, l1=0.001)
    trainer = Trainer(run, task)
    first = Penalties(trainer.model, task.training).value()
    trainer.train()
    lines = [line for line in run.metrics() if line["kind"] == "step"]
    assert lines[0]["penalty"] == pytest.approx(first, rel=1e-5)
    plain, other = make_run("plain", steps=4)
    Trainer(plain, other).train()
    without = [line for line in plain.metrics() if line["kind"] == "step"]
    assert lines[0]["loss"] == without[0]["loss"]
    assert lines[-1]["loss"] != without[-1]["loss"]
    assert all("penalty" not in line for line in without)


def test_penalties_of_zero_change_no_bit(make_run: MakeRun) -> None:
    ends = []
    for name, settings in (("plain", {}), ("zero", {"l1": 0.0, "l2": 0.0, "l1_method": "subgradient"})):
        run, task = make_run(name, steps=4, **settings)
        trainer = Trainer(run, task)
        trainer.train()
        ends.append(trainer.model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
