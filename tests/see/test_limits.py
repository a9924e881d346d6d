"""Traces of large models: what is kept and in which format, what fits, and what is computed anew when asked for."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.see import capture as capturing
from pellucid.see.capture import capture, size_of
from pellucid.see.size import bytes_of
from pellucid.see.trace import Trace, TraceError, largest_difference

SOURCE, TARGET = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([[1, 3, 4], [1, 5, 6]])
GIVEN = ("input", "constant", "sinusoids")  # nothing could compute these anew, so they are always kept


def translator() -> Translator:
    sizes = {"d_model": 16, "heads": 4, "feed_forward": 32, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.1}
    return Translator(TranslatorConfig.parse(sizes), 50)


def surprise(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), torch.tensor([3, 4, 2, 5, 6, 2]))


def whole_and_part(**chosen: Any) -> tuple[Translator, Trace, Trace]:
    model = translator()
    torch.manual_seed(1)
    whole = capture(model, SOURCE, TARGET, loss=surprise)
    return model, whole, capture(model, SOURCE, TARGET, loss=surprise, **chosen)


def test_only_what_was_chosen_is_kept_and_the_graph_is_whole() -> None:
    _, whole, part = whole_and_part(only="decoder.*")
    assert [step.name for step in part] == [step.name for step in whole]
    for ours, theirs in zip(part, whole, strict=True):
        chosen = ours.name.startswith("decoder.") or ours.op in GIVEN or ours.shape.numel() == 1
        assert ours.kept == chosen, ours.name
        assert (ours.how == "not kept") == (not chosen and ours.how != "whole"), ours.name
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert (ours.gradient is not None) == (chosen and theirs.gradient is not None), ours.name
    assert part.bytes < 0.6 * whole.bytes


def test_parts_of_attention_are_chosen_by_their_names() -> None:
    _, whole, part = whole_and_part(only=["*.weights", "encoder_norm"])
    kept = {step.name for step in part if step.kept and step.op not in GIVEN and step.shape.numel() > 1}
    assert kept == {call.weights.name for call in whole.attentions()} | {"encoder_norm"}
    fused = nn.Transformer(16, 4, 1, 1, 32, batch_first=True)
    seen = capture(fused, torch.randn(2, 4, 16), torch.randn(2, 3, 16), only="encoder.*.scores")
    assert len(seen.attentions()) == 3
    assert seen.attentions()[0].query.kept
    assert not seen.attentions()[0].output.kept  # type: ignore[union-attr]


def test_what_was_not_kept_is_computed_anew_and_marked_so() -> None:
    _, whole, part = whole_and_part(only="decoder.1.*")
    for ours, theirs in zip(part, whole, strict=True):
        before = ours.how
        torch.testing.assert_close(ours.value, theirs.value, rtol=1e-5, atol=1e-6)
        assert ours.how == ("recomputed" if before == "not kept" else before)
    address = "encoder.0.self_attention.scores[batch=1, head=2, query=1, key=3]"
    assert part.explain(address).text() == whole.explain(address).text()


def test_gradients_of_a_part_are_those_of_the_whole() -> None:
    _, whole, part = whole_and_part(only="decoder.*")
    ours = {step.name: gradient for step, gradient in part.gradients.items()}
    for step, gradient in whole.gradients.items():
        torch.testing.assert_close(ours[step.name], gradient, rtol=1e-4, atol=1e-6)


def test_a_parameter_that_has_changed_since_is_not_passed_off_as_what_it_was() -> None:
    model, _, part = whole_and_part(only="decoder.*")
    name = "encoder.0.feed_forward.wide.weight"
    with torch.no_grad():
        dict(model.named_parameters())[name].add_(1)
    with pytest.raises(TraceError, match=r"wide\.weight was not kept, and has changed in the model since") as caught:
        part.value(name)
    assert name in caught.value.mend
    assert torch.isfinite(part["decoder.0.feed_forward.wide"].value).all()


def test_a_part_is_the_same_after_disk_and_says_what_it_lacks(tmp_path: Any) -> None:
    _, whole, part = whole_and_part(only=["decoder.*", "*.weight", "*.bias"])
    part.save(tmp_path / "part.safetensors")
    loaded = Trace.load(tmp_path / "part.safetensors")
    assert [(step.name, step.kept, step.how, step.shape) for step in loaded] == [
        (step.name, step.kept, step.how, step.shape) for step in part
    ]
    name = "encoder.1.feed_forward.wide"
    torch.testing.assert_close(loaded[name].value, whole[name].value, rtol=1e-5, atol=1e-6)
    _, _, bare = whole_and_part(only="decoder.*")
    bare.save(tmp_path / "bare.safetensors")
    with pytest.raises(TraceError, match=r"encoder\.1\.feed_forward\.wide was not kept and cannot .*no model to read"):
        Trace.load(tmp_path / "bare.safetensors").value(name)


def test_a_pattern_that_fits_nothing_says_what_there_is() -> None:
    with pytest.raises(TraceError, match="fits no step") as caught:
        capture(translator(), SOURCE, TARGET, only="decodr.*")
    assert "decoder" in caught.value.mend


def test_values_kept_in_bfloat16_take_half_and_are_read_as_they_were_computed() -> None:
    _, whole, part = whole_and_part(precision=torch.bfloat16)
    # Views, which share memory in float32, have their own in bfloat16.
    assert part.bytes < 0.75 * whole.bytes
    for ours, theirs in zip(part, whole, strict=True):
        assert ours.value.dtype == theirs.value.dtype
        assert not ours.value.is_floating_point() or ours.shape.numel() < 2 or ours.held.dtype == torch.bfloat16
        torch.testing.assert_close(ours.value, theirs.value, rtol=2**-8, atol=1e-30)
        if ours.gradient is not None and theirs.gradient is not None:
            torch.testing.assert_close(ours.gradient, theirs.gradient, rtol=2**-8, atol=1e-30)
    step = part["encoder.0.feed_forward.wide"]
    explained = part.explain(step.address((0, 1, 2)))
    assert explained.difference < 0.02
    assert 0 < part.attentions()[0].scaled.held.itemsize == 2


def test_narrow_values_are_the_same_after_disk(tmp_path: Any) -> None:
    _, _, part = whole_and_part(precision=torch.bfloat16)
    part.save(tmp_path / "narrow.safetensors")
    for a, b in zip(Trace.load(tmp_path / "narrow.safetensors"), part, strict=True):
        assert torch.equal(a.value, b.value)
        assert a.value.dtype == b.value.dtype
        assert (a.gradient is None) == (b.gradient is None)
        assert a.gradient is None or (b.gradient is not None and torch.equal(a.gradient, b.gradient))


def test_the_size_told_beforehand_is_the_size_taken() -> None:
    for chosen in ({}, {"only": "decoder.*"}, {"precision": torch.bfloat16}):
        model, trace = translator(), None
        torch.manual_seed(1)
        size = size_of(model, SOURCE, TARGET, loss=surprise, **chosen)  # type: ignore[arg-type]
        torch.manual_seed(1)
        trace = capture(model, SOURCE, TARGET, loss=surprise, **chosen)  # type: ignore[arg-type]
        assert trace.bytes <= size.bytes <= 1.3 * trace.bytes, chosen
        assert sum(size.wanted) == sum(step.kept for step in trace)


def test_a_trace_that_would_not_fit_says_so_with_its_arithmetic_and_leaves_nothing() -> None:
    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x[:, None] * x).softmax(-1).sum()

    model, x = Wide(), torch.randn(500)
    kept = torch.get_rng_state()
    with pytest.raises(TraceError, match=r"mul 500 x 500 .*; the limit is 1\.5 MB") as caught:
        capture(model, x[:, None].expand(500, 500)[0].clone(), memory_limit="1.5 MB")
    assert "2 x" not in str(caught.value)
    assert "about 2" in str(caught.value)
    assert "precision=torch.bfloat16 (about 1" in caught.value.mend
    assert torch.equal(torch.get_rng_state(), kept)
    assert len(capture(model, x, memory_limit="3 MB")) == 5
    assert capture(model, x, memory_limit="1.5 MB", precision=torch.bfloat16).bytes < 1.5e6


def test_a_trace_larger_than_what_is_free_is_counted_before_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Counts(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            for _ in range(4):
                x = x * 2
            return x

    x = torch.randn(1000, 100)  # 0.4 MB: five such values and a result are 2 MB
    expected = capture(Counts(), x)
    for free, passes in ((100e6, 1), (4e6, 3), (1e6, 1)):  # of the last the input alone is too large to begin
        calls.clear()
        monkeypatch.setattr(capturing, "free_memory", lambda _, free=free: int(free))
        if free < 2e6:
            with pytest.raises(TraceError, match=r"about 2 MB: .*; 1 MB is free"):
                capture(Counts(), x)
        else:
            trace = capture(Counts(), x)
            assert all(torch.equal(a.value, b.value) for a, b in zip(trace, expected, strict=True))
        assert len(calls) == passes  # taken at once; begun, counted and taken; counted


def test_a_model_that_differs_each_time_is_refused_where_it_has_to_be_counted() -> None:
    class Alternates(nn.Module):
        times = 0

        def forward(self, x: Tensor) -> Tensor:
            self.times += 1
            return x * 2 if self.times % 2 else x + 1

    with pytest.raises(TraceError, match="something else each time"):
        capture(Alternates(), torch.randn(3), memory_limit="1 GB")


@pytest.mark.parametrize(("text", "count"), [("2 GB", 2e9), ("1.5gb", 1.5e9), ("300 MB", 3e8), ("10K", 1e4), (7, 7)])
def test_sizes_are_read_as_people_write_them(text: str | int, count: float) -> None:
    assert bytes_of(text) == count


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(TraceError, match="is no size"):
        bytes_of("much")


def test_steps_left_out_do_not_change_what_is_explained() -> None:
    _, whole, part = whole_and_part(only="decoder.1.feed_forward.*")
    for name in ("decoder.1.feed_forward.wide", "decoder.0.cross_attention.weights"):
        assert largest_difference(part.value(name), whole.value(name)) < 1e-6
        assert part[name].axis_names == whole[name].axis_names
