"""Ours, and ours with one trick switched off at a time, so that each shows what it is worth."""

from typing import Any

from plain_loop import loss as whole_logits
from torch import Tensor, nn

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.nn import dropout
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import translation_loss
from pellucid.train.memory import keep_freed_memory

TRICKS = ("fused loss", "byte dropout", "kept memory")


def build(size: dict[str, Any], vocabulary: int, without: str = "") -> nn.Module:
    """The model with random weights; `without` names one of TRICKS."""
    if without != "kept memory":
        keep_freed_memory()
    model = Translator(TranslatorConfig.parse(size), vocabulary)
    if without == "byte dropout":
        with_plain_dropout(model)
    return model


def with_plain_dropout(model: nn.Module) -> None:
    """Put nn.Dropout, which draws one Bernoulli variable a number, in the place of ours."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, dropout.Dropout):
                setattr(parent, name, nn.Dropout(child.rate))


def loss(model: nn.Module, source: Tensor, target: Tensor, smoothing: float, without: str = "") -> Tensor:
    """Label-smoothed cross-entropy of the target's tokens, its mean over them."""
    if without == "fused loss":
        return whole_logits(model, source, target, smoothing)
    return translation_loss(model, Batch({"source": source, "target": target}, 0.0), smoothing).total
