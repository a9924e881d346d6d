"""The multilayer perceptron: fully connected layers one after another, then a weighted sum for each output.

Without a hidden layer it is linear regression, and with softmax behind it logistic regression.
"""

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pellucid.config import Config
from pellucid.nn.dense import Dense

Activation = Literal["relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus"]


class MLPConfig(Config):
    """The size and kind of a multilayer perceptron."""

    width: int = Field(64, ge=1, description="neurons in each hidden layer")
    depth: int = Field(2, ge=0, le=1000, description="hidden layers; 0: linear in the inputs")
    activation: Activation = Field("relu", description="g in the hidden layers")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of neurons switched off during training")
    norm: Literal["none", "layer", "batch"] = Field(
        "none", description="before each activation: layer norm (of a row), batch norm (of a neuron), or none"
    )
    residual: bool = Field(False, description="add what came into a hidden layer to what comes out, from the second on")


class MLP(nn.Module):
    """h_0 = x,  h_k = dropout(g(norm(h_{k-1} W_k^T + b_k))) [+ h_{k-1}],  y = h_depth W^T + b

    Shapes: (batch, inputs) -> (batch, outputs).
    Source: Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986.
    """

    def __init__(self, config: MLPConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Dense(
                config.width if number else inputs,
                config.width,
                config.activation,
                config.dropout,
                residual=config.residual and number > 0,
                norm=config.norm,
            )
            for number in range(config.depth)
        )
        self.output = nn.Linear(config.width if config.depth else inputs, outputs)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        for layer in self.layers:
            x = layer(x)
        return self.output(x)  # type: ignore[no-any-return]


def has_norms(model: MLP) -> bool:
    """Whether anything stands between its weights and its activations."""
    return any(not isinstance(layer.norm, nn.Identity) for layer in model.layers)
