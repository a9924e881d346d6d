"""The next step of every task's training, foretold: the resumed training's own, and autograd's gradients."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pellucid.api import next_step
from pellucid.run import Run
from pellucid.see.trace import TraceError
from pellucid.see.training import TrainingStep
from pellucid.tasks.kinds import config_class, task_class
from pellucid.tasks.task import Batch
from pellucid.train.loop import Trainer

STEPS = 3  # taken before the one that is foretold
TOPICS = [[f"{topic}{letter}" for letter in "abcdefgh"] for topic in ("king", "ship", "love", "gold")]
CASES: dict[str, dict[str, Any]] = {
    "linear": {"task": "regress", "data": {"files": ["t.csv"], "target": "y"}},
    "regress": {
        "task": "regress",
        "data": {"files": ["t.csv"], "target": "y"},
        "model": {"depth": 1, "width": 5},
        "loss": "huber",
        "training": {"batch": 8, "accumulate": 2},
    },
    "table": {"task": "classify", "data": {"files": ["t.csv"], "target": "kind"}, "training": {"batch": 16}},
    "cnn": {
        "task": "classify",
        "data": {"files": ["i.npz"]},
        "model": {"cnn": {"channels": [3, 4], "convolutions": 1, "dropout": 0.3}},
        "training": {"batch": 12},
    },
    **{
        cell: {
            "task": "language",
            "data": {"files": ["text.txt"], "held_out": 0.1},
            "model": {"cell": cell, "width": 12, "layers": 1, "context": 16, "heads": 2},
            "training": {"batch": 4, "accumulate": 2 if cell == "rnn" else 1},
        }
        for cell in ("rnn", "lstm", "gru", "gpt")
    },
    "embed": {"task": "embed", "data": {"files": ["text.txt"]}, "model": {"dimension": 6}, "training": {"batch": 32}},
}
INPUT = {"regress": "2", "linear": "1", "table": "0", "cnn": "3", "embed": "kinga kingb"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    np = pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(1)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(60)]
    lines = [f"{a:.4f},{b:.4f},{2 * a - b + draw.gauss(0, 0.1):.4f},{'up' if a > b else 'down'}" for a, b in rows]
    (folder / "t.csv").write_text("\n".join(["a,b,y,kind", *lines]) + "\n")
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(folder / "i.npz", images=images, labels=np.arange(60) % 3)
    scenes = ([" ".join(draw.choices(TOPICS[n % 4], k=8)) for _ in range(12)] for n in range(30))
    (folder / "text.txt").write_text("\n".join(f"ACT {n}\n\n" + "\n".join(s) + "\n" for n, s in enumerate(scenes)))
    return folder


def started(name: str, data: Path, folder: Path, **training: object) -> tuple[Run, Any]:
    """A run of one of the cases after a few steps."""
    case = copy.deepcopy(CASES[name])
    case["data"]["files"] = [str(data / file) for file in case["data"]["files"]]
    settings = {"steps": 12, "evaluate_every": 12, "learning_rate": 0.01, "threads": 1, **case.get("training", {})}
    case["training"] = {**settings, **training}
    if case["task"] == "language":
        case["training"]["precision"] = "float32"
    kind = task_class(case["task"])
    task = kind.open(kind.proposed(config_class(case["task"]).parse(case, where=name)))
    run = Run.create(folder / name, task)
    go_on(run, task, STEPS)
    return run, task


def go_on(run: Run, task: Any, steps: int) -> nn.Module:
    trainer = Trainer(run, task, should_stop=lambda: trainer.counters.step >= steps)
    trainer.train()
    return trainer.model


def moved(step: TrainingStep) -> dict[str, list[float]]:
    """Of each parameter that has a gradient: the address of its largest, the new value that is told of it."""
    found = {}
    for name, gradient in step.gradients.items():
        place = int(gradient.abs().argmax())
        cell = torch.unravel_index(torch.tensor(place), gradient.shape)
        why = step.why_moved(f"{name}[{', '.join(str(int(i)) for i in cell)}]")
        assert why.difference <= 1e-6 * max(abs(why.new), 1e-3), name  # from torch.optim's own step
        if why.pushes:
            assert sum(push.value for push in why.pushes) == pytest.approx(why.gradient, rel=1e-3, abs=1e-7)
        found[name] = [place, why.new, len(why.pushes)]
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_step_foretold_is_the_one_that_the_resumed_training_takes(name: str, data: Path, tmp_path: Path) -> None:
    run, _ = started(name, data, tmp_path)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    step = next_step(Run.open(run.path))
    found = moved(step)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    after = go_on(run, Run.open(run.path).task, STEPS + 1)
    assert set(found) == {name for name, parameter in after.named_parameters() if parameter.requires_grad}
    for parameter, (place, new, pushes) in found.items():
        assert new == pytest.approx(after.get_parameter(parameter).flatten()[int(place)].item(), rel=1e-5, abs=1e-7)
        assert pushes > 0, f"{parameter}: nobody is told to have pushed it"
    told = [line for line in run.metrics() if line["kind"] == "step"][-1]
    assert step.norm == pytest.approx(told["gradient_norm"], rel=1e-4, abs=1e-5)
    assert step.number == STEPS + 1


@pytest.mark.parametrize("name", CASES)
def test_the_step_on_one_input_has_autograds_gradient_of_its_loss(name: str, data: Path, tmp_path: Path) -> None:
    run, task = started(name, data, tmp_path)
    step = next_step(run, INPUT.get(name, "kinga shipb"))
    (rows,) = step.rows
    model = run.kind.network(run.config, run.path)
    saved = run.load_state()
    assert saved is not None
    model.load_state_dict({n.removeprefix("model."): v for n, v in saved[0].items() if n.startswith("model.")})
    torch.set_rng_state(saved[0]["random.cpu"])
    task.carry({})
    task.loss(model, Batch(dict(rows.batch.tensors), 0.0)).total.backward()
    for parameter, value in model.named_parameters():
        if value.grad is not None and parameter in step.gradients:
            torch.testing.assert_close(step.gradients[parameter], value.grad, rtol=1e-3, atol=1e-6)
    assert set(step.gradients) >= {n for n, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("regress", "without.csv", "is not known"),
        ("table", "999", "no held-out example"),
        ("rnn", "", "empty"),
        ("gpt", "kinga " * 30, "at most"),
    ],
)
def test_an_input_that_has_no_loss_is_told(name: str, text: str, said: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "without.csv").write_text("a,b\n1,2\n")
    run, _ = started(name, data, tmp_path)
    with pytest.raises(TraceError, match=said):
        next_step(run, str(tmp_path / text) if text.endswith(".csv") else text)
