"""Always-on statistics: they are what they say they are, and a training does not notice them."""

import math
import time
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pellucid.nn.attention import MultiHeadAttention, causal_mask
from pellucid.nn.dense import Dense
from pellucid.run import Run
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import TranslateTask
from pellucid.train.listening import Listener
from pellucid.train.loop import Trainer
from pellucid.train.watching import Watching, watch_every

MakeRun = Callable[..., tuple[Run, TranslateTask]]


def stepped(model: nn.Module, loss: Callable[[], torch.Tensor], rate: float = 0.1) -> dict[str, dict[str, float]]:
    """What one watched step of plain gradient descent tells."""
    watching = Watching(model, every=1, steps=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    with watching.listening():
        found = loss()
    found.backward()
    watching.slopes()
    optimizer.step()
    return watching.told()


def test_norms_are_those_of_weights_gradients_and_updates() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, target = torch.randn(8, 3), torch.randn(8, 2)
    weights = torch.cat([model[0].weight.detach().clone().flatten(), model[0].bias.detach().clone()])
    told = stepped(model, lambda: F.mse_loss(model(x), target))
    gradient = torch.cat([model[0].weight.grad.flatten(), model[0].bias.grad])
    assert told["0"]["weight"] == pytest.approx(float(weights.norm()), rel=1e-3)
    assert told["0"]["gradient"] == pytest.approx(float(gradient.norm()), rel=1e-3)
    assert told["0"]["update"] == pytest.approx(0.1 * float(gradient.norm()), rel=1e-3)
    out = F.linear(x, weights[:12].view(4, 3), weights[12:])
    assert told["0"]["output"] == pytest.approx(float(out.square().mean().sqrt()), rel=1e-3)
    assert list(told) == ["0", "1", "2"]


def test_the_spread_of_a_layer_is_how_far_its_units_are_from_their_mean() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1), nn.Embedding(4, 2))
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 5.0]])
    with torch.no_grad():
        model[0].weight.copy_(rows)
        model[2].weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]))
    told = stepped(model, lambda: model[0](torch.zeros(1, 2)).sum() * 0)
    assert told["0"]["spread"] == pytest.approx(((rows - rows.mean(0)).norm() / rows.norm()).item(), rel=1e-3)
    assert "spread" not in told["1"]  # one unit
    assert told["2"]["spread"] == 0  # tokens differ, the units of the vectors do not


def test_a_layer_of_zeros_has_no_spread() -> None:
    model = nn.Linear(3, 4)
    nn.init.zeros_(model.weight)
    assert stepped(model, lambda: model(torch.zeros(1, 3)).sum() * 0)[""]["spread"] == 0


def test_the_share_of_a_step_that_goes_into_its_batch_is_told(make_run: MakeRun) -> None:
    run, task = make_run(steps=4, evaluate_every=4)
    collate = task.collate

    def slowly(examples: Sequence[int]) -> Batch:
        time.sleep(0.3)
        return collate(examples)

    task.collate = slowly  # type: ignore[method-assign]
    Trainer(run, task).train()
    shares = [line["loading"] for line in run.metrics() if line["kind"] == "step"]
    assert all(0.3 < share < 1 for share in shares[1:])


