"""Noise in what is read: how much of it, and that it belongs to the example and the epoch alone."""

import pytest
import torch

from pellucid.data.noise import Marked, with_noise, with_replaced


def test_what_is_added_has_the_deviation_asked_for_and_mean_zero() -> None:
    added = with_noise(torch.zeros(2000, 10), 0.3, 1, torch.arange(2000))
    assert float(added.std()) == pytest.approx(0.3, rel=0.02)
    assert float(added.mean()) == pytest.approx(0.0, abs=0.01)


def test_the_same_seed_and_key_add_the_same_in_any_company() -> None:
    x = torch.randn(6, 2, 3)
    keys = torch.tensor([5, 9, 1, 7, 3, 2])
    whole = with_noise(x, 0.5, 4, keys)
    torch.testing.assert_close(with_noise(x[2:4], 0.5, 4, keys[2:4]), whole[2:4], atol=0, rtol=0)
    assert not torch.equal(with_noise(x, 0.5, 5, keys), whole)
    assert not torch.equal(with_noise(x, 0.5, 4, keys + 6), whole)


def test_the_share_of_tokens_asked_for_is_replaced_as_often_as_each_stands_in_the_pool() -> None:
    pool = torch.tensor([1] * 30 + [2] * 10)
    tokens = torch.full((500, 40), 7)
    found = with_replaced(tokens, 0.25, 1, torch.arange(500), pool)
    assert float((found != 7).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float((found == 1).sum() / (found == 2).sum()) == pytest.approx(3.0, rel=0.1)


def test_kept_tokens_neither_go_nor_come_and_longer_rows_change_no_draw() -> None:
    tokens = torch.tensor([[3, 4, 5, 6, 0, 0]]).repeat(50, 1)
    pool, keys = torch.tensor([0, 1, 3, 8, 9]), torch.arange(50)
    found = with_replaced(tokens, 0.9, 2, keys, pool, kept=(0, 3))
    assert torch.equal(found == 0, tokens == 0)
    assert torch.equal(found == 3, tokens == 3)
    shorter = with_replaced(tokens[:, :4], 0.9, 2, keys, pool, kept=(0, 3))
    assert torch.equal(found[:, :4], shorter)
    assert (found != tokens).any()


def test_marked_batches_tell_the_epoch_and_the_example() -> None:
    marked = Marked([[0, 2], [1]], epoch=3, count=10)
    assert list(marked) == [[30, 32], [31]]
    assert list(marked[1:]) == [[31]]
    assert len(marked) == 2
    with pytest.raises(IndexError):
        marked[2]
