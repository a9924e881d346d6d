"""Where the paths of the chain rule part by residual connections: what a page needs to group those of any number.

A gate is a step that the paths of others pass: a residual addition, or what goes past a layer. For each way from there
to the loss it has the part of the gradient that comes back by it and the number of paths. From a number the page goes
forward to the next gates alone, within one layer, and reads the rest off there. `chain.py` tells what the ways are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.see.backpropagation import contributions
from pellucid.see.chain import Way, backwards, loss_of
from pellucid.see.counting import counted
from pellucid.see.operation import Step
from pellucid.see.residuals import Residual, residuals
from pellucid.see.trace import Trace

MOST = 1 << 20  # numbers of a step, beyond which its paths are not counted


@dataclass(frozen=True, eq=False)
class Gate:
    """For each way from a step to the loss the part of its gradient, and how many paths; None where it is all of it."""

    ways: Mapping[Way, tuple[Tensor | None, Tensor]]


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates of a trace, its residual connections, and how many paths lead on from the cells of other steps."""

    known: Sequence[Residual]
    gates: Mapping[Step, Gate]
    counts: Mapping[Step, Tensor]

    @property
    def numbers(self) -> int:
        """How many numbers the gates hold."""
        return sum(part.numel() for gate in self.gates.values() for part, _ in gate.ways.values() if part is not None)


def gates_of(trace: Trace) -> Gates | None:
    """None where there is no loss, or an output that is too large to be counted."""
    if trace.loss is None or any(trace[name].value.numel() > MOST for name in trace.outputs):
        return None
    loss, known = loss_of(trace), residuals(trace)
    wanted = {step for step in trace.flat() if step in trace.gradients and not step.leaf}
    at = {step for one in known for step in (one.addition, one.skip) if step in wanted}
    parts = {
        step: ways
        for step, ways in backwards(trace, loss, wanted, known, lambda s, u: contributions(trace, s, u))
        if step in at
    }
    gates: dict[Step, Gate] = {}
    counts: dict[Step, Tensor] = {}
    last = {one.addition for one in known if only(parts.get(one.addition, {}))}
    within = [one for one in known if one.addition in last]
    for step, ways in backwards(
        trace, loss, wanted, known, lambda s, u: counted(trace, s, u, wanted), dtype=torch.float64
    ):
        if step in at:
            one = len(ways) == 1
            gates[step] = Gate({way: (None if one else parts[step].get(way), count) for way, count in ways.items()})
        elif not step.leaf and len(ways) == 1 and step.value.numel() <= MOST:
            holding = [one for one in known if one.holds(step, trace)]
            if only(ways) or (holding and all(one in within for one in holding)):
                counts[step] = next(iter(ways.values()))
    return Gates(known, gates, counts)


def only(ways: Mapping[Way, Tensor]) -> bool:
    """Whether all go straight on to the loss."""
    return list(ways) == [Way()]
