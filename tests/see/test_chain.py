"""The chain rule: paths counted and listed, and added up in groups that give PyTorch's gradient."""

import json

import pytest
import torch
from torch import Tensor, nn

from pellucid.see.capture import capture
from pellucid.see.chain import paths
from pellucid.see.residuals import residuals
from pellucid.see.trace import Trace, TraceError
from tests.see.networks import network, traced


class Skipping(nn.Module):
    """Two layers with residual connections; the weights of both and of the end are single numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.end = (nn.Linear(1, 1, bias=False) for _ in range(3))
        for layer, weight in ((self.first, 0.5), (self.second, -1.5), (self.end, 2.0)):
            nn.init.constant_(layer.weight, weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.first(x)
        x = self.second(x) + x
        return self.end(x)  # type: ignore[no-any-return]


def first_cell(trace: Trace, name: str) -> str:
    step = trace[name]
    return step.address((0,) * step.value.dim())


@pytest.mark.parametrize("name", ["translator", "post-norm translator", "nn.Transformer"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_groups_add_up_to_pytorchs_gradient(name: str, dtype: torch.dtype, tolerance: float) -> None:
    model, inputs, loss = network(name, dtype)
    trace = capture(model.eval(), *inputs, loss=loss)
    names = [parameter for parameter, _ in model.named_parameters()][::7]
    hidden = [step.name for step in trace if step.gradient is not None and not step.leaf and step.value.dim()][::25]
    for one in (*names, *hidden):
        expected, found = trace[one].gradient, trace.paths(one)
        assert expected is not None
        total = sum((group.contribution for group in found.groups), torch.zeros_like(expected))
        largest = float(expected.abs().max())
        assert float((total - expected).abs().max()) <= tolerance * max(largest, 1e-2), one
        if largest > 1e-5:  # that of a key's bias is 0 but for rounding
            assert sum(map(found.share, found.groups)) == pytest.approx(1, abs=1e-3)


def test_a_parameter_reaches_the_loss_through_each_later_layer_and_past_it() -> None:
    _, trace = traced("translator")
    found = trace.paths("encoder.0.feed_forward.wide.weight")
    assert found.own == ("encoder.0.feed_forward",)
    assert [group.way.through for group in found.groups] == [
        "encoder.1.self_attention",
        "encoder.1.feed_forward",
        "decoder.0.cross_attention",
        "decoder.1.cross_attention",
    ]
    assert found.groups[1].way.text == (
        "past encoder.1.self_attention, by its residual (skip), through encoder.1.feed_forward"
    )
    assert found.groups[3].way.past == ("encoder.1.self_attention", "encoder.1.feed_forward")


def test_a_table_used_three_times_has_its_paths_by_use() -> None:
    _, trace = traced("translator")
    used = {group.way.by for group in trace.paths("embedding.weight").groups}
    assert used == {"embedding", "embedding.embedding", "linear"}  # of source, of target, to the vocabulary
    projected = next(group for group in trace.paths("embedding.weight").groups if group.way.by == "linear")
    branches = dict(trace.branches("embedding.weight"))
    torch.testing.assert_close(projected.contribution, branches[trace["linear"]])


def test_the_groups_of_two_residual_layers_are_those_on_paper() -> None:
    trace = capture(Skipping(), torch.tensor([[3.0]]), loss=torch.sum)
    through_first, through_second, straight = trace.paths("x", most=0).groups
    # dL/dx = 2 (1 - 1.5) (1 + 0.5): of it 2 (-0.5) 0.5 through the first, 2 (-1.5) through the second, 2 past both
    assert [float(group.contribution) for group in (through_first, through_second, straight)] == [-0.5, -3.0, 2.0]
    assert [group.paths for group in (through_first, through_second, straight)] == [2, 1, 1]
    assert straight.way.past == ("first", "second")
    assert straight.way.through is None


def test_residual_additions_are_found_in_any_model() -> None:
    _, ours = traced("translator")
    _, theirs = traced("nn.Transformer")
    expected = ["self_attention", "feed_forward"] * 2 + ["self_attention", "cross_attention", "feed_forward"] * 2
    assert [one.layer.rpartition(".")[2] for one in residuals(ours)] == expected
    kinds = ["self_attn", "linear1...linear2"] * 2 + ["self_attn", "multihead_attn", "linear1...linear2"] * 2
    assert [one.layer.partition("layers.")[2][2:] for one in residuals(theirs)] == [
        kind if kind in ("self_attn", "multihead_attn") else "linear1...linear2" for kind in kinds
    ]


def test_an_addition_within_an_activation_is_no_residual_connection() -> None:
    class Cubed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(x + 0.04 * x**3)

    assert residuals(capture(Cubed(), torch.randn(2, 3))) == []


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_llama_of_hugging_face_has_its_paths_in_groups() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).double()
    ids = torch.tensor([[3, 4, 5, 6]])
    trace = capture(model, input_ids=ids, use_cache=False, loss=lambda output: (output.logits**2).mean())
    found = trace.paths("model.embed_tokens.weight")
    layers = [f"model.layers.{number}.{part}" for number in (0, 1) for part in ("self_attn", "mlp")]
    assert [group.way.through for group in found.groups] == [*layers, None]
    expected = trace["model.embed_tokens.weight"].gradient
    assert expected is not None
    total = torch.stack([group.contribution for group in found.groups]).sum(0)
    torch.testing.assert_close(total, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("neuron", "0.weight[0, 1]"),
        ("MLP", "0.weight[0, 0]"),
        ("MLP", "2.weight[1]"),
        ("if and loop", "layer.weight[2, 1]"),
        ("in place", "layer.bias[1]"),
        ("in place", "layer.weight[1, 2]"),
    ],
)
def test_the_count_is_the_number_of_paths_that_a_walk_finds(name: str, address: str) -> None:
    _, trace = traced(name)
    found = trace.paths(address, most=5000)
    assert found.listed is not None
    assert found.count == len(found.listed) > 0
    gradient = trace[address.partition("[")[0]].gradient
    assert gradient is not None
    cell = trace.cell(address)[1]
    assert sum(path.product for path in found) == pytest.approx(float(gradient[cell]), rel=1e-9, abs=1e-12)


def test_paths_of_a_deep_network_are_counted_without_walking_them() -> None:
    width, depth = 20, 12
    model = nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())))
    trace = capture(model, torch.randn(1, width), loss=torch.sum)
    assert trace.paths("0.weight[0, 0]").count == float(width ** (depth - 1))


@pytest.mark.parametrize("name", ["CNN", "LSTM", "GRU"])
def test_without_residuals_the_groups_part_at_the_first_fork(name: str) -> None:
    model, trace = traced(name)
    parameter = next(name for name, _ in model.named_parameters())
    found = trace.paths(first_cell(trace, parameter))
    assert found.listed is None
    assert len(found.groups) > 1
    assert sum(group.paths for group in found.groups) == found.count
    total = sum(float(group.contribution) for group in found.groups)
    gradient = trace[parameter].gradient
    assert gradient is not None
    assert total == pytest.approx(float(gradient.flatten()[0]), rel=1e-9)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["embedding.weight", "encoder.0.self_attention.key.weight"])
def test_a_table_of_groups_fits_the_terminal(name: str, width: int) -> None:
    _, trace = traced("translator")
    for address in (name, first_cell(trace, name)):
        lines = trace.paths(address).text(width).splitlines()
        assert max(map(len, lines)) <= width


def test_a_cut_table_still_adds_up() -> None:
    _, trace = traced("CNN")
    found = trace.paths("0.weight[0, 0, 0, 0]")
    rows = found.rows(shown=5)
    assert len(rows) == 5
    assert sum(share for *_, share in rows) == pytest.approx(1)
    assert sum(count for _, _, count, _ in rows) == found.count


def test_paths_are_written_as_json() -> None:
    _, trace = traced("translator")
    found = json.loads(json.dumps(trace.paths("encoder.0.feed_forward.wide.bias[unit=3]").json()))
    assert sum(group["contribution"] for group in found["groups"]) == pytest.approx(found["gradient"])
    assert found["count_exact"] is False
    _, small = traced("neuron")
    listed = json.loads(json.dumps(small.paths("0.bias[0]").json()))
    assert sum(path["product"] for path in listed["paths"]) == pytest.approx(listed["gradient"])


def test_paths_of_a_word_that_is_not_in_the_text_are_found_among_those_that_end_nowhere() -> None:
    """Of a softmax over many words nearly all ways on end at a word that the loss does not ask for."""
    torch.manual_seed(0)
    table, words, wanted = nn.Embedding(3000, 4), torch.tensor([5, 6, 7]), torch.tensor([8, 9, 10])

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = table

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.linear(self.table(x), self.table.weight)

    trace = capture(Tied(), words, loss=lambda scores: nn.functional.cross_entropy(scores, wanted))
    found = trace.paths("table.weight[token=2000, model=1]")
    assert found.count == len(found) == len(words)
    nn.functional.cross_entropy(Tied()(words), wanted).backward()
    assert table.weight.grad is not None
    assert sum(path.product for path in found) == pytest.approx(float(table.weight.grad[2000, 1]), rel=1e-4)


def test_a_number_that_reaches_no_loss_has_no_paths() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.beside = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            self.beside(x)
            return self.used(x)  # type: ignore[no-any-return]

    trace = capture(Unused(), torch.randn(1, 2), loss=torch.sum)
    assert trace.paths("beside.weight[0, 0]").count == 0
    assert float(trace.paths("beside.weight[0, 0]").gradient) == 0


def test_ids_and_traces_without_loss_have_no_chain_rule() -> None:
    _, trace = traced("translator")
    with pytest.raises(TraceError, match="whole numbers"):
        trace.paths("source[0, 0]")
    with pytest.raises(TraceError, match="no loss"):
        capture(nn.Linear(2, 1), torch.randn(1, 2)).paths("weight[0, 0]")
    with pytest.raises(TraceError, match="more than 300 paths"):
        paths(trace, "encoder.0.feed_forward.wide.bias[0]")
