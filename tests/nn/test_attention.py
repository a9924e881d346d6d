"""Attention beside PyTorch's own, with the same weights."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.nn import attention as attention_module
from pellucid.nn.attention import MultiHeadAttention, attention, attention_as_products, causal_mask


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


def padding_mask(batch: int, keys: int) -> torch.Tensor:
    """Keys of the second half of the rows end in padding: (batch, 1, 1, key)."""
    allowed = torch.ones(batch, 1, 1, keys, dtype=torch.bool)
    allowed[batch // 2 :, ..., keys - keys // 3 :] = False
    return allowed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("mask", "queries", "keys"),
    [("none", 64, 128), ("causal", 96, 96), ("padding", 128, 64), ("padding", 64, 128), ("full", 70, 130)],
)
def test_long_attention_has_the_values_and_gradients_of_the_products(
    dtype: torch.dtype, mask: str, queries: int, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_module, "LONG_IN_BFLOAT16", attention_module.LONG)
    inputs = [torch.randn(4, 2, queries, 32), torch.randn(4, 2, keys, 32), torch.randn(4, 2, keys, 32)]
    allowed = {
        "none": None,
        "causal": causal_mask(keys)[None, None],
        "padding": padding_mask(4, keys),
        "full": torch.rand(4, 2, queries, keys) > 0.3,
    }[mask]
    upstream = torch.randn(4, 2, queries, 32).to(dtype)
    called = []
    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(
        attention_module.F, "scaled_dot_product_attention", lambda *given: called.append(1) or fused(*given)
    )
    found = []
    for function in (attention, attention_as_products):
        tensors = [x.to(dtype).requires_grad_() for x in inputs]
        result = function(*tensors, allowed)
        assert result.dtype == dtype
        found.append([result, *torch.autograd.grad(result, tensors, upstream)])
    assert called == [1], "long attention takes the fused kernel, the products do not"
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance)


def test_short_attention_is_the_products_bit_for_bit() -> None:
    tensors = [torch.randn(2, 2, 64, 32) for _ in range(3)]
    assert torch.equal(
        attention(*tensors, causal_mask(64)[None, None]), attention_as_products(*tensors, causal_mask(64)[None, None])
    )


def test_one_query_of_a_decoder_takes_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_module.F, "scaled_dot_product_attention", None)
    attention(torch.randn(2, 2, 1, 32), torch.randn(2, 2, 512, 32), torch.randn(2, 2, 512, 32))


@pytest.mark.parametrize("enough", [0, attention_module.LONG_IN_BFLOAT16])
def test_under_autocast_attention_is_the_products_within_bfloat16s_error(
    enough: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_module, "LONG_IN_BFLOAT16", enough)
    tensors = [torch.randn(2, 2, 128, 32) for _ in range(3)]
    with torch.autocast("cpu", torch.bfloat16):
        ours = attention(*tensors, causal_mask(128)[None, None])
    assert ours.dtype == torch.bfloat16
    expected = attention_as_products(*tensors, causal_mask(128)[None, None])
    torch.testing.assert_close(ours.float(), expected, atol=3e-2, rtol=3e-2)


def test_long_attention_gives_masked_positions_exactly_zero_weight() -> None:
    query, key = torch.randn(1, 1, 128, 8), torch.randn(1, 1, 128, 8)
    weights = attention(query, key, torch.eye(128)[None, None], causal_mask(128)[None, None])
    assert (weights[0, 0].triu(1) == 0).all()


def test_an_export_serves_short_and_long_alike() -> None:
    layer, length = MultiHeadAttention(8, 2).eval(), torch.export.Dim("length", min=2, max=512)
    exported = torch.export.export(layer, (torch.randn(1, 7, 8),) * 2, dynamic_shapes=({1: length}, {1: length}))
    for positions in (5, 200):
        x = torch.randn(1, positions, 8)
        torch.testing.assert_close(exported.module()(x, x), layer(x, x), atol=1e-6, rtol=0)
