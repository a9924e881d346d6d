"""The chain rule written out: every way in which one number reaches the loss, as a product of partial derivatives.

dL/dw = sum over paths w -> a -> b -> ... -> L of  da/dw db/da ... dL/dz
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.see.address import Address
from pellucid.see.displayed import Displayed, Listed
from pellucid.see.explain import derivatives
from pellucid.see.expression import rounded
from pellucid.see.operation import Index, Step
from pellucid.see.trace import Trace, TraceError

MOST = 300  # paths; beyond it a list is no explanation


@dataclass(frozen=True)
class Path(Displayed):
    """The cells from a number to the loss, and the partial derivative of each by the one before it."""

    cells: tuple[str, ...]
    partials: tuple[float, ...]

    @property
    def product(self) -> float:
        return math.prod(self.partials)

    def __str__(self) -> str:
        return self.text()

    def text(self, digits: int = 4) -> str:
        """The product of partial derivatives, from the loss back to the number."""
        numbers = "*".join(rounded(partial, digits) for partial in reversed(self.partials))
        return f"{' <- '.join(reversed(self.cells))}: {numbers} = {self.product:.{digits}g}"


def paths(trace: Trace, address: str | Address, most: int = MOST) -> Listed[Path]:
    """All paths from a cell to the loss; their products add up to its gradient.

    Raises TraceError where there are more than `most`.
    """
    step, cell = trace.cell(address)
    found: Listed[Path] = Listed()
    if trace.loss is None:
        raise TraceError("the trace has no loss that a path could lead to", "Capture with loss=.")
    loss = trace[trace.loss]
    for path in onward(trace, step, cell, loss, (step.address(cell),), ()):
        found.append(path)
        if len(found) > most:
            raise TraceError(
                f"more than {most} paths lead from {address} to the loss",
                "trace.branches(name) has them added up where they part.",
            )
    return found


def onward(
    trace: Trace, step: Step, cell: Index, loss: Step, cells: tuple[str, ...], partials: tuple[float, ...]
) -> Iterator[Path]:
    """All paths that go on from a cell."""
    if step is loss:
        yield Path(cells, partials)
        return
    for made, index, local in derivatives(trace, step, cell):
        # A fused step is its last inner one: no partial derivative of its own.
        longer = (cells, partials) if made.inside else ((*cells, made.address(index)), (*partials, local))
        yield from onward(trace, made, index, loss, *longer)
