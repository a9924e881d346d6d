"""The optimizers of the textbook, each PyTorch's own class, with the settings of the config."""

import torch
from torch import nn

from pellucid.config import TrainingConfig

EPSILON = 1e-8  # of Adam and RMSProp, as PyTorch has it


def classic_optimizer(model: nn.Module, training: TrainingConfig) -> torch.optim.Optimizer:
    """Plain or heavy-ball or Nesterov's gradient descent, RMSProp, Adam; the rate is set before each step.

        sgd        w <- w - lr g
        momentum   b <- mu b + g,    w <- w - lr b
        nesterov   b <- mu b + g,    w <- w - lr (g + mu b)
        rmsprop    v <- b2 v + (1 - b2) g^2,    w <- w - lr g / (sqrt(v) + e)
        adam       m <- b1 m + (1 - b1) g,    v as above,    w <- w - lr m^ / (sqrt(v^) + e)

    with g <- g + wd w before all else: their weight decay is an l2 penalty of all parameters, as in PyTorch. For sgd
    that is the decoupled one, for the others it is not (Loshchilov & Hutter, 2017).
    Raises ValueError for a name that is none of these.
    Sources: Robbins & Monro, 1951; Polyak, 1964; Nesterov, 1983; Tieleman & Hinton, 2012; Kingma & Ba, 2014.
    """
    parameters, decay = list(model.parameters()), training.weight_decay
    match training.optimizer:
        case "sgd":  # no momentum, so that a path is the gradient's own
            return torch.optim.SGD(parameters, lr=0.0, weight_decay=decay)
        case "momentum" | "nesterov":
            ahead = training.optimizer == "nesterov" and training.momentum > 0  # without momentum there is no ahead
            return torch.optim.SGD(parameters, lr=0.0, momentum=training.momentum, nesterov=ahead, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=0.0, alpha=training.beta2, eps=EPSILON, weight_decay=decay)
        case "adam":
            betas = (training.beta1, training.beta2)
            return torch.optim.Adam(parameters, lr=0.0, betas=betas, eps=EPSILON, weight_decay=decay, fused=True)
    raise ValueError(f"{training.optimizer} is none of these")
