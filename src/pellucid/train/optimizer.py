"""What turns gradients into new weights: Muon for the matrices between layers with AdamW for all else, AdamW alone, or
one of the textbook's (classic.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from pellucid.config import TrainingConfig
from pellucid.train.classic import classic_optimizer

EPSILON = 1e-9  # of AdamW (Vaswani et al., 2017, section 5.3)
MOMENTUM = 0.95  # of Muon (Jordan et al., 2024)
ITERATIONS = 5  # of Newton and Schulz
QUINTIC = (3.4445, -4.7750, 2.0315)  # their coefficients: steep at 0, near 1 on [0.7, 1.2] (Jordan et al., 2024)
Coefficients = tuple[float, float, float]
AS_ADAM = 0.2  # the root mean square of Adam's updates (Liu et al., 2025, section 2.2)


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is made orthogonal, so that all directions of a layer learn at one speed, not the few alone
    that dominate its gradient.

        m <- 0.95 m + 0.05 g,    o = orthogonal(0.05 g + 0.95 m),    w <- w (1 - lr wd) - lr 0.2 sqrt(max(out, in)) o

    The factor makes an update as large as one of Adam's, so that one learning rate serves both. Parameters that are no
    matrix between layers (embeddings, biases, norms) go by AdamW. PyTorch's own `torch.optim.Muon` makes the same
    update, one matrix at a time, and its groups have the same settings; here those of one shape are made orthogonal
    together, which takes half the time on a CPU at d = 128 (bench/optimizers.py).
    Sources: Jordan et al., "Muon", 2024; Liu et al., "Muon is scalable for LLM training", 2025; Loshchilov & Hutter,
    2017 (AdamW).
    """

    def __init__(
        self,
        matrices: Sequence[Tensor],
        rest: Sequence[Tensor],
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`dtype` is what matrices are made orthogonal in. Raises ValueError for one that has not two dimensions."""
        if any(matrix.dim() != 2 for matrix in matrices):
            raise ValueError("Muon takes matrices: all others belong into `rest`")
        turned = {
            "momentum": MOMENTUM,
            "nesterov": True,
            "ns_steps": ITERATIONS,
            "ns_coefficients": QUINTIC,
            "adjust_lr_fn": "match_rms_adamw",
            "dtype": dtype,
        }
        adapted = {"betas": betas, "eps": EPSILON, "amsgrad": False}
        groups = [{"params": list(matrices), **turned}, {"params": list(rest), **adapted}]
        defaults = {"lr": learning_rate, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            given = [parameter for parameter in group["params"] if parameter.grad is not None]
            if given:
                (self._turn if "momentum" in group else self._adapt)(group, given)
        return loss

    def _turn(self, group: dict[str, Any], given: list[Tensor]) -> None:
        momentum, rate = group["momentum"], group["lr"]
        gradients: Any = [parameter.grad for parameter in given]
        buffers = [self._kept(parameter, "momentum_buffer") for parameter in given]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, buffers, momentum)
        updates = orthogonal_together(ahead, group["dtype"], group["ns_steps"], group["ns_coefficients"])
        torch._foreach_mul_(given, 1 - rate * group["weight_decay"])
        for parameter, update in zip(given, updates, strict=True):
            parameter.add_(update, alpha=-rate * AS_ADAM * max(parameter.shape) ** 0.5)

    def _adapt(self, group: dict[str, Any], given: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        adamw(
            given,
            [parameter.grad for parameter in given],  # type: ignore[misc]
            [self._kept(parameter, "exp_avg") for parameter in given],
            [self._kept(parameter, "exp_avg_sq") for parameter in given],
            [],
            [self._kept(parameter, "step", scalar=True) for parameter in given],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _kept(self, parameter: Tensor, name: str, scalar: bool = False) -> Tensor:
        """What is remembered of a parameter, 0 at first."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros((), device=parameter.device) if scalar else torch.zeros_like(parameter)
        return state[name]  # type: ignore[no-any-return]


def orthogonal_together(
    matrices: Sequence[Tensor], dtype: torch.dtype, steps: int = ITERATIONS, coefficients: Coefficients = QUINTIC
) -> list[Tensor]:
    """Each matrix made orthogonal; those of one shape, or one on its side, at once."""
    found = list(matrices)
    alike: dict[tuple[int, int], list[int]] = {}
    for number, matrix in enumerate(matrices):
        low, high = sorted(matrix.shape)
        alike.setdefault((low, high), []).append(number)
    for numbers in alike.values():
        lying = [m.mT if m.size(0) > m.size(1) else m for m in (matrices[number] for number in numbers)]
        turned = orthogonal(torch.stack([m.to(dtype) for m in lying]), steps, coefficients)
        for number, matrix in zip(numbers, turned, strict=True):
            found[number] = (matrix.mT if matrices[number].size(0) > matrices[number].size(1) else matrix).float()
    return found


def orthogonal(x: Tensor, steps: int = ITERATIONS, coefficients: Coefficients = QUINTIC) -> Tensor:
    """Near U V^T of each matrix's singular value decomposition U S V^T, by products alone.

        x <- x / ||x||,    then 5 times    x <- a x + (b A + c A A) x,    A = x x^T

    Singular values end between 0.7 and 1.2, save those near 0.
    Shapes: (matrix, low, high) with low <= high -> the same.
    Sources: Bernstein & Newhouse, 2024; Jordan et al., 2024.
    """
    a, b, c = coefficients
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x


def set_momentum(optimizer: torch.optim.Optimizer, momentum: float | None) -> None:
    """The memory of the gradients before, of optimizers that have one: momentum, or the first beta. None: as it is."""
    if momentum is None:
        return
    for group in optimizer.param_groups:
        if group.get("momentum"):
            group["momentum"] = momentum
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])


def make_optimizer(model: nn.Module, training: TrainingConfig, precision: str = "float32") -> torch.optim.Optimizer:
    """The optimizer that the config names, its rate to be set before each step by train/schedule.py."""
    betas = (training.beta1, training.beta2)
    if training.optimizer == "adamw":  # its update of all weights in one pass (Loshchilov & Hutter, 2017)
        return torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=betas, eps=EPSILON, weight_decay=training.weight_decay, fused=True
        )
    if training.optimizer != "muon":
        return classic_optimizer(model, training)
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    layers = [m.weight for m in model.modules() if isinstance(m, nn.Linear) and id(m.weight) not in tables]
    own = {id(weight) for weight in layers}
    return Muon(
        layers,
        [parameter for parameter in model.parameters() if id(parameter) not in own],
        learning_rate=0.0,
        betas=betas,
        weight_decay=training.weight_decay,
        dtype=torch.bfloat16 if precision == "bfloat16" else torch.float32,
    )
