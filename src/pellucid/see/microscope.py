"""Watching a training, any PyTorch loop's: cheap statistics at some steps, everything of one step now and then.

It stands on the hooks that PyTorch's optimizers and modules offer, so that the loop has no line for it, and a training
that is watched ends in the same weights, to the bit: gradients come from `torch.autograd.grad` on a replay of the
batch, with random numbers, buffers and autocast as they were when the loop computed it.
"""

import inspect
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.see.capture import autocast_of, buffers_kept, capture, floats_of
from pellucid.see.flow import Flow, Row, owner
from pellucid.see.training import CLIP_EPSILON, RandomState, TrainingStep, remembered, weighted

SHORTENED = 1 - 1e-4  # gradients that reach the optimizer this much shorter than they were have been clipped


@dataclass(eq=False)
class Call:
    """One call of the loop's objective, with all that it takes to make it again."""

    objective: Callable[..., Any]
    loss: Callable[[Any], Tensor]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    randomness: RandomState
    python_randomness: Any
    buffers: Sequence[Tensor]
    autocast: tuple[str, torch.dtype | None]
    upstream: list[Tensor] = field(default_factory=list)  # what the loop went backward with from this loss


@dataclass
class Seen:
    """What went out of a module in one step: sums of squares, and how many numbers were not 0."""

    squares: list[Tensor] = field(default_factory=list)
    nonzero: list[Tensor] = field(default_factory=list)
    numbers: int = 0


