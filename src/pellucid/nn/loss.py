"""Cross-entropy: how surprised the model is by the right next token, averaged over tokens.

Two forms of one number: the plain one, from logits, and one fused with the projection to the vocabulary, which
makes the gradients while it goes forward, a slice of tokens at a time, so that the logits of a batch (tokens times
vocabulary, by far the largest tensor of a training) never exist as a whole.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

TINY = torch.finfo(torch.float32).tiny  # a share below it counts as this one; its logarithm is -87
ROUND = 64  # tokens are filled up to a multiple of it: fewer shapes, for each of which a kernel would be compiled
SLICE = 512  # tokens at a time: 512 x 8,000 logits stay near the cache; measured by bench/train_translation.py

_nll, _nll_backward = torch.ops.aten.nll_loss_forward.default, torch.ops.aten.nll_loss_backward.default
_log_softmax_backward = torch.ops.aten._log_softmax_backward_data.default
MEAN, NONE_LEFT_OUT = 1, -100  # what these take for reduction="mean" and for ignore_index


@functools.cache
def _one(dtype: torch.dtype) -> Tensor:
    """The gradient of a loss with respect to itself."""
    return torch.ones((), dtype=dtype)


def cross_entropy(
    logits: Float[Tensor, "token vocabulary"], target: Int[Tensor, " token"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """L = -mean_t sum_v y_tv log softmax(z_t)_v, with y = (1 - e) onehot(target) + e / V.

    Smoothing keeps the model from being certain. Source: Szegedy et al., 2015, section 7.
    """
    return F.cross_entropy(logits, target, label_smoothing=smoothing)


def cross_entropy_and_gradient(
    logits: Float[Tensor, "token vocabulary"], target: Int[Tensor, " token"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "token vocabulary"]]:
    """`cross_entropy(logits, target)` and dL/dz = (softmax(z) - onehot(target)) / tokens, without autograd's graph.

    By the operations that autograd would call, so that the numbers are the same to the bit.
    """
    logs = torch.log_softmax(logits, dim=1)
    loss, total = _nll(logs, target, None, MEAN, NONE_LEFT_OUT)
    upstream = _nll_backward(_one(loss.dtype), logs, target, None, MEAN, NONE_LEFT_OUT, total)
    return loss, _log_softmax_backward(upstream, logs, 1, logs.dtype)


def with_gradient(loss: Callable[[Tensor], Tensor], outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Any loss of a network's outputs, and its gradient with respect to them by autograd."""
    outputs = outputs.detach().requires_grad_()
    found = loss(outputs)
    (gradient,) = torch.autograd.grad(found, outputs)
    return found.detach(), gradient


def projected_cross_entropy(
    hidden: Float[Tensor, "token model"],
    weight: Float[Tensor, "vocabulary model"],
    target: Int[Tensor, " token"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """`cross_entropy(hidden W^T, target)`, fused: bench/train_translation.py shows what it saves of a step.

    Matrix products and softmax run in the autocast type where autocast is on, else in the type of `hidden`.
    """
    return _ProjectedCrossEntropy.apply(hidden, weight, target, smoothing)  # type: ignore[no-any-return, no-untyped-call]


class _ProjectedCrossEntropy(torch.autograd.Function):
    """With p = softmax(z), z = x W^T and V tokens in the vocabulary:

        L = mean_t( log sum e^z - (1 - e) z_target - e mean_v z )        dL/dz = (p - (1 - e) onehot - e / V) / tokens

    Everything that is the same for all tokens of the vocabulary (mean_v z, e / V) is taken through W's mean row,
    so that the only passes over tokens x vocabulary are the three matrix products and one softmax.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with torch.autocast(device, enabled=False):
            tokens = len(target)
            narrow, mean_row = weight.to(dtype), weight.float().mean(dim=0)
            x = F.pad(hidden.to(dtype), (0, 0, 0, -tokens % ROUND))  # rows of zeros add nothing to a gradient
            target = F.pad(target, (0, -tokens % ROUND))
            grad_x, grad_weight = torch.empty_like(x), torch.zeros_like(weight, dtype=torch.float32)
            total = -smoothing * (x.float().sum(dim=0) @ mean_row)
            for start in range(0, tokens, SLICE):
                part = slice(start, start + SLICE)
                asked = target[part, None]
                logits = x[part] @ narrow.T
                right = logits.gather(1, asked)
                shares = logits.softmax(dim=-1)
                share = shares.gather(1, asked)
                log_share = share.float().clamp_min(TINY).log_()
                # log sum e^z = z_target - log p_target
                total += (smoothing * right.float() - log_share)[: tokens - start].sum()
                shares.scatter_(1, asked, share + (smoothing - 1))  # scatter_add_ would copy all shares to float32
                torch.mm(shares, narrow, out=grad_x[part])
                grad_weight += shares.T @ x[part]
            grad_hidden = (grad_x[:tokens].float() - smoothing * mean_row) / tokens
            grad_weight = (grad_weight - x.float().sum(dim=0) * (smoothing / len(weight))) / tokens
        ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight.to(weight.dtype))
        return total / tokens

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * upstream[0], grad_weight * upstream[0], None, None
