"""Why a weight moved: held against PyTorch's own optimizers, clipping, scaler and autocast."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.expression import FUNCTIONS
from pellucid.see.trace import Trace, TraceError
from pellucid.see.training import TrainingStep, capture_step
from pellucid.see.why import Why
from pellucid.train.optimizer import Muon

X, WANTED = torch.randn(10, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1] * 5)
CELLS = ("0.weight[2, 1]", "1.weight[3]", "4.bias[unit=1]")


def muon(parameters: list[nn.Parameter]) -> Muon:
    matrices, rest = ([one for one in parameters if (one.dim() == 2) is matrix] for matrix in (True, False))
    return Muon(matrices, rest, learning_rate=0.02, weight_decay=0.1)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p, **o: torch.optim.SGD(p, lr=0.1, **o),
    "SGD, L2": lambda p, **o: torch.optim.SGD(p, lr=0.1, weight_decay=0.1, **o),
    "momentum": lambda p, **o: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01, **o),
    "Nesterov": lambda p, **o: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, **o),
    "climbing": lambda p, **o: torch.optim.SGD(p, lr=0.01, momentum=0.8, maximize=True, **o),
    "Adam": lambda p, **o: torch.optim.Adam(p, lr=0.01, **o),
    "Adam, L2": lambda p, **o: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), **o),
    "AMSGrad": lambda p, **o: torch.optim.Adam(p, lr=0.01, amsgrad=True, betas=(0.5, 0.6), **o),
    "AdamW": lambda p, **o: torch.optim.AdamW(p, lr=0.01, weight_decay=0.3, **o),
    "Muon": lambda p, **_: muon(list(p)),
    "RMSProp": lambda p, fused=False, **o: torch.optim.RMSprop(p, lr=0.01, weight_decay=0.1, alpha=0.9, **o),
    "RMSProp, centered": lambda p, fused=False, **o: torch.optim.RMSprop(
        p, lr=0.001, alpha=0.5, centered=True, momentum=0.8, **o
    ),
    "AdamW, AMSGrad, climbing": lambda p, **o: torch.optim.AdamW(p, lr=0.01, amsgrad=True, maximize=True, **o),
}
FORMS = {"plain": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 2))


def loss_of(output: Tensor) -> Tensor:
    return F.cross_entropy(output, WANTED, label_smoothing=0.1)


def cells_of(model: nn.Module) -> list[float]:
    found = dict(model.named_parameters())
    return [found["0.weight"][2, 1].item(), found["1.weight"][3].item(), found["4.bias"][1].item()]


def take_step(model: nn.Module, optimizer: torch.optim.Optimizer, clip: float = math.inf) -> None:
    loss_of(model(X)).backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()


def evaluated(exact: str) -> float:
    return float(eval(exact, {"__builtins__": {}}, dict(FUNCTIONS)))


# --- the optimizers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_ten_steps_of_a_weight_are_those_of_pytorchs_optimizer(kind: str, form: str) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters(), **FORMS[form])
    for number in range(1, 11):
        trace = capture(model, X, loss=loss_of, clip=0.2, training_step=number)
        found = [trace.why_moved(cell, optimizer) for cell in CELLS]
        take_step(model, optimizer, clip=0.2)
        for why, now in zip(found, cells_of(model), strict=True):
            assert why.step == number
            assert why.new == pytest.approx(now, rel=3e-7, abs=3e-8)
            assert why.difference <= 3e-7 * abs(now) + 3e-8
            assert why.new != why.old


@pytest.mark.parametrize("kind", ["Adam", "AMSGrad", "AdamW"])
def test_the_moments_are_those_that_adam_then_remembers(kind: str) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    for _ in range(4):
        why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", optimizer)
        take_step(model, optimizer)
    state = optimizer.state[model[0].weight]
    for name in ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if kind == "AMSGrad" else [])):
        assert why.line(name).value == pytest.approx(state[name][2, 1].item(), rel=1e-6)


def test_the_momentum_buffer_is_the_one_that_sgd_then_remembers() -> None:
    model = network()
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    for _ in range(3):
        why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", optimizer)
        take_step(model, optimizer)
    buffer = optimizer.state[model[0].weight]["momentum_buffer"]
    assert why.line("buffer").value == pytest.approx(buffer[2, 1].item(), rel=1e-6)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_printed_arithmetic_of_every_line_gives_its_value(kind: str) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    take_step(model, optimizer)
    why = capture(model, X, loss=loss_of, clip=0.1).why_moved("0.weight[2, 1]", optimizer)
    for line in why.lines:
        assert evaluated(line.exact) == pytest.approx(line.value, rel=1e-12)
        assert f"= {line.value:.{line.digits(4)}g}" in " ".join(why.text().split())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_number_in_a_line_is_the_value_of_the_line_that_it_names(kind: str) -> None:
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    take_step(model, optimizer)
    why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", optimizer)
    lines = {f"0.weight.{line.name}[unit=2, input=1]": line.value for line in why.lines}
    cells = [cell for line in why.lines for cell in line.expression.cells() if cell.address in lines]
    assert len(why.lines) == 2 or cells
    assert all(cell.value == lines[cell.address] for cell in cells)


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_pytorchs_own_muon_is_told_in_numbers_up_to_bfloat16(adjust: str) -> None:
    model = nn.Sequential(nn.Linear(3, 6, bias=False), nn.Tanh(), nn.Linear(6, 2, bias=False))
    optimizer = torch.optim.Muon(model.parameters(), lr=0.02, adjust_lr_fn=adjust)
    for _ in range(3):
        before = model[0].weight.detach().clone()
        why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", optimizer)
        take_step(model, optimizer)
        moved = (model[0].weight - before).abs().max().item()
        assert abs(why.new - model[0].weight[2, 1].item()) < 0.02 * moved
        assert evaluated(why.line("orthogonal").exact) == pytest.approx(why.line("orthogonal").value, rel=1e-12)


def test_what_muon_makes_orthogonal_is_the_direction_of_its_singular_vectors() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    optimizer = muon(list(model.parameters()))
    why = capture(model, X, loss=loss_of).why_moved("2.weight[1, 2]", optimizer)
    loss_of(model(X)).backward()
    u, _, v = torch.linalg.svd(model[2].weight.grad, full_matrices=False)
    assert why.line("orthogonal").value == pytest.approx((u @ v)[1, 2].item(), abs=0.3)


def test_a_learning_rate_that_is_a_tensor_is_read() -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(0.01), foreach=False)
    why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", optimizer)
    take_step(model, optimizer)
    assert why.new == pytest.approx(cells_of(model)[0], rel=3e-7)


def test_asking_changes_neither_the_weights_nor_the_optimizer() -> None:
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    take_step(model, optimizer)
    before = [one.clone() for one in [*model.parameters(), *optimizer.state[model[0].weight].values()]]
    trace = capture(model, X, loss=loss_of)
    trace.why_moved("0.weight[2, 1]", optimizer)
    trace.flow(optimizer)
    after = [*model.parameters(), *optimizer.state[model[0].weight].values()]
    assert all(map(torch.equal, before, after))
    assert all(one.grad is None for one in model.parameters())


def test_with_the_optimizer_captured_the_step_can_be_asked_for_afterwards() -> None:
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    take_step(model, optimizer)
    trace = capture(model, X, loss=loss_of, optimizer=optimizer)
    before = trace.why_moved("0.weight[2, 1]", optimizer)
    take_step(model, optimizer)
    assert trace.why_moved("0.weight[2, 1]") == before
    assert before.new == pytest.approx(cells_of(model)[0], rel=3e-7)


def test_a_weight_that_has_moved_since_is_refused() -> None:
    model = network()
    optimizer = OPTIMIZERS["SGD"](model.parameters())
    trace = capture(model, X, loss=loss_of)
    take_step(model, optimizer)
    with pytest.raises(TraceError, match="has moved since"):
        trace.why_moved("0.weight[2, 1]", optimizer)


def test_what_cannot_be_told_is_refused_with_a_reason() -> None:
    model = network()
    sgd = OPTIMIZERS["SGD"](model.parameters())
    trace = capture(model, X, loss=loss_of)
    with pytest.raises(TraceError, match="Adagrad is not told"):
        trace.why_moved("0.weight[2, 1]", torch.optim.Adagrad(model.parameters()))
    with pytest.raises(TraceError, match="is no parameter"):
        trace.why_moved("0[2, 1]", sgd)
    with pytest.raises(TraceError, match="no optimizer is known"):
        trace.why_moved("0.weight[2, 1]")
    with pytest.raises(TraceError, match="does not hold"):
        trace.why_moved("0.weight[2, 1]", torch.optim.SGD(model[4].parameters()))
    with pytest.raises(TraceError, match="no gradient"):
        capture(model, X).why_moved("0.weight[2, 1]", sgd)


# --- examples -----------------------------------------------------------------------------------------------------


def shares(why: Why, batch: int = 0) -> list[float]:
    return [push.value for push in why.pushes if push.index is not None and push.batch == batch]


def sum_is_the_gradient(why: Why) -> bool:
    return math.isclose(sum(push.value for push in why.pushes), why.gradient, rel_tol=1e-4, abs_tol=1e-8)


def test_the_push_of_an_example_is_the_gradient_of_its_part_of_the_loss() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    sgd = OPTIMIZERS["SGD"](model.parameters())
    weighted = torch.tensor([0.2, 0.8])
    whole = capture(model, X, loss=lambda y: F.cross_entropy(y, WANTED, weight=weighted)).why_moved(CELLS[0], sgd)
    weights = weighted[WANTED] / weighted[WANTED].sum()
    for number, push in enumerate(shares(whole)):
        alone = F.cross_entropy(model(X[number : number + 1]), WANTED[number : number + 1]) * weights[number]
        (gradient,) = torch.autograd.grad(alone, model[0].weight)
        assert push == pytest.approx(gradient[2, 1].item(), rel=1e-4, abs=1e-8)
    assert len(shares(whole)) == 10
    assert sum_is_the_gradient(whole)
    assert abs(whole.rounding) < 1e-7


def test_with_dropout_and_batch_norm_the_pushes_still_add_up_to_the_gradient() -> None:
    model = network()
    why = capture(model, X, loss=loss_of).why_moved("0.weight[2, 1]", OPTIMIZERS["SGD"](model.parameters()))
    assert len(shares(why)) == 10
    assert sum_is_the_gradient(why)


def test_what_the_loss_has_of_a_weight_by_itself_is_told_apart() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    trace = capture(model, X, loss=lambda y: loss_of(y) + 0.5 * (model[0].weight ** 2).sum())
    why = trace.why_moved("0.weight[2, 1]", OPTIMIZERS["SGD"](model.parameters()))
    (own,) = [push.value for push in why.pushes if push.index is None]
    assert own == pytest.approx(model[0].weight[2, 1].item(), rel=1e-5)
    assert sum_is_the_gradient(why)


def test_positions_of_a_sequence_can_be_told_apart_as_well() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7))
    words, wanted = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[2, 3, 0], [5, 6, 0]])

    def loss(y: Tensor) -> Tensor:
        return F.cross_entropy(y.flatten(0, 1), wanted.flatten(), ignore_index=0)

    trace = capture(model, words, loss=loss, labels={"input": ["a", "b", "c"]})
    why = trace.why_moved("1.weight[2, 1]", OPTIMIZERS["SGD"](model.parameters()), by=(0, 1))
    assert [push.index for push in why.pushes] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert why.pushes[1].name == "example=0, position=1 'b'"
    assert sum_is_the_gradient(why)
    assert why.pushes[2].value == why.pushes[5].value == 0  # ignored by the loss


class Doubled(torch.autograd.Function):
    """Has a way back and none forward."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: object, upstream: Tensor) -> Tensor:
        return 2 * upstream


class WithOwnFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return Doubled.apply(self.layer(x)).tanh()


def test_a_step_without_a_forward_derivative_does_not_hide_the_examples() -> None:
    model = WithOwnFunction()
    why = capture(model, X, loss=loss_of).why_moved("layer.weight[1, 1]", OPTIMIZERS["SGD"](model.parameters()))
    (first,) = torch.autograd.grad(
        F.cross_entropy(model(X[:1]), WANTED[:1], label_smoothing=0.1) / 10, model.layer.weight
    )
    assert shares(why)[0] == pytest.approx(first[1, 1].item(), rel=1e-4)
    assert sum_is_the_gradient(why)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_examples_push_the_weights_of_a_recurrent_layer(kind: Callable[..., nn.Module]) -> None:
    model = kind(3, 4, batch_first=True)
    trace = capture(model, torch.randn(2, 5, 3), loss=lambda y: (y[0] ** 2).mean())
    why = trace.why_moved("weight_hh_l0[1, 2]", OPTIMIZERS["SGD"](model.parameters()))
    assert len(shares(why)) == 2
    assert sum_is_the_gradient(why)


def test_where_no_output_has_a_row_for_each_example_there_are_no_pushes() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x: Tensor) -> Tensor:
            return x.mean() * self.scale

    model = Mean()
    why = capture(model, X, loss=lambda y: y**2).why_moved("scale[]", OPTIMIZERS["SGD"](model.parameters()))
    assert not why.pushes
    assert why.line("gradient").value == why.gradient


