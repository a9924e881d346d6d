"""Recurrent layers against PyTorch's own, with the same weights: values and gradients."""

import pytest
import torch
from torch import Tensor, nn

from pellucid.nn.recurrent import CELLS, LSTM, Recurrent

THEIRS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
BATCH, TIME, INPUT, HIDDEN = 3, 7, 5, 4


def pair(cell: str) -> tuple[Recurrent, nn.RNNBase]:
    ours = CELLS[cell](INPUT, HIDDEN)
    theirs = THEIRS[cell](INPUT, HIDDEN, batch_first=True)
    with torch.no_grad():
        for weight in ours.parameters():
            weight.normal_(std=0.5)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        for name, weight in zip(names, ours.weights(), strict=True):
            getattr(theirs, name).copy_(weight)
    return ours, theirs


def fresh_inputs(cell: Recurrent) -> tuple[Tensor, Tensor]:
    return torch.randn(BATCH, TIME, INPUT), torch.randn(cell.states, BATCH, HIDDEN)


def given(state: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    return (state[:1].contiguous(), state[1:].contiguous()) if len(state) == 2 else state


@pytest.mark.parametrize("way", ["forward", "unrolled"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_equals_pytorchs_own_in_value_and_gradient(cell: str, way: str) -> None:
    ours, theirs = pair(cell)
    x, state = fresh_inputs(ours)
    weighting = torch.randn(BATCH, TIME, HIDDEN)
    own_x, own_state, their_x = x.clone().requires_grad_(), state.clone().requires_grad_(), x.clone().requires_grad_()
    outputs, last = getattr(ours, way)(own_x, own_state)
    wanted, their_last = theirs(their_x, given(state))
    torch.testing.assert_close(outputs, wanted, atol=1e-6, rtol=0)
    torch.testing.assert_close(last, torch.cat(their_last) if len(state) == 2 else their_last, atol=1e-6, rtol=0)
    ((outputs * weighting).sum() + last.sum()).backward()
    ends = torch.cat(their_last).sum() if len(state) == 2 else their_last.sum()
    ((wanted * weighting).sum() + ends).backward()
    torch.testing.assert_close(own_x.grad, their_x.grad, atol=1e-5, rtol=1e-5)
    for mine, yours in zip(ours.weights(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, yours.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_two_halves_with_the_state_carried_over_equal_the_whole(cell: str) -> None:
    ours, _ = pair(cell)
    x, state = fresh_inputs(ours)
    whole, last = ours(x, state)
    first, between = ours(x[:, :3], state)
    second, end = ours(x[:, 3:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, atol=1e-6, rtol=0)
    torch.testing.assert_close(end, last, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_a_fresh_layer_keeps_the_length_of_its_state_and_an_lstm_begins_with_its_forget_gate_open(cell: str) -> None:
    ours = CELLS[cell](INPUT, HIDDEN)
    for block in ours.from_state.weight.chunk(ours.gates):
        torch.testing.assert_close(block @ block.T, torch.eye(HIDDEN), atol=1e-5, rtol=0)
    if isinstance(ours, LSTM):
        assert ours.from_input.bias.view(4, HIDDEN)[1].tolist() == [1.0] * HIDDEN
