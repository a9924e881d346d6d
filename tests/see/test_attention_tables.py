"""Every table of attention: rows sum to 1, what is hidden gets exactly nothing, and heads add up to the output."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.attention import MultiHeadAttention
from pellucid.see.attention import Attention
from pellucid.see.capture import capture
from pellucid.see.trace import Trace
from tests.see.networks import NETWORKS

CALLS = {
    "translator": 6,
    "translator in evaluation": 6,
    "post-norm translator": 6,
    "nn.Transformer": 6,
    "nn.Transformer in evaluation": 6,
    "Llama": 2,
}


def check(call: Attention, rows_of_nothing: Tensor | None = None) -> None:
    """Everything that must hold of a table, from what was captured and nothing else."""
    width = call.query.value.size(-1)
    keys, values = call.key.value, call.value.value
    if keys.dim() > 2 and call.query.value.size(-3) != keys.size(-3):  # several heads share their keys
        shared = call.query.value.size(-3) // keys.size(-3)
        keys, values = (one.repeat_interleave(shared, dim=-3) for one in (keys, values))
    exact = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(call.scores.value, call.query.value @ keys.transpose(-2, -1), **exact)
    torch.testing.assert_close(call.scaled.value, call.scores.value / math.sqrt(width), **exact)
    weights, hidden = call.weights.value, call.hidden.expand_as(call.weights.value)
    assert (weights[hidden] == 0).all()
    assert (weights >= 0).all()
    nothing = hidden.all(-1)
    sums = torch.where(nothing, 0.0, 1.0).to(weights.dtype)
    torch.testing.assert_close(weights.sum(-1), sums, **exact)
    if rows_of_nothing is not None:
        assert torch.equal(nothing, rows_of_nothing.expand_as(nothing))
    rowwise = torch.exp(call.scaled.value).masked_fill(hidden, 0)  # softmax by hand
    shares = rowwise / rowwise.sum(-1, keepdim=True).where(~nothing[..., None], 1.0)
    torch.testing.assert_close(weights, shares, **exact)


def check_heads(trace: Trace, call: Attention) -> None:
    shares, output = call.shares(), call.output
    assert shares is not None
    assert output is not None
    whole = shares.sum(-3)  # batch query model
    bias = output.operands.get("bias")
    whole = whole if bias is None else whole + bias.value
    theirs = output.value
    if theirs.dim() == 2:  # nn.MultiheadAttention projects (query batch, model)
        theirs = theirs.view(whole.size(1), whole.size(0), -1).transpose(0, 1)
    torch.testing.assert_close(whole, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_the_tables_of_a_network_are_whole(name: str) -> None:
    model, inputs = NETWORKS[name].made(torch.float64)
    if model.training:  # tables after dropout are other tables: see below
        for module in model.modules():
            for setting in ("p", "rate", "dropout"):
                if isinstance(getattr(module, setting, None), float):
                    setattr(module, setting, 0.0)
    trace = capture(model, *inputs, loss=NETWORKS[name].loss, **NETWORKS[name].settings)
    assert len(trace.attentions()) == CALLS[name]
    for call in trace.attentions():
        check(call)
        check_heads(trace, call)


def test_the_reasons_of_masks_are_told() -> None:
    _, trace = NETWORKS["translator"].traced()
    assert [call.reason for call in trace.attentions()] == ["padding"] * 2 + ["causal", "padding"] * 2
    _, trace = NETWORKS["Llama"].traced()
    assert [call.reason for call in trace.attentions()] == ["causal", "causal"]


class Attend(nn.Module):
    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, mask, **self.settings)


def heads(count: int, positions: int, width: int = 4) -> Tensor:
    return torch.randn(2, count, positions, width, dtype=torch.float64)


@pytest.mark.parametrize("added", [False, True], ids=["boolean mask", "mask of -inf"])
def test_a_query_that_may_look_nowhere_takes_nothing(added: bool) -> None:
    """Its row is all zeros and so is what it takes, as in PyTorch's kernel; a softmax of nothing would be NaN."""
    query, key, value = heads(2, 3), heads(2, 5), heads(2, 5)
    allowed = torch.ones(3, 5, dtype=torch.bool)
    allowed[1], allowed[2, 3] = False, False
    mask = torch.zeros(3, 5, dtype=torch.float64).masked_fill(~allowed, -math.inf) if added else allowed
    trace = capture(Attend(), query, key, value, mask, loss=lambda y: (y**2).sum())
    (call,) = trace.attentions()
    check(call, rows_of_nothing=torch.tensor([False, True, False]))
    assert (call.heads.value[:, :, 1] == 0).all()
    fused = F.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(call.heads.value, fused, rtol=1e-12, atol=1e-12)
    assert call.heads.difference is not None
    assert call.heads.difference < 1e-12
    for name in ("query", "key", "value"):
        expected = trace[name].gradient
        assert expected is not None
        assert expected.isfinite().all()
        torch.testing.assert_close(trace.gradients[trace[name]], expected, rtol=1e-9, atol=1e-12)
    assert (trace.gradients[trace["query"]][:, :, 1] == 0).all()


