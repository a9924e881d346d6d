"""What recurrent networks lack, measured: the measurements are what they say they are."""

import pytest
import torch

from pellucid.models.language import build_language_model
from pellucid.tasks.recall import ASKED, SYMBOLS, RecallConfig, RecallTask
from pellucid.train.recall import accuracy, gradient_norms, measure_memory, microseconds, size


def test_a_network_that_looks_back_k_steps_recalls_all_and_one_that_guesses_an_eighth() -> None:
    task = RecallTask(RecallConfig.parse({"distance": 5}))

    class LooksBack(torch.nn.Module):
        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps, self.weight = steps, torch.nn.Parameter(torch.zeros(1))

        def forward(self, symbols: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(symbols.roll(self.steps, dims=1), SYMBOLS).float() * 9

    assert task.evaluate(LooksBack(5)).headline == 1
    assert task.evaluate(LooksBack(4)).headline == pytest.approx(1 / SYMBOLS, abs=0.06)


def test_batches_are_drawn_anew_and_never_from_the_held_out_sequences() -> None:
    task = RecallTask(RecallConfig.parse({"distance": 3}))
    one, two = (task.collate(batch).tensors["symbols"] for batch in task.epoch(0)[:2])
    assert one.shape == (32, 3 + ASKED)
    assert not torch.equal(one, two)
    assert torch.equal(one, task.collate(task.epoch(0)[0]).tensors["symbols"])
    assert task.epoch(0)[0][0] >= 64
    assert set(task.epoch(0)[-1]).isdisjoint(task.epoch(1)[0])


def test_gradient_norms_are_those_of_finite_differences() -> None:
    torch.manual_seed(3)
    found = gradient_norms("rnn", (0, 1, 4), seed=3, rows=1)
    torch.manual_seed(3)
    model = build_language_model(size("rnn", 5), SYMBOLS).double().requires_grad_(False)
    symbols, asked = torch.randint(SYMBOLS, (1, 5)), torch.randint(SYMBOLS, (1,))
    vectors = model.embedding(symbols)

    def loss(x: torch.Tensor) -> torch.Tensor:
        outputs, _ = model.recurrent[0](x, model.fresh(1)[0])
        return torch.nn.functional.cross_entropy(model.output(outputs)[:, -1], asked)

    norms, step = [], 1e-6
    for distance in (0, 1, 4):
        slopes = []
        for i in range(vectors.size(-1)):
            moved = torch.zeros_like(vectors)
            moved[0, -1 - distance, i] = step
            slopes.append(float(loss(vectors + moved) - loss(vectors - moved)) / (2 * step))
        norms.append(sum(slope**2 for slope in slopes) ** 0.5)
    assert found == pytest.approx([norm / norms[0] for norm in norms], rel=1e-3)


def test_the_gradient_dies_through_a_plain_network_and_not_through_attention() -> None:
    rnn, gpt = (gradient_norms(cell, (1, 32)) for cell in ("rnn", "gpt"))
    assert rnn[1] < 1e-3 * rnn[0]
    assert gpt[1] > 0.1 * gpt[0]


def test_a_plain_network_recalls_a_near_symbol_and_a_token_takes_time() -> None:
    assert accuracy("rnn", 1, steps=60) > 0.9
    assert microseconds("rnn", 8) > 0


def test_all_is_measured_for_each_network_and_distance() -> None:
    found = measure_memory(steps=1, distances=(1, 2), lengths=(4, 8))
    assert set(found.accuracy) == set(found.gradient) == set(found.microseconds) == {"rnn", "lstm", "gpt"}
    assert all(len(row) == 2 for rows in (found.accuracy, found.gradient, found.microseconds) for row in rows.values())
