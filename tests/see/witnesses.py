"""Witnesses that know nothing of the glass: what PyTorch's kernels really computed, and arithmetic read from text."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Beside its result each of these keeps statistics for its own way back.
RESULTS_ALONE = {
    *("native_layer_norm", "native_batch_norm", "native_group_norm", "_fused_rms_norm", "nll_loss_forward"),
    "_scaled_dot_product_flash_attention_for_cpu",
}


class Kernels(TorchDispatchMode):
    """Every result of a kernel that depends on the numbers that went in, under PyTorch's own name for the kernel.

    A tensor depends on them if its memory was written by a kernel that read such memory.
    """

    def __init__(self, sources: list[Tensor]) -> None:
        super().__init__()
        self.found: list[tuple[str, Tensor]] = []
        self._memory = {memory(one) for one in sources}
        self._alive: list[Tensor] = list(sources)  # so that no memory is used twice

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        read = any(isinstance(x, Tensor) and memory(x) in self._memory for x in tree_leaves([args, dict(kwargs or {})]))
        output = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        made = [one for one in tree_leaves(output) if isinstance(one, Tensor) and one.is_floating_point()]
        self._alive += made
        if not read or name.startswith(("empty", "zeros", "ones", "new_", "full", "rand", "bernoulli")):
            return output
        for one in made[:1] if name in RESULTS_ALONE else made:
            self._memory.add(memory(one))
            if one.numel():
                self.found.append((name, one.detach().clone()))
        return output


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in ("cos", "erf", "exp", "sin", "sqrt", "tanh", "log1p", "expm1")},
    "abs": abs,
    "both": lambda a, b: min(abs(a), abs(b), 1.0),  # of 0 and 1
    "either": lambda a, b: min(abs(a) + abs(b), 1.0),
    "equal": lambda a, b: float(not a - b),
    "unequal": lambda a, b: float(bool(a - b)),
    "greater": lambda a, b: float(a - b > 0),
    "greater_or_equal": lambda a, b: float(a - b >= 0),
    "less": lambda a, b: float(b - a > 0),
    "less_or_equal": lambda a, b: float(b - a >= 0),
    "max": lambda *x: max(x),
    "min": lambda *x: min(x),
    "log": lambda x: math.log(x) if x > 0 else -math.inf,
    "sigmoid": lambda x: (1 + math.tanh(x / 2)) / 2,
}


def calculated(text: str) -> float:
    """The value of printed arithmetic, by the rules of Python's grammar; nothing in it but numbers, + - * / and the
    functions of a calculator.
    """

    def value(node: ast.AST) -> float:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.Constant(value=float() | int() as number):
                return number
            case ast.Name(id="inf"):
                return math.inf
            case ast.Name(id="nan"):
                return math.nan
            case ast.UnaryOp(op=op, operand=operand):
                return OPERATORS[type(op)](value(operand))
            case ast.BinOp(left=left, op=op, right=right):
                terms, below = [right], left  # a sum of hundreds of terms is a deep tree to the left
                while isinstance(op, ast.Add) and isinstance(below, ast.BinOp) and isinstance(below.op, ast.Add):
                    terms.append(below.right)
                    below = below.left
                if len(terms) > 1:
                    return added([value(below), *map(value, reversed(terms))])
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=args):
                return FUNCTIONS[name](*map(value, args))
        raise ValueError(f"no arithmetic: {ast.dump(node)}")

    return value(ast.parse(text, mode="eval"))


def added(values: list[float]) -> float:
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def unfound(kernels: list[tuple[str, Tensor]], values: list[Tensor], tolerance: float) -> set[str]:
    """The kernels that gave a number which is near none of those values."""
    known = torch.cat([one.double().flatten() for one in values]).unique()
    known = known[known.isfinite()]
    missing = set()
    for name, result in kernels:
        numbers = result.double().flatten()
        numbers = numbers[numbers.isfinite()]
        after = torch.searchsorted(known, numbers).clamp(max=len(known) - 1)
        near = torch.minimum((known[after] - numbers).abs(), (known[(after - 1).clamp(min=0)] - numbers).abs())
        if (near > tolerance * numbers.abs().clamp(min=1)).any():
            missing.add(name)
    return missing
