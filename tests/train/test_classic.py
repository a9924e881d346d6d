"""Ten steps of each optimizer and rates of each schedule, beside the same arithmetic in NumPy."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.train.optimizer import make_optimizer, set_momentum
from pellucid.train.schedule import cycled_momentum, learning_rate

RATE, DECAY, MOMENTUM, B1, B2 = 0.03, 0.1, 0.8, 0.85, 0.9
Update = Callable[[np.ndarray, np.ndarray, int, dict[str, np.ndarray]], np.ndarray]


def sgd(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    return w - RATE * (g + DECAY * w)


def momentum(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    kept["b"] = MOMENTUM * kept.get("b", 0) + g + DECAY * w
    return w - RATE * kept["b"]


def nesterov(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    g = g + DECAY * w
    kept["b"] = MOMENTUM * kept.get("b", 0) + g
    return w - RATE * (g + MOMENTUM * kept["b"])


def rmsprop(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    g = g + DECAY * w
    kept["v"] = B2 * kept.get("v", 0) + (1 - B2) * g**2
    return w - RATE * g / (np.sqrt(kept["v"]) + 1e-8)


def adam_step(g: np.ndarray, t: int, kept: dict[str, np.ndarray], epsilon: float) -> np.ndarray:
    kept["m"] = B1 * kept.get("m", 0) + (1 - B1) * g
    kept["v"] = B2 * kept.get("v", 0) + (1 - B2) * g**2
    return kept["m"] / (1 - B1**t) / (np.sqrt(kept["v"] / (1 - B2**t)) + epsilon)


def adam(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    return w - RATE * adam_step(g + DECAY * w, t, kept, 1e-8)


def adamw(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    return w * (1 - RATE * DECAY) - RATE * adam_step(g, t, kept, 1e-9)


def muon(w: np.ndarray, g: np.ndarray, t: int, kept: dict[str, np.ndarray]) -> np.ndarray:
    if w.ndim < 2:
        return adamw(w, g, t, kept)
    kept["m"] = 0.95 * kept.get("m", 0) + 0.05 * g
    x = 0.05 * g + 0.95 * kept["m"]
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / np.linalg.norm(x)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return w * (1 - RATE * DECAY) - RATE * 0.2 * math.sqrt(max(w.shape)) * (x.T if tall else x)


UPDATES: dict[str, Update] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "muon": muon,
}


@pytest.mark.parametrize("kind", UPDATES)
def test_ten_steps_are_those_of_the_formula(kind: str) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
    settings = {"optimizer": kind, "weight_decay": DECAY, "momentum": MOMENTUM, "beta1": B1, "beta2": B2}
    optimizer = make_optimizer(model, TrainingConfig.parse(settings))
    for group in optimizer.param_groups:
        group["lr"] = RATE
    theirs = [one.detach().double().numpy().copy() for one in model.parameters()]
    kept: list[dict[str, np.ndarray]] = [{} for _ in theirs]
    draw = np.random.default_rng(5)
    for step in range(1, 11):
        for number, parameter in enumerate(model.parameters()):
            gradient = draw.normal(size=tuple(parameter.shape))
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
            theirs[number] = UPDATES[kind](theirs[number], gradient, step, kept[number])
        optimizer.step()
        for parameter, expected in zip(model.parameters(), theirs, strict=True):
            np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=2e-4, atol=2e-5)


def test_without_momentum_nesterov_and_momentum_are_plain_descent() -> None:
    for kind in ("momentum", "nesterov"):
        optimizer = make_optimizer(nn.Linear(2, 2), TrainingConfig.parse({"optimizer": kind, "momentum": 0.0}))
        assert isinstance(optimizer, torch.optim.SGD)
        assert not optimizer.param_groups[0]["momentum"]


def rates(schedule: str, steps: int, **settings: float) -> list[float]:
    config = TrainingConfig.parse({"schedule": schedule, "learning_rate": 0.4, **settings})
    return [learning_rate(step, steps, config) for step in range(1, steps + 1)]


def pytorchs(
    make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], steps: int
) -> Iterator[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = make(optimizer)
    for _ in range(steps):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("warmup", [0.1, 0.3])
def test_one_cycle_has_the_rates_of_pytorchs(warmup: float) -> None:
    expected = pytorchs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.4, total_steps=50, pct_start=warmup, cycle_momentum=False),
        50,
    )
    assert rates("one-cycle", 50, warmup=warmup) == pytest.approx(list(expected), rel=1e-9)


@pytest.mark.parametrize("kind", ["momentum", "nesterov", "adam", "adamw", "muon", "sgd", "rmsprop"])
def test_ten_steps_of_one_cycle_with_its_momentum_are_pytorchs(kind: str) -> None:
    torch.manual_seed(4)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    config = TrainingConfig.parse({"optimizer": kind, "schedule": "one-cycle", "warmup": 0.3, "learning_rate": 0.02})
    mine, other = make_optimizer(ours, config), make_optimizer(theirs, config)
    for group in other.param_groups:
        group["lr"] = 0.02
    has_memory = kind not in ("sgd", "rmsprop", "muon")
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        other, 0.02, total_steps=10, pct_start=0.3, cycle_momentum=has_memory, base_momentum=0.85, max_momentum=0.95
    )
    moments = [0.95, 0.9, 0.85, *(0.95 - 0.1 * (1 + math.cos(math.pi * step / 7)) / 2 for step in range(1, 8))]
    for step in range(1, 11):
        for group in mine.param_groups:
            group["lr"] = learning_rate(step, 10, config)
        set_momentum(mine, cycled_momentum(step, 10, config))
        if kind == "muon":  # which PyTorch's schedule does not know: the same by hand
            for group in other.param_groups:
                named = {"momentum": moments[step - 1]} if "momentum" in group else {}
                group.update(named or {"betas": (moments[step - 1], group["betas"][1])})
        x = torch.randn(8, 5)
        for model, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        cycle.step() if step < 10 else None
    for own, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-7)
    assert not any(group.get("momentum") for group in mine.param_groups) or has_memory or kind == "muon"


def test_momentum_stays_as_it_is_without_a_cycle() -> None:
    for settings in ({"schedule": "cosine"}, {"schedule": "one-cycle", "cycle_momentum": False}):
        assert cycled_momentum(3, 10, TrainingConfig.parse(settings)) is None
    optimizer = make_optimizer(nn.Linear(2, 2), TrainingConfig.parse({"optimizer": "momentum", "momentum": 0.7}))
    set_momentum(optimizer, None)
    assert optimizer.param_groups[0]["momentum"] == 0.7


def test_step_has_the_rates_of_pytorchs_after_the_warm_up() -> None:
    found = rates("step", 40, warmup=0.1, step_every=0.25, step_factor=0.5)
    expected = list(pytorchs(lambda o: torch.optim.lr_scheduler.StepLR(o, 10, 0.5), 37))
    assert found[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert found[3:] == pytest.approx(expected, rel=1e-9)


def test_cosine_inverse_root_and_constant_are_their_formulas() -> None:
    steps = np.arange(5, 51)
    cosine = 0.4 * (0.01 + 0.99 * (1 + np.cos(np.pi * (steps - 5) / 45)) / 2)
    assert rates("cosine", 50, warmup=0.1)[4:] == pytest.approx(cosine.tolist(), rel=1e-9)
    assert rates("inverse-sqrt", 50, warmup=0.1)[4:] == pytest.approx((0.4 * np.sqrt(5 / steps)).tolist(), rel=1e-9)
    assert rates("constant", 50, warmup=0.1)[4:] == [0.4] * 46


def test_every_schedule_rises_in_its_warm_up_and_stays_positive() -> None:
    for schedule in ("cosine", "inverse-sqrt", "constant", "step", "one-cycle", "plateau"):
        found = rates(schedule, 30, warmup=0.2)
        assert found[:6] == sorted(found[:6])
        assert max(found) == pytest.approx(0.4)
        assert min(found) > 0


def test_a_plateau_multiplies_the_rate_by_its_factor_once_a_cut() -> None:
    config = TrainingConfig.parse({"schedule": "plateau", "learning_rate": 0.4, "warmup": 0, "plateau_factor": 0.5})
    assert [learning_rate(9, 20, config, cuts) for cuts in range(4)] == pytest.approx([0.4, 0.2, 0.1, 0.05])
