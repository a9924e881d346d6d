"""The first values of a network's weight matrices: how large they are decides whether a signal survives many layers.

Each network has values of its own that suit it; these replace them, to compare or to see what a bad beginning does.
Stands behind the building of a network, before its training.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.models.parameters import TABLES, weight_matrices

Network = TypeVar("Network", bound=nn.Module)


def initialized(model: Network, training: TrainingConfig) -> Network:
    """The network, its weight matrices drawn anew from torch's global generator, as the config says.

        default   as the network has them
        zeros     w = 0: all neurons of a layer get one gradient and stay alike
        normal    w ~ N(0, s^2), with s = initialization_std
        xavier    w ~ U(-a, a), a = sqrt(6 / (in + out)): keeps variances both ways around tanh
        he        w ~ N(0, 2 / in): keeps them forward under ReLU, which lets half through

    Each as PyTorch's `nn.init` draws it (zeros_, normal_, xavier_uniform_, kaiming_normal_), in the order of the
    network; the biases of these layers become 0. Tables of embeddings, norms and biases of norms stay.
    Sources: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010; He et
    al., "Delving Deep into Rectifiers", 2015.
    """
    if training.initialization == "default":
        return model
    draw: dict[str, Callable[[Tensor], Tensor]] = {
        "zeros": nn.init.zeros_,
        "normal": lambda weight: nn.init.normal_(weight, std=training.initialization_std),
        "xavier": nn.init.xavier_uniform_,
        "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    }
    drawn = {id(weight) for weight in weight_matrices(model).values()}
    for weight in weight_matrices(model).values():
        draw[training.initialization](weight)
    with torch.no_grad():
        for module in model.modules():
            bias = getattr(module, "bias", None)
            if isinstance(bias, Tensor) and not isinstance(module, TABLES) and id(module.weight) in drawn:
                bias.zero_()
    return model
