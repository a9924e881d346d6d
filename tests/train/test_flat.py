"""Flat memory against PyTorch's own optimizers on parameters that lie where they lie."""

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.train.flat import LINE, Flat, flattened, update_of
from pellucid.train.optimizer import make_optimizer
from pellucid.train.state import MovingAverage

OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adamw": lambda model: torch.optim.AdamW(
        model.parameters(), lr=0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.1, fused=True
    ),
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1),
    "sgd without decay": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    "sgd with momentum": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "amsgrad": lambda model: torch.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True),
    "muon": lambda model: make_optimizer(model, TrainingConfig(learning_rate=0.01)),
}


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(7, 33), nn.ReLU(), nn.LayerNorm(33), nn.Linear(33, 3, bias=False), nn.Linear(3, 1))


def laid_flat(model: nn.Module) -> Flat:
    flat = flattened(model)
    assert flat is not None
    return flat


def draw_gradients(flat: nn.Module, usual: nn.Module) -> None:
    for one, other in zip(flat.parameters(), usual.parameters(), strict=True):
        assert one.grad is not None
        one.grad.copy_(torch.randn_like(one))
        if other.grad is None:
            other.grad = one.grad.clone()
        else:
            other.grad.copy_(one.grad)


def assert_same(one: nn.Module, other: nn.Module) -> None:
    """But for the last bit: PyTorch computes the last few numbers of a tensor without vector instructions."""
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twelve_steps_on_flat_memory_are_those_of_pytorchs_optimizer(name: str) -> None:
    ours, theirs = network(), network()
    flat, optimizer, usual = laid_flat(ours), OPTIMIZERS[name](ours), OPTIMIZERS[name](theirs)
    update = update_of(optimizer, flat)
    for step in range(12):
        for group in (*optimizer.param_groups, *usual.param_groups):
            group["lr"] = 0.01 * (step + 1)
        draw_gradients(ours, theirs)
        update()
        usual.step()
    assert_same(ours, theirs)
    mine, their = optimizer.state_dict()["state"], usual.state_dict()["state"]
    assert mine.keys() == their.keys()
    for number, remembered in their.items():
        for key, value in remembered.items():
            if value is not None:
                torch.testing.assert_close(mine[number][key], value, rtol=1e-5, atol=1e-8, msg=f"{number} {key}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_saved_without_flat_memory_goes_on_in_it(name: str) -> None:
    first, usual_network = network(), network()
    before, usual = OPTIMIZERS[name](first), OPTIMIZERS[name](usual_network)
    for optimizer, model in ((before, first), (usual, usual_network)):
        torch.manual_seed(2)
        for _ in range(3):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
    resumed = copy.deepcopy(first)
    optimizer = OPTIMIZERS[name](resumed)
    optimizer.load_state_dict(before.state_dict())
    update = update_of(optimizer, laid_flat(resumed))
    for _ in range(3):
        draw_gradients(resumed, usual_network)
        update()
        usual.step()
    assert_same(resumed, usual_network)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_who_hooks_the_step_is_called_and_changes_nothing(name: str) -> None:
    watched, unwatched = network(), network()
    optimizer, other = OPTIMIZERS[name](watched), OPTIMIZERS[name](unwatched)
    update, update_other = update_of(optimizer, laid_flat(watched)), update_of(other, laid_flat(unwatched))
    for group in (*optimizer.param_groups, *other.param_groups):
        group["lr"] = 0.01
    weight = next(watched.parameters())
    seen: list[torch.Tensor] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(weight.detach().clone()))
    optimizer.register_step_post_hook(lambda *_: seen.append(weight.detach().clone()))
    for _ in range(5):
        draw_gradients(watched, unwatched)
        update()
        update_other()
    assert len(seen) == 10
    assert all(torch.equal(after, before) for after, before in zip(seen[1::2], seen[2::2], strict=False))
    assert not any(torch.equal(before, after) for before, after in zip(seen[::2], seen[1::2], strict=True))
    for one, two in zip(watched.parameters(), unwatched.parameters(), strict=True):
        assert torch.equal(one, two)


def test_parameters_of_which_some_have_taken_fewer_steps_go_one_by_one() -> None:
    ours, theirs = network(), network()
    optimizer, usual = OPTIMIZERS["adamw"](ours), OPTIMIZERS["adamw"](theirs)
    for model, one in ((ours, optimizer), (theirs, usual)):
        next(model.parameters()).grad = torch.ones(33, 7)
        one.step()
    update = update_of(optimizer, laid_flat(ours))
    for _ in range(3):
        draw_gradients(ours, theirs)
        update()
        usual.step()
    assert_same(ours, theirs)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_average_in_flat_memory_is_the_average(decay: float) -> None:
    ours, theirs = network(), network()
    mine, usual = MovingAverage(ours, decay), MovingAverage(theirs, decay)
    mine.lie_flat(laid_flat(ours))
    for step in range(1, 6):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.data.normal_()
            other.data.copy_(one)
        mine.update(ours, step)
        usual.update(theirs, step)
    assert mine.weights.keys() == usual.weights.keys()
    for name, value in usual.weights.items():
        assert torch.equal(mine.weights[name], value), name


@given(shapes=st.lists(st.lists(st.integers(1, 9), max_size=3), min_size=1, max_size=6))
def test_windows_hold_what_the_parameters_held_and_begin_where_tensors_begin(shapes: list[list[int]]) -> None:
    values = [torch.randn(shape) for shape in shapes]
    parameters = [nn.Parameter(value.clone()) for value in values]
    flat = Flat(parameters)
    for parameter, value in zip(parameters, values, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.data_ptr() % (4 * LINE) == 0
        assert parameter.grad is not None
        assert not parameter.grad.any()
    torch.stack([one.square().sum() for one in parameters]).sum().backward()  # type: ignore[no-untyped-call]
    flat.weights.sub_(flat.gradients, alpha=0.5)
    assert not flat.weights.any()


def test_shared_weights_have_one_window_and_the_sum_of_their_gradients() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
    model[1].weight = model[0].weight
    usual = copy.deepcopy(model)
    assert usual[1].weight is usual[0].weight
    assert len(laid_flat(model).parameters) == 1
    for one in (model, usual):
        one(torch.tensor([0, 1, 1])).square().sum().backward()
    assert torch.equal(model[0].weight.grad, usual[0].weight.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ["frozen", "double", "empty"])
def test_what_cannot_lie_flat_is_left_where_it_is(case: str) -> None:
    model: nn.Module = nn.Linear(2, 2)
    if case == "frozen":
        model.bias.requires_grad_(False)  # type: ignore[union-attr]
    model = model.double() if case == "double" else nn.Identity() if case == "empty" else model
    assert flattened(model) is None
