"""Attention beside PyTorch's own, with the same weights."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.nn.attention import MultiHeadAttention, attention, causal_mask


def pair_of_layers(model: int, heads: int) -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    ours, theirs = MultiHeadAttention(model, heads), nn.MultiheadAttention(model, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    return ours, theirs


def test_multi_head_attention_equals_pytorchs_under_a_causal_mask() -> None:
    ours, theirs = pair_of_layers(model=8, heads=2)
    x, causal = torch.randn(3, 5, 8), causal_mask(5)
    expected = theirs(x, x, x, attn_mask=~causal)[0]
    torch.testing.assert_close(ours(x, x, causal[None, None]), expected, atol=1e-6, rtol=0)


def test_multi_head_attention_equals_pytorchs_where_keys_are_padding() -> None:
    ours, theirs = pair_of_layers(model=12, heads=3)
    asking, asked = torch.randn(2, 4, 12), torch.randn(2, 6, 12)
    padding = torch.tensor([[False] * 6, [False] * 3 + [True] * 3])
    expected = theirs(asking, asked, asked, key_padding_mask=padding)[0]
    torch.testing.assert_close(ours(asking, asked, ~padding[:, None, None]), expected, atol=1e-6, rtol=0)


def test_attention_equals_scaled_dot_product_attention() -> None:
    query, key, value = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    allowed = torch.rand(2, 1, 4, 6) > 0.4
    allowed[..., 0] = True
    expected = F.scaled_dot_product_attention(query, key, value, allowed)
    torch.testing.assert_close(attention(query, key, value, allowed), expected, atol=1e-6, rtol=0)


def test_masked_positions_receive_exactly_zero_weight() -> None:
    query, key = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    weights = attention(query, key, torch.eye(4)[None], causal_mask(4)[None])  # values that show the weights
    assert (weights[0].triu(1) == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 4))


def test_two_tokens_give_the_weights_that_the_notes_give() -> None:
    x = torch.tensor([[1.0, 0, 1, 0], [0, 2, 0, 2]])
    w_query = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, -1], [0, 0, 0, 1], [0, 0, 1, 1]])
    w_key = torch.tensor([[0.0, 0, 0, 0], [1, 0, 1, 1], [-1, -1, 0, 0], [-1, -1, 0, 0]])
    weights = attention(x @ w_query, x @ w_key, torch.eye(2))
    assert [round(share, 3) for share in weights[0].tolist()] == [0.076, 0.924]


def test_dividing_by_the_root_of_the_width_keeps_the_variance_of_a_score_at_one() -> None:
    for width in (4, 64):
        products = (torch.randn(100_000, width) * torch.randn(100_000, width)).sum(-1)
        assert math.isclose(products.var().item(), width, rel_tol=0.05)
        assert math.isclose((products / math.sqrt(width)).var().item(), 1, rel_tol=0.05)


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="model=10 cannot be split into heads=4"):
        MultiHeadAttention(10, 4)
