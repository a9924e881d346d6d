"""Penalties on large weights: what is added to the loss, so that a network explains its data with less.

They are part of the loss that is minimized; their gradients are added in closed form to those of the data, once a step,
before clipping. L1 goes another way by default, after the step, since only there a weight becomes exactly 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.models.parameters import weight_matrices
from pellucid.nn.proximal import scale_of, shrunk


class Penalties:
    """P(w) = l1 sum |w| + l2 / 2 sum w^2 over the weight matrices of a network; with both it is the elastic net.

    Of l2 the gradient is l2 w: every weight shrinks in proportion to itself, and none becomes 0. Of l1 it is
    l1 sign(w): every weight shrinks alike. A subgradient steps over 0 and back; the proximal step stops there:

        w <- sign(w) max(|w| - lr l1 / s, 0)    after the optimizer's step

    where s is what the optimizer divides the gradient of each number by (nn/proximal.py): 1 for plain descent, 1 - mu
    with momentum, sqrt(v) + e for Adam, AdamW and RMSProp. So all of these end where the loss with its penalty is
    least. Muon has no such number: its matrices are shrunk by lr l1, beside updates of about 0.2 lr.

    Penalized are the weights that models/parameters.py names: matrices of linear, convolutional and recurrent layers,
    neither biases nor norms nor embeddings (but for word vectors, which have nothing else).
    Sources: Hoerl & Kennard, 1970 (l2); Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996; Zou &
    Hastie, 2005 (both); Beck & Teboulle, 2009 (the proximal step); Yun et al., 2021 (with an adaptive optimizer).
    """

    def __init__(self, model: nn.Module, training: TrainingConfig) -> None:
        self.l1, self.l2 = training.l1, training.l2
        self.is_proximal = training.l1_method == "proximal"
        self.weights: Mapping[str, nn.Parameter] = weight_matrices(model) if self.l1 or self.l2 else {}

    def __bool__(self) -> bool:
        return bool(self.weights)

    @property
    def subgradient(self) -> float:
        """The l1 whose gradient is added to the others."""
        return 0.0 if self.is_proximal else self.l1

    @property
    def threshold(self) -> float:
        """The l1 by which weights are shrunk after a step."""
        return self.l1 if self.is_proximal else 0.0

    @torch.no_grad()
    def value(self) -> float:
        """P(w) of now."""
        if not self:
            return 0.0
        weights: list[Tensor] = list(self.weights.values())
        found = torch.zeros((), dtype=torch.float64, device=weights[0].device)
        if self.l1:
            found += self.l1 * torch.stack(list(torch._foreach_norm(weights, 1))).double().sum()
        if self.l2:
            found += self.l2 / 2 * torch.stack(list(torch._foreach_norm(weights))).double().square().sum()
        return found.item()

    @torch.no_grad()
    def add_gradients(self) -> None:
        """g <- g + l2 w + l1 sign(w), the latter not for proximal steps."""
        if not (self.l2 or self.subgradient) or not self:
            return
        for weight in self.weights.values():
            if weight.grad is None:  # nothing else pulls at it
                weight.grad = torch.zeros_like(weight)
        weights: list[Tensor] = list(self.weights.values())
        gradients: list[Tensor] = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        if self.l2:
            torch._foreach_add_(gradients, weights, alpha=self.l2)
        if self.subgradient:
            torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=self.subgradient)

    @torch.no_grad()
    def shrink(self, optimizer: torch.optim.Optimizer) -> None:
        """The proximal step of l1, behind the optimizer's step."""
        if not self.threshold or not self:
            return
        mine = {id(weight) for weight in self.weights.values()}
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if id(weight) in mine:
                    amount = group["lr"] * self.threshold / scale_of(optimizer.state.get(weight, {}), group)
                    weight.copy_(shrunk(weight, amount))

    def sparse(self, averaged: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Averaged weights, 0 where l1 has just made the weight itself 0: an average of the past never is."""
        if not self.threshold:
            return dict(averaged)
        zeros = {name: weight.detach() == 0 for name, weight in self.weights.items()}
        return {
            name: value.masked_fill(zeros[name], 0.0) if name in zeros else value for name, value in averaged.items()
        }
