"""A row seen through a regression: its numbers are the run's own, its gradients those of autograd."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid import api
from pellucid.run import Run
from pellucid.see.subjects.regress import trace_of
from pellucid.see.trace import TraceError
from pellucid.tasks.regress import RegressConfig, RegressTask

TABLE = "size,town,price\n" + "".join(f"{i}.5,{'abc'[i % 3]},{3 * i + 10 * (i % 3)}\n" for i in range(60))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    (folder / "t.csv").write_text(TABLE, encoding="utf-8")
    return folder


def trained(place: Path, name: str, **sections: Any) -> Run:
    data = {"files": [str(place / "t.csv")], "target": "price"}
    if not (place / name).exists():
        api.train(RegressConfig.parse({"data": data, "training": {"steps": 20}, **sections}), place / name)
    return Run.open(place / name)


KINDS: dict[str, dict[str, Any]] = {
    "linear": {},
    "deep": {"model": {"depth": 3, "width": 6, "residual": True, "activation": "gelu"}, "loss": "huber"},
    "absolute": {"model": {"depth": 1, "width": 4, "activation": "sigmoid"}, "loss": "absolute"},
    "sizes": {"model": {"sizes": [1, 3]}},
}


@pytest.mark.parametrize("name", KINDS)
def test_values_are_the_runs_own_and_gradients_those_of_autograd(place: Path, name: str) -> None:
    run = trained(place, name, **KINDS[name])
    trace = trace_of(run, "2")
    task, row = run.task, run.task.sides.test[2]
    inputs, targets = (tensor[2:3] for tensor in task._whole["test"])
    torch.testing.assert_close(trace["x"].value, inputs)
    predicted = task.predicted(run.model, inputs)
    torch.testing.assert_close(trace["prediction"].value.double(), predicted, rtol=1e-5, atol=1e-4)
    assert trace.about["row"]["price"] == task.table.column("price")[row]
    assert trace["x"].axes[1].labels == ("size", "town=a", "town=b", "town=c")
    model = run.model
    model.zero_grad()
    loss = task.loss(model, type(task.collate([0]))({"inputs": inputs, "targets": targets}, 0.0)).total
    torch.testing.assert_close(trace["loss"].value, loss.detach())
    loss.backward()
    ours = {step.name: gradient for step, gradient in trace.gradients.items()}
    for parameter, value in model.named_parameters():
        torch.testing.assert_close(ours[parameter], value.grad, rtol=1e-5, atol=1e-6)
    for step in list(trace.steps):
        if not step.leaf:
            trace.open(step)
    assert max(step.difference or 0 for step in trace.flat()) < 1e-5


def test_the_first_row_of_a_file_can_be_looked_at_forward_without_its_target(place: Path) -> None:
    run = trained(place, "linear")
    (place / "one.csv").write_text("town,size\nb,7\n", encoding="utf-8")
    trace = trace_of(run, str(place / "one.csv"))
    (found,) = RegressTask.predict(run, place / "one.csv")
    assert trace["prediction"].value.item() == pytest.approx(found["prediction"], rel=1e-5)
    with pytest.raises(TraceError, match="its price is not known"):
        trace_of(run, str(place / "one.csv"), backward=True)


@pytest.mark.parametrize(
    ("text", "said"), [("9999", "no held-out row 9999; they are numbered 0 to"), ("a sentence", "neither the number")]
)
def test_a_row_that_is_not_there_is_refused(place: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        trace_of(trained(place, "linear"), text)
