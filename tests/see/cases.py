"""One call at least of every operation that the glass knows, in each form in which it is usually called."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.nn.loss import projected_cross_entropy
from pellucid.see.capture import capture
from pellucid.see.trace import Trace


class Calls(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=GENERATOR)


def positive(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=GENERATOR) + 0.1


ANGLES = torch.arange(16.0, dtype=torch.float64)[:, None] / 10000 ** (torch.arange(0.0, 8, 2, dtype=torch.float64) / 8)
SINUSOIDS = torch.stack((ANGLES.sin(), ANGLES.cos()), dim=-1).flatten(1)
FREQUENCIES = 10000 ** (-torch.arange(3.0, dtype=torch.float64) / 3)
COMPARISONS = ("eq", "ne", "not_equal", "lt", "less", "le", "less_equal", "gt", "greater", "ge", "greater_equal")
IDS = torch.tensor([[0, 3, 3], [2, 1, 0]])
MASK = torch.tensor([[True, False, True, True], [False, False, True, True], [True, True, True, False]])
CAUSAL = torch.ones(4, 4, dtype=torch.bool).tril()
WEIGHTS = positive(5)
LSTM_WEIGHTS = [normal(8, 3), normal(8, 2), normal(8), normal(8)]
PROJECTED_WEIGHTS = [normal(12, 3), normal(12, 2), normal(2, 3)]
GRU_WEIGHTS = [normal(6, 3), normal(6, 2), normal(6, 2), normal(6, 2)]


def cell(function: Callable[..., Tensor], gates: int) -> Callable[[Tensor, Tensor], Tensor]:
    weights = [one[: 2 * gates] for one in LSTM_WEIGHTS]
    return lambda x, h: function(x, h, *weights)


def hiding(mask: Callable[[Callable[..., Tensor], Tensor], Tensor], name: str) -> "Case":
    """Numbers hidden where a function of that name says so of ids."""
    function = getattr(torch, name)
    return lambda x, ids: x.masked_fill(mask(function, ids), 0.5), (normal(2, 3), IDS)


Case = tuple[Callable[..., Any], tuple[Tensor, ...]]
CASES: dict[str, Case] = {
    # elementwise
    "add": (lambda a, b: a + b, (normal(3, 4), normal(4))),
    "add with alpha": (lambda a, b: torch.add(a, b, alpha=3), (normal(3, 4), normal(3, 1))),
    "radd": (lambda a: 2.5 + a, (normal(3, 4),)),
    "sub": (lambda a, b: a - b, (normal(3, 4), normal(3, 1))),
    "sub with alpha": (lambda a, b: torch.sub(a, b, alpha=2), (normal(3, 4), normal(3, 4))),
    "rsub": (lambda a: 1 - a, (normal(3, 4),)),
    "mul": (lambda a, b: a * b, (normal(2, 3, 4), normal(3, 1))),
    "mul by itself": (lambda a: a * a, (normal(3, 4),)),
    "rmul": (lambda a: 2 * a, (normal(3, 4),)),
    "div": (lambda a, b: a / b, (normal(3, 4), positive(4))),
    "rtruediv": (lambda a: 2 / a, (positive(3, 4),)),
    "pow": (lambda a: a**3, (normal(3, 4),)),
    "pow of two": (lambda a, b: torch.pow(a, b), (positive(3, 4), normal(4))),
    "maximum": (torch.maximum, (normal(3, 4), normal(3, 4))),
    "minimum": (torch.minimum, (normal(3, 4), normal(3, 4))),
    **{name: (getattr(torch, name), (normal(3, 4),)) for name in ("neg", "exp", "square", "abs", "sin", "cos", "erf")},
    **{name: (getattr(torch, name), (positive(3, 4),)) for name in ("log", "sqrt", "rsqrt", "reciprocal")},
    "sigmoid": (torch.sigmoid, (normal(3, 4),)),
    "tanh": (torch.tanh, (normal(3, 4),)),
    "relu": (F.relu, (normal(3, 4),)),
    "relu in place": (lambda a: F.relu(a * 2, inplace=True), (normal(3, 4),)),
    "leaky_relu": (lambda a: F.leaky_relu(a, 0.2), (normal(3, 4),)),
    "clamp": (lambda a: a.clamp(-0.5, 0.7), (normal(3, 4),)),
    "clamp between tensors": (lambda a, b, c: a.clamp(b, c), (normal(3, 4), -positive(4), positive(3, 1))),
    "clamp_min": (lambda a: a.clamp_min(0.2), (normal(3, 4),)),
    "clamp_max": (lambda a: a.clamp_max(0.2), (normal(3, 4),)),
    "clip": (lambda a: torch.clip(a, max=0.2), (normal(3, 4),)),
    "hardtanh": (nn.Hardtanh(-0.5, 0.8), (normal(3, 4),)),
    "relu6": (lambda a: F.relu6(a * 9), (normal(3, 4),)),
    "ReLU6": (nn.ReLU6(), (normal(3, 4) * 9,)),
    "softplus": (lambda a: F.softplus(a * 9) + F.softplus(a, 2.0, 1.5), (normal(3, 4),)),
    "elu": (lambda a: F.elu(a) + F.elu(a, 0.7) + F.selu(a), (normal(3, 4),)),
    "prelu": (lambda a, w, v: F.prelu(a, w) * F.prelu(a, v), (normal(2, 3, 4), normal(3), normal(1))),
    "glu": (lambda a: F.glu(a, 1), (normal(3, 4),)),
    "logsigmoid": (lambda a: F.logsigmoid(a * 30), (normal(3, 4),)),
    "mish": (F.mish, (normal(3, 4),)),
    "hardsigmoid": (lambda a: F.hardsigmoid(a * 3), (normal(3, 4),)),
    "hardswish": (lambda a: F.hardswish(a * 3), (normal(3, 4),)),
    "log1p": (lambda a: torch.log1p(a) + torch.log2(a) * torch.expm1(a), (positive(3, 4),)),
    "subtract": (torch.subtract, (normal(3, 4), normal(4))),
    "multiply": (torch.multiply, (normal(3, 4), normal(4))),
    "multiply by a number that is a tensor": (lambda a, b: a * b.sum(), (normal(3, 4), normal(4))),
    "divide": (torch.divide, (normal(3, 4), positive(4))),
    "true_divide": (torch.true_divide, (normal(3, 4), positive(4))),
    "silu": (F.silu, (normal(3, 4),)),
    "swiglu": (lambda a, b: F.silu(a) * b, (normal(3, 4), normal(3, 4))),
    "gelu": (F.gelu, (normal(3, 4),)),
    "gelu by tanh": (lambda a: F.gelu(a, approximate="tanh"), (normal(3, 4),)),
    # products
    "linear": (F.linear, (normal(2, 3, 4), normal(5, 4), normal(5))),
    "linear without bias": (F.linear, (normal(4), normal(5, 4))),
    "matmul": (torch.matmul, (normal(2, 3, 4), normal(4, 5))),
    "matmul of a vector": (torch.matmul, (normal(4), normal(2, 4, 5))),
    "matmul by a vector": (lambda a, b: a @ b, (normal(2, 3, 4), normal(4))),
    "dot": (torch.dot, (normal(4), normal(4))),
    "bmm": (torch.bmm, (normal(2, 3, 4), normal(2, 4, 5))),
    "addmm": (lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), (normal(5), normal(3, 4), normal(4, 5))),
    "baddbmm": (torch.baddbmm, (normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5))),
    "einsum": (lambda a, b: torch.einsum("bik,bjk->bij", a, b), (normal(2, 3, 4), normal(2, 5, 4))),
    "einsum with an ellipsis": (lambda a, b: torch.einsum("...k,jk->...j", a, b), (normal(2, 3, 4), normal(5, 4))),
    "einsum of one": (lambda a: torch.einsum("ij->j", a), (normal(3, 4),)),
    "einsum of a diagonal": (lambda a: torch.einsum("iij->ij", a), (normal(3, 3, 2),)),
    "einsum of three": (
        lambda a, b, c: torch.einsum("bik,bjk,bjd->bid", a, b, c),
        (normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 2)),
    ),
    "mm": (torch.mm, (normal(3, 4), normal(4, 2))),
    "mv": (torch.mv, (normal(3, 4), normal(4))),
    "addmv": (torch.addmv, (normal(3), normal(3, 4), normal(4))),
    "mT": (lambda a: a @ a.mT, (normal(2, 3, 4),)),
    # reductions
    "sum": (lambda a: a.sum(1), (normal(3, 4, 2),)),
    "sum of all": (torch.sum, (normal(3, 4),)),
    "mean": (lambda a: a.mean((0, 2), keepdim=True), (normal(3, 4, 2),)),
    "amax": (lambda a: a.amax(-1), (normal(3, 4),)),
    "amin": (lambda a: a.amin(0), (normal(3, 4),)),
    "max of all": (lambda a: a.max() * a.min(), (normal(3, 4),)),
    "min along": (lambda a: a.min(0).values, (normal(3, 4),)),
    "max along": (lambda a: a.max(1).values, (normal(3, 4),)),
    "var": (lambda a: a.var(1), (normal(3, 4),)),
    "std": (lambda a: a.std(-1, unbiased=False, keepdim=True), (normal(3, 4),)),
    "prod": (lambda a: a.prod(1) * a.prod(), (normal(2, 3),)),
    "cumsum": (lambda a: a.cumsum(1), (normal(3, 4),)),
    "norm": (lambda a: a.norm() * a.norm(dim=1, keepdim=True) + torch.norm(a, 1, 0), (normal(3, 4),)),
    "normalize": (lambda a: F.normalize(a, dim=-1), (normal(3, 4),)),
    "logsumexp": (lambda a: a.logsumexp(1), (normal(3, 4),)),
    # moving
    "view": (lambda a: a.view(2, 6), (normal(3, 4),)),
    "reshape": (lambda a: a.t().reshape(-1), (normal(3, 4),)),
    "permute": (lambda a: a.permute(2, 0, 1), (normal(2, 3, 4),)),
    "transpose": (lambda a: a.transpose(0, 1), (normal(3, 4),)),
    "T": (lambda a: a.T, (normal(3, 4),)),
    "flatten": (lambda a: a.flatten(1), (normal(2, 3, 4),)),
    "unflatten": (lambda a: a.unflatten(1, (2, 2)), (normal(3, 4),)),
    "squeeze": (lambda a: a.unsqueeze(1).squeeze(1), (normal(3, 4),)),
    "expand": (lambda a: a.expand(2, 3, 4), (normal(3, 1),)),
    "repeat": (lambda a: a.repeat(2, 1), (normal(3, 4),)),
    "repeat_interleave": (lambda a: a.repeat_interleave(2, dim=1), (normal(3, 4),)),
    "getitem": (lambda a: a[1:, ..., [0, 2]], (normal(3, 2, 4),)),
    "getitem by a mask": (lambda a: a[MASK], (normal(3, 4),)),
    "setitem": (lambda a, b: _with(a, b), (normal(3, 4), normal(4))),
    "select": (lambda a: a.select(1, 2), (normal(3, 4),)),
    "index_select": (lambda a: a.index_select(0, torch.tensor([2, 0, 2])), (normal(3, 4),)),
    "gather": (lambda a: a.gather(1, torch.tensor([[0, 0], [3, 1], [2, 2]])), (normal(3, 4),)),
    "chunk": (lambda a: a.chunk(2, dim=1)[0] * a.chunk(2, dim=1)[1], (normal(3, 4),)),
    "split": (lambda a: torch.split(a, [1, 3], dim=1)[1], (normal(3, 4),)),
    "unbind": (lambda a: a.unbind(0)[0] + a.unbind(0)[2], (normal(3, 4),)),
    "cat": (lambda a, b: torch.cat([a, b, a], dim=1), (normal(3, 4), normal(3, 2))),
    "stack": (lambda a, b: torch.stack([a, b]), (normal(3, 4), normal(3, 4))),
    "stacked": (lambda a, b: torch.vstack([a, b]) * torch.hstack([b, a]).view(4, 3), (normal(2, 3), normal(2, 3))),
    "concat": (lambda a, b: torch.concat([a, b]) + torch.concatenate([b, a]), (normal(2, 3), normal(2, 3))),
    "pieces": (
        lambda a: (
            a.split_with_sizes([1, 3], 1)[1] + a.tensor_split(4, dim=1)[2] * a.hsplit(2)[0].sum() + a.vsplit(3)[1][0, 0]
        ),
        (normal(3, 4),),
    ),
    "axes": (
        lambda a: a.movedim(0, 2) * a.swapaxes(0, 1).swapdims(1, 2) + a.moveaxis(0, 2).adjoint().mT,
        (normal(2, 3, 4),),
    ),
    "like another": (lambda a, b: a.view_as(b) * b + a.reshape_as(b) * b.expand_as(b), (normal(3, 4), normal(2, 6))),
    "broadcast": (
        lambda a, b: torch.broadcast_to(a, (3, 4)) + torch.broadcast_tensors(a, b)[1],
        (normal(4), normal(3, 1)),
    ),
    "tile": (lambda a: a.tile(2, 2), (normal(2, 3),)),
    "diagonals": (lambda a: a.diagonal() * a.diag(1).sum() + a.ravel()[:3], (normal(3, 3),)),
    "triu": (lambda a: a.triu(1), (normal(4, 4),)),
    "roll": (lambda a: a.roll(1, dims=1) * a.rot90(2), (normal(3, 4),)),
    "unfold": (lambda a: a.unfold(1, 3, 2), (normal(2, 7),)),
    "take_along_dim": (lambda a: a.take_along_dim(torch.tensor([[0, 0, 3]]), 1), (normal(3, 4),)),
    "masked_select": (lambda a: a.masked_select(MASK), (normal(3, 4),)),
    "masked_scatter": (lambda a, b: a.masked_scatter(MASK, b), (normal(3, 4), normal(12))),
    "masked_fill with a whole number": (lambda a: a.masked_fill(MASK, 3), (normal(3, 4),)),
    "setitem of a whole number": (lambda a: _with(a, 2), (normal(3, 4),)),
    "index_fill": (lambda a: a.index_fill(0, torch.tensor([1]), 2), (normal(3, 4),)),
    "index_copy": (lambda a, b: a.index_copy(0, torch.tensor([2, 0]), b), (normal(3, 4), normal(2, 4))),
    "index_put": (lambda a, b: a.index_put((torch.tensor([0, 2]),), b), (normal(3, 4), normal(2, 4))),
    "scatter": (lambda a, b: a.scatter(1, torch.tensor([[3], [0], [1]]), b), (normal(3, 4), normal(3, 1))),
    "slices put in": (
        lambda a, b: a.select_scatter(b, 0, 1) * a.slice_scatter(b[None], 0, 0, 1),
        (normal(3, 4), normal(4)),
    ),
    "copy": (lambda a, b: (a * 1).copy_(b) * a, (normal(3, 4), normal(4))),
    "copy into a view": (lambda a: _copied_into_a_view(a), (normal(3, 4),)),
    "a view written into, of memory laid out otherwise": (
        lambda a: _through_a_view(a.permute(2, 0, 1).clone()),
        (normal(3, 2, 3),),
    ),
    "zeros into a view": (lambda a: _zeros_into_a_view(a), (normal(3, 4),)),
    "detach": (lambda a: a.t() * a.t().detach() + a.t().contiguous() + a.t().clone(), (normal(3, 4),)),
    "pixel_shuffle": (lambda a: F.pixel_shuffle(a, 2) * F.pixel_unshuffle(a, 1).sum(), (normal(1, 4, 2, 3),)),
    "flip": (lambda a: a.flip(1), (normal(3, 4),)),
    "tril": (lambda a: a.tril(), (normal(4, 4),)),
    "where": (lambda a, b: torch.where(MASK, a, b), (normal(3, 4), normal(3, 4))),
    "masked_fill": (lambda a: a.masked_fill(MASK, -7.5), (normal(3, 4),)),
    "pad": (lambda a: F.pad(a, (1, 2), value=1.5), (normal(3, 4),)),
    "pad by reflection": (lambda a: F.pad(a, (1, 2), mode="reflect"), (normal(1, 3, 4),)),
    "a view written into": (lambda a: _through_a_view(a), (normal(3, 4),)),
    "embedding": (lambda weight: F.embedding(IDS, weight), (normal(5, 4),)),
    "one-hot": (lambda weight: F.one_hot(IDS, 5).double() @ weight, (normal(5, 4),)),
    "type": (lambda a: a.float() * 2, (normal(3, 4),)),
    "types": (
        lambda a: a.half().double() + a.bfloat16().to(a.dtype) + a.type(torch.float32).type_as(a),
        (torch.randint(-8, 8, (3, 4), generator=GENERATOR).double(),),
    ),
    # softmax, norms
    "softmax": (lambda a: F.softmax(a, dim=-1), (normal(3, 4) * 20,)),
    "log_softmax": (lambda a: a.log_softmax(0), (normal(3, 4) * 20,)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (4,), w, b), (normal(2, 3, 4), normal(4), normal(4))),
    "rms_norm": (lambda a, w: F.rms_norm(a, (4,), w), (normal(2, 3, 4), normal(4))),
    "batch_norm": (
        lambda a, w, b: F.batch_norm(a, torch.zeros(3).double(), torch.ones(3).double(), w, b, training=True),
        (normal(5, 3, 2), normal(3), normal(3)),
    ),
    "batch_norm in evaluation": (
        lambda a: F.batch_norm(a, torch.tensor([0.1, -1, 2]).double(), torch.tensor([1.0, 2, 3]).double()),
        (normal(5, 3),),
    ),
    "group_norm": (lambda a, w, b: F.group_norm(a, 2, w, b), (normal(2, 4, 3), normal(4), normal(4))),
    "instance_norm": (
        lambda a, w, b: F.instance_norm(a, weight=w, bias=b),
        (normal(2, 3, 4), normal(3), normal(3)),
    ),
    "dropout": (lambda a: F.dropout(a, 0.4), (normal(30, 4),)),
    "dropout of whole channels": (
        lambda a: F.dropout1d(a, 0.4) + F.dropout2d(a[..., None], 0.4)[..., 0] + torch.feature_dropout(a, 0.4, True),
        (normal(6, 4, 3),),
    ),
    # convolution, pooling
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), (normal(2, 3, 7), normal(4, 3, 3), normal(4))),
    "conv2d": (
        lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        (normal(2, 2, 6, 7), normal(3, 2, 3, 2)),
    ),
    "conv2d in groups": (
        lambda x, w, b: F.conv2d(x, w, b, groups=2),
        (normal(2, 4, 5, 5), normal(6, 2, 2, 2), normal(6)),
    ),
    "conv2d keeping the size": (lambda x, w: F.conv2d(x, w, padding="same"), (normal(1, 1, 4, 4), normal(2, 1, 3, 3))),
    "conv3d": (lambda x, w, b: F.conv3d(x, w, b, padding=1), (normal(1, 2, 3, 3, 2), normal(2, 2, 2, 2, 2), normal(2))),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3, 2, 1), (normal(2, 3, 7),)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, ceil_mode=True), (normal(2, 3, 5, 5),)),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 2, 1), (normal(2, 3, 7),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), (normal(2, 3, 7, 6),)),
    "max_pool with indices": (
        lambda x: F.max_pool1d_with_indices(x[0], 2)[0].sum() * F.max_pool2d_with_indices(x, 2)[0],
        (normal(1, 2, 5, 6),),
    ),
    "adaptive_avg_pool1d": (lambda x: F.adaptive_avg_pool1d(x, 3), (normal(2, 3, 5),)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)), (normal(2, 3, 5, 4),)),
    # attention
    "attention": (F.scaled_dot_product_attention, (normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 6))),
    "causal attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        (normal(2, 4, 3), normal(2, 4, 3), normal(2, 4, 3)),
    ),
    "masked attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK, scale=0.3),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5)),
    ),
    "attention of a query that may look nowhere": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK & torch.tensor([[True], [False], [True]])),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5)),
    ),
    "attention with an added mask": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        (normal(2, 3, 5), normal(2, 4, 5), normal(2, 4, 5), normal(3, 4)),
    ),
    "attention in groups": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (normal(1, 4, 3, 5), normal(1, 2, 3, 5), normal(1, 2, 3, 5)),
    ),
    # positions
    "rotary in halves": (
        lambda x, a: x * a.cos() + torch.cat((-x[..., 3:], x[..., :3]), dim=-1) * a.sin(),
        (normal(2, 3, 4, 6), normal(4, 6)),
    ),
    "rotary in pairs": (
        lambda x, c, s: torch.stack(
            (x[..., ::2] * c - x[..., 1::2] * s, x[..., ::2] * s + x[..., 1::2] * c), dim=-1
        ).flatten(-2),
        (normal(2, 3, 4, 6), normal(4, 3), normal(4, 3)),
    ),
    "sinusoids": (lambda x: x + SINUSOIDS[1:4], (normal(3, 8),)),
    "frequencies": (lambda x, p: x * torch.cos(p[:, None] * FREQUENCIES), (normal(5, 3), normal(5))),
    # whole numbers and yes or no
    **{name: hiding(lambda f, ids: f(ids, 2), name) for name in COMPARISONS},
    **{name: hiding(lambda f, ids: f(ids > 0, ids < 3), name) for name in ("logical_and", "logical_or")},
    **{name: hiding(lambda f, ids: f(ids == 3), name) for name in ("logical_not", "bitwise_not")},
    "invert": (lambda x, ids: x.masked_fill(~(ids == 3), 0.5), (normal(2, 3), IDS)),
    "one_hot": (lambda x, ids: x * F.one_hot(ids, 4), (normal(2, 3, 4), IDS)),
    # recurrent
    "lstm": (
        lambda x, h, c: torch.lstm(x, (h, c), LSTM_WEIGHTS, True, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(1, 2, 2)),
    ),
    "lstm's memory": (
        lambda x, h, c: torch.lstm(x, (h, c), LSTM_WEIGHTS, True, 1, 0.0, True, False, True)[2],
        (normal(2, 4, 3), normal(1, 2, 2), normal(1, 2, 2)),
    ),
    "gru": (
        lambda x, h, *w: torch.gru(x, h, w, True, 1, 0.0, True, False, False)[0],
        (normal(4, 2, 3), normal(1, 2, 2), normal(6, 3), normal(6, 2), normal(6), normal(6)),
    ),
    "rnn": (
        lambda x, h, *w: torch.rnn_tanh(x, h, w, False, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(2, 3), normal(2, 2)),
    ),
    "gru of two layers with dropout between": (
        lambda x, h: torch.gru(x, h, GRU_WEIGHTS, False, 2, 0.5, True, False, True)[0],
        (normal(2, 4, 3), normal(2, 2, 2)),
    ),
    "lstm with a projection": (
        lambda x, h, c: torch.lstm(x, (h, c), PROJECTED_WEIGHTS, False, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(1, 2, 3)),
    ),
    "rnn_relu": (
        lambda x, h, *w: torch.rnn_relu(x, h, w, False, 1, 0.0, True, False, True)[0],
        (normal(2, 4, 3), normal(1, 2, 2), normal(2, 3), normal(2, 2)),
    ),
    "cells": (
        lambda x, h: (
            cell(torch.gru_cell, 3)(x, h) + cell(torch.rnn_tanh_cell, 1)(x, h) * cell(torch.rnn_relu_cell, 1)(x, h)
        ),
        (normal(2, 3), normal(2, 2)),
    ),
    "lstm_cell": (
        lambda x, h, c, *w: torch.lstm_cell(x, (h, c), *w)[1],
        (normal(2, 3), normal(2, 2), normal(2, 2), normal(8, 3), normal(8, 2), normal(8), normal(8)),
    ),
    # losses
    "l1_loss": (F.l1_loss, (normal(3, 4), normal(3, 4))),
    "mse_loss": (F.mse_loss, (normal(3, 4), normal(3, 4))),
    "huber_loss": (lambda a, b: F.huber_loss(a, b, delta=0.7), (normal(3, 4), normal(3, 4))),
    "smooth_l1_loss": (lambda a, b: F.smooth_l1_loss(a, b, reduction="sum", beta=0.5), (normal(3, 4), normal(3, 4))),
    "binary_cross_entropy": (lambda a: F.binary_cross_entropy(a / 2, MASK.double()), (positive(3, 4),)),
    "binary_cross_entropy_with_logits": (
        lambda a: F.binary_cross_entropy_with_logits(a, MASK.double(), pos_weight=WEIGHTS[:4]),
        (normal(3, 4),),
    ),
    "cross_entropy": (lambda a: F.cross_entropy(a, torch.tensor([0, 4, 2])), (normal(3, 5),)),
    "cross_entropy, smoothed, ignoring": (
        lambda a: F.cross_entropy(a, torch.tensor([0, -100, 2]), WEIGHTS, label_smoothing=0.1),
        (normal(3, 5),),
    ),
    "cross_entropy of places": (
        lambda a: F.cross_entropy(a, torch.tensor([[0, 4], [2, 2]]), reduction="none"),
        (normal(2, 5, 2),),
    ),
    "cross_entropy of shares": (lambda a, b: F.cross_entropy(a, b.softmax(1)), (normal(3, 5), normal(3, 5))),
    "kl_div": (
        lambda a, b: (
            F.kl_div(a.log_softmax(1), b.softmax(1), reduction="batchmean")
            + F.kl_div(a.log_softmax(1), b.log_softmax(1), log_target=True)
        ),
        (normal(3, 5), normal(3, 5)),
    ),
    "cosine_similarity": (F.cosine_similarity, (normal(3, 5), normal(3, 5))),
    "fused cross-entropy of training": (
        lambda h, w: projected_cross_entropy(h, w, torch.tensor([1, 5, 9]), 0.1),
        (normal(3, 4), normal(11, 4)),
    ),
    "nll_loss of places": (
        lambda a: F.nll_loss(a.log_softmax(1), torch.tensor([[0, 4], [2, -100]]), WEIGHTS, reduction="sum"),
        (normal(2, 5, 2),),
    ),
    "nll_loss": (lambda a: F.nll_loss(a.log_softmax(1), torch.tensor([0, 4, 2])), (normal(3, 5),)),
}


def _with(a: Tensor, b: Tensor | float) -> Tensor:
    changed = a * 1
    changed[1] = b
    changed[:, 2] = 3.0
    return changed * changed


def _through_a_view(a: Tensor) -> Tensor:
    whole = a * 2
    other = whole[1:]
    whole[0].add_(1).mul_(3)
    whole.mul_(-2)
    return whole.sum(0) + other.sum(0) * 2


def _copied_into_a_view(a: Tensor) -> Tensor:
    whole = a * 2
    whole[0].copy_(whole[1] * 3)
    return whole * whole


def _zeros_into_a_view(a: Tensor) -> Tensor:
    whole = a * 2
    whole[:, 0].zero_()
    whole[1].fill_(3.0)
    whole[2].uniform_()
    return whole * whole


@cache
def trace_of(name: str) -> tuple[Trace, Tensor]:
    """The case captured with a loss, the output times the weights that come with it, added up."""
    return traced(CASES[name])


def traced(case: Case) -> tuple[Trace, Tensor]:
    function, inputs = case
    torch.manual_seed(0)
    weights: list[Tensor] = []

    def loss(output: Tensor) -> Tensor:
        weights.append(torch.linspace(0.5, 2, output.numel(), dtype=output.dtype).view(output.shape))
        return (output * weights[0]).sum()

    return capture(Calls(function), *inputs, loss=loss), weights[0]
