"""Recurrent layers over time: what is measured is what the mathematics says, and illnesses planted there are found."""

import math
import random
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.nn.recurrent import GRU, LSTM, RNN, Recurrent
from pellucid.tasks.task import Sample
from pellucid.train.diagnosis.references import told_from
from pellucid.train.diagnosis.through_time import flat_gates, through_time
from tests.train.diagnosis.examined_plants import diagnosed
from tests.train.diagnosis.plants import scaled
from tests.train.diagnosis.trainings import language, trained, with_set


class Reader(nn.Module):
    """The smallest recurrent model of text."""

    def __init__(self, layer: Recurrent, vocabulary: int = 6) -> None:
        super().__init__()
        self.embedding, self.layer = nn.Embedding(vocabulary, 5), layer
        self.output = nn.Linear(layer.hidden, vocabulary)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.layer(self.embedding(tokens), torch.zeros(self.layer.states, len(tokens), self.layer.hidden))
        answers: torch.Tensor = self.output(outputs)
        return answers


def sample(length: int = 9, rows: int = 7) -> Sample:
    torch.manual_seed(1)
    tokens = torch.randint(6, (rows, length + 1))
    return Sample(tokens[:, :-1], tokens[:, 1:], str)


def test_the_gradient_of_a_plain_layer_is_the_product_of_its_steps() -> None:
    """dL/dx_t = W_x^T D_t W_h^T D_{t+1} ... W_h^T D_T dL/dh_T,    D = diag(1 - h^2)"""
    torch.manual_seed(2)
    layer, held = RNN(5, 8), sample()
    model = Reader(layer)
    found = through_time(model, held, held)
    assert found is not None
    assert found.place == "layer"
    with torch.no_grad():
        outputs, _ = layer(model.embedding(held.inputs), torch.zeros(1, 7, 8))
        wrong = model.output(outputs[:, -1]).softmax(-1) - F.one_hot(held.targets[:, -1], 6)
        back, norms = wrong @ model.output.weight / 7, []
        for time in reversed(range(9)):
            fed = back * (1 - outputs[:, time] ** 2)
            norms.append(float((fed @ layer.from_input.weight).norm()))
            back = fed @ layer.from_state.weight
    assert found.shares == pytest.approx([norm / max(norms) for norm in norms], rel=1e-4)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_gates_worked_out_at_once_are_those_of_pytorch_step_by_step(kind: type[Recurrent]) -> None:
    torch.manual_seed(3)
    layer, x = kind(4, 6), torch.randn(3, 5, 4)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(3)
        cell = (nn.LSTMCell if kind is LSTM else nn.GRUCell)(4, 6)
        for ours, name in zip(layer.weights(), ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
            getattr(cell, name).copy_(ours)
        state = torch.zeros(layer.states, 3, 6)
        outputs, _ = layer(x, state)
        hidden, memory, flat, count = state[0], state[-1], 0, 0
        for time in range(5):
            fed, old = (
                F.linear(x[:, time], cell.weight_ih, cell.bias_ih),
                F.linear(hidden, cell.weight_hh, cell.bias_hh),
            )
            for gate in (0, 1, 3) if kind is LSTM else (0, 1):
                opened = torch.sigmoid(fed.chunk(layer.gates, 1)[gate] + old.chunk(layer.gates, 1)[gate])
                flat, count = flat + int(((opened < 0.03) | (opened > 0.97)).sum()), count + opened.numel()
            hidden, memory = cell(x[:, time], (hidden, memory)) if kind is LSTM else (cell(x[:, time], hidden), memory)
        assert flat_gates(layer, x, state, outputs) == pytest.approx(flat / count)
        assert 0 < flat < count
    assert flat_gates(RNN(4, 6), x, state, outputs) is None


def delayed(back: int, count: int = 6000, random_share: float = 0.1) -> Sample:
    """Each token is that of `back` steps before, but for some."""
    draw = random.Random(1)
    row = [draw.randrange(8) for _ in range(back)]
    while len(row) < count:
        row.append(draw.randrange(8) if draw.random() < random_share else row[-back])
    tokens = torch.tensor(row[: len(row) // 25 * 25]).view(-1, 25)
    return Sample(tokens[:, :-1], tokens[:, 1:], str)


def test_what_a_token_some_steps_back_tells_is_found_where_it_is_and_nowhere_else() -> None:
    found, guess = told_from(delayed(9), delayed(9), 16)
    assert guess == pytest.approx(math.log(8), abs=0.02)
    again = 0.9 + 0.1 / 8  # the same one; of the seven others each 0.1 / 8
    expected = math.log(8) + again * math.log(again) + 7 / 80 * math.log(1 / 80)
    assert found[8] == pytest.approx(expected, abs=0.05)
    assert max(told for back, told in enumerate(found) if back != 8) < 0.1


def test_recurrent_weights_that_are_too_small_lose_the_gradient_in_time(tmp_path: Path) -> None:
    found = diagnosed(trained(scaled(0.1, "from_state")(language(tmp_path, "rnn")), tmp_path / "run"))
    first = found["vanishing_in_time"]
    assert first["place"] == "recurrent.0"
    assert first["cures"][0]["set"] == {"model.cell": "lstm"}
    assert next(iter(found)) == "vanishing_in_time"


@pytest.mark.parametrize(("cell", "factor"), [("lstm", 20.0), ("gru", 30.0)])
def test_gates_that_only_open_or_shut_are_found(tmp_path: Path, cell: str, factor: float) -> None:
    task = scaled(factor, "recurrent")(language(tmp_path, cell, training={"steps": 60}))
    found = diagnosed(trained(task, tmp_path / "run"))
    assert found["saturated_gates"]["place"] == "recurrent.0"
    assert "vanishing_in_time" not in found, "it is the gates that let nothing through"


@pytest.mark.slow
def test_gates_begin_open_to_both_sides_with_weights_of_a_usual_size(tmp_path: Path) -> None:
    task = language(tmp_path, "lstm", training={"initialization": "normal", "initialization_std": 4.0, "steps": 300})
    run = trained(task, tmp_path / "run")
    found = diagnosed(run)["saturated_gates"]
    again = trained(with_set(task, found["cures"][0]["set"]), tmp_path / "again")
    assert "saturated_gates" not in diagnosed(again)
    assert losses(again) < 0.8 * losses(run)


@pytest.mark.slow
def test_a_dependence_that_a_plain_layer_forgets_is_found_and_gates_let_more_of_it_back(tmp_path: Path) -> None:
    text = tmp_path / "delayed.txt"
    text.write_text("".join("abcdefgh"[token] for token in delayed(14, 9000).inputs.flatten().tolist()))
    task = language(tmp_path, "rnn", data={"files": [str(text)]}, training={"steps": 500})
    found = diagnosed(trained(task, tmp_path / "run"))["vanishing_in_time"]
    assert found["number"] < 0.01
    again = with_set(task, found["cures"][0]["set"])
    assert "vanishing_in_time" not in diagnosed(trained(again, tmp_path / "again"))


def losses(run: object) -> float:
    return [line["loss"] for line in run.metrics() if line["kind"] == "evaluation"][-1]  # type: ignore[attr-defined]
