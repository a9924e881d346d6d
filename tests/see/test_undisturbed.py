"""Who is looked at does not notice: weights, buffers, gradients, hooks, settings and random state stay as they were."""

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator
from pellucid.see.capture import capture, record
from pellucid.see.trace import Trace
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import translation_loss
from tests.see.networks import NETWORKS, Network, hook_count, translator

STEPS, EVERY = 200, 10


def all_of(model: nn.Module) -> dict[str, Any]:
    """What a capture could change: values and identities of all that a model holds, and the state of the process."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return {
        "identities": {name: id(one) for name, one in held},
        "values": {name: one.detach().clone() for name, one in held},
        "gradients": {name: None if one.grad is None else (id(one.grad), one.grad.clone()) for name, one in held},
        "wanting gradients": {name: one.requires_grad for name, one in held},
        "mode": {name: module.training for name, module in model.named_modules()},
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "hooks": hook_count(model),
        "random state": torch.get_rng_state(),
        "python's random state": random.getstate(),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "autograd function": torch.autograd.Function.__dict__["apply"],
        "modes": len(torch.overrides._get_current_function_mode_stack()),
        "enabled": torch.is_grad_enabled(),
        "default": torch.get_default_dtype(),
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in before if not same(before[key], after[key])]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_capture_leaves_nothing_behind(name: str) -> None:
    network = NETWORKS[name]
    model, inputs = network.made(torch.float32)
    network.loss(model(*inputs, **network.settings)).backward()  # there are gradients, and averages have begun
    hook = model.register_forward_hook(lambda *_: None)
    before, given = all_of(model), [one.clone() for one in inputs]
    capture(model, *inputs, loss=network.loss, **network.settings)
    assert changed(before, all_of(model)) == []
    assert all(torch.equal(a, b) and a.grad is None for a, b in zip(inputs, given, strict=True))
    assert hook_count(model) == 1
    hook.remove()


class Fails(nn.Module):
    """Does much, and then something that cannot be done; in a function, a module, an autograd function or the loss."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.norm, self.layer, self.wrong = nn.BatchNorm1d(3), nn.Linear(3, 3), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.layer(self.norm(x)))
        if self.where == "function":
            x = x @ torch.ones(2, 2)
        elif self.where == "module":
            x = self.wrong(x)
        elif self.where == "autograd function":
            x = Refusing.apply(x)
        elif self.where == "reentered function":
            x = F.multi_head_attention_forward(x, x, x, 4, 3, *[None] * 5, 0.0, None, None)  # type: ignore[arg-type]
        return x


class Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        raise ValueError("not today")


def refuse(output: Tensor) -> Tensor:
    raise ValueError("no loss")


@pytest.mark.parametrize("where", ["function", "module", "autograd function", "reentered function", "loss"])
def test_a_capture_that_fails_leaves_nothing_behind(where: str) -> None:
    model, x = Fails(where), torch.randn(4, 3)
    checks = [getattr(F, name) for name in ("has_torch_function", "has_torch_function_unary")]
    before = all_of(model)
    with pytest.raises((RuntimeError, ValueError, TypeError, AssertionError)):
        capture(model, x, loss=refuse if where == "loss" else torch.sum)
    assert changed(before, all_of(model)) == []
    assert checks == [getattr(F, name) for name in ("has_torch_function", "has_torch_function_unary")]
    model.where = "nowhere"
    assert [step.op for step in capture(model, x, loss=torch.sum)].count("linear") == 1


class KeepsAState(nn.Module):
    """Puts a new tensor in the place of a buffer, and draws whether to work at all from Python's own generator."""

    state: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", torch.zeros(3))
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.state = 0.9 * self.state + 0.1 * x.detach().mean(0)
        return self.layer(x) + self.state if random.random() < 2 else x


def test_a_buffer_that_a_pass_replaces_is_put_back() -> None:
    model, x = KeepsAState(), torch.randn(4, 3)
    before = all_of(model)
    trace = capture(model, x, loss=torch.sum)
    assert changed(before, all_of(model)) == []
    assert "layer.weight" in trace


# --- a training in progress -----------------------------------------------------------------------------------------


