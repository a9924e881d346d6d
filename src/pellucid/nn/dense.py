"""A fully connected layer: every neuron weighs all that came in, adds its bias, and answers by its activation."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}


class Dense(nn.Module):
    """y = dropout(g(x W^T + b)), and with `residual` y = x + dropout(g(x W^T + b)).

    Shapes: (batch, inputs) -> (batch, outputs). Raises ValueError for an unknown activation, or a residual between
    different widths.
    Sources: Rosenblatt, "The Perceptron", 1958; He et al., 2015 (residuals).
    """

    def __init__(
        self, inputs: int, outputs: int, activation: str = "relu", dropout: float = 0.0, *, residual: bool = False
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is none of {', '.join(ACTIVATIONS)}")
        if residual and inputs != outputs:
            raise ValueError(f"a residual needs equal widths, not inputs={inputs} and outputs={outputs}")
        self.name = activation
        self.activation = ACTIVATIONS[activation]
        self.residual = residual
        self.linear = nn.Linear(inputs, outputs)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        y = self.dropout(self.activation(self.linear(x)))
        return x + y if self.residual else y  # type: ignore[no-any-return]
