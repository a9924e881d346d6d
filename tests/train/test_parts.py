"""The parts of a training by themselves: schedule, budget, plan, optimizer, average, learning by heart."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from pellucid.config import TrainingConfig, parse_budget
from pellucid.errors import ConfigError
from pellucid.generate.config import DecodingConfig
from pellucid.run import Run
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.optimizer import make_optimizer
from pellucid.train.plan import make_plan
from pellucid.train.schedule import learning_rate
from pellucid.train.state import MovingAverage

MakeRun = Callable[..., tuple[Run, TranslateTask]]


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 1, 0.1),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.505),
        ("cosine", 100, 0.01),
        ("inverse-sqrt", 40, 0.5),
        ("constant", 70, 1.0),
    ],
)
def test_the_schedule_has_its_values(schedule: str, step: int, expected: float) -> None:
    config = TrainingConfig.parse({"schedule": schedule, "learning_rate": 1.0, "warmup": 0.1})
    assert learning_rate(step, 100, config) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("4m", 240), ("1.5h", 5400), ("1h30m", 5400), (" 2M ", 120)]
)
def test_a_budget_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5x", "-1m", "0s", "m", "1m extra", "1,5h"])
def test_a_budget_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="budget is"):
        parse_budget(text)


def test_a_plan_leaves_nothing_open(make_run: MakeRun) -> None:
    _, task = make_run(steps=None, budget="20s", learning_rate=None, evaluate_every=None, precision="auto")
    training = make_plan(task).training
    assert training.precision in ("float32", "bfloat16")
    assert None not in (training.steps, training.learning_rate, training.evaluate_every, training.threads)


def test_a_number_of_tokens_fixes_the_steps(make_run: MakeRun) -> None:
    _, task = make_run(steps=None, tokens=20_000)
    steps = make_plan(task).training.steps
    assert steps is not None
    batches = task.epoch(0)
    per_batch = int(task.lengths[:, 1].sum()) / len(batches)
    assert steps == pytest.approx(20_000 / per_batch, rel=0.3)


def test_budget_and_steps_together_are_refused(make_run: MakeRun) -> None:
    _, task = make_run(budget="1m")
    with pytest.raises(ConfigError, match="say the same thing"):
        make_plan(task)


def test_planning_leaves_the_random_numbers_as_they_were(make_run: MakeRun) -> None:
    _, task = make_run()
    before = torch.get_rng_state()
    make_plan(task)
    assert torch.equal(before, torch.get_rng_state())


def test_one_step_of_the_optimizer_is_adamw_by_hand() -> None:
    model = nn.Linear(2, 1, bias=False)
    weight, gradient = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 0.1]])
    model.weight.data.copy_(weight)
    model.weight.grad = gradient.clone()
    config = TrainingConfig.parse({"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.98})
    optimizer = make_optimizer(model, config)
    optimizer.param_groups[0]["lr"] = 0.01
    optimizer.step()
    # After one step the bias-corrected moments are the gradient and its square, so their ratio is its sign.
    expected = weight * (1 - 0.01 * 0.1) - 0.01 * gradient.sign()
    torch.testing.assert_close(model.weight.data, expected, atol=1e-6, rtol=0)


def test_the_average_follows_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = MovingAverage(model, decay=0.5)
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), start=1):
        model.weight.data.fill_(value)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.weights["weight"].item() == pytest.approx(expected)


def test_without_decay_the_average_is_the_weights() -> None:
    model = nn.Linear(3, 3)
    average = MovingAverage(model, decay=0.0)
    nn.init.normal_(model.weight)
    average.update(model, 1)
    assert torch.equal(average.weights["weight"], model.weight)


@pytest.mark.slow
def test_the_whole_model_learns_fifty_pairs_by_heart(make_run: MakeRun) -> None:
    run, task = make_run(steps=350, evaluate_every=350, average=0.0, batch_tokens=512, learning_rate=5e-3)
    task.config = task.config.changed(
        label_smoothing=0.0, model={**task.config.model.model_dump(), "dropout": 0.0, "d_model": 64}
    )
    task.data = replace(task.data, splits=replace(task.data.splits, train=task.data.splits.train[:50]))
    task.examples, task.lengths = task.examples[:50], task.lengths[:50]
    run.save_config(task.config)
    trainer = Trainer(run, task)
    trainer.train()
    sources = [pair.source for pair in task.data.splits.train]
    outputs = task.translate(trainer.averaged_model(), sources, DecodingConfig(method="greedy"))  # type: ignore[arg-type]
    assert outputs == [pair.target for pair in task.data.splits.train]


def test_gradients_in_bfloat16_are_those_of_float32_within_its_error(make_run: MakeRun) -> None:
    _, task = make_run()
    torch.manual_seed(0)
    model = task.build_model()
    model.eval()  # dropout would draw different masks
    batch = task.collate(task.epoch(0)[0])
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = task.loss(model, batch).total
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    for name, exact, rough in zip(dict(model.named_parameters()), *gradients, strict=True):
        if exact.norm() > 1e-6:  # a key's bias has no gradient: softmax does not change when all scores shift
            assert (exact - rough).norm() / exact.norm() < 0.05, name
    assert math.isfinite(sum(gradient.norm().item() for gradient in gradients[1]))
