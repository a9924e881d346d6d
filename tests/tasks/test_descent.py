"""The path of two weights: every step while there are few, evenly fewer afterwards, and whole after a state."""

from itertools import pairwise

import pytest
import torch

from pellucid.errors import ConfigError
from pellucid.models.mlp import MLP, MLPConfig
from pellucid.tasks.descent import GRID, KEPT, Path, Weight, surface

WEIGHTS = [Weight("output.weight", (0, 1)), Weight("output.bias", (0,))]


def walked(path: Path, steps: int, first: int = 0) -> None:
    model = MLP(MLPConfig(depth=0), inputs=2, outputs=1)
    for step in range(first, first + steps):
        with torch.no_grad():
            model.output.weight[0, 1], model.output.bias[0] = step, -step
        path.note(model, torch.tensor(step / 2))


def test_each_step_is_noted_before_it_is_taken() -> None:
    path = Path(WEIGHTS)
    walked(path, 3)
    assert path.take() == [[0, 0, 0, 0], [1, 1, -1, 0.5], [2, 2, -2, 1]]
    assert path.take() == []


def test_a_long_way_is_thinned_evenly() -> None:
    path = Path(WEIGHTS)
    walked(path, 5 * KEPT)
    steps = [point[0] for point in path.take()]
    assert KEPT / 2 <= len(steps) <= KEPT
    assert len({after - before for before, after in pairwise(steps)}) == 1


def test_a_path_put_back_goes_on_as_if_it_had_not_been_left() -> None:
    whole, left, other = Path(WEIGHTS), Path(WEIGHTS), Path(WEIGHTS)
    walked(whole, KEPT + 70)
    walked(left, KEPT + 20)
    other.put_back(left.state())
    walked(other, 50, first=KEPT + 20)
    assert other.take() == whole.take()
    other.put_back({})
    assert (other.steps, other.points) == (0, [])


def test_the_surface_is_the_loss_with_two_weights_moved_and_the_model_left_alone() -> None:
    model = MLP(MLPConfig(depth=0), inputs=2, outputs=1).eval()
    x, y = torch.randn(30, 2), torch.randn(30)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = surface(model, WEIGHTS, [1.0, -1.0], lambda moved: (moved(x)[:, 0] - y).square().mean())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    xs, ys, losses = found["x"], found["y"], found["loss"]
    assert isinstance(xs, list)
    assert isinstance(ys, list)
    assert isinstance(losses, list)
    assert len(xs) == len(ys) == len(losses) == GRID
    assert xs[0] < 1.0 < xs[-1]
    assert ys[0] < -1.0 < ys[-1]
    predicted = x[:, 0] * model.output.weight[0, 0] + x[:, 1] * xs[7] + ys[3]
    assert losses[3][7] == pytest.approx((predicted - y).square().mean().item(), rel=1e-4)


def test_a_weight_has_an_address_and_one_that_is_not_there_is_refused() -> None:
    model = MLP(MLPConfig(depth=1, width=3), inputs=2, outputs=1)
    assert Weight.parse("layers.0.linear.weight[2,1]", model).address == "layers.0.linear.weight[2,1]"
    for text in ("layers.0.linear.weight[3,1]", "layers.0.linear.weight[1]", "weight[0]", "output.bias", "output[0]"):
        with pytest.raises(ConfigError, match="the network has no weight"):
            Weight.parse(text, model)
