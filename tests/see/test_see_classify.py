"""A classifier opened: its numbers are the network's, its gradients autograd's, and everything has its label."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.see.subjects.classify import trace_of
from pellucid.see.trace import Trace, TraceError, largest_difference
from pellucid.tasks.classify import ClassifyConfig
from tests.tasks.test_classify import config_of, write_images, write_table
from tests.tasks.test_predict import finished

NETWORKS = {
    "cnn": {"kind": "cnn", "cnn": {"channels": [3, 4], "hidden": [6]}},
    "residual": {"kind": "cnn", "cnn": {"channels": [3, 4], "residual": True, "pooling": "average", "head": "average"}},
    "strided": {"kind": "cnn", "cnn": {"channels": [3], "norm": "none", "pooling": "none", "stride": 2, "padding": 0}},
    "mlp": {"kind": "mlp", "mlp": {"width": 5}},
    "table": {},
}


@pytest.fixture(scope="module", params=NETWORKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("see")
    if request.param == "table":
        table = write_table(place / "insects.csv")
        config = ClassifyConfig.parse(
            {"data": {"files": [str(table)], "target": "kind"}, "training": {"steps": 2, "threads": 1}}
        )
    else:
        config = config_of(write_images(place), model=NETWORKS[request.param])
    run = finished(place / "run", config)
    with torch.no_grad():
        weights = run.model.state_dict()
        for name, tensor in weights.items():
            if tensor.is_floating_point():
                # As of a network that was trained: no average is 0 or 1.
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else torch.randn_like(tensor) / 2)
    run.save_model(weights, {})
    return Run.open(run.path)


@pytest.fixture(scope="module")
def trace(run: Run) -> Trace:
    return trace_of(run, "3")


def test_what_comes_out_is_what_the_network_says(run: Run, trace: Trace) -> None:
    number = run.task.data.sides.test[3]
    with torch.no_grad():
        logits = run.model(run.task.inputs([number]))
    torch.testing.assert_close(trace["logits"].value, logits)
    torch.testing.assert_close(trace["probabilities"].value, logits.softmax(1))
    truth = run.task.data.labels[[number]]
    torch.testing.assert_close(trace["loss"].value, F.cross_entropy(logits, truth))
    assert trace.about["truth"] == run.task.form.classes[int(truth)]
    assert trace.about["predicted"] == run.task.form.classes[int(logits.argmax())]
    assert trace.about["origin"] == run.task.data.origins[number]


def test_opened_values_equal_the_fused_ones(trace: Trace) -> None:
    opened = 0
    for step in list(trace.steps):
        inside = trace.open(step)
        if inside:
            opened += 1
            assert largest_difference(inside[-1].value, step.value) < 1e-5, step.name
    assert opened >= 2


def test_every_gradient_equals_autograds(run: Run, trace: Trace) -> None:
    number = run.task.data.sides.test[3]
    run.model.zero_grad()
    F.cross_entropy(run.model(run.task.inputs([number])), run.task.data.labels[[number]]).backward()
    ours = trace.gradients
    found = 0
    for name, parameter in run.model.named_parameters():
        assert parameter.grad is not None
        step = trace[name]
        torch.testing.assert_close(ours[step], parameter.grad, atol=1e-5, rtol=1e-4)
        found += 1
    assert found == len(list(run.model.parameters()))
    for step, gradient in ours.items():  # and of every step between
        if step.gradient is not None:
            torch.testing.assert_close(gradient.to(step.gradient.dtype), step.gradient, atol=1e-5, rtol=1e-4)


def test_scores_and_weights_carry_the_names_of_classes_and_columns(run: Run, trace: Trace) -> None:
    classes = run.task.form.classes
    assert trace["logits"].axes[-1].labels == classes
    assert trace["probabilities"].axes[-1].labels == classes
    if run.task.form.table is not None:
        assert trace["x"].axes[-1].labels == ("size", "colour=black", "colour=yellow")


def test_a_number_of_a_score_is_explained_by_what_it_was_made_of(run: Run, trace: Trace) -> None:
    told = trace.explain("logits[0, 1]")
    assert told.value == pytest.approx(float(trace["logits"].value[0, 1]), abs=1e-5)


def test_without_backward_there_is_no_loss(run: Run) -> None:
    assert trace_of(run, "0", backward=False).loss is None


def test_a_file_is_seen_as_it_would_be_predicted(run: Run, tmp_path: Path) -> None:
    if run.task.form.table is not None:
        (tmp_path / "one.csv").write_text("size,colour\n3.5,black\n")
        seen = trace_of(run, str(tmp_path / "one.csv"))
    else:
        Image.new("L", (8, 8), 77).save(tmp_path / "one.png")
        seen = trace_of(run, str(tmp_path / "one.png"))
    assert seen.about["truth"] is None
    assert seen.about["wanted"] == seen.about["predicted"]
    with pytest.raises(TraceError, match=r"nowhere"):
        trace_of(run, str(tmp_path / "nowhere.png"))


def test_a_number_beyond_the_held_out_examples_is_told(run: Run) -> None:
    with pytest.raises(TraceError, match="there is no held-out example 500; they are numbered 0 to"):
        trace_of(run, "500")
