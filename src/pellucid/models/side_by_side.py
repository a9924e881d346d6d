"""Several networks that read the same and learn side by side, each for itself: to see what more neurons are worth.

No weight of one depends on another, so their gradients do not either: what is minimized is the sum of their losses.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.models.mlp import MLP, MLPConfig


class SideBySide(nn.Module):
    """y_k = MLP_k(x), one output each.

    Shapes: (batch, inputs) -> (batch, network).
    Source: Cybenko, "Approximation by superpositions of a sigmoidal function", 1989: with one hidden layer that is wide
    enough, y comes as near to any continuous function as one likes.
    """

    def __init__(self, configs: Sequence[MLPConfig], inputs: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(MLP(config, inputs, 1) for config in configs)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch network"]:
        return torch.cat([network(x) for network in self.networks], dim=1)
