"""How many numbers of a network training sets."""

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Trained numbers, a tied table counted once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
