"""Positions: tables of sines and cosines and rotations, recognized in any model and explained by their angles."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pellucid.nn.positions import sinusoids
from pellucid.see.capture import capture
from pellucid.see.expression import FUNCTIONS
from pellucid.see.trace import Trace
from tests.see.test_capture import traced


def angles(length: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """p theta_i, (position, pair)."""
    theta = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return (torch.arange(length, dtype=torch.float64)[:, None] * theta).to(dtype)


class Halves(nn.Module):
    """Rotates as Llama does; the angles are a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("angle", torch.cat((angles(5, 6), angles(5, 6)), dim=-1))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x[..., :3], x[..., 3:]
        return x * self.angle.cos() + torch.cat((-second, first), dim=-1) * self.angle.sin()


class Pairs(Halves):
    """Rotates as the paper does, pair by pair, with cosines and sines of one number a pair."""

    def forward(self, x: Tensor) -> Tensor:
        cos, sin = self.angle[:, :3].cos(), self.angle[:, :3].sin()
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


class Added(nn.Module):
    """Looks its positions up and adds them, without a module for it."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[2 : 2 + x.size(1)]


def halves_of_table(table: Tensor) -> Tensor:
    return torch.cat((table[:, 0::2], table[:, 1::2]), dim=-1)


@pytest.mark.parametrize(("model", "op"), [(Halves, "rotary_halves"), (Pairs, "rotary_pairs")])
def test_a_rotation_is_one_step_with_pytorchs_gradient(model: type[nn.Module], op: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    weights = torch.linspace(0.5, 2, x.numel(), dtype=torch.float64).view(x.shape)
    trace = capture(model(), x, loss=lambda y: (y * weights).sum())
    step = trace["rotated"]
    assert step.op == op
    assert (step.difference or 0) < 1e-14
    assert not [one.name for one in trace if one.op in ("cat", "stack", "neg")]
    expected = trace["x"].gradient
    assert expected is not None
    torch.testing.assert_close(trace.gradients[trace["x"]], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", [Halves, Pairs])
def test_a_rotated_pair_of_features_is_a_complex_number_turned(model: type[nn.Module]) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 5, 6, dtype=torch.float64)
    found = capture(model(), x)["rotated"].value
    parts = (lambda y: (y[..., :3], y[..., 3:])) if model is Halves else (lambda y: (y[..., 0::2], y[..., 1::2]))
    expected = torch.complex(*parts(x)) * torch.polar(torch.ones(5, 3, dtype=torch.float64), angles(5, 6))
    torch.testing.assert_close(torch.complex(*parts(found)), expected)


@pytest.mark.parametrize("model", [Halves, Pairs])
def test_the_arithmetic_of_a_rotated_number_gives_the_number(model: type[nn.Module]) -> None:
    torch.manual_seed(0)
    trace = capture(model(), torch.randn(2, 3, 5, 6, dtype=torch.float64), loss=torch.sum)
    step, chance = trace["rotated"], random.Random(0)
    for _ in range(200):
        cell = tuple(chance.randrange(size) for size in step.value.shape)
        found = trace.explain(step.address(cell))
        value = eval(found.exact, {"__builtins__": {}}, FUNCTIONS)
        assert value == pytest.approx(found.value, rel=1e-12, abs=1e-14)
        assert "cos(" in found.text().splitlines()[1]
        backward = trace.explain(trace["x"].address(cell), backward=True)
        assert backward.difference <= 1e-12


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_queries_and_keys_of_a_llama_are_turned_by_position_times_frequency() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    trace = capture(model, input_ids=torch.tensor([[3, 4, 5, 6]]), use_cache=False)
    place = "model.layers.0.self_attn"
    query, key = trace[f"{place}.query_rotated"], trace[f"{place}.key_rotated"]
    (call,) = trace.attentions()
    assert (call.query, call.key) == (query, key)
    x = query.operands["input"].value
    theta = 10000 ** (-2 / 8)
    expected = x[0, 1, 3, 1] * math.cos(3 * theta) - x[0, 1, 3, 5] * math.sin(3 * theta)
    assert float(query.value[0, 1, 3, 1]) == pytest.approx(float(expected), rel=1e-5)
    text = trace.explain(f"{place}.query_rotated[batch=0, head=1, position=3, d_k=1]").text()
    assert "cos(3*0.1) - " in text
    assert "sin(3*0.1) = " in text
    assert "10000^((-2) / 8) = 0.1" in trace.explain("model.rotary_emb.inv_freq[pair=1]").text()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pairs_of_a_gpt_j_and_the_table_of_a_marian_are_recognized() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"vocab_size": 30, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.GPTJConfig(**small, n_embd=16, n_layer=1, n_head=2, rotary_dim=4)
    trace = capture(transformers.GPTJForCausalLM(config).eval(), input_ids=torch.tensor([[3, 4, 5]]), use_cache=False)
    assert trace["transformer.h.0.attn.query_rotated"].op == "rotary_pairs"
    assert trace["transformer.h.0.attn.key_rotated"].op == "rotary_pairs"
    sides = {f"{side}_{what}": 1 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    widths = {"d_model": 16, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    marian = transformers.MarianMTModel(
        transformers.MarianConfig(vocab_size=30, pad_token_id=0, decoder_start_token_id=0, **sides, **widths)
    )
    ids = torch.tensor([[3, 4, 5]])
    seen = capture(marian.eval(), input_ids=ids, decoder_input_ids=ids, use_cache=False)
    assert seen["model.encoder.embed_positions.weight"].op == "sinusoids"


@pytest.mark.parametrize("arrange", [lambda table: table, halves_of_table])
def test_a_number_of_a_table_is_told_by_its_angle(arrange: Any) -> None:
    table = arrange(sinusoids(40, 8))
    trace = capture(Added(table), torch.randn(1, 6, 8))
    assert trace["table"].op == "sinusoids"
    assert trace["positions"].op == "positions"
    for name, start in (("table", 0), ("positions", 2)):
        for position in range(6):
            for feature in range(8):
                found = trace.explain(trace[name].address((position, feature)))
                value = eval(found.exact, {"__builtins__": {}}, FUNCTIONS)
                assert value == pytest.approx(float(table[start + position, feature]), abs=1e-5)
                assert f"({start + position} / 10000^(" in found.text()


def test_the_positions_of_a_translator_are_sines_and_cosines() -> None:
    _, trace = traced("translator")
    assert trace["positions.table"].op == "sinusoids"
    expected = "positions[position=3, model=5] = cos(3 / 10000^(4 / 16)) = 0.9553"
    assert trace.explain("positions[position=3, model=5]").text().endswith(expected)


def test_a_table_that_was_learned_is_no_table_of_sines() -> None:
    torch.manual_seed(0)
    table = sinusoids(40, 8)
    table[7, 3] += 0.01
    assert capture(Added(table), torch.randn(1, 6, 8))["table"].op == "constant"
    assert capture(Added(torch.rand(40, 8)), torch.randn(1, 6, 8))["table"].op == "constant"


def test_rotations_are_the_same_after_disk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(Pairs(), torch.randn(1, 2, 5, 6, dtype=torch.float64), loss=torch.sum)
    trace.save(tmp_path / "pass.safetensors")
    loaded = Trace.load(tmp_path / "pass.safetensors")
    address = trace["rotated"].address((0, 1, 4, 3))
    assert loaded.explain(address).exact == trace.explain(address).exact
    torch.testing.assert_close(loaded.gradients[loaded["x"]], trace.gradients[trace["x"]])
    doubled = loaded.replay({"x": loaded["x"].value * 2}).value("rotated")
    torch.testing.assert_close(doubled, 2 * trace["rotated"].value)


def test_what_a_rotation_turns_back_is_where_it_began() -> None:
    """The product of query and key hangs on how far apart they stand, not on where."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 6, dtype=torch.float64)
    model = Halves()
    turned = [capture(model, one.expand(1, 1, 5, 6))["rotated"].value[0, 0] for one in (query, key)]
    products = turned[0] @ turned[1].T
    torch.testing.assert_close(products.diagonal(1), products[0, 1].expand(4))
