"""All weights of a small network in one piece of memory, and all their gradients in another.

Each parameter stays what it is, a tensor of its own shape, but a window into that piece. What is done to every number
alike (clearing, clipping, the optimizer's arithmetic, the moving average) is then one operation and not one for each
parameter: on a network of a few thousand numbers these are the larger part of a step (bench/ladder.py).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import optimizer as hooked

LINE = 16  # numbers to a multiple of which each window begins: 64 bytes, where PyTorch's own tensors begin
Hook = Callable[[Any, tuple[Any, ...], dict[str, Any]], object]
LARGEST = 1 << 20  # numbers of a network that gains from it; a larger one's products take far longer than all this


class Flat:
    """Weights and gradients of parameters, which become windows into them. All must be float32 and on the CPU."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self.weights, windows = self.like([parameter.detach() for parameter in parameters])
        self.gradients, slopes = self.like()
        for parameter, window, slope in zip(parameters, windows, slopes, strict=True):
            parameter.data, parameter.grad = window, slope

    def like(self, values: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Another such piece with a value of each parameter, 0 if none are given, and the windows into it.

        Between the windows there are zeros, which nothing that is done to all numbers alike changes.
        """
        sizes = [math.ceil(parameter.numel() / LINE) * LINE for parameter in self.parameters]
        piece = torch.zeros(sum(sizes))
        windows = [
            part[: parameter.numel()].view(parameter.shape)
            for part, parameter in zip(torch.split(piece, sizes), self.parameters, strict=True)
        ]
        if values is not None:
            torch._foreach_copy_(windows, list(values))
        return piece, windows


def flattened(model: nn.Module) -> Flat | None:
    """Its parameters laid flat, or None where that is not possible or of no use."""
    parameters = list(model.parameters())
    plain = all(
        one.requires_grad and one.dtype == torch.float32 and one.device.type == "cpu" and one.layout == torch.strided
        for one in parameters
    )
    if not parameters or not plain or sum(one.numel() for one in parameters) > LARGEST:
        return None
    return Flat(parameters)


def update_of(optimizer: torch.optim.Optimizer, flat: Flat | None) -> Callable[[], object]:
    """The optimizer's step, on flat memory as one operation where it does the same to every number.

    The result is the same but for the last bit of the last few numbers of a parameter, which PyTorch's kernel for one
    computes without vector instructions. What the optimizer remembers of each parameter stays in its `state`, as
    windows. Must be asked for after a state was loaded, as loading puts other tensors there. Who has hooked the step is
    called before and after it as ever.
    """
    at_once = None
    if flat is not None and len(optimizer.param_groups) == 1 and _holds(optimizer, flat):
        if type(optimizer) is torch.optim.AdamW:
            at_once = _adamw(optimizer, flat)
        elif type(optimizer) is torch.optim.SGD:
            at_once = _sgd(optimizer, flat)
    if at_once is None:
        return optimizer.step
    before: tuple[Mapping[int, Hook], ...] = (
        hooked._global_optimizer_pre_hooks,
        optimizer._optimizer_step_pre_hooks,
    )
    after: tuple[Mapping[int, Hook], ...] = (optimizer._optimizer_step_post_hooks, hooked._global_optimizer_post_hooks)
    short = at_once

    def update() -> None:
        for hooks in before:
            for hook in hooks.values():
                hook(optimizer, (), {})
        short()
        for hooks in after:
            for hook in hooks.values():
                hook(optimizer, (), {})

    return update


def _holds(optimizer: torch.optim.Optimizer, flat: Flat) -> bool:
    held = optimizer.param_groups[0]["params"]
    return len(held) == len(flat.parameters) and all(a is b for a, b in zip(held, flat.parameters, strict=True))


def _adamw(optimizer: torch.optim.AdamW, flat: Flat) -> Callable[[], None] | None:
    """The kernel that `torch.optim.AdamW(fused=True)` calls, or None where parameters have taken different steps."""
    group: dict[str, Any] = optimizer.param_groups[0]
    states = [optimizer.state[one] for one in flat.parameters] if optimizer.state else []
    counts = {float(state.get("step", -1.0)) for state in states} or {0.0}
    if len(counts) > 1 or counts == {-1.0} or group["amsgrad"] or group["maximize"] or not group["fused"]:
        return None
    means, mean_windows = flat.like([state["exp_avg"] for state in states] or None)
    squares, square_windows = flat.like([state["exp_avg_sq"] for state in states] or None)
    steps = torch.full((len(flat.parameters),), counts.pop())
    for parameter, step, mean, square in zip(flat.parameters, steps, mean_windows, square_windows, strict=True):
        optimizer.state[parameter] = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
    tensors: Any = [flat.weights], [flat.gradients], [means], [squares], [], [steps[0]]

    def update() -> None:
        steps.add_(1)
        beta1, beta2 = group["betas"]
        torch._fused_adamw_(
            *tensors,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )

    return update


def _sgd(optimizer: torch.optim.SGD, flat: Flat) -> Callable[[], None] | None:
    """w <- w - lr (g + wd w), or None with a momentum."""
    group: dict[str, Any] = optimizer.param_groups[0]
    if group["momentum"] or group["maximize"]:
        return None

    def update() -> None:
        decay, gradient = group["weight_decay"], flat.gradients
        if decay:
            gradient = gradient.add(flat.weights, alpha=decay)
        flat.weights.add_(gradient, alpha=-group["lr"])

    return update
