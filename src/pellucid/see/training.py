"""One step of a training: the passes whose gradients it adds up, what clipping made of them, and the optimizer.

A loop may scale its loss (AMP), add up the gradients of several batches and shorten the sum. What a trace shows are
true gradients, of the loss as it is; here stand their sum before clipping, the factor, and the sum after it.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pellucid.nn.proximal import scale_of, shrunk
from pellucid.see.trace import Trace, TraceError
from pellucid.see.update import stepped_twin, twin_of

if TYPE_CHECKING:
    from pellucid.see.flow import Flow
    from pellucid.see.moves_page import Names
    from pellucid.see.subjects import Rows
    from pellucid.see.why import Why

CLIP_EPSILON = 1e-6  # of nn.utils.clip_grad_norm_


@dataclass(frozen=True)
class Penalty:
    """l1 sum |w| + l2 / 2 sum w^2 over the parameters named, which a loop adds to its loss outside of what is captured.

    With `proximal` l1 adds nothing to the gradients: after the step each weight is moved towards 0 by lr l1, divided by
    what the optimizer divides its gradient by (nn/proximal.py).
    """

    l1: float = 0.0
    l2: float = 0.0
    proximal: bool = True
    names: frozenset[str] = frozenset()

    @property
    def subgradient(self) -> float:
        """The l1 whose gradient is added."""
        return 0.0 if self.proximal else self.l1

    def adds_to(self, name: str) -> bool:
        """Whether the gradient of this parameter has a part by it."""
        return name in self.names and bool(self.l2 or self.subgradient)

    def shrinks(self, name: str) -> bool:
        """Whether this parameter is moved towards 0 after the step."""
        return name in self.names and self.proximal and bool(self.l1)


@dataclass(eq=False)
class TrainingStep:
    """The traces of the batches of one optimizer step, in order; `parameters` are those of the optimizer, by name.

    `clip` is the largest norm allowed, None without clipping, and `clip_value` the largest size of each number, to
    which they are cut before; `penalty` is what the loop adds to the captured loss. `scaled` says that the loop skips a
    step whose gradients are not finite, as a GradScaler does. `agreement` is the largest difference between the
    gradients shown and those that reached the optimizer, where a replay was held against them. `rows` tell what those
    of each batch are called, of a run's training.
    """

    traces: Sequence[Trace]
    clip: float | None = None
    scaled: bool = False
    optimizer: torch.optim.Optimizer | None = None
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    number: int | None = None
    agreement: float | None = None
    clip_value: float | None = None
    penalty: Penalty = Penalty()
    rows: Sequence["Rows"] = ()

    def __post_init__(self) -> None:
        self.parameters = self.parameters or self.traces[0].parameters
        for trace in self.traces:
            trace.training = self

    @cached_property
    def gradients(self) -> dict[str, Tensor]:
        """Of each parameter that has one: added up over the batches, unscaled, before clipping."""
        found: dict[str, Tensor] = {}
        for trace in self.traces:
            for step in trace.steps:
                if step.op == "parameter" and step.gradient is not None:
                    known = found.get(step.name)
                    found[step.name] = step.gradient if known is None else known + step.gradient
        return found

    @cached_property
    def penalized(self) -> dict[str, Tensor]:
        """Those gradients with the penalty's: g + l2 w + l1 sign(w)."""
        found = dict(self.gradients)
        for name, gradient in found.items():
            if self.penalty.adds_to(name):
                weight = next(trace[name].value for trace in self.traces if name in trace).to(gradient)
                found[name] = gradient.add(weight, alpha=self.penalty.l2) if self.penalty.l2 else gradient
                if self.penalty.subgradient:
                    found[name] = found[name].add(weight.sign(), alpha=self.penalty.subgradient)
        return found

    @cached_property
    def limited(self) -> dict[str, Tensor]:
        """The gradients with the penalty's, each number cut to `clip_value`."""
        most = self.clip_value
        return self.penalized if most is None else {n: g.clamp(-most, most) for n, g in self.penalized.items()}

    @cached_property
    def norm(self) -> float:
        """sqrt(sum of the squares of all gradients), those of the penalty in them, before clipping by it."""
        return float(nn.utils.get_total_norm(list(self.limited.values())))

    @property
    def factor(self) -> float:
        """What clipping multiplies every gradient by: min(1, clip / (norm + 1e-6)), as nn.utils.clip_grad_norm_ does.

        A norm that is no number makes the factor none.
        """
        if self.clip is None:
            return 1.0
        factor = self.clip / (self.norm + CLIP_EPSILON)
        return factor if math.isnan(factor) else min(1.0, factor)

    @property
    def skipped(self) -> bool:
        """Whether a GradScaler would leave this step out."""
        return self.scaled and not math.isfinite(self.norm)

    def clipped(self) -> dict[str, Tensor]:
        """The gradients as the optimizer gets them."""
        factor = torch.tensor(self.factor)
        return {name: gradient * factor.to(gradient) for name, gradient in self.limited.items()}

    def given(self, name: str) -> str:
        """What the gradient is called that the optimizer gets of this parameter: the last thing done to it."""
        if self.clip is not None:
            return "clipped"
        return "limited" if self.clip_value is not None else "penalized" if self.penalty.adds_to(name) else "grad"

    def after(self, optimizer: torch.optim.Optimizer, live: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What PyTorch's own step, and the proximal one after it, make of these parameters; they stay as they were."""
        clipped = self.clipped()
        twin, twins = stepped_twin(optimizer, {one: clipped[name] for name, one in live.items()})
        groups = {id(one): group for group in twin.param_groups for one in group["params"]}
        found = {}
        for name, one in live.items():
            moved = twins[one].detach()
            if self.penalty.shrinks(name):
                group = groups[id(twins[one])]
                amount = float(group["lr"]) * self.penalty.l1 / scale_of(twin.state.get(twins[one], {}), group)
                moved = shrunk(moved, amount)
            found[name] = moved
        return found

    def why_moved(
        self, parameter: str, optimizer: torch.optim.Optimizer | None = None, by: Sequence[int] = (0,)
    ) -> "Why":
        """As `Trace.why_moved`."""
        from pellucid.see.why import why_moved

        return why_moved(self, parameter, optimizer, by)

    def flow(self, optimizer: torch.optim.Optimizer | None = None) -> "Flow":
        """As `Trace.flow`."""
        from pellucid.see.flow import flow

        return flow(self, optimizer)

    def html(
        self,
        path: str | Path,
        why: str | None = None,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        by: Sequence[int] = (0,),
        names: "Names | None" = None,
        title: str = "",
        megabytes: float | None = None,
        at: str = "",
    ) -> Path:
        """Write the page of the step: its first pass, and for each weight why it moves; returns the page's path.

        With `why`, the address of a number of a parameter, the page opens there, and all that its arithmetic takes is
        in the file however large the others are; with `at`, another address. `by` is as in `why_moved`; `names` calls
        the pushes, in a language.
        """
        from pellucid.see.html import MEGABYTES, write_page
        from pellucid.see.moves import moves_of

        moves = moves_of(self, why, optimizer, by)
        room = MEGABYTES if megabytes is None else megabytes
        return write_page(self.traces[0], path, title=title, megabytes=room, moves=moves, names=names, at=at)


def capture_step(
    model: nn.Module,
    objective: Callable[..., Tensor],
    batches: Sequence[Sequence[Any]],
    *,
    weights: Sequence[float] | None = None,
    clip: float | None = None,
    scale: float = 1.0,
    optimizer: torch.optim.Optimizer | None = None,
    training_step: int | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    clip_value: float | None = None,
    penalty: Penalty | None = None,
) -> TrainingStep:
    """The passes of one training step that adds up gradients: `objective(*batch)` is the loss of each batch.

    `weights` are what the loop multiplies each loss by: 1 / number of batches without them. `scale` is a GradScaler's:
    the gradients are computed with it and shown without it. Random numbers are drawn as in the loop, one batch after
    the other, from where the generators stand; afterwards they stand there again. With `optimizer` its state of now is
    remembered, so that `why_moved` may be asked later. `labels` are as for `capture`, `clip_value` and `penalty` as
    for `TrainingStep`. Raises TraceError if a loss is
    not one number.
    """
    from pellucid.see.capture import capture

    if not batches:
        raise TraceError("a training step needs at least one batch")
    weights = weights or [1 / len(batches)] * len(batches)
    traces = []
    with torch.random.fork_rng():
        for batch, weight in zip(batches, weights, strict=True):
            drawn = Drawn()
            traces.append(
                capture(
                    model,
                    *batch,
                    loss=weighted(weight),
                    labels=labels,
                    objective=drawn.after(objective),
                    scale=scale,
                    training_step=training_step,
                )
            )
            drawn.go_on()
    twin, parameters = remembered(model, optimizer)
    return TrainingStep(
        traces,
        clip,
        scale != 1,
        twin,
        parameters,
        training_step,
        clip_value=clip_value,
        penalty=penalty or Penalty(),
    )


def remembered(
    model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> tuple[torch.optim.Optimizer | None, dict[str, Tensor]]:
    """A copy of the optimizer and of its parameters by name, so that a later step does not change them."""
    if optimizer is None:
        return None, {}
    held = {id(one) for group in optimizer.param_groups for one in group["params"]}
    named = {name: one for name, one in model.named_parameters() if id(one) in held}
    twin, twins = twin_of(optimizer, list(named.values()))
    return twin, {name: twins[one] for name, one in named.items()}


def weighted(weight: float) -> Callable[[Tensor], Tensor]:
    """The loss times its weight in the step."""
    return lambda loss: loss if weight == 1 else loss * weight


@dataclass(frozen=True)
class RandomState:
    """Where torch's generators stand."""

    cpu: Tensor
    cuda: Sequence[Tensor]

    @classmethod
    def now(cls) -> "RandomState":
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ())

    def set(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))


class Drawn:
    """Notes where the generators stand after a pass that will be undone, to go on from there."""

    def __init__(self) -> None:
        self.state: RandomState | None = None

    def after(self, objective: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @functools.wraps(objective)  # has its parameters, by whose names inputs are called
        def run(*args: Any, **named: Any) -> Tensor:
            found = objective(*args, **named)
            self.state = RandomState.now()
            return found

        return run

    def go_on(self) -> None:
        if self.state is not None:
            self.state.set()