def test_where_a_model_computes_a_softmax_of_nothing_the_trace_shows_its_nan() -> None:
    """nn.MultiheadAttention, asked for its weights, takes a plain softmax: NaN there is the model's, not ours."""
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True).double(), torch.randn(1, 3, 8, dtype=torch.float64)
    mask = torch.tensor([[False] * 3, [True] * 3, [False] * 3])
    output, weights = layer(x, x, x, attn_mask=mask, average_attn_weights=False)
    trace = capture(layer, x, x, x, attn_mask=mask, average_attn_weights=False)
    (call,) = trace.attentions()
    assert weights[0, :, 1].isnan().all()
    torch.testing.assert_close(call.weights.value.view(weights.shape), weights, equal_nan=True)
    torch.testing.assert_close(trace[trace.outputs[0]].value, output, equal_nan=True)


@given(
    groups=st.sampled_from([1, 2, 3]),
    shared=st.sampled_from([1, 2, 4]),
    queries=st.integers(1, 5),
    keys=st.integers(1, 5),
    width=st.integers(1, 6),
    kind=st.sampled_from(["none", "causal", "boolean", "added"]),
)
@settings(max_examples=60)
def test_tables_are_whole_whatever_their_shape(
    groups: int, shared: int, queries: int, keys: int, width: int, kind: str
) -> None:
    """Also where several heads share their keys and values (grouped queries), and with any mask."""
    torch.manual_seed(groups + 10 * shared + 100 * queries + 1000 * keys)
    query, key, value = heads(groups * shared, queries, width), heads(groups, keys, width), heads(groups, keys, 3)
    allowed = torch.rand(queries, keys) < 0.6
    added = torch.zeros(queries, keys, dtype=torch.float64).masked_fill(~allowed, -math.inf)
    mask = {"boolean": allowed, "added": added}.get(kind)
    model = Attend(enable_gqa=shared > 1, is_causal=kind == "causal")
    trace = capture(model, query, key, value, mask, loss=lambda y: (y**2).sum())
    (call,) = trace.attentions()
    check(call)
    assert call.weights.value.shape == (2, groups * shared, queries, keys)
    assert (call.heads.difference or 0) < 1e-12
    for name in ("query", "key", "value"):
        torch.testing.assert_close(trace.gradients[trace[name]], trace[name].gradient, rtol=1e-9, atol=1e-10)


class Twice(nn.Module):
    """One layer of attention that is used two times."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer(x, x)
        return x + self.layer(x, x)


def test_each_use_of_the_same_layer_has_a_table_of_its_own() -> None:
    torch.manual_seed(0)
    trace = capture(Twice(MultiHeadAttention(8, 2).double()), heads(1, 3, 8)[:, 0], loss=torch.sum)
    first, second = trace.attentions()
    for call in (first, second):
        check(call)
        check_heads(trace, call)
    assert first.scores.name == "layer.scores"
    assert second.scores.name == "layer.scores_2"
    assert trace["layer.scores_2"] is second.scores
    assert not torch.equal(first.scores.value, second.scores.value)


def test_dropout_of_weights_stands_beside_the_table() -> None:
    """The table before it still sums to 1; after it each weight is 0 or larger by 1 / (1 - rate)."""
    model = Attend(dropout_p=0.5)
    torch.manual_seed(0)
    trace = capture(model, heads(2, 6), heads(2, 6), heads(2, 6), loss=torch.sum)
    (call,) = trace.attentions()
    check(call)
    dropped = trace["dropped"].value
    kept = dropped != 0
    assert 0.2 < float(kept.double().mean()) < 0.8
    torch.testing.assert_close(dropped[kept], call.weights.value[kept] * 2, rtol=1e-12, atol=1e-12)
    assert (call.heads.difference or 0) < 1e-12
