"""Complex numbers on their way between real ones: rotary positions written with them, a spectrum.

An address names one real number, so complex results get no steps of their own. What leads through them, from the real
numbers that went in to the real ones that came out, is one operation that is kept whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pellucid.see.operation import Step


@dataclass(frozen=True)
class Imaginary:
    """A complex result that is not computed again until the values of the real steps under it are given."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    def steps(self) -> list[Step]:
        """The real steps under it, each once."""
        return list(dict.fromkeys(steps_in([self.args, list(self.kwargs.values())])))

    def computed(self, values: Mapping[Step, Tensor]) -> Any:
        args, kwargs = evaluated(list(self.args), values), {k: evaluated(v, values) for k, v in self.kwargs.items()}
        return self.function(*args, **kwargs)

    def function_of_steps(self) -> Callable[..., Any]:
        steps = self.steps()
        return lambda *values: self.computed(dict(zip(steps, values, strict=True)))


def steps_in(value: Any) -> Iterator[Step]:
    if isinstance(value, Step):
        yield value
    elif isinstance(value, Imaginary):
        yield from value.steps()
    elif isinstance(value, list | tuple):
        for one in value:
            yield from steps_in(one)


def evaluated(value: Any, values: Mapping[Step, Tensor]) -> Any:
    """An argument with the value of each step put in."""
    if isinstance(value, Step):
        return values[value]
    if isinstance(value, Imaginary):
        return value.computed(values)
    if isinstance(value, Tensor):
        return value.clone()  # a function that writes in place must not write into what is held
    if isinstance(value, list | tuple):
        parts = [evaluated(one, values) for one in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value
