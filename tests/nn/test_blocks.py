"""Transformer blocks, positions and feed-forward beside PyTorch's own."""

import math

import pytest
import torch
from torch import nn

from pellucid.nn.attention import MultiHeadAttention, causal_mask
from pellucid.nn.blocks import DecoderBlock, EncoderBlock, Residual
from pellucid.nn.feedforward import FeedForward
from pellucid.nn.positions import LearnedPositions, SinusoidalPositions, sinusoids


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_feed_forward(ours: FeedForward, theirs: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer) -> None:
    theirs.linear1.load_state_dict(ours.wide.state_dict())
    theirs.linear2.load_state_dict(ours.narrow.state_dict())


@pytest.mark.parametrize("pre_norm", [True, False])
def test_encoder_block_equals_pytorchs_layer(pre_norm: bool) -> None:
    ours = EncoderBlock(16, 4, 32, norm="pre" if pre_norm else "post")
    theirs = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=pre_norm)
    for norm in (ours.self_attention_residual.norm, ours.feed_forward_residual.norm):
        nn.init.normal_(norm.weight)
    copy_attention(ours.self_attention, theirs.self_attn)
    copy_feed_forward(ours.feed_forward, theirs)
    theirs.norm1.load_state_dict(ours.self_attention_residual.norm.state_dict())
    theirs.norm2.load_state_dict(ours.feed_forward_residual.norm.state_dict())
    x, padding = torch.randn(2, 5, 16), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    expected = theirs(x, src_key_padding_mask=padding)
    torch.testing.assert_close(ours(x, ~padding[:, None, None]), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_decoder_block_equals_pytorchs_layer(pre_norm: bool) -> None:
    ours = DecoderBlock(16, 2, 24, norm="pre" if pre_norm else "post")
    theirs = nn.TransformerDecoderLayer(16, 2, 24, dropout=0.0, batch_first=True, norm_first=pre_norm)
    copy_attention(ours.self_attention, theirs.self_attn)
    copy_attention(ours.cross_attention, theirs.multihead_attn)
    copy_feed_forward(ours.feed_forward, theirs)
    x, memory = torch.randn(2, 4, 16), torch.randn(2, 6, 16)
    padding = torch.tensor([[False] * 6, [False] * 2 + [True] * 4])
    causal = causal_mask(4)
    expected = theirs(x, memory, tgt_mask=~causal, memory_key_padding_mask=padding)
    torch.testing.assert_close(ours(x, memory, causal, ~padding[:, None, None]), expected, atol=1e-6, rtol=1e-6)


def test_sinusoids_have_the_values_of_the_paper() -> None:
    table = sinusoids(50, 6)
    for position, dimension in ((0, 0), (1, 0), (7, 2), (49, 4)):
        angle = position / 10000 ** (dimension / 6)
        assert math.isclose(table[position, dimension], math.sin(angle), abs_tol=1e-5)
        assert math.isclose(table[position, dimension + 1], math.cos(angle), abs_tol=1e-5)


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
def test_positions_continue_where_a_start_says(kind: type[SinusoidalPositions] | type[LearnedPositions]) -> None:
    positions = kind(20, 8)
    torch.testing.assert_close(positions(3, start=5), positions(8)[5:])


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="'tanhh' is none of relu, gelu, silu"):
        FeedForward(4, 8, "tanhh")


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_a_residual_is_its_formula_with_each_norm_and_without(norm: str, residual: bool) -> None:
    block = Residual(6, norm, 0.0, residual=residual)
    layer, x = nn.Linear(6, 6), torch.randn(2, 3, 6)
    into = nn.functional.layer_norm(x, (6,)) if norm == "pre" else x
    expected = layer(into) + (x if residual else 0)
    expected = nn.functional.layer_norm(expected, (6,)) if norm == "post" else expected
    torch.testing.assert_close(block(x, layer), expected)


def test_another_place_of_the_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="none of pre, post, none"):
        Residual(6, "behind", 0.0)
