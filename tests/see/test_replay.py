"""What if: replays held against the model itself, changed in the same way and run again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.attention import MultiHeadAttention
from pellucid.see.address import AddressError
from pellucid.see.capture import capture
from pellucid.see.trace import Trace, TraceError
from tests.see.networks import network

PLACE = "decoder.1.cross_attention"


@pytest.fixture(params=["translator", "post-norm translator"])
def seen(request: pytest.FixtureRequest) -> tuple[nn.Module, tuple[Tensor, ...], Any, Trace]:
    model, inputs, loss = network(request.param, torch.float64)
    return model.eval(), inputs, loss, capture(model, *inputs, loss=loss)


@pytest.mark.parametrize(
    ("address", "side", "cell", "token"),
    [
        ("source[batch=0, position=2]", 0, (0, 2), 17),
        ("source[batch=1, position=3]", 0, (1, 3), 0),  # padding now: its column is masked anew
        ("source[batch=0, position=3]", 0, (0, 3), 9),  # padding no more
        ("target[batch=1, position=1]", 1, (1, 1), 30),
    ],
)
def test_a_swapped_token_is_as_if_the_model_had_read_it(
    seen: Any, address: str, side: int, cell: tuple[int, int], token: int
) -> None:
    model, inputs, loss, trace = seen
    changed = [one.clone() for one in inputs]
    changed[side][cell] = token
    again = trace.replay({address: token})
    with torch.no_grad():
        expected = model(*changed)
    torch.testing.assert_close(again.value(trace.outputs[0]), expected, rtol=1e-12, atol=1e-12)
    assert again.loss == pytest.approx(float(loss(expected)), rel=1e-12)


def test_a_head_switched_off_is_its_slice_of_the_projection_gone(seen: Any) -> None:
    model, inputs, _, trace = seen

    def without_third(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor]:
        heads = given[0].clone()
        heads[..., 8:12] = 0
        return (heads,)

    handle = model.get_submodule(f"{PLACE}.output").register_forward_pre_hook(without_third)
    with torch.no_grad():
        expected = model(*inputs)
    handle.remove()
    for again in (trace.replay(skip=[f"{PLACE}[head=2]"]), trace.replay({f"{PLACE}.heads[head=2]": 0})):
        torch.testing.assert_close(again.value(trace.outputs[0]), expected, rtol=1e-12, atol=1e-12)


def test_a_layer_left_out_adds_nothing(seen: Any) -> None:
    model, inputs, _, trace = seen
    handle = model.encoder[0].feed_forward.register_forward_hook(lambda _, given, output: torch.zeros_like(output))
    with torch.no_grad():
        expected = model(*inputs)
    handle.remove()
    again = trace.replay(skip=["encoder.0.feed_forward"])
    torch.testing.assert_close(again.value(trace.outputs[0]), expected, rtol=1e-12, atol=1e-12)


def test_a_residual_dropped_leaves_only_what_its_layer_found() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.end = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor, kept: bool = True) -> Tensor:
            y = self.layer(x).tanh()
            return self.end(y + x if kept else y)  # type: ignore[no-any-return]

    torch.manual_seed(0)
    model, x = Block(), torch.randn(2, 4)
    again = capture(model, x).replay(skip=["add"])
    torch.testing.assert_close(again.value("end"), model(x, False).detach())


@pytest.mark.parametrize("part", ["scaled", "masked"])
def test_scaling_and_mask_are_dropped_as_in_a_formula_without_them(part: str) -> None:
    torch.manual_seed(0)
    model, x = MultiHeadAttention(8, 2).double(), torch.randn(2, 5, 8, dtype=torch.float64)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    trace = capture(model, x, x, causal[None, None])
    with torch.no_grad():
        query, key, value = (model.split(layer(x)) for layer in (model.query, model.key, model.value))
        mask = None if part == "masked" else causal
        scale = 1.0 if part == "scaled" else None
        heads = F.scaled_dot_product_attention(query, key, value, mask, scale=scale)
        expected = model.output(heads.transpose(1, 2).flatten(2))
    torch.testing.assert_close(trace.replay(skip=[part]).value("output"), expected, rtol=1e-12, atol=1e-12)


def test_a_score_set_is_the_scaled_score_set() -> None:
    torch.manual_seed(0)
    model, x = MultiHeadAttention(8, 2).double(), torch.randn(1, 3, 8, dtype=torch.float64)
    trace = capture(model, x, x)
    cell = "[batch=0, head=1, query=2, key=0]"
    by_score, by_scaled = trace.replay({f"scores{cell}": 3.0}), trace.replay({f"scaled{cell}": 3.0 / 2})
    torch.testing.assert_close(by_score.value("output"), by_scaled.value("output"))
    assert "output" in by_score.differences


def test_a_replay_changes_neither_model_nor_trace(seen: Any) -> None:
    model, inputs, _, trace = seen
    before = {name: value.clone() for name, value in model.state_dict().items()}
    values = {step: step.value.clone() for step in trace}
    with torch.no_grad():
        output = model(*inputs)
        trace.replay(
            {"source[0, 1]": 7, "embedding.weight[3]": 0.0}, skip=[f"{PLACE}[head=0]", "encoder.1.feed_forward"]
        )
        assert torch.equal(model(*inputs), output)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(step.value, value) for step, value in values.items())


def test_changes_are_told_layer_by_layer_and_on_the_loss(seen: Any) -> None:
    *_, trace = seen
    again = trace.replay(skip=["encoder.0.feed_forward"])
    changes = again.changes()
    assert changes[0].layer == "encoder.0.feed_forward_residual"
    assert not any(one.layer.startswith("encoder.0.self_attention") for one in changes)  # it comes before
    assert {"encoder.1.feed_forward", "decoder.0.cross_attention"} <= {one.layer for one in changes}
    found = json.loads(json.dumps(again.json()))
    assert found["loss"]["after"] == again.loss != found["loss"]["before"]
    assert [one["layer"] for one in found["layers"]] == [one.layer for one in changes]
    lines = again.text().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].startswith("loss ")
    assert str(trace.replay()) == "nothing changes"


def test_a_saved_trace_is_replayed_without_the_model(seen: Any, tmp_path: Path) -> None:
    *_, trace = seen
    trace.save(tmp_path / "pass.safetensors")
    loaded = Trace.load(tmp_path / "pass.safetensors")
    edits, skip = {"source[0, 1]": 7}, [f"{PLACE}[head=1]"]
    assert loaded.replay(edits, skip).loss == pytest.approx(trace.replay(edits, skip).loss, rel=1e-12)


def test_what_hangs_on_an_unopened_operation_is_unknown_once_the_model_is_gone(tmp_path: Path) -> None:
    class Sorted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.exp() + x.sort(dim=1).values * 2

    trace = capture(Sorted(), torch.randn(2, 4), loss=lambda y: (y**2).mean())
    trace.save(tmp_path / "pass.safetensors")
    again = Trace.load(tmp_path / "pass.safetensors").replay({"x[0, 0]": 5.0})
    assert float(again.value("exp")[0, 0]) == pytest.approx(float(torch.tensor(5.0).exp()))
    assert again.loss is None
    assert again.unknown[0] == "sort_0"
    assert "unknown from sort_0" in again.text()
    with pytest.raises(TraceError, match="kept whole"):
        again.value("add")


@pytest.mark.parametrize(
    ("edits", "skip", "sentence"),
    [
        ({"source[0, 0]": 99999}, [], "cannot look up a changed id"),
        ({"source[0, 0]": 1.5}, [], "holds whole numbers"),
        ({"encoder.0.feed_forward.wide[0]": torch.zeros(7)}, [], "does not fit"),
        ({"encoder.0.feed_forward.wide[unit=999]": 0}, [], "is outside"),
        ({}, ["encoder.0.feed_forward.wide"], "cannot be left out"),
        ({}, ["encoder.0.nothing"], "the trace has no"),
    ],
)
def test_a_change_that_cannot_be_is_refused(seen: Any, edits: dict[str, Any], skip: list[str], sentence: str) -> None:
    *_, trace = seen
    with pytest.raises(AddressError, match=sentence):
        trace.replay(edits, skip)