# --- accumulation, clipping, scaling, autocast ----------------------------------------------------------------------

BATCHES = [(X[:4], WANTED[:4]), (X[4:7], WANTED[4:7]), (X[7:], WANTED[7:])]


def seen_and_done(
    scale: float, autocast: bool, clip: float, fused: bool = False
) -> tuple[TrainingStep, nn.Module, dict]:
    """A step of a real loop with a GradScaler, accumulation and clipping, and the same step captured before it."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    take_step(model, optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale != 1)

    def objective(x: Tensor, wanted: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return F.cross_entropy(model(x), wanted)

    step = capture_step(model, objective, BATCHES, clip=clip, scale=scale, optimizer=optimizer)
    for x, wanted in BATCHES:
        scaler.scale(objective(x, wanted) / 3).backward()
    scaler.unscale_(optimizer)
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    assert step.norm == pytest.approx(norm.item(), rel=1e-6)
    clipped = {name: one.grad.clone() for name, one in model.named_parameters()}
    scaler.step(optimizer)
    return step, model, {"gradients": gradients, "clipped": clipped}


@pytest.mark.parametrize("clip", [0.05, 100.0])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_gradients_of_a_scaled_accumulated_clipped_step_are_the_true_ones(
    scale: float, autocast: bool, clip: float
) -> None:
    step, model, real = seen_and_done(scale, autocast, clip, fused=True)
    for name, gradient in real["gradients"].items():
        torch.testing.assert_close(step.gradients[name], gradient, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(step.clipped()[name], real["clipped"][name], rtol=1e-6, atol=1e-9)
    assert (step.factor == 1) == (clip == 100)
    why = step.why_moved("0.weight[2, 1]")
    assert why.new == pytest.approx(cells_of(model)[0], rel=3e-7)
    assert why.gradient == pytest.approx(real["gradients"]["0.weight"][2, 1].item(), rel=1e-6)
    assert why.line("clipped").value == pytest.approx(real["clipped"]["0.weight"][2, 1].item(), rel=1e-6)


def test_the_examples_of_all_batches_of_a_step_add_up_to_its_gradient() -> None:
    step, _, _ = seen_and_done(1.0, False, 0.05)
    why = step.traces[0].why_moved("0.weight[2, 1]")
    assert [len(shares(why, batch)) for batch in range(3)] == [4, 3, 3]
    assert sum_is_the_gradient(why)
    assert "batch=2, example=1" in [push.name for push in why.pushes]


def test_activations_gradients_are_shown_without_the_scale_too() -> None:
    model = network().eval()
    plain, scaled = capture(model, X, loss=loss_of), capture(model, X, loss=loss_of, scale=1024.0)
    for step in plain:
        if step.gradient is not None:
            torch.testing.assert_close(scaled[step.name].gradient, step.gradient)


def test_a_step_whose_gradients_are_not_finite_is_left_out_as_a_scaler_does() -> None:
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
    trace = capture(model, X, loss=lambda y: 1e5 * loss_of(y), scale=2.0**126, clip=1.0)
    why = trace.why_moved("0.weight[2, 1]", optimizer)
    before = cells_of(model)[0]
    scaler.scale(1e5 * loss_of(model(X))).backward()
    scaler.step(optimizer)
    assert why.skipped
    assert why.new == why.old == before == cells_of(model)[0]
    assert "leaves this step out" in str(why)


def test_random_numbers_after_capturing_a_step_are_those_before() -> None:
    model = network()
    before = torch.get_rng_state()
    capture_step(model, lambda x, wanted: F.cross_entropy(model(x), wanted), BATCHES)
    assert torch.equal(torch.get_rng_state(), before)


# --- flow ---------------------------------------------------------------------------------------------------------


def test_flow_has_the_norms_that_pytorch_gives_place_by_place_in_order() -> None:
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    take_step(model, optimizer)
    trace = capture(model, X, loss=loss_of, clip=0.1)
    flow = trace.flow(optimizer)
    assert [row.place for row in flow.rows] == ["0", "1", "2", "3", "4"]
    torch.manual_seed(7)
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    state = torch.get_rng_state()
    trace = capture(model, X, loss=loss_of, clip=0.1)
    flow = trace.flow(optimizer)
    torch.set_rng_state(state)
    hidden = [X]
    for layer in model:
        hidden.append(layer(hidden[-1]))
        hidden[-1].retain_grad()
    loss_of(hidden[-1]).backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1).item()
    optimizer.step()
    for number in range(5):
        row = flow[str(number)]
        assert row.activation == pytest.approx(hidden[number + 1].norm().item(), rel=1e-5)
        assert row.activation_gradient == pytest.approx(hidden[number + 1].grad.norm().item(), rel=1e-5)
        names = [name for name in before if name.startswith(f"{number}.")]
        if names:
            now = dict(model.named_parameters())
            weights = math.hypot(*(before[name].norm().item() for name in names))
            update = math.hypot(*((now[name] - before[name]).norm().item() for name in names))
            assert row.weights == pytest.approx(weights, rel=1e-5)
            assert row.gradient == pytest.approx(math.hypot(*(gradients[n].norm().item() for n in names)), rel=1e-5)
            assert row.update == pytest.approx(update, rel=1e-4)
            assert row.ratio == pytest.approx(update / weights, rel=1e-4)
    assert flow["3"].zeros == pytest.approx((hidden[4] == 0).float().mean().item())
    assert flow.norm == pytest.approx(norm, rel=1e-5)
    assert flow.factor == pytest.approx(0.1 / norm, rel=1e-4)


def test_flow_measures_the_updates_of_any_optimizer() -> None:
    model = network()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.01)
    flow = capture(model, X, loss=loss_of).flow(optimizer)
    before = model[0].weight.detach().clone(), model[0].bias.detach().clone()
    take_step(model, optimizer)
    moved = math.hypot((model[0].weight - before[0]).norm().item(), (model[0].bias - before[1]).norm().item())
    assert flow["0"].update == pytest.approx(moved, rel=1e-4)


def test_flow_fits_eighty_columns_and_speaks_json() -> None:
    import json

    model = nn.Sequential()
    model.add_module("a_name_that_is_longer_than_the_column_of_places", nn.Linear(3, 2))
    flow = capture(model, X, loss=lambda y: loss_of(1e7 * y)).flow(torch.optim.SGD(model.parameters(), lr=1e-9))
    assert all(len(line) <= 80 for line in str(flow).splitlines())
    told = json.loads(json.dumps(flow.json(), allow_nan=False))
    assert told["rows"][0]["weights"] == flow.rows[0].weights


def test_a_saved_trace_still_has_its_flow_but_no_optimizer(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = network()
    trace = capture(model, X, loss=loss_of)
    trace.save(tmp_path / "pass.safetensors")
    loaded = Trace.load(tmp_path / "pass.safetensors")
    assert loaded.flow()["0"].gradient == trace.flow()["0"].gradient
    with pytest.raises(TraceError, match="not in memory"):
        loaded.why_moved("0.weight[2, 1]", OPTIMIZERS["SGD"](model.parameters()))
