"""A training that is watched: what is told of it is true, and it ends in the same bits."""

import hashlib
import math
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.see.microscope import Microscope
from pellucid.tasks.translate import TranslateTask
from pellucid.train.loop import Trainer
from tests.train.conftest import make_run, pairs_file  # noqa: F401 - fixtures


class Network(nn.Module):
    """Dropout, batch norm, a buffer that each pass changes, and a draw of Python's own generator."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)
        self.act, self.dropout = nn.ReLU(), nn.Dropout(0.4)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        x = self.dropout(self.act(self.norm(self.first(x))))
        return self.last(x) * (1 + 0.1 * random.random() + 0.001 * self.passes)


def batches(count: int) -> Iterator[tuple[Tensor, Tensor]]:
    drawn = torch.Generator().manual_seed(3)
    for _ in range(count):
        yield torch.randn(12, 5, generator=drawn), torch.randint(3, (12,), generator=drawn)


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """SHA-256 of weights, running statistics, gradients, the optimizer's state and both generators."""
    digest = hashlib.sha256()
    tensors = [*model.state_dict().values(), *(one.grad for one in model.parameters() if one.grad is not None)]
    for state in optimizer.state.values():
        tensors += [one for one in state.values() if isinstance(one, Tensor)]
    for tensor in [*tensors, torch.get_rng_state()]:
        digest.update(bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist()))
    digest.update(repr(random.getstate()).encode())
    return digest.hexdigest()


