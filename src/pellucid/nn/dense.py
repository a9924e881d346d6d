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


class RowBatchNorm(nn.BatchNorm1d):
    """Each number moved to mean 0 and variance 1 over the rows of a batch, then scaled and moved by what is learned.

        y = (x - mean) / sqrt(var + 1e-5) w + b

    While training, mean and variance are those of the batch, and running averages of them are kept, by which it goes in
    evaluation. A batch of one row has no variance: it goes by the averages as well.
    Shapes: (batch, outputs) -> the same. Source: Ioffe & Szegedy, "Batch Normalization", 2015.
    """

    def forward(self, x: Float[Tensor, "batch outputs"]) -> Float[Tensor, "batch outputs"]:
        if self.training and x.size(0) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, eps=self.eps)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "layer": nn.LayerNorm,
    "batch": RowBatchNorm,
}


class Dense(nn.Module):
    """y = dropout(g(norm(x W^T + b))), and with `residual` y = x + that.

    `norm` is none, layer (over the numbers of a row) or batch (over the rows, of each number).
    Shapes: (batch, inputs) -> (batch, outputs). Raises ValueError for an unknown activation or norm, or a residual
    between different widths.
    Sources: Rosenblatt, "The Perceptron", 1958; He et al., 2015 (residuals); Ba et al., 2016 (layer norm).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: str = "relu",
        dropout: float = 0.0,
        *,
        residual: bool = False,
        norm: str = "none",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is none of {', '.join(ACTIVATIONS)}")
        if residual and inputs != outputs:
            raise ValueError(f"a residual needs equal widths, not inputs={inputs} and outputs={outputs}")
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r} is none of {', '.join(NORMS)}")
        self.name = activation
        self.activation = ACTIVATIONS[activation]
        self.residual = residual
        self.linear = nn.Linear(inputs, outputs)
        self.norm = NORMS[norm](outputs)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        y = self.dropout(self.activation(self.norm(self.linear(x))))
        return x + y if self.residual else y  # type: ignore[no-any-return]