class Microscope:
    """Statistics at every `statistics`-th step of an optimizer, a full capture at every `every`-th.

        with Microscope(model, optimizer, every=50) as scope:
            objective = scope.watch(lambda x, target: cross_entropy(model(x), target))
            for x, target in batches:
                objective(x, target).backward()
                optimizer.step()
                optimizer.zero_grad()

    `statistics` holds the latest `keep` (their gradients are those that reach the optimizer), `captures` the latest
    two; `tell` gets each Flow and each TrainingStep as it is made. Without `watch` there are statistics alone. `clip`
    is the largest norm that the loop allows; where it is not given and the gradients reach the optimizer shorter than
    they were, it is what they were shortened to. `scaler` is the loop's GradScaler; steps that it leaves out are not
    counted. `every` or `statistics` of 0 means never.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        every: int = 50,
        statistics: int = 10,
        clip: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        first_step: int = 0,
        keep: int | None = 20,
        tell: Callable[[Flow | TrainingStep], None] = lambda found: None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.every, self.statistics_every = every, statistics
        self.clip, self.scaler, self.tell = clip, scaler, tell
        self.step = first_step  # optimizer steps done
        self.statistics: deque[Flow] = deque(maxlen=keep)
        self.captures: deque[TrainingStep] = deque(maxlen=2)  # each holds every activation
        self._named = dict(model.named_parameters())
        self._calls: list[Call] = []
        self._replaying = False
        self._before: list[Tensor] = []
        self._rows: dict[str, Row] = {}
        self._seen: dict[str, Seen] = {}
        self._at_modules = ExitStack()
        self._hooks = ExitStack()

    def __enter__(self) -> "Microscope":
        self._hooks.callback(self.optimizer.register_step_pre_hook(self._before_update).remove)
        self._hooks.callback(self.optimizer.register_step_post_hook(self._after_update).remove)
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._at_modules.close()
        self._hooks.close()
        self._calls = []

    # --- what the loop computes ------------------------------------------------------------------------------------

    def watch(
        self, objective: Callable[..., Any], loss: Callable[[Any], Tensor] = lambda found: found
    ) -> Callable[..., Any]:
        """The loop's function from a batch to its loss, to be called in the objective's stead; `loss` picks it from
        what the objective returns. A module is watched in place. What a loop multiplies the loss by afterwards, to
        add up gradients or for a scaler, is noticed.
        """
        if isinstance(objective, nn.Module):
            noted: list[Call | None] = []

            def before(module: nn.Module, args: Any, kwargs: Any) -> None:
                noted.append(self._note(objective, loss, args, kwargs))

            def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
                self._listen_to_loss(noted.pop(), output)

            self._hooks.callback(objective.register_forward_pre_hook(before, with_kwargs=True).remove)
            self._hooks.callback(objective.register_forward_hook(after, with_kwargs=True).remove)
            return objective

        def watched(*args: Any, **kwargs: Any) -> Any:
            call = self._note(objective, loss, args, kwargs)
            output = objective(*args, **kwargs)
            self._listen_to_loss(call, output)
            return output

        return watched

    def _note(
        self, objective: Callable[..., Any], loss: Callable[[Any], Tensor], args: Sequence[Any], kwargs: Any
    ) -> Call | None:
        """All that a replay needs, if this step is to be captured."""
        if self._replaying or not due(self.step + 1, self.every) or not torch.is_grad_enabled():
            return None
        if not any(one.grad is not None and bool(one.grad.any()) for one in self._named.values()):
            self._calls = []  # a step begins; those before it, if any, belong to one that was left out
        if isinstance(objective, nn.parallel.DistributedDataParallel):
            objective = objective.module  # a replay is this worker's own: nothing is exchanged
        device = next((one.device.type for one in self._named.values()), "cpu")
        call = Call(
            objective,
            loss,
            tuple(copied(one) for one in args),
            {name: copied(one) for name, one in kwargs.items()},
            RandomState.now(),
            random.getstate(),
            [one.detach().clone() for one in self.model.buffers()],
            (device, autocast_of(device)),
        )
        self._calls.append(call)
        return call

    def _listen_to_loss(self, call: Call | None, output: Any) -> None:
        total = call.loss(output) if call is not None else None
        if call is not None and total is not None and total.requires_grad:
            upstream = call.upstream
            total.register_hook(lambda gradient: upstream.append(gradient.detach().clone()))  # type: ignore[no-untyped-call]

    # --- at each step of the optimizer -----------------------------------------------------------------------------

    def _before_update(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._at_modules.close()
        number = self.step + 1
        if due(number, self.statistics_every):
            self._measure()
        if due(number, self.every) and self._calls:
            self._capture(number)
        self._calls = []

    def _after_update(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self.step += 1
        self._calls = []  # of a step that computes its loss within itself
        if due(self.step, self.statistics_every):
            self._finish_measuring()
        self._listen()

    def _moving(self) -> dict[str, Tensor]:
        """Parameters that have a gradient, and so will move."""
        return {name: one for name, one in self._named.items() if one.grad is not None}

    @torch.no_grad()
    def _measure(self) -> None:
        """Keep the weights from before the update: one copy, and no more, until it is done."""
        self._before = [one.detach().clone() for one in self._moving().values()]

    @torch.no_grad()
    def _finish_measuring(self) -> None:
        """The norms of weights, gradients and updates of all parameters, in one pass each, added up by place."""
        moving = self._moving()
        if len(moving) != len(self._before):  # gradients were dropped within the step
            return
        gradients = [one.grad for one in moving.values() if one.grad is not None]
        changes = torch._foreach_sub([one.detach() for one in moving.values()], self._before)
        three = [torch._foreach_norm(one) for one in (self._before, gradients, changes)]
        weights, slopes, moves = (torch.stack([norm.float() for norm in norms]).tolist() for norms in three)
        scale = getattr(self.optimizer, "grad_scale", None)  # of a fused step, which unscales as it goes
        slopes = slopes if scale is None else [slope / float(scale) for slope in slopes]
        by_place: dict[str, list[int]] = {}
        for number, name in enumerate(moving):
            by_place.setdefault(owner(name), []).append(number)
        rows = []
        for place in dict.fromkeys([*self._seen, *by_place]):
            held, seen = by_place.get(place), self._seen.get(place)
            norms = [joined(numbers, held) if held else None for numbers in (weights, slopes, moves)]
            if seen is None or not seen.numbers:
                activation = zeros = None
            else:
                activation = math.sqrt(sum(torch.stack(seen.squares).tolist()))
                zeros = 1 - sum(torch.stack(seen.nonzero).tolist()) / seen.numbers
            rows.append(Row(place, activation, zeros, None, *norms))
        found = Flow(rows, math.hypot(*slopes), step=self.step)
        self._before, self._seen = [], {}
        self.statistics.append(found)
        self.tell(found)

    def _listen(self) -> None:
        """Have modules without children say what goes out of them in the step that comes, if it is to be measured."""
        self._seen = {}
        if not due(self.step + 1, self.statistics_every):
            return
        for name, module in self.model.named_modules():
            if name and not any(module.children()):
                self._at_modules.callback(module.register_forward_hook(self._hearing(name)).remove)

    def _hearing(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hear(module: nn.Module, inputs: Any, output: Any) -> None:
            if not torch.is_grad_enabled():  # an evaluation between two steps
                return
            with torch.no_grad():
                seen = self._seen.setdefault(name, Seen())
                for tensor in floats_of(output):
                    seen.squares.append(torch.linalg.vector_norm(tensor.detach()).float() ** 2)
                    seen.nonzero.append(torch.count_nonzero(tensor))
                    seen.numbers += tensor.numel()

        return hear

    # --- a full capture --------------------------------------------------------------------------------------------

    def _capture(self, number: int) -> None:
        scale = self.scaler.get_scale() if self.scaler is not None and self.scaler.is_enabled() else 1.0
        calls = [call for call in self._calls if call.upstream]
        if not calls:
            return
        self._replaying = True
        try:
            traces = [self._replayed(call, scale, number) for call in calls]
        finally:
            self._replaying = False
        twin, parameters = remembered(self.model, self.optimizer)
        step = TrainingStep(traces, self.clip, scale != 1, twin, parameters, number)
        given = self._given()
        if self.clip is None and given:
            reached = float(nn.utils.get_total_norm(list(given.values())))
            if reached < SHORTENED * step.norm:
                step.clip = reached * (step.norm + CLIP_EPSILON) / step.norm
        step.agreement = farthest(step.clipped(), given)
        self.captures.append(step)
        self.tell(step)

    def _given(self) -> dict[str, Tensor]:
        """The gradients that the optimizer is about to use."""
        scale = getattr(self.optimizer, "grad_scale", None)
        found = {name: one.grad.detach() for name, one in self._named.items() if one.grad is not None}
        return found if scale is None else {name: one / scale.to(one) for name, one in found.items()}

    def _replayed(self, call: Call, scale: float, number: int) -> Any:
        """The pass of one call, once more."""
        weight = float(sum(call.upstream)) / scale
        bound = inspect.signature(
            call.objective.forward if isinstance(call.objective, nn.Module) else call.objective
        ).bind(*call.args, **call.kwargs)
        device, dtype = call.autocast
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng())
            stack.enter_context(python_randomness(call.python_randomness))
            stack.enter_context(buffers_kept(self.model))
            stack.enter_context(torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None))
            call.randomness.set()
            with torch.no_grad():
                for buffer, then in zip(self.model.buffers(), call.buffers, strict=True):
                    buffer.copy_(then)
            return capture(
                self.model,
                *bound.args,
                objective=call.objective,
                loss=lambda output: weighted(weight)(call.loss(output)),
                scale=scale,
                training_step=number,
                **bound.kwargs,
            )


def due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def farthest(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float | None:
    """The largest absolute difference of the tensors that both have, by few passes over them."""
    names = [name for name in a if name in b]
    if not names:
        return None
    apart = torch._foreach_sub([a[name] for name in names], [b[name] for name in names])
    return max(float(norm) for norm in torch._foreach_norm(apart, math.inf))


def joined(norms: Sequence[float], numbers: Sequence[int]) -> float:
    """The norm of some tensors together."""
    return math.hypot(*(norms[number] for number in numbers))


def copied(value: Any) -> Any:
    """An argument as it is now, should the loop write the next batch into the same memory."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(one) for one in value)
    return value


@contextmanager
def python_randomness(state: Any) -> Iterator[None]:
    """Python's own generator where it stood then; afterwards where it stands now."""
    before = random.getstate()
    random.setstate(state)
    try:
        yield
    finally:
        random.setstate(before)
