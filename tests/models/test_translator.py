"""The whole translator: beside nn.Transformer, and one position at a time beside all at once."""

import math

import pytest
import torch
from torch import Tensor, nn

from pellucid.errors import ConfigError
from pellucid.models.parameters import count_parameters
from pellucid.models.translator import PADDING, PRESETS, Translator, TranslatorConfig
from pellucid.nn.attention import MultiHeadAttention
from pellucid.nn.positions import sinusoids

SIZE = {"d_model": 32, "heads": 4, "feed_forward": 64, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}


def small(**changes: object) -> Translator:
    return Translator(TranslatorConfig.parse({**SIZE, **changes}), vocabulary=50).eval()


def batch() -> tuple[Tensor, Tensor]:
    source, target = torch.randint(3, 50, (3, 7)), torch.randint(3, 50, (3, 5))
    source[1, 4:] = PADDING
    source[2, 2:] = PADDING
    return source, target


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_translator_equals_pytorchs_transformer_with_the_same_weights(norm: str) -> None:
    ours = small(norm=norm)
    theirs = nn.Transformer(32, 4, 2, 2, 64, 0.0, batch_first=True, norm_first=norm == "pre").eval()
    for block, layer in zip(ours.encoder, theirs.encoder.layers, strict=True):
        copy_attention(block.self_attention, layer.self_attn)
        layer.linear1.load_state_dict(block.feed_forward.wide.state_dict())
        layer.linear2.load_state_dict(block.feed_forward.narrow.state_dict())
    for block, layer in zip(ours.decoder, theirs.decoder.layers, strict=True):
        copy_attention(block.self_attention, layer.self_attn)
        copy_attention(block.cross_attention, layer.multihead_attn)
        layer.linear1.load_state_dict(block.feed_forward.wide.state_dict())
        layer.linear2.load_state_dict(block.feed_forward.narrow.state_dict())
    if norm == "post":
        theirs.encoder.norm = theirs.decoder.norm = None
    source, target = batch()
    embed = lambda ids: ours.embedding(ids) * math.sqrt(32) + sinusoids(7, 32)[: ids.size(1)]  # noqa: E731
    causal, padding = torch.ones(5, 5, dtype=torch.bool).triu(1), source == PADDING
    states = theirs(
        embed(source), embed(target), tgt_mask=causal, src_key_padding_mask=padding, memory_key_padding_mask=padding
    )
    torch.testing.assert_close(ours(source, target), states @ ours.embedding.weight.T, atol=1e-5, rtol=1e-5)


def test_one_position_at_a_time_gives_the_scores_of_all_at_once() -> None:
    model = small(positions="learned")
    source, target = batch()
    with torch.inference_mode():
        whole = model(source, target)
        cache = model.begin(model.encode(source), capacity=5)
        steps = torch.stack([model.step(target[:, position], cache) for position in range(5)], dim=1)
    torch.testing.assert_close(steps, whole, atol=1e-5, rtol=1e-5)


def test_a_cache_whose_rows_were_selected_goes_on_as_those_rows_alone() -> None:
    model = small()
    source, target = batch()
    rows = torch.tensor([2, 0])
    with torch.inference_mode():
        cache = model.begin(model.encode(source), capacity=5)
        model.step(target[:, 0], cache)
        cache.select(rows)
        after = model.step(target[rows, 1], cache)
        whole = model(source[rows], target[rows])[:, 1]
    torch.testing.assert_close(after, whole, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing() -> None:
    model = small()
    source, target = batch()
    alone = model(source[2:, :2], target[2:])
    torch.testing.assert_close(model(source, target)[2:], alone, atol=1e-5, rtol=1e-5)


def test_a_later_target_token_does_not_reach_back() -> None:
    model = small()
    source, target = batch()
    changed = target.clone()
    changed[:, 3] = 7
    assert torch.equal(model(source, target)[:, :3], model(source, changed)[:, :3])


def test_source_target_and_output_share_one_table() -> None:
    model = small()
    assert sum(parameter.numel() == 50 * 32 for parameter in model.parameters()) == 1
    assert count_parameters(model) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("preset", "millions"), [("tiny", 1.9), ("small", 7.6), ("base", 48.2)])
def test_presets_have_their_sizes(preset: str, millions: float) -> None:
    model = Translator(TranslatorConfig.parse({"preset": preset}), vocabulary=8000)
    assert model.config.d_model == PRESETS[preset]["d_model"]
    assert count_parameters(model) / 1e6 == pytest.approx(millions, abs=0.06)


def test_a_given_field_overrides_its_preset_also_when_the_preset_changes() -> None:
    config = TranslatorConfig.parse({"preset": "auto", "encoder_layers": 5}).with_preset("small")
    assert (config.encoder_layers, config.d_model) == (5, 256)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="d_model=32 cannot be split into heads=5"):
        TranslatorConfig.parse({**SIZE, "heads": 5})


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@torch.inference_mode()
def test_with_any_norm_and_without_residuals_one_position_at_a_time_is_all_at_once(norm: str, residual: bool) -> None:
    model = small(norm=norm, residual=residual)
    source, target = batch()
    cache = model.begin(model.encode(source), target.size(1))
    found = torch.stack([model.step(target[:, i], cache) for i in range(target.size(1))], dim=1)
    torch.testing.assert_close(found, model(source, target), atol=1e-5, rtol=1e-5)
