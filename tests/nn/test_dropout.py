"""Dropout: its rate, its mean, and that it does nothing outside training."""

import pytest
import torch

from pellucid.nn.dropout import Dropout, dropout, random_bytes


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_dropout_switches_off_its_rate_and_keeps_the_mean(rate: float) -> None:
    y = dropout(torch.ones(1000, 1000), rate)
    assert abs((y == 0).float().mean().item() - rate) < 0.004  # the rate is a multiple of 1/256
    assert abs(y.mean().item() - 1) < 0.003


def test_random_bytes_are_uniform() -> None:
    numbers = random_bytes(torch.Size([256 * 4000]), torch.device("cpu")).long()
    counts = (numbers + 128).bincount(minlength=256).double()
    chi_square = ((counts - 4000) ** 2 / 4000).sum().item()
    assert chi_square < 347  # exceeded by chance in 1 of 10,000 cases at 255 degrees of freedom


def test_the_gradient_passes_where_the_number_was_kept() -> None:
    x = torch.randn(64, 64, requires_grad=True)
    y = dropout(x, 0.5)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y != 0).float() * 2)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(5, 5)
    assert Dropout(0.9).eval()(x) is x


def test_the_type_of_the_numbers_stays() -> None:
    assert dropout(torch.ones(8, dtype=torch.bfloat16), 0.5).dtype == torch.bfloat16


def test_a_rate_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rate=1\.0"):
        Dropout(1.0)
