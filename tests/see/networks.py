"""The networks of the proofs: each as its author wrote it, with a batch and a loss, and none knows that it is seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.see.capture import capture
from pellucid.see.trace import Trace

SOURCE, TARGET = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([[1, 3, 4], [1, 5, 6]])
WANTED = torch.tensor([3, 4, 2, 5, 6, 2])


def squares(output: Any) -> Tensor:
    return (output**2).mean()


def next_tokens(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), WANTED, label_smoothing=0.1)


def hook_count(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    tensors = sum(len(one._backward_hooks or ()) for one in [*model.parameters(), *model.buffers()])
    return tensors + sum(len(getattr(one, kind)) for one in model.modules() for kind in kinds)


class Sequence(nn.Module):
    """A recurrent layer, and what it says at each step."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.recurrent = kind(3, 4, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.recurrent(x)[0]


class Branching(nn.Module):
    """An if and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, times: int = 3) -> Tensor:
        for _ in range(times):
            x = self.layer(x).tanh() if x.sum() > 0 else -x + self.layer(x)
        return x


class InPlace(nn.Module):
    """Writes into its own results, directly and through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        y += 1
        y[:, 0] = y[:, 1] * 2
        y[0].mul_(3)
        return F.relu_(y) * y


def translator(**changes: Any) -> Translator:
    sizes = {"d_model": 16, "heads": 4, "feed_forward": 32, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.1}
    return Translator(TranslatorConfig.parse({**sizes, **changes}), 50)


def transformer() -> nn.Module:
    return nn.Transformer(16, 4, 2, 2, 32, batch_first=True)


def llama() -> nn.Module:
    """A decoder of Hugging Face with rotary positions, keys that heads share, RMS norms and SwiGLU; random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 30, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    config = LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2)
    return LlamaForCausalLM(config)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Network:
    """`inputs` are made after the seed is set; `training` is the mode in which the network is seen."""

    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Tensor, ...]]
    loss: Callable[[Any], Tensor] = squares
    training: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def made(self, dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, ...]]:
        torch.manual_seed(0)
        model = self.build().to(dtype).train(self.training)
        return model, tuple(one.to(dtype) if one.is_floating_point() else one for one in self.inputs())

    def traced(self, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Trace]:
        model, inputs = self.made(dtype)
        return model, capture(model, *inputs, loss=self.loss, **self.settings)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, groups=2),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(6, 3),
    )


def images() -> tuple[Tensor, ...]:
    return (torch.randn(2, 1, 12, 12),)


def classes(output: Tensor) -> Tensor:
    return F.cross_entropy(output, torch.tensor([0, 2]))


def sentences() -> tuple[Tensor, ...]:
    return SOURCE, TARGET


def vectors() -> tuple[Tensor, ...]:
    return torch.randn(2, 4, 16), torch.randn(2, 3, 16)


def rows(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.randn(*shape),)


NETWORKS: dict[str, Network] = {
    "neuron": Network(lambda: nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), rows(2, 3)),
    "MLP": Network(
        lambda: nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.LayerNorm(5), nn.Dropout(0.5), nn.Linear(5, 2)),
        rows(4, 3),
    ),
    "CNN": Network(cnn, images, classes),
    "CNN in evaluation": Network(cnn, images, classes, training=False),
    "RNN": Network(lambda: Sequence(nn.RNN), rows(2, 5, 3)),
    "LSTM": Network(lambda: Sequence(nn.LSTM), rows(2, 5, 3)),
    "GRU": Network(lambda: Sequence(nn.GRU), rows(2, 5, 3)),
    "translator": Network(translator, sentences, next_tokens),
    "translator in evaluation": Network(translator, sentences, next_tokens, training=False),
    "post-norm translator": Network(lambda: translator(norm="post", positions="learned"), sentences, next_tokens),
    "nn.Transformer": Network(transformer, vectors),
    "nn.Transformer in evaluation": Network(transformer, vectors, training=False),
    "Llama": Network(
        llama,
        lambda: (torch.tensor([[3, 4, 5, 6], [7, 8, 9, 2]]),),
        lambda output: F.cross_entropy(output.logits.flatten(0, 1), torch.tensor([4, 5, 6, 1, 8, 9, 2, 1])),
        settings={"use_cache": False},
    ),
    "if and loop": Network(Branching, rows(2, 4)),
    "in place": Network(InPlace, rows(2, 4)),
}


def network(name: str, dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, ...], Callable[[Any], Tensor]]:
    """The model, its inputs and its loss."""
    return *NETWORKS[name].made(dtype), NETWORKS[name].loss


def traced(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Trace]:
    return NETWORKS[name].traced(dtype)
