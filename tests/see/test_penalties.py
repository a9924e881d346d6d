"""Why a weight moved where a loop adds penalties to its loss and cuts single numbers: held against such a loop."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.see.expression import FUNCTIONS
from pellucid.see.moves import moves_of
from pellucid.see.training import Penalty, TrainingStep, capture_step

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
WANTED = torch.tensor([0, 1] * 4)
MATRICES = frozenset({"0.weight", "2.weight"})
CELLS = ("0.weight[2, 1]", "2.weight[1, 4]", "2.bias[unit=1]")
PENALTIES: dict[str, Penalty] = {
    "l2": Penalty(l2=0.3, names=MATRICES),
    "l1, subgradient": Penalty(l1=0.05, proximal=False, names=MATRICES),
    "l1, proximal": Penalty(l1=0.5, names=MATRICES),
    "elastic": Penalty(l1=0.5, l2=0.1, names=MATRICES),
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05),
    "Nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.02),
    "RMSProp": lambda p: torch.optim.RMSprop(p, lr=0.02),
}


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))


def opened(
    model: nn.Module, optimizer: torch.optim.Optimizer, penalty: Penalty, clip: float | None, value: float | None
) -> TrainingStep:
    return capture_step(
        model,
        lambda x, wanted: F.cross_entropy(model(x), wanted),
        [(X, WANTED)],
        clip=clip,
        optimizer=optimizer,
        training_step=1,
        clip_value=value,
        penalty=penalty,
    )


def take_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, penalty: Penalty, clip: float | None, value: float | None
) -> None:
    """As a person would write it: the penalty in the loss by autograd, PyTorch's own clipping, the proximal step."""
    named: Mapping[str, Tensor] = dict(model.named_parameters())
    loss = F.cross_entropy(model(X), WANTED)
    for name in penalty.names:
        loss = loss + penalty.l2 / 2 * named[name].square().sum()
        if not penalty.proximal:
            loss = loss + penalty.l1 * named[name].abs().sum()
    loss.backward()
    if value is not None:
        nn.utils.clip_grad_value_(model.parameters(), value)
    if clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    if penalty.proximal and penalty.l1:
        group = optimizer.param_groups[0]
        with torch.no_grad():
            for name in penalty.names:
                weight, state = named[name], optimizer.state[named[name]]
                scale: Tensor | float = 1.0 - group.get("momentum", 0.0)
                if "exp_avg_sq" in state:
                    scale = (state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))).sqrt() + group[
                        "eps"
                    ]
                elif "square_avg" in state:
                    scale = state["square_avg"].sqrt() + group["eps"]
                amount = group["lr"] * penalty.l1 / scale
                weight.copy_(weight.sign() * (weight.abs() - amount).clamp(min=0))


def number(model: nn.Module, address: str) -> float:
    name, _, places = address.removesuffix("]").partition("[")
    cell = tuple(int(place.rpartition("=")[2]) for place in places.split(","))
    return float(model.get_parameter(name).detach()[cell])


@pytest.mark.parametrize("limits", [(None, None), (0.2, None), (None, 0.02), (0.05, 0.03)], ids=str)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_new_weight_is_that_of_a_loop_with_the_penalty_in_its_loss(
    kind: str, penalty: str, limits: tuple[float | None, float | None]
) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    for _ in range(3):
        step = opened(model, optimizer, PENALTIES[penalty], *limits)
        found = [step.why_moved(cell) for cell in CELLS]
        take_step(model, optimizer, PENALTIES[penalty], *limits)
        for why, cell in zip(found, CELLS, strict=True):
            assert why.new == pytest.approx(number(model, cell), rel=1e-6, abs=1e-7)
            assert why.difference < 1e-6


def test_each_line_of_the_arithmetic_gives_its_value_and_tells_the_terms_of_the_penalty() -> None:
    model = network()
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    step = opened(model, optimizer, Penalty(0.05, 0.3, False, MATRICES), 0.05, 0.03)
    why = step.why_moved("0.weight[2, 1]")
    assert [line.name for line in why.lines] == ["gradient", "penalized", "limited", "factor", "clipped", "new"]
    for line in why.lines:
        value = eval(line.exact, {"__builtins__": {}}, dict(FUNCTIONS))
        assert value == pytest.approx(line.value, rel=1e-12)
    weight = number(model, "0.weight[2, 1]")
    added = why.line("penalized").value - why.gradient
    assert added == pytest.approx(0.3 * weight + 0.05 * math.copysign(1, weight), rel=1e-5)
    assert [line.name for line in step.why_moved("2.bias[1]").lines] == [
        "gradient",
        "limited",
        "factor",
        "clipped",
        "new",
    ]


def test_a_weight_that_l1_takes_to_zero_is_told_as_exactly_zero() -> None:
    model = network()
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    step = opened(model, optimizer, Penalty(l1=100.0, names=MATRICES), None, None)
    why = step.why_moved("0.weight[2, 1]")
    assert [line.name for line in why.lines] == ["gradient", "moved", "new"]
    assert why.new == 0.0
    assert why.line("moved").value != 0.0


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_on_the_page_all_weights_move_as_the_loop_moves_them(kind: str, penalty: str) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    for limits in ((None, None), (None, 0.02), (0.05, 0.03)):
        take_step(model, optimizer, PENALTIES[penalty], *limits)
        step = opened(model, optimizer, PENALTIES[penalty], *limits)
        before = {name: one.detach().clone() for name, one in model.named_parameters()}
        moves = moves_of(step)
        take_step(model, optimizer, PENALTIES[penalty], *limits)
        assert set(moves.moved) == set(before)
        for name, move in moves.moved.items():
            way = float((model.get_parameter(name) - before[name]).detach().norm())
            assert move.difference < 1e-6
            assert move.update == pytest.approx(way, rel=1e-4)


def test_the_update_that_flow_measures_has_the_penalty_in_it() -> None:
    model = network()
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    penalty = Penalty(l1=0.5, l2=0.3, names=MATRICES)
    rows = {row.place: row for row in opened(model, optimizer, penalty, None, None).flow().rows}
    before = model[0].weight.detach().clone(), model[0].bias.detach().clone()
    take_step(model, optimizer, penalty, None, None)
    way = torch.cat([(model[0].weight - before[0]).flatten(), model[0].bias - before[1]]).detach().norm()
    assert rows["0"].update == pytest.approx(float(way), rel=1e-5)
