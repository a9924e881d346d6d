"""The next step of a run, foretold from its saved state: held against the training that goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pellucid.api import next_step
from pellucid.data.tokenizer import BOS, EOS
from pellucid.errors import RunError
from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer

WEIGHTS = ("decoder.0.feed_forward.wide.weight", "embedding.weight", "encoder_norm.bias")
Runs = Callable[..., tuple[Run, TranslateTask]]


def go_on(run: Run, task: TranslateTask, steps: int) -> Trainer:
    trainer = Trainer(run, task, should_stop=lambda: trainer.counters.step >= steps)
    trainer.train()
    return trainer


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"accumulate": 3, "clip": 0.3},
        {"precision": "bfloat16"},
        {"l2": 0.05, "l1": 0.01, "clip_value": 0.01},
        {"optimizer": "rmsprop", "l1": 1e-3, "l2": 0.01, "noise": 0.2},
        {"optimizer": "adam", "l1": 0.01, "l1_method": "subgradient", "clip": 0},
        {"optimizer": "nesterov", "l1": 1e-3, "clip": 0, "clip_value": 0.02},
        {"optimizer": "momentum", "schedule": "plateau", "evaluate_every": 1, "plateau_patience": 1, "patience": 0},
    ],
    ids=str,
)
def test_the_step_foretold_is_the_one_that_the_resumed_training_takes(make_run: Runs, settings: dict[str, Any]) -> None:
    run, task = make_run(**settings)
    go_on(run, task, 9)
    step = next_step(Run.open(run.path))
    found = {name: step.why_moved(f"{name}[{', '.join(['3'] * step.parameters[name].dim())}]") for name in WEIGHTS}
    after = go_on(run, task, 10)
    for name, why in found.items():
        weight = after.model.get_parameter(name)
        assert why.step == 10
        assert why.new == pytest.approx(weight[(3,) * weight.dim()].item(), rel=1e-6, abs=1e-8)
    told = [line for line in run.metrics() if line["kind"] == "step"][-1]
    whole = torch.nn.utils.get_total_norm(list(step.penalized.values()))  # before single numbers are cut
    assert float(whole) == pytest.approx(told["gradient_norm"], abs=1e-5)
    assert len(step.traces) == settings.get("accumulate", 1)


def test_looking_leaves_the_run_as_it_was(make_run: Runs) -> None:
    run, task = make_run()
    go_on(run, task, 5)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    state = torch.get_rng_state()
    next_step(Run.open(run.path)).flow()
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_step_on_one_pair_has_the_gradient_of_its_loss(make_run: Runs) -> None:
    run, task = make_run()
    run.config = run.config.changed(model={**run.config.model.model_dump(), "dropout": 0.0})
    trainer = go_on(run, task, 5)
    step = next_step(run, "open the file now", "立即打开文件")
    source = torch.tensor([[*run.tokenizer.encode("open the file now"), EOS]])
    target = torch.tensor([[BOS, *run.tokenizer.encode("立即打开文件"), EOS]])
    loss = F.cross_entropy(trainer.model.eval()(source, target[:, :-1])[0], target[0, 1:], label_smoothing=0.1)
    (gradient,) = torch.autograd.grad(loss, trainer.model.get_parameter(WEIGHTS[0]))
    torch.testing.assert_close(step.gradients[WEIGHTS[0]], gradient, rtol=1e-3, atol=1e-6)
    why = step.why_moved(f"{WEIGHTS[0]}[3, 3]", by=(0, 1))
    assert [push.index for push in why.pushes] == [(0, position) for position in range(target.size(1) - 1)]
    assert sum(push.value for push in why.pushes) == pytest.approx(why.gradient, rel=1e-3, abs=1e-8)


def test_without_a_saved_state_it_says_so(make_run: Runs) -> None:
    run, _ = make_run()
    with pytest.raises(RunError, match="no saved state"):
        next_step(run)


def test_its_flow_is_plain_data(make_run: Runs, tmp_path: Path) -> None:
    run, task = make_run()
    go_on(run, task, 3)
    flow = next_step(run).flow()
    assert all(row.update is not None for row in flow.rows if row.weights is not None)
    assert json.loads(json.dumps(flow.json(), allow_nan=False))["step"] == 4


def test_a_state_of_another_optimizer_is_refused(make_run: Runs) -> None:
    run, task = make_run(optimizer="adamw")
    go_on(run, task, 3)
    run.save_config(run.config.changed(training={**run.config.training.model_dump(), "optimizer": "muon"}))
    with pytest.raises(RunError, match=r"of another optimizer than config\.toml names"):
        next_step(Run.open(run.path))
