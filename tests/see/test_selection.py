"""Steps picked by pattern: which they are, what they are next to others, and what follows when they are edited."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.see.address import AddressError
from pellucid.see.capture import capture
from pellucid.see.replay import replay
from pellucid.see.selection import Selection, SelectionError
from pellucid.see.trace import Trace

SOURCE, TARGET = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([[1, 3, 4], [1, 5, 6]])
WANTED = torch.tensor([3, 4, 2, 5, 6, 2])


def surprise(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), WANTED)


def translator() -> Translator:
    sizes = {"d_model": 16, "heads": 4, "feed_forward": 32, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.1}
    return Translator(TranslatorConfig.parse(sizes), 50).eval()


@pytest.fixture
def model() -> Translator:
    return translator()


@pytest.fixture
def trace(model: Translator) -> Trace:
    labels = {"source": ["the", "cat", "sat", "?"]}
    return capture(model, SOURCE, TARGET, loss=surprise, labels=labels)


def test_a_pattern_picks_steps_in_the_order_of_the_computation(trace: Trace) -> None:
    names = trace.select("decoder.*.weights").names
    attentions = ("self_attention", "cross_attention")
    assert names == [f"decoder.{layer}.{attention}.weights" for layer in (0, 1) for attention in attentions]


def test_a_pattern_finds_what_the_model_never_computed_but_the_textbook_has(trace: Trace) -> None:
    assert len(trace.select("decoder.*.scores")) == 4  # the translator scales the queries first: no raw scores


def test_a_pattern_finds_the_steps_of_a_fused_operation_before_it_was_opened() -> None:
    trace = capture(nn.Sequential(nn.LayerNorm(4)), torch.randn(2, 4))
    (mean,) = trace.select("0.mean")
    torch.testing.assert_close(mean.value, trace["input"].value.mean(-1, keepdim=True))


def test_steps_are_picked_by_operation_and_by_axis(trace: Trace) -> None:
    assert {step.op for step in trace.select(op="*norm")} == {"layer_norm"}
    assert len(trace.select("encoder.*", op="layer_norm")) == 4
    assert all("head" in step.axis_names for step in trace.select("decoder.*", axis="head"))


def test_a_star_opens_nothing(trace: Trace) -> None:
    assert trace.select("*") == trace.steps
    assert not any(step.inside for step in trace)


def test_a_selection_is_a_sequence_of_steps(trace: Trace) -> None:
    picked = trace.select("*.weights")
    assert [step.name for step in picked] == picked.names
    assert picked[0] in picked
    assert isinstance(picked[:2], Selection)
    assert list(picked[:2]) == picked.steps[:2]
    assert picked == list(picked)
    assert not trace.select("nothing.*")


def test_a_part_is_picked_by_position_or_by_label(trace: Trace) -> None:
    crossing = trace.select("decoder.*.cross_attention.weights")
    whole = trace["decoder.1.cross_attention.weights"].value
    part = crossing.where(head=2, key="cat").values["decoder.1.cross_attention.weights[head=2, key=1]"]
    torch.testing.assert_close(part, whole[:, 2, :, 1], rtol=0, atol=0)
    assert trace.select("decoder.*.weights[head=2]") == trace.select("decoder.*.weights").where(head=2)


@pytest.mark.parametrize(
    ("cut", "named"),
    [({"heads": 0}, "no axis 'heads'"), ({"head": 4}, "no position 4"), ({"key": "dog"}, "no label 'dog'")],
)
def test_a_part_that_is_not_there_is_named(trace: Trace, cut: dict[str, int | str], named: str) -> None:
    with pytest.raises(SelectionError, match=named) as error:
        trace.select("encoder.0.self_attention.weights").where(**cut)
    assert error.value.mend


def test_a_part_needs_the_names_of_its_axes(trace: Trace) -> None:
    with pytest.raises(AddressError, match="by the names of its axes"):
        trace.select("*.weights[head=1, 2]")


def test_a_head_that_is_switched_off_gives_what_the_model_gives_without_it(model: Translator, trace: Trace) -> None:
    edits = trace.select("*.heads[head=1]").replace(0.0)
    changed = replay(trace, edits)
    with torch.no_grad():  # the columns of the projection that read head 1
        for name, weight in model.named_parameters():
            if name.endswith("attention.output.weight"):
                weight[:, 4:8] = 0
        loss = surprise(model(SOURCE, TARGET))
    assert changed.loss == pytest.approx(float(loss), abs=1e-6)
    assert abs(changed.loss - float(trace[trace.loss or ""].value)) > 1e-4


def test_a_replacement_may_be_a_function_of_what_was_there() -> None:
    layer = nn.Linear(3, 2)
    trace = capture(nn.Sequential(layer), torch.randn(4, 3))
    halved = replay(trace, trace.select("0.weight").replace(lambda weight: weight / 2))
    expected = F.linear(trace["input"].value, layer.weight / 2, layer.bias)
    torch.testing.assert_close(halved.value("0"), expected)


def test_edits_of_two_selections_are_joined(trace: Trace) -> None:
    edits = trace.select("encoder.0.*.weights[head=0]").replace(0.0) | trace.select("encoder_norm").replace(1.0)
    assert list(edits) == ["encoder.0.self_attention.weights[head=0]", "encoder_norm"]
    assert bool((replay(trace, edits).value("encoder_norm") == 1).all())


def test_what_stands_beside_the_pass_cannot_be_edited(trace: Trace) -> None:
    with pytest.raises(SelectionError, match="stands beside the pass"):
        trace.select("encoder.0.self_attention.scores").replace(0.0)


def test_a_comparison_gives_largest_and_mean_difference_and_cosine(trace: Trace) -> None:
    torch.manual_seed(1)
    other = capture(translator(), SOURCE, TARGET, loss=surprise)
    rows = trace.select("*.weights").compare(other.select("*.weights"))
    assert len(rows) == 6
    for row in rows:
        a, b = trace[row.address].value, other[row.address].value
        assert row.largest == pytest.approx(float((a - b).abs().max()))
        assert row.mean == pytest.approx(float((a - b).abs().mean()))
        assert row.cosine == pytest.approx(float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0)), abs=1e-6)
        assert row.at is not None
        assert abs(float(trace.value(row.at)) - float(other.value(row.at))) == pytest.approx(row.largest)


def test_a_comparison_names_the_first_step_in_which_the_passes_part(trace: Trace) -> None:
    torch.manual_seed(1)
    other = capture(translator(), SOURCE, TARGET, loss=surprise)
    first = trace.select("*.weights").compare(other).first
    assert first is not None
    assert first.address.startswith("embedding[")
    assert trace.select("*.weights").compare(trace).first is None


def test_hidden_scores_differ_by_nothing(trace: Trace) -> None:
    (row,) = trace.select("decoder.0.self_attention.masked").compare(trace)
    assert (row.largest, row.mean, row.at) == (0.0, 0.0, None)
    assert row.cosine == pytest.approx(1.0)


def test_one_head_is_compared_with_what_it_is_after_an_edit(trace: Trace) -> None:
    picked = trace.select("decoder.0.self_attention.weights")
    changed = replay(trace, picked.where(head=2).replace(0.0))
    (two,) = picked.where(head=2).compare(changed)
    (one,) = picked.where(head=1).compare(changed)
    assert (two.largest, one.largest) == (1.0, 0.0)  # the first query may look at one key only
    assert two.at is not None
    assert float(trace.value(two.at)) == 1.0


def test_steps_of_other_names_are_compared_in_their_order_or_by_the_names_given() -> None:
    layer, x = nn.Linear(3, 2), torch.randn(4, 3)
    one, other = capture(nn.Sequential(layer), x), capture(nn.Sequential(nn.Identity(), layer), x)
    (in_order,) = one.select("0").compare(other.select("1"))
    (named,) = one.select("0").compare(other, names={"0": "1"})
    assert (in_order.other, in_order.largest) == (named.other, named.largest) == ("1", 0.0)
    with pytest.raises(SelectionError, match="no partner"):
        one.select("0.bias").compare(other.select("1"), names={"0.bias": "absent"})


def test_shapes_that_differ_are_said() -> None:
    one, other = (capture(nn.Sequential(nn.Linear(3, width)), torch.randn(1, 3)) for width in (2, 4))
    (row,) = one.select("0").compare(other.select("0"))
    assert row.shapes == ((1, 2), (1, 4))