def test_dead_units_are_those_that_were_on_for_no_example() -> None:
    layer = Dense(2, 4)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]]))
        layer.linear.bias.copy_(torch.tensor([0.0, 0, -100, -100]))
    with Listener(layer) as listener:
        layer(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
    assert listener.told()[""] == {"kind": "relu", "zeros": 0.75, "dead": 0.5}


@pytest.mark.parametrize(("activation", "kind"), [("tanh", "tanh"), ("sigmoid", "sigmoid")])
def test_flat_numbers_are_those_whose_slope_has_all_but_gone(activation: str, kind: str) -> None:
    layer = Dense(1, 1, activation)
    with torch.no_grad():
        layer.linear.weight.fill_(1.0)
        layer.linear.bias.fill_(0.0)
    with Listener(layer) as listener:
        layer(torch.tensor([[0.0], [0.5], [20.0], [-20.0]]))
    assert listener.told()[""] == {"kind": kind, "flat": 0.5}


def test_an_attention_that_answers_with_one_key_is_flat_and_masked_keys_are_no_choice() -> None:
    torch.manual_seed(2)
    attention = MultiHeadAttention(8, 2)
    x = torch.randn(2, 6, 8)
    with Listener(attention) as calm:
        attention(x, x, causal_mask(6)[None, None])
    with torch.no_grad():
        attention.query.weight.mul_(1000)
    with Listener(attention) as sure:
        attention(x, x, causal_mask(6)[None, None])
    assert calm.told()[""] == {"kind": "softmax", "flat": 0.0}  # the first queries have fewer than four keys
    assert sure.told()[""]["flat"] > 0.9


def test_a_fused_attention_is_heard_like_the_products() -> None:
    torch.manual_seed(3)
    q, k, v = (torch.randn(2, 2, 6, 4, requires_grad=True) * 5 for _ in range(3))
    model = nn.Linear(1, 1)
    with Listener(model) as products:
        ((q / 2) @ k.transpose(-2, -1)).softmax(-1) @ v
    with Listener(model) as fused:
        F.scaled_dot_product_attention(q, k, v)
    assert products.told() == fused.told()
    assert 0 < products.told()[""]["flat"] < 1


def test_nothing_is_heard_without_gradients() -> None:
    model = Dense(2, 3)
    with torch.no_grad(), Listener(model) as listener:
        model(torch.randn(4, 2))
    assert listener.told() == {}


def test_a_watched_training_ends_in_the_same_weights_to_the_bit(make_run: MakeRun) -> None:
    ends = []
    for every in (0, 1, 7):
        run, task = make_run(f"watch{every}", steps=20, evaluate_every=10, watch=every)
        Trainer(run, task).train()
        saved = run.load_state()
        assert saved is not None
        ends.append(saved[0])
        told = [line["step"] for line in run.metrics() if line["kind"] == "statistics"]
        assert told == {0: [], 1: list(range(1, 21)), 7: [1, 7, 14, 20]}[every]
    for other in ends[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in ends[0].items())


def test_the_translator_is_heard_at_every_place(make_run: MakeRun) -> None:
    run, task = make_run(steps=4, evaluate_every=4, watch=2)
    Trainer(run, task).train()
    lines = list(run.metrics())
    network = next(line for line in lines if line["kind"] == "network")["places"]
    assert sum(place["parameters"] for place in network.values()) == sum(p.numel() for p in run.model.parameters())
    places = [line for line in lines if line["kind"] == "statistics"][-1]["places"]
    assert set(network) <= set(places)
    softmaxes = {place for place, told in places.items() if told.get("kind") == "softmax"}
    assert softmaxes == {"encoder.0.self_attention", "decoder.0.self_attention", "decoder.0.cross_attention"}
    assert all(math.isfinite(value) for told in places.values() for value in told.values() if isinstance(value, float))


@pytest.mark.parametrize(
    ("steps", "step", "look", "every"), [(1000, 0.1, 0.1, 50), (1000, 0.1, 0.001, 10), (5000, 1.0, 0.1, 50)]
)
def test_looks_take_two_percent_of_the_time_and_are_at_most_a_hundred(
    steps: int, step: float, look: float, every: int
) -> None:
    assert watch_every(steps, step, look) == every


def test_a_disturbed_measurement_does_not_leave_a_training_unseen() -> None:
    assert watch_every(300, 0.1, 2.0) == 37
    assert watch_every(100, 0.1, 2.0) == 34


def test_a_training_of_milliseconds_is_looked_at_all_the_same() -> None:
    assert watch_every(40, 1e-4, 2e-3) == 5
