"""The walk of `pellucid see`: eleven stages, each a question, a sentence and small tables."""

from rich.text import Text

from pellucid.cli.console import out
from pellucid.cli.matrices import Window, print_matrix
from pellucid.cli.opened import Opened, View
from pellucid.cli.words import spoken
from pellucid.see.translation import labels_along
from pellucid.see.walk import Walk


def print_walk(opened: Opened, view: View) -> None:
    walk = Walk(opened.trace, view.layer, view.head)
    for stage in walk.stages():
        out.print(Text(f"\n{stage.number}. {stage.title(spoken())}", style="bold"))
        out.print(Text(stage.sentence(spoken())))
        for name in stage.steps:
            step = opened.trace[name]
            if step.value.dim() < 2:
                continue
            values = step.value.flatten(0, -3) if step.value.dim() > 2 else step.value[None]
            matrix = values[(view.head or 0) % len(values)]
            print_matrix(
                name,
                matrix.tolist(),
                labels_along(step, -2),
                labels_along(step, -1),
                Window(rows=8),
                view.exact,
                f"{opened.again} --at {name}",
            )
