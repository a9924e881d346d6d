"""Muon and AdamW against PyTorch's own, and against what they promise."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.train.optimizer import Muon, make_optimizer, orthogonal, orthogonal_together


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 4))


def with_rate(optimizer: torch.optim.Optimizer, rate: float) -> torch.optim.Optimizer:
    for group in optimizer.param_groups:
        group["lr"] = rate
    return optimizer


def test_ten_steps_of_muon_are_those_of_pytorchs_muon_and_adamw() -> None:
    ours, theirs = network(), network()
    optimizer = with_rate(make_optimizer(ours, TrainingConfig(weight_decay=0.1), "bfloat16"), 0.01)
    matrices = [theirs[1].weight, theirs[3].weight]  # type: ignore[index]
    rest = [one for one in theirs.parameters() if one.dim() == 1 or one.size(0) == 10]
    muon = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.1)
    before = copy.deepcopy(dict(theirs.named_parameters()))
    for _ in range(10):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        optimizer.step()
        muon.step()
        adamw.step()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        way = (other - before[name]).norm()
        # Both round to bfloat16 on the way to an orthogonal matrix, at different places.
        assert (one - other).norm() / way < (0.03 if name in ("1.weight", "3.weight") else 1e-5), name


@given(low=st.integers(1, 12), more=st.integers(0, 12), seed=st.integers(0, 1000))
def test_orthogonal_keeps_the_directions_and_evens_out_the_sizes(low: int, more: int, seed: int) -> None:
    torch.manual_seed(seed)
    u, _, v = torch.linalg.svd(torch.randn(low, low + more, dtype=torch.float64), full_matrices=False)
    sizes = 0.1 + torch.rand(low, dtype=torch.float64)
    (found,) = orthogonal((u @ sizes.diag() @ v)[None])
    turned = u.T @ found @ v.T  # diagonal if the directions are kept
    torch.testing.assert_close(turned, turned.diagonal().diag(), atol=1e-9, rtol=0)
    assert 0.6 < turned.diagonal().min() <= turned.diagonal().max() < 1.3


def test_a_matrix_on_its_side_is_turned_as_the_one_upright() -> None:
    matrices = [torch.randn(4, 6), torch.randn(6, 4), torch.randn(3, 3), torch.randn(4, 6)]
    together = orthogonal_together(matrices, torch.float32)
    for matrix, found in zip(matrices, together, strict=True):
        lying = matrix.mT if matrix.size(0) > matrix.size(1) else matrix
        (alone,) = orthogonal(lying[None])
        torch.testing.assert_close(found, alone if lying is matrix else alone.mT)


def test_the_settings_of_a_group_are_those_of_its_step() -> None:
    matrix = nn.Parameter(torch.randn(4, 6))
    optimizer = Muon([matrix], [], learning_rate=0.1, weight_decay=0.0)
    optimizer.param_groups[0]["ns_steps"] = 0  # the gradient as it is, at length 1
    before = matrix.detach().clone()
    matrix.grad = torch.randn_like(matrix)
    optimizer.step()
    expected = 0.1 * 0.2 * 6**0.5 * matrix.grad / matrix.grad.norm()
    torch.testing.assert_close(before - matrix.detach(), expected)


def test_muon_takes_the_weights_of_linear_layers_and_of_nothing_else() -> None:
    model = network()
    tied = nn.Linear(8, 10)
    tied.weight = model[0].weight  # type: ignore[index]
    optimizer = make_optimizer(nn.ModuleList([model, tied]), TrainingConfig())
    assert isinstance(optimizer, Muon)
    matrices, rest = (group["params"] for group in optimizer.param_groups)
    assert [one.shape for one in matrices] == [(16, 8), (4, 16)]
    assert sorted(one.dim() for one in rest) == [1, 1, 1, 1, 1, 2]


def test_a_parameter_without_gradient_stays_as_it_is() -> None:
    model = network()
    optimizer = with_rate(make_optimizer(model, TrainingConfig()), 0.1)
    before = copy.deepcopy(model.state_dict())
    model[3](torch.randn(2, 16)).sum().backward()  # type: ignore[operator,index]
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"3.weight", "3.bias"}


def test_its_state_goes_on_where_it_was_saved() -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
        for seed in seeds:
            torch.manual_seed(seed)
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()

    whole, first = network(), network()
    steps(whole, with_rate(make_optimizer(whole, TrainingConfig()), 0.01), range(6))
    optimizer = with_rate(make_optimizer(first, TrainingConfig()), 0.01)
    steps(first, optimizer, range(3))
    second = copy.deepcopy(first)
    other = with_rate(make_optimizer(second, TrainingConfig()), 0.01)
    other.load_state_dict(optimizer.state_dict())
    steps(second, other, range(3, 6))
    for one, two in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


def test_muon_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match="matrices"):
        Muon([nn.Parameter(torch.zeros(3))], [], learning_rate=0.1)
