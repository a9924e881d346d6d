"""Recurrent layers, looked at over time: how much of the gradient comes back to each of the steps before, what the
tokens there would have told, and how many of the gates stand on their flats. PyTorch's fused layers say neither; both
are worked out again from the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.recurrent import GRU, LSTM, Recurrent
from pellucid.tasks.task import Sample
from pellucid.train.diagnosis.references import told_from
from pellucid.train.listening import FLAT_SIGMOID

STRETCHES = 128  # read, of those of the sample
FARTHEST = 32  # steps back


@dataclass(frozen=True)
class ThroughTime:
    """By steps back from the last answer: what the loss there sends back, as a share of the most, and what the token
    there tells of the answer by itself (nats). `gates`: of each gated layer the share of numbers on their flats.
    """

    place: str
    shares: Sequence[float]
    told: Sequence[float]
    guess: float  # nats of an answer without any token
    gates: Mapping[str, float]


def through_time(model: nn.Module, train: Sample, held_out: Sample) -> ThroughTime | None:
    """None where nothing is recurrent, or the examples are not rows of tokens and what comes next in them."""
    layers = {name: one for name, one in model.named_modules() if isinstance(one, Recurrent)}
    if not layers or train.inputs.dim() != 2 or train.targets.shape != train.inputs.shape:
        return None
    tokens, asked = held_out.inputs[:STRETCHES], held_out.targets[:STRETCHES]
    place, first = next(iter(layers.items()))
    fed: list[Tensor] = []
    seen: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def leaf(module: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        fed.append(inputs[0].detach().requires_grad_())
        return fed[-1], inputs[1]

    def keep(name: str):  # type: ignore[no-untyped-def]
        return lambda module, inputs, output: seen.update({name: (inputs[0].detach(), inputs[1], output[0].detach())})

    hooks = [first.register_forward_pre_hook(leaf)]
    hooks += [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    try:
        model.eval()
        with torch.enable_grad():
            loss = F.cross_entropy(model(tokens)[:, -1], asked[:, -1])
            (gradient,) = torch.autograd.grad(loss, fed[0])
    finally:
        for hook in hooks:
            hook.remove()
    norms = gradient.norm(dim=(0, 2)).flip(0)[:FARTHEST]
    most = float(norms.max())
    told, guess = told_from(train, held_out, len(norms))
    gates = {name: flat_gates(layers[name], *held) for name, held in seen.items()}
    return ThroughTime(
        place,
        (norms / most).tolist() if most > 0 else [0.0] * len(norms),
        told,
        guess,
        {name: share for name, share in gates.items() if share is not None},
    )


def flat_gates(
    layer: Recurrent,
    x: Float[Tensor, "batch time input"],
    state: Float[Tensor, "states batch hidden"],
    outputs: Float[Tensor, "batch time hidden"],
) -> float | None:
    """The share of a gated layer's gates that are within 0.03 of 0 or 1; None of a plain one.

    The outputs are known, so that no step waits for the one before:

        gates_t = sigmoid(W_x x_t + b_x + W_h h_{t-1} + b_h)
    """
    if not isinstance(layer, LSTM | GRU):
        return None
    with torch.no_grad():
        before = torch.cat([state[0][:, None], outputs[:, :-1]], dim=1)
        parts = (layer.from_input(x) + layer.from_state(before)).chunk(layer.gates, dim=-1)
        gates = torch.cat([parts[place] for place in ((0, 1, 3) if isinstance(layer, LSTM) else (0, 1))], -1).sigmoid()
        return float(((gates < FLAT_SIGMOID) | (gates > 1 - FLAT_SIGMOID)).float().mean())
