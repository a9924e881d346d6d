"""The gradient of a multilayer perceptron without autograd: the same products, one after another, and no graph of them.

On a network of a few thousand numbers the graph, its nodes and the modules around them take longer than the products
(bench/ladder.py). For training only: to look into such a network `see` opens the modules of models/mlp.py as ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pellucid.models.mlp import MLP
from pellucid.nn.dense import Dense
from pellucid.nn.derivatives import DERIVATIVES, IN_PLACE, Derivative
from pellucid.nn.dropout import dropout_mask


@dataclass(frozen=True, slots=True)
class Linear:
    """Of one layer, in the memory of the parameters themselves: the weights and their gradients."""

    weight: Float[Tensor, "outputs inputs"]
    turned: Float[Tensor, "inputs outputs"]
    bias: Float[Tensor, " outputs"]
    weight_gradient: Float[Tensor, "outputs inputs"]
    bias_gradient: Float[Tensor, " outputs"]

    @classmethod
    def of(cls, linear: nn.Linear) -> "Linear":
        """Raises ValueError if a gradient has no place yet."""
        weight, bias = linear.weight, linear.bias
        if weight.grad is None or bias.grad is None:
            raise ValueError("each parameter needs a tensor in .grad for its gradient")
        detached = weight.detach()
        return cls(detached, detached.t(), bias.detach(), weight.grad, bias.grad)

    def take(self, upstream: Float[Tensor, "batch outputs"], x: Float[Tensor, "batch inputs"], add: bool) -> None:
        """dL/dW = u^T x and dL/db = sum of u over the batch, added to what is there or put in its place."""
        if add:
            self.weight_gradient.addmm_(upstream.t(), x)
            self.bias_gradient.add_(upstream.sum(0))
        else:
            torch.mm(upstream.t(), x, out=self.weight_gradient)
            torch.sum(upstream, 0, out=self.bias_gradient)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden layer: what it computes, and the way back through it."""

    linear: Linear
    activation: Callable[[Tensor], Tensor]
    derivative: Derivative
    rate: float
    residual: bool

    @classmethod
    def of(cls, layer: Dense) -> "Hidden":
        activation = IN_PLACE.get(layer.name, layer.activation)
        return cls(Linear.of(layer.linear), activation, DERIVATIVES[layer.name], layer.dropout.rate, layer.residual)


Kept = tuple[Hidden, Tensor, Tensor, Tensor, Tensor | None]  # with its inputs, sums, activations, and dropout's mask


class MLPGradient:
    """`forward` gives what the network gives; `backward` puts into each parameter's .grad what autograd would.

        u_depth = dL/dy,    dL/dW_k = u_k^T h_{k-1},    dL/db_k = sum u_k,    u_{k-1} = m g'(.) (u_k W_k) [+ u_k]

    Made for a network whose every parameter has its .grad; neither these nor the weights may be replaced by other
    tensors later, and changing them in place is what this is for. A backward pass is of the forward pass before it.
    Source: Rumelhart, Hinton & Williams, 1986.
    """

    def __init__(self, model: MLP) -> None:
        self.model = model
        self.hidden = [Hidden.of(cast(Dense, layer)) for layer in model.layers]
        self.output = Linear.of(model.output)
        self._kept: list[Kept] = []

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        kept: list[Kept] = []
        drops = self.model.training
        for layer in self.hidden:
            linear = layer.linear
            sums = torch.addmm(linear.bias, x, linear.turned)
            active = layer.activation(sums)
            mask = dropout_mask(active, layer.rate) if drops and layer.rate else None
            kept.append((layer, x, sums, active, mask))
            left = active if mask is None else active * mask
            x = x + left if layer.residual else left
        self._kept, self._last = kept, x
        output = self.output
        return torch.addmm(output.bias, x, output.turned)

    def backward(self, upstream: Float[Tensor, "batch outputs"], add: bool = True) -> None:
        """From dL/dy. With `add` to the gradients that are there, else in their place."""
        linear, past = self.output, None  # what reaches the layer before by its residual
        linear.take(upstream, self._last, add)
        for layer, x, sums, active, mask in reversed(self._kept):
            arrived = torch.mm(upstream, linear.weight)
            if past is not None:
                arrived = arrived + past
            upstream = layer.derivative(arrived if mask is None else arrived * mask, sums, active)
            linear, past = layer.linear, arrived if layer.residual else None
            linear.take(upstream, x, add)
