"""The derivative of each activation, for a backward pass that goes without autograd.

Each is the very operation that autograd would call, so that the numbers are the same to the bit.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Derivative = Callable[[Tensor, Tensor, Tensor], Tensor]  # dL/dx from dL/dy, x and y = g(x)
SLOPE = 0.01  # of the leaky ReLU below 0, as `torch.nn.functional.leaky_relu` has it
STRAIGHT = 20.0  # from where softplus is the identity, as `torch.nn.functional.softplus` has it

_of = torch.ops.aten
_relu, _leaky_relu, _elu = (_of.threshold_backward.default, _of.leaky_relu_backward.default, _of.elu_backward.default)
_gelu, _silu, _softplus = (_of.gelu_backward.default, _of.silu_backward.default, _of.softplus_backward.default)
_tanh, _sigmoid = (_of.tanh_backward.default, _of.sigmoid_backward.default)

DERIVATIVES: dict[str, Derivative] = {  # by the names of nn/dense.py
    "relu": lambda upstream, x, y: _relu(upstream, y, 0),
    "leaky-relu": lambda upstream, x, y: _leaky_relu(upstream, x, SLOPE, False),
    "elu": lambda upstream, x, y: _elu(upstream, 1.0, 1.0, 1.0, False, x),
    "gelu": lambda upstream, x, y: _gelu(upstream, x),
    "silu": lambda upstream, x, y: _silu(upstream, x),
    "tanh": lambda upstream, x, y: _tanh(upstream, y),
    "sigmoid": lambda upstream, x, y: _sigmoid(upstream, y),
    "softplus": lambda upstream, x, y: _softplus(upstream, x, 1.0, STRAIGHT),
}

# Those whose derivative is told by y alone, so that it may take the place of x.
IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "tanh": torch.tanh_,
    "sigmoid": torch.sigmoid_,
}