def fingerprint(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """SHA-256 of every bit of weights, buffers, optimizer state and random state."""
    found = hashlib.sha256()
    for value in model.state_dict().values():
        found.update(value.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    for state in optimizer.state.values():
        for value in state.values():
            found.update(torch.as_tensor(value).contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    found.update(torch.get_rng_state().numpy().tobytes())
    return found.hexdigest()


def batches(count: int) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        source = torch.randint(3, 50, (4, 7), generator=generator)
        target = torch.randint(3, 50, (4, 6), generator=generator)
        target[:, 0] = 1
        source[0, 4:], target[1, 3:] = 0, 0  # padding
        yield Batch({"source": source, "target": target}, padding=0.1)


def trained_translator(precision: str, every: int | None) -> tuple[str, list[Trace]]:
    """STEPS steps of the loss that training takes; each `every` steps the step is seen before it is made."""
    torch.manual_seed(0)
    model = translator(d_model=8, heads=2, feed_forward=16, encoder_layers=1, decoder_layers=1, dropout=0.2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    def cast() -> AbstractContextManager[Any]:
        return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()

    traces = []
    for step, batch in enumerate(batches(STEPS)):
        if every and step % every == 0:
            traces.append(seen_step(model, batch, cast))
        with cast():
            loss = translation_loss(model, batch, 0.1).total
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return fingerprint(model, optimizer), traces


def seen_step(model: Translator, batch: Batch, cast: Callable[[], AbstractContextManager[Any]]) -> Trace:
    def run(_: Any) -> Tensor:
        with cast():
            return translation_loss(model, batch, 0.1).total

    return record(model, run, {}, loss=lambda total: total)


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_a_training_that_is_looked_at_gives_the_same_bits(precision: str) -> None:
    """The fast path: attention as products, dropout from random bytes, the loss fused with its projection."""
    alone, _ = trained_translator(precision, None)
    looked_at, traces = trained_translator(precision, EVERY)
    assert alone == looked_at
    assert len(traces) == STEPS // EVERY
    ops = {step.op for step in traces[-1]}
    assert "_ProjectedCrossEntropy" in ops
    assert "scaled_dot_product_attention" not in ops
    assert not [step.name for step in traces[-1] if step.how == "whole"]
    assert [step.name for step in traces[-1] if step.name.endswith("mask")]


def trained(network: Network, every: int | None) -> str:
    model, inputs = network.made(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    torch.manual_seed(1)
    for step in range(STEPS):
        if every and step % every == 0:
            capture(model, *inputs, loss=network.loss, **network.settings)
        network.loss(model(*inputs, **network.settings)).backward()
        if step % 2:  # the gradients of two steps are added up; the captures fall between
            optimizer.step()
            optimizer.zero_grad()
    return fingerprint(model, optimizer)


@pytest.mark.parametrize("name", ["MLP", "CNN", "in place"])
def test_so_does_one_with_batch_norm_dropout_and_accumulated_gradients(name: str) -> None:
    assert trained(NETWORKS[name], None) == trained(NETWORKS[name], EVERY)


def test_gradients_shown_are_those_before_scaling_accumulation_and_clipping() -> None:
    """Whatever stands in .grad: a loss scaled for half precision, two batches added up, a norm that was cut."""
    network = NETWORKS["MLP"]
    model, inputs = network.made(torch.float32)
    model.eval()
    plain = torch.autograd.grad(network.loss(model(*inputs)), list(model.parameters()))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for _ in range(2):
        scaler.scale(network.loss(model(*inputs))).backward()  # type: ignore[no-untyped-call]
    trace = capture(model, *inputs, loss=network.loss)
    for (name, parameter), expected in zip(model.named_parameters(), plain, strict=True):
        torch.testing.assert_close(trace.gradients[trace[name]], expected, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(trace[name].gradient, expected, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(parameter.grad, 2048 * expected, rtol=1e-5, atol=1e-4)
    nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    after = capture(model, *inputs, loss=network.loss)
    assert torch.equal(after.gradients[after["0.weight"]], trace.gradients[trace["0.weight"]])
