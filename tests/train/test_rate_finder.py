"""The learning-rate finder: what it finds is right, and nothing of what it looked at has changed by a bit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pellucid
from pellucid.config import TrainingConfig
from pellucid.errors import ConfigError, TrainingError
from pellucid.run import Run
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Batch, Losses
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.rate_finder import find_rate
from tests.train.test_loop import counters, fingerprint, untimed

MakeRun = Callable[..., tuple[Run, TranslateTask]]


class Bowl:
    """w^2 c / 2 with noise in its gradient: a task of one number whose rates and noise are known."""

    item = "example"
    curvature, deviation, rows = 4.0, 0.0, 8

    def __init__(self, **training: object) -> None:
        self.training = TrainingConfig.parse({"optimizer": "sgd", "weight_decay": 0.0, "clip": 0, **training})

    def build_model(self) -> nn.Module:
        model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(model.weight, 3.0)
        return model

    def epoch(self, number: int) -> list[range]:
        return [range(start, start + self.rows) for start in range(number * 800, (number + 1) * 800, self.rows)]

    def collate(self, examples: range) -> Batch:
        draws = [torch.randn((), generator=torch.Generator().manual_seed(example)) for example in examples]
        return Batch({"noise": torch.stack(draws)}, padding=0.0)

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        weight: Tensor = model.weight  # type: ignore[assignment]
        noise = self.deviation * batch.tensors["noise"].mean()
        return Losses(
            {"bowl": 0.5 + (self.curvature / 2 * weight.square() + noise * weight).sum()}, len(batch.tensors["noise"])
        )

    def carried(self) -> dict[str, Tensor]:
        return {}

    def carry(self, carried: object) -> None:
        pass


def digest(run: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(run.rglob("*")):
        if path.is_file():
            found.update(
                str(path.relative_to(run)).encode() + path.read_bytes() + str(path.stat().st_mtime_ns).encode()
            )
    return found.hexdigest()


def test_in_a_bowl_the_loss_breaks_out_past_two_over_the_curvature() -> None:
    noisy = Bowl()
    noisy.deviation = 0.3
    curve = find_rate(noisy, steps=200)  # type: ignore[arg-type]
    diverges = 2 / Bowl.curvature
    assert curve.broke_out
    assert diverges < curve.rates[-1] < 4 * diverges
    assert curve.suggested is not None
    assert curve.suggested < curve.least < 1.5 * diverges
    assert curve.rates[0] < curve.steepest <= curve.least


def test_where_no_rate_helps_none_is_suggested() -> None:
    flat = Bowl()
    flat.curvature = 0.0
    assert find_rate(flat, steps=30).suggested is None  # type: ignore[arg-type]


def test_a_first_loss_that_is_no_number_is_said() -> None:
    broken = Bowl()
    broken.curvature = float("nan")
    with pytest.raises(TrainingError, match="first loss is nan"):
        find_rate(broken, steps=30)  # type: ignore[arg-type]


@pytest.mark.parametrize("deviation", [10.0, 40.0])
def test_the_noise_scale_is_the_variance_over_the_square_of_the_true_gradient(deviation: float) -> None:
    noisy = Bowl()
    noisy.deviation = deviation
    noise = find_rate(noisy, steps=11, noise_batches=600).noise  # type: ignore[arg-type]
    assert noise is not None
    assert noise.batch == Bowl.rows
    gradient = Bowl.curvature * 3.0
    assert noise.scale == pytest.approx(deviation**2 / gradient**2, rel=0.35)


def test_without_noise_the_scale_is_zero() -> None:
    noise = find_rate(Bowl(), steps=11).noise  # type: ignore[arg-type]
    assert noise is not None
    assert noise.scale == pytest.approx(0.0, abs=1e-9)


def test_a_training_that_was_asked_in_its_midst_ends_with_the_same_bits(make_run: MakeRun) -> None:
    plain, task = make_run("plain", steps=12, noise=0.1, l1=1e-4, evaluate_every=4)
    Trainer(plain, task).train()
    asked, task = make_run("asked", steps=12, noise=0.1, l1=1e-4, evaluate_every=4)
    trainer = Trainer(asked, task)
    original = trainer._note

    def note(**event: object) -> None:
        original(**event)
        if event["kind"] == "step" and event["step"] in (3, 7):
            before = torch.get_rng_state()
            weights = {name: one.clone() for name, one in trainer.model.state_dict().items()}
            gradients = [None if one.grad is None else one.grad.tolist() for one in trainer.model.parameters()]
            find_rate(task, trainer.model, trainer.optimizer, trainer.counters, steps=15, highest=100.0)
            assert torch.equal(before, torch.get_rng_state())
            assert all(torch.equal(weights[name], one) for name, one in trainer.model.state_dict().items())
            assert gradients == [None if one.grad is None else one.grad.tolist() for one in trainer.model.parameters()]

    trainer._note = note  # type: ignore[method-assign]
    trainer.train()
    assert untimed(asked) == untimed(plain)
    assert counters(asked) == counters(plain)
    assert fingerprint(asked) == fingerprint(plain)


def test_what_a_task_carries_from_step_to_step_is_put_back(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"line {i} of some text that says {i * i}\n" for i in range(2000)), encoding="utf-8")
    language = LanguageTask(
        LanguageConfig.parse(
            {
                "data": {"files": [str(text)]},
                "model": {"cell": "lstm", "width": 8, "context": 8},
                "training": {"steps": 4, "batch": 4, "learning_rate": 1e-3, "threads": 1},
            }
        )
    )
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i % 7},{i % 11},{i % 7 - i % 11}\n" for i in range(80)), encoding="utf-8")
    regress = RegressTask(RegressTask.proposed(RegressConfig.parse({"data": {"files": [str(table)], "target": "y"}})))
    for task in (language, regress):
        model = task.build_model()
        batches = task.epoch(0)
        for examples in batches[:3]:
            task.loss(model, task.collate(examples))
        before = {name: value.clone() for name, value in task.carried().items()}
        assert before
        find_rate(task, model, steps=12)  # type: ignore[arg-type]
        after = task.carried()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_folder_is_not_touched_and_its_threads_are_kept(make_run: MakeRun) -> None:
    run, task = make_run("run", steps=6, evaluate_every=3)
    Trainer(run, task).train()
    before, threads, random = digest(run.path), torch.get_num_threads(), torch.get_rng_state()
    first = pellucid.find_rate(run.path, steps=15)
    second = pellucid.find_rate(run.path, steps=15)
    assert digest(run.path) == before
    assert first == second
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random)
    fresh = pellucid.find_rate(task.config, steps=15)
    assert fresh.losses[0] > first.losses[0]  # the run has learned, the config begins anew


def test_rates_that_do_not_rise_and_too_few_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="not rising"):
        find_rate(Bowl(), lowest=1.0, highest=0.1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="too few"):
        find_rate(Bowl(), steps=5)  # type: ignore[arg-type]
