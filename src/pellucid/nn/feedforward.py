"""The feed-forward network of a Transformer block: two layers applied to each position by itself."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.dropout import Dropout

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


class FeedForward(nn.Module):
    """FFN(x) = g(x W_1 + b_1) W_2 + b_2, with g the activation.

    Shapes: (batch, position, model) -> (batch, position, model). Raises ValueError for an unknown activation.
    Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.3.
    """

    def __init__(self, model: int, inner: int, activation: str = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is none of {', '.join(ACTIVATIONS)}")
        self.activation = ACTIVATIONS[activation]
        self.wide = nn.Linear(model, inner)
        self.dropout = Dropout(dropout)
        self.narrow = nn.Linear(inner, model)

    def forward(self, x: Float[Tensor, "batch position model"]) -> Float[Tensor, "batch position model"]:
        return self.narrow(self.dropout(self.activation(self.wide(x))))  # type: ignore[no-any-return]
