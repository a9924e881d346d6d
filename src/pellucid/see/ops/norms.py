"""Normalizations: numbers are moved to mean 0 and scaled to variance 1 over some of their axes, then scaled and moved
by what was learned. They differ in the axes: all features of one position (layer), one feature over the batch (batch),
groups of features (group); RMS leaves the mean where it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.operation import Adding, Axis, Call, Opened, Operation, Step


def normalized(add: Adding, x: Step, dims: Sequence[int], eps: float) -> Step:
    """(x - mean) / sqrt(variance + eps)."""
    mean = add("mean", "mean", input=x, dim=list(dims), keepdim=True)
    centered = add("centered", "sub", input=x, other=mean)
    squares = add("squares", "square", input=centered)
    variance = add("variance", "mean", input=squares, dim=list(dims), keepdim=True)
    safe = add("variance_and_epsilon", "add", input=variance, other=eps)
    return add("normalized", "div", input=centered, other=add("deviation", "sqrt", input=safe))


def learned(add: Adding, x: Step, weight: Step | None, bias: Step | None) -> Step:
    if weight is not None:
        x = add("scaled", "mul", input=x, other=weight)
    if bias is not None:
        x = add("shifted", "add", input=x, other=bias)
    return x


class LayerNorm(Opened):
    """Source: Ba et al., "Layer Normalization", 2016."""

    names = ("layer_norm",)
    formula = r"y = \frac{x - \bar x}{\sqrt{\mathrm{var}(x) + \epsilon}}\,w + b"
    text = "y = (x - mean(x)) / sqrt(var(x) + eps) w + b, over the features of each position"

    def forward(
        self,
        input: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        return F.layer_norm(input, list(normalized_shape), weight, bias, eps)

    def open(self, add: Adding, call: Call) -> Step:
        dims = range(-len(call.normalized_shape), 0)
        x = normalized(add, widened(add, call.operand("input")), dims, call.eps)
        return learned(add, x, call.operand("weight"), call.operand("bias"))


class RMSNorm(Opened):
    """Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019."""

    names = ("rms_norm",)
    formula = r"y = \frac{x}{\sqrt{\overline{x^2} + \epsilon}}\,w"
    text = "y = x / sqrt(mean(x^2) + eps) w"

    def forward(
        self, input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
    ) -> Tensor:
        return F.rms_norm(input, list(normalized_shape), weight, eps)

    def open(self, add: Adding, call: Call) -> Step:
        dims = list(range(-len(call.normalized_shape), 0))
        eps = call.eps if call.eps is not None else torch.finfo(call.input.dtype).eps
        squares = add("squares", "square", input=call.operand("input"))
        mean = add("mean_square", "mean", input=squares, dim=dims, keepdim=True)
        safe = add("mean_square_and_epsilon", "add", input=mean, other=eps)
        root = add("root", "sqrt", input=safe)
        x = add("normalized", "div", input=call.operand("input"), other=root)
        return learned(add, x, call.operand("weight"), None)


class BatchNorm(Opened):
    """While training over the batch, in evaluation by the averages that training kept.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """

    names: tuple[str, ...] = ("batch_norm",)
    formula = r"y = \frac{x - \bar x_c}{\sqrt{\mathrm{var}_c(x) + \epsilon}}\,w_c + b_c"
    text = "y = (x - mean of the channel) / sqrt(var of the channel + eps) w + b"

    def forward(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if training or running_mean is None:
            return F.batch_norm(input, None, None, weight, bias, True, momentum, eps)
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)

    def open(self, add: Adding, call: Call) -> Step:
        x, shape = call.operand("input"), [1, call.input.size(1), *([1] * (call.input.dim() - 2))]

        def channels(name: str, role: str) -> Step | None:
            operand = call.operand(role)
            return None if operand is None else by_channel(add, name, operand, call.operand("input"), shape)

        over = self.over(call)
        if over is not None:
            x = normalized(add, x, over, call.eps)
        else:
            mean, variance = channels("mean", "running_mean"), channels("variance", "running_var")
            centered = add("centered", "sub", input=x, other=mean)
            safe = add("variance_and_epsilon", "add", input=variance, other=call.eps)
            x = add("normalized", "div", input=centered, other=add("deviation", "sqrt", input=safe))
        return learned(add, x, channels("weights", "weight"), channels("biases", "bias"))

    def over(self, call: Call) -> list[int] | None:
        """The axes whose mean and variance are taken; None where the kept averages serve."""
        own = call.training or call.running_mean is None
        return [d for d in range(call.input.dim()) if d != 1] if own else None

    def operand_axes(self, call: Call) -> dict[Step, tuple[Axis, ...]]:
        kept = [one for role, one in call.step.operands.items() if role.startswith("running_")]
        return dict.fromkeys(kept, (call.operand("input").axes[1],))


def by_channel(add: Adding, name: str, one: Step, x: Step, shape: list[int]) -> Step:
    """A number for each channel, laid beside what has more axes."""
    found = add(name, "view", given=(one, shape))
    found.axes = x.axes
    return found


class GroupNorm(Opened):
    """Source: Wu and He, "Group Normalization", 2018."""

    names = ("group_norm",)
    formula = r"y = \frac{x - \bar x_g}{\sqrt{\mathrm{var}_g(x) + \epsilon}}\,w_c + b_c"
    text = "y = (x - mean of the group) / sqrt(var of the group + eps) w + b"

    def forward(
        self,
        input: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        return F.group_norm(input, num_groups, weight, bias, eps)

    def open(self, add: Adding, call: Call) -> Step:
        size = call.input.shape
        grouped = add("grouped", "reshape", given=(call.operand("input"), (size[0], call.num_groups, -1)))
        grouped.axes = (grouped.axes[0], Axis("group"), Axis("member"))
        x = normalized(add, grouped, [-1], call.eps)
        x = add("ungrouped", "reshape", given=(x, tuple(size)))
        x.axes = call.operand("input").axes
        shape = [1, size[1], *([1] * (len(size) - 2))]
        weight, bias = (
            None if call.operand(role) is None else by_channel(add, f"{role}s", call.operand(role), x, shape)
            for role in ("weight", "bias")
        )
        return learned(add, x, weight, bias)


class InstanceNorm(BatchNorm):
    """Each channel of each example by itself. Source: Ulyanov et al., "Instance Normalization", 2016."""

    names = ("instance_norm",)
    formula = r"y = \frac{x - \bar x_{nc}}{\sqrt{\mathrm{var}_{nc}(x) + \epsilon}}\,w_c + b_c"
    text = "y = (x - mean of the channel) / sqrt(var of the channel + eps) w + b, for each example"

    def forward(
        self,
        input: Tensor,
        running_mean: Tensor | None = None,
        running_var: Tensor | None = None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Without what it writes into the running averages."""
        mean, variance = (None, None) if use_input_stats else (running_mean, running_var)
        return F.instance_norm(input, mean, variance, weight, bias, use_input_stats, momentum, eps)

    def over(self, call: Call) -> list[int] | None:
        return list(range(2, call.input.dim())) if call.use_input_stats else None


def widened(add: Adding, x: Step) -> Step:
    """In float32 at least: a norm of half-precision numbers is computed so."""
    return x if x.value.dtype in (torch.float32, torch.float64) else add("in_float32", "float", given=(x,))


OPERATIONS: tuple[Operation, ...] = (LayerNorm(), RMSNorm(), BatchNorm(), InstanceNorm(), GroupNorm())
