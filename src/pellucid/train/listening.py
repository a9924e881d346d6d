"""What a network's layers put out in one pass: how large it is, and how much of it has stopped to answer.

Listens to PyTorch's own functions while it is switched on (no layer holds a hook for it), so that it hears every
activation and every softmax of any model, and costs nothing at the steps in which it is off.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as modules
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

RECTIFIERS: set[Any] = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
SIGMOIDS: set[Any] = {F.sigmoid, torch.sigmoid, Tensor.sigmoid}
TANHS: set[Any] = {F.tanh, torch.tanh, Tensor.tanh}
SOFTMAXES: set[Any] = {F.softmax, torch.softmax, Tensor.softmax}
ATTENTIONS: set[Any] = {F.scaled_dot_product_attention}
FLAT_TANH, FLAT_SIGMOID = 0.97, 0.03  # beyond these the slope is below a sixteenth, an eighth, of the steepest
CERTAIN = 0.99  # a softmax that gives one answer this much has a slope below 0.01 for every other
FEWEST_CHOICES = 4  # a softmax over fewer may well be certain
LISTENED = 8  # examples of a fused attention whose weights are worked out again


@dataclass
class Heard:
    """What came out of one kind of function at one place, added up over the calls of a step."""

    kind: str  # relu, sigmoid, tanh or softmax
    numbers: int = 0
    zeros: list[Tensor] = field(default_factory=list)  # counts
    flat: list[Tensor] = field(default_factory=list)  # counts of numbers where the slope has all but gone
    alive: Tensor | None = None  # of a relu: which units were on for anything

    def told(self) -> dict[str, Any]:
        """As a line of metrics.jsonl says it."""
        count = max(self.numbers, 1)
        found: dict[str, Any] = {"kind": self.kind}
        if self.kind == "relu":
            found["zeros"] = round(sum(float(one) for one in self.zeros) / count, 4)
            if self.alive is not None:
                found["dead"] = round(1 - float(self.alive.float().mean()), 4)
        else:
            found["flat"] = round(sum(float(one) for one in self.flat) / count, 4)
        return found


class Listener(TorchFunctionMode):
    """Hears one step, forward: `outputs` of each place with parameters, and `heard` of activations by place.

        with Listener(model) as listener:
            loss = objective(batch)

    Shapes are as they come: the unit of a rectifier is the last axis, of images (batch, channel, height, width) the
    channel.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = {id(module): name for name, module in model.named_modules()}
        self.outputs: dict[str, list[tuple[Tensor, int]]] = {}  # place -> squared norm and count of each call
        self.heard: dict[str, Heard] = {}
        self._places: list[str] = [""]
        self._hooks = ExitStack()

    def __enter__(self) -> "Listener":
        for hook in (
            modules.register_module_forward_pre_hook(self._enter),
            modules.register_module_forward_hook(self._leave, always_call=True),
        ):
            self._hooks.callback(hook.remove if isinstance(hook, RemovableHandle) else hook)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._hooks.close()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if torch.is_grad_enabled():
            kind = kind_of(func)
            if kind is not None:
                with torch._C.DisableTorchFunction(), torch.no_grad():
                    self._hear(kind, func, args, kwargs or {}, out)
        return out

    def told(self) -> dict[str, dict[str, Any]]:
        """By place: `output`, the root mean square of what came out; `heard`, what the activations there said."""
        found: dict[str, dict[str, Any]] = {}
        for place, calls in self.outputs.items():
            count = sum(number for _, number in calls)
            if count:
                squares = sum(float(square) for square, _ in calls)
                found[place] = {"output": number_of(math.sqrt(squares / count) if squares >= 0 else math.nan)}
        for place, heard in self.heard.items():
            found.setdefault(place, {}).update(heard.told())
        return found

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self._places.append(self.names.get(id(module), self._places[-1]))

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        place = self._places.pop()
        if id(module) not in self.names or not torch.is_grad_enabled():
            return
        if next(module.children(), None) is None and next(module.parameters(recurse=False), None) is not None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor) and first.is_floating_point():
                with torch._C.DisableTorchFunction(), torch.no_grad():
                    square = torch.linalg.vector_norm(first.detach(), dtype=torch.float32).square()
                self.outputs.setdefault(place, []).append((square, first.numel()))

    def _hear(self, kind: str, func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], out: Tensor) -> None:
        place = self._places[-1]
        heard = self.heard.setdefault(place, Heard(kind))
        if heard.kind != kind:  # a cell has both: each stands by itself
            heard = self.heard.setdefault(f"{place}:{kind}", Heard(kind))
        if kind == "relu":
            on = out > 0
            heard.numbers += on.numel()
            heard.zeros.append(on.numel() - torch.count_nonzero(on))
            unit = 1 if on.dim() == 4 else on.dim() - 1
            alive = on.any(dim=[axis for axis in range(on.dim()) if axis != unit]) if on.dim() > 1 else on
            heard.alive = alive if heard.alive is None or heard.alive.shape != alive.shape else heard.alive | alive
        elif kind == "tanh":
            heard.numbers += out.numel()
            heard.flat.append(torch.count_nonzero(out.abs() > FLAT_TANH))
        elif kind == "sigmoid":
            heard.numbers += out.numel()
            heard.flat.append(torch.count_nonzero((out < FLAT_SIGMOID) | (out > 1 - FLAT_SIGMOID)))
        else:
            weights, choices = softmax_of(func, args, kwargs, out)
            asked = choices >= FEWEST_CHOICES
            heard.numbers += int(torch.count_nonzero(asked))
            heard.flat.append(torch.count_nonzero((weights.amax(-1) > CERTAIN) & asked))


def kind_of(func: Callable[..., Any]) -> str | None:
    if func in RECTIFIERS:
        return "relu"
    if func in SIGMOIDS:
        return "sigmoid"
    if func in TANHS:
        return "tanh"
    if func in SOFTMAXES or func in ATTENTIONS:
        return "softmax"
    return None


def softmax_of(func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], out: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of a softmax (the last axis sums to 1) and, for each row, how many choices it had."""
    if func in SOFTMAXES:
        scores = args[0]
        return out, torch.isfinite(scores).sum(-1)
    query, key = args[0][:LISTENED], args[1][:LISTENED]
    scores = (query.float() / math.sqrt(query.size(-1))) @ key.float().transpose(-2, -1)
    allowed = args[3] if len(args) > 3 else kwargs.get("attn_mask")
    if allowed is not None:
        mask = allowed[:LISTENED] if allowed.dim() == scores.dim() and allowed.size(0) > 1 else allowed
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    elif kwargs.get("is_causal"):
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -math.inf)
    return scores.softmax(-1), torch.isfinite(scores).sum(-1)


def number_of(value: float) -> float | None:
    """Four digits, as a line of JSON says it; None for what is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
