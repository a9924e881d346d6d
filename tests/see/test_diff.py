"""Where two passes part: one model changed, one in two number formats, two models that name things otherwise."""

import json

import pytest
import torch
from torch import Tensor, nn

from pellucid.nn.attention import MultiHeadAttention
from pellucid.see.capture import capture
from pellucid.see.diff import compare, diff
from pellucid.see.trace import Trace, TraceError
from tests.see.test_capture import network

CAUSAL = torch.ones(5, 5, dtype=torch.bool).tril()


class Theirs(nn.Module):
    """PyTorch's own attention, of x to itself."""

    def __init__(self, batch_first: bool, weights: bool) -> None:
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(8, 2, batch_first=batch_first), weights

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        output: Tensor = self.attention(x, x, x, attn_mask=hidden, need_weights=self.weights)[0]
        return output


def pair(batch_first: bool, weights: bool, masked: bool, change: float = 0.0) -> tuple[Trace, Trace]:
    """Ours and theirs with the same weights on the same x; `change` is added to one weight of their keys."""
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(8, 2), Theirs(batch_first, weights)
    inside, projections = theirs.attention, (ours.query, ours.key, ours.value)
    with torch.no_grad():
        inside.in_proj_weight.copy_(torch.cat([one.weight for one in projections]))
        inside.in_proj_bias.copy_(torch.cat([one.bias for one in projections]))
        inside.out_proj.weight.copy_(ours.output.weight)
        inside.out_proj.bias.copy_(ours.output.bias)
        inside.in_proj_weight[9, 3] += change
    x = torch.randn(3, 5, 8)
    a = capture(ours, x, x, CAUSAL[None, None]) if masked else capture(ours, x, x)
    y = x if batch_first else x.transpose(0, 1)
    return a, capture(theirs, y, ~CAUSAL) if masked else capture(theirs, y)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_our_attention_and_pytorchs_agree_in_every_textbook_part(
    batch_first: bool, weights: bool, masked: bool
) -> None:
    found = compare(*pair(batch_first, weights, masked))
    assert found.by == "structure"
    assert found.first is None
    assert found.compared == 8 + masked  # query, key, value, scores, scaled, (masked,) weights, heads, output


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("weights", [True, False])
def test_a_changed_key_weight_of_theirs_is_named_as_the_key(batch_first: bool, weights: bool) -> None:
    a, b = pair(batch_first, weights, masked=True, change=0.1)
    found = diff(a, b)
    assert found is not None
    assert found.part == "key"
    assert "head=0" in found.address  # row 9 of the packed weights is unit 1 of the keys, in the first head
    assert "d_k=1" in found.address
    assert float(a.value(found.address)) == pytest.approx(found.first)
    assert float(b.value(found.other)) == pytest.approx(found.second)
    assert abs(found.first - found.second) == pytest.approx(found.difference)


def test_two_transformers_that_name_things_otherwise_are_aligned() -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2)

    class Renamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(theirs.layers)

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                attended = block.self_attn(x, x, x, need_weights=False)[0]
                x = block.norm1(x + attended)
                x = block.norm2(x + block.linear2(block.linear1(x).relu()))
            return x

    x = torch.randn(2, 4, 8)
    found = compare(capture(theirs, x), capture(Renamed(), x))
    assert found.by == "structure"
    assert found.first is None
    assert found.compared > 20


def test_bfloat16_parts_from_float32_at_the_first_rounded_number() -> None:
    model, inputs, loss = network("translator", torch.float32)
    wide = capture(model.eval(), *inputs, loss=loss)
    narrow = capture(model.bfloat16(), *inputs, loss=lambda logits: loss(logits.float()))
    found = compare(wide, narrow, tolerance=1e-4)
    assert found.by == "names"
    assert found.first is not None
    assert found.first.address.startswith("embedding[")
    table, ids = wide["embedding.weight"].value, inputs[0]
    rounding = (table - table.bfloat16().float())[ids].abs().max()
    assert found.first.difference == pytest.approx(float(rounding))
    assert diff(wide, narrow, relative=0.1) is None


def test_the_first_step_after_a_change_is_named_and_nothing_before_it() -> None:
    model, inputs, loss = network("translator", torch.float64)
    before = capture(model.eval(), *inputs, loss=loss)
    assert compare(before, capture(model, *inputs, loss=loss)).first is None
    with torch.no_grad():
        model.get_parameter("decoder.0.cross_attention.value.bias")[3] += 0.25
    found = compare(before, capture(model, *inputs, loss=loss))
    assert found.first is not None
    assert found.first.address.startswith("decoder.0.cross_attention.value[")
    assert "unit=3" in found.first.address
    assert found.first.difference == pytest.approx(0.25)
    assert found.layers["encoder.1.feed_forward"] == 0
    assert found.layers["decoder.1.feed_forward"] > 0


def test_a_comparison_fits_the_terminal_and_is_written_as_json() -> None:
    a, b = pair(batch_first=True, weights=False, masked=True, change=0.1)
    found = compare(a, b)
    assert max(map(len, found.text().splitlines())) <= 80
    read = json.loads(json.dumps(found.json()))
    assert read["first"]["part"] == "key"
    assert read["compared"] == 9


def test_passes_with_nothing_in_common_are_not_called_equal() -> None:
    a = capture(nn.Linear(2, 3), torch.randn(1, 2))
    b = capture(nn.Conv1d(2, 3, 1), torch.randn(1, 2, 4))
    with pytest.raises(TraceError, match="no step in common"):
        compare(a, b)