def train(
    watched: Callable[[nn.Module, torch.optim.Optimizer], Any] | None,
    steps: int,
    clip: float = math.inf,
    scale: float = 1.0,
    accumulate: int = 1,
    autocast: bool = False,
    fused: bool = False,
) -> tuple[str, Any]:
    """A person's own loop, with and without a microscope on it."""
    torch.manual_seed(0)
    random.seed(0)
    model = Network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale != 1)

    def objective(x: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(model(x), target)

    with watched(model, optimizer) if watched else nullcontext() as scope:
        if scope is not None:
            scope.scaler = scaler
            objective = scope.watch(objective)
        drawn = batches(steps * accumulate)
        for _ in range(steps):
            optimizer.zero_grad()
            for _ in range(accumulate):
                x, target = next(drawn)
                with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                    loss = objective(x, target)
                scaler.scale(loss / accumulate).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            scaler.step(optimizer)
            scaler.update()
    return everything(model, optimizer), scope


def test_two_hundred_steps_with_a_full_capture_every_ten_are_bit_identical() -> None:
    plain, _ = train(None, 200)
    seen, scope = train(lambda model, optimizer: Microscope(model, optimizer, every=10, statistics=1), 200)
    assert seen == plain
    assert scope.step == 200
    assert [step.number for step in scope.captures] == [190, 200]
    assert scope.statistics[-1].step == 200


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_with_scaling_accumulation_and_clipping_it_is_bit_identical_and_shows_the_gradients_that_the_optimizer_got(
    scale: float, autocast: bool, fused: bool
) -> None:
    settings: dict[str, Any] = {"clip": 0.3, "scale": scale, "accumulate": 3, "autocast": autocast, "fused": fused}
    plain, _ = train(None, 6, **settings)
    seen, scope = train(lambda model, optimizer: Microscope(model, optimizer, every=3, statistics=2), 6, **settings)
    assert seen == plain
    for step in scope.captures:
        assert len(step.traces) == 3
        assert step.agreement < 2e-7
        assert step.clip == pytest.approx(0.3, rel=1e-4)  # as it was noticed
        assert step.factor == pytest.approx(0.3 / step.norm, rel=1e-4)


def test_a_captured_step_tells_how_a_weight_moved_and_which_examples_pushed_it() -> None:
    moved: list[tuple[float, float]] = []
    torch.manual_seed(0)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with Microscope(model, optimizer, every=2, clip=0.5) as scope:
        objective = scope.watch(lambda x, target: F.cross_entropy(model(x), target))
        for x, target in batches(4):
            objective(x, target).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            before = model.first.weight[3, 2].item()
            optimizer.step()
            optimizer.zero_grad()
            moved.append((before, model.first.weight[3, 2].item()))
    for step in scope.captures:
        why = step.why_moved("first.weight[3, 2]")
        assert (why.old, why.new) == pytest.approx(moved[step.number - 1], rel=3e-7)
        assert len(why.pushes) == 12
        assert sum(push.value for push in why.pushes) == pytest.approx(why.gradient, rel=1e-4, abs=1e-8)


def test_statistics_are_the_norms_of_weights_gradients_updates_and_activations() -> None:
    torch.manual_seed(0)
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    outputs: dict[str, Tensor] = {}
    model.act.register_forward_hook(lambda module, inputs, output: outputs.update(act=output.detach()))
    with Microscope(model, optimizer, statistics=2) as scope:
        for x, target in batches(4):
            optimizer.zero_grad()
            F.cross_entropy(model(x), target).backward()
            before = model.last.weight.detach().clone(), model.last.bias.detach().clone()
            optimizer.step()
    assert [flow.step for flow in scope.statistics] == [2, 4]
    row, seen = scope.statistics[-1]["last"], scope.statistics[-1]["act"]
    gradient = math.hypot(model.last.weight.grad.norm(), model.last.bias.grad.norm())
    assert row.weights == pytest.approx(math.hypot(before[0].norm(), before[1].norm()), rel=1e-5)
    assert row.gradient == pytest.approx(gradient, rel=1e-5)
    assert row.update == pytest.approx(0.1 * gradient, rel=1e-4)
    assert seen.activation == pytest.approx(outputs["act"].norm().item(), rel=1e-5)
    assert seen.zeros == pytest.approx((outputs["act"] == 0).float().mean().item(), rel=1e-5)
    assert [one.place for one in scope.statistics[-1].rows] == ["first", "norm", "act", "dropout", "last"]
    assert "act" in str(scope.statistics[-1])


def test_no_hook_is_left_behind_even_after_an_exception() -> None:
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fail() -> None:
        with Microscope(model, optimizer, every=1, statistics=1) as scope:
            scope.watch(model, loss=lambda output: output.sum())
            model(torch.randn(4, 7))

    with pytest.raises(RuntimeError):
        fail()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks


def test_a_step_that_the_scaler_leaves_out_is_not_mixed_into_the_next() -> None:
    torch.manual_seed(0)
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    with Microscope(model, optimizer, every=1, scaler=scaler) as scope:
        objective = scope.watch(lambda x, target, times: F.cross_entropy(model(x), target) * times)
        for number, (x, target) in enumerate(batches(2)):
            optimizer.zero_grad()
            scaler.scale(objective(x, target, math.inf if number == 0 else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
    (step,) = scope.captures
    assert len(step.traces) == 1
    assert step.agreement < 1e-7


def test_an_evaluation_between_two_steps_is_not_part_of_either() -> None:
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Microscope(model, optimizer, every=1, statistics=1) as scope:
        objective = scope.watch(lambda x, target: F.cross_entropy(model(x), target))
        for x, target in batches(2):
            objective(x, target).backward()
            with torch.no_grad():
                objective(100 * x, target)
            optimizer.step()
            optimizer.zero_grad()
    assert all(len(step.traces) == 1 and step.agreement < 1e-7 for step in scope.captures)
    assert scope.statistics[-1]["first"].activation < 50


def test_our_own_trainer_is_watched_without_a_line_in_its_loop(
    make_run: Callable[..., tuple[Run, TranslateTask]],  # noqa: F811
) -> None:
    settings: dict[str, Any] = {"accumulate": 2, "clip": 0.5}
    plain = Trainer(*make_run("plain", **settings))
    plain.train()
    watched = Trainer(*make_run("watched", **settings))
    with Microscope(watched.model, watched.optimizer, every=8, statistics=2) as scope:
        scope.watch(watched.objective, loss=lambda losses: losses.total)
        watched.train()
    for one, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert scope.step == 24
    assert len(scope.statistics) == 12
    step = scope.captures[-1]
    assert step.number == 24
    assert len(step.traces) == 2
    assert step.agreement < 1e-6
    why = step.why_moved("decoder.0.feed_forward.wide.weight[3, 1]")
    now = watched.model.get_parameter("decoder.0.feed_forward.wide.weight")[3, 1].item()
    assert why.new == pytest.approx(now, rel=3e-7)
    named = [push for push in why.pushes if push.index is not None]
    assert len(named) > 4
    assert sum(push.value for push in named) == pytest.approx(why.gradient, rel=1e-3, abs=1e-8)
    assert sum(push.value for push in why.pushes) == pytest.approx(why.gradient, rel=1e-3, abs=1e-8)
