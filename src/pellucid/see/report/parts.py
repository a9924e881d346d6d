"""What one task adds to the report that all share. To add a task: a module here, its two word files, a line in PARTS.

The module offers five functions of what the run folder says (`facts.data`, `.plan`, `.test`, `.end`, `.steps`,
`.evaluations`: lines of metrics.jsonl; `.settings`: config.toml as a dict; `.over`: nothing is left to resume):

    verdict(facts: Facts) -> Body              how good it is, from `facts.test`; called once that line is there
    sections(facts: Facts) -> list[Section]    its own, in order, between the verdict and the curves
    curves(facts: Facts) -> list[Plot]         beyond loss, learning rate, gradient norm and speed
    data(facts: Facts) -> Body                 what it was trained on, from `facts.data`; called once that is there
    next_steps(facts: Facts) -> dict[str, str] commands by the word that says what for; `resume` is the shell's

Body and Section are of elements.py: Body is a sequence of HTML (texts of people through `html.escape`) and plots;
Section(name, body) has the word `name` as its title, a question. There are headline, table, searchable, named_values,
sheet (of Picture: images as data: addresses), paragraph, heading, copied. Plots are of plots.py: lines(name,
[Curve(...)]) with of_steps, each_and_smoothed and of_evaluations for what metrics.jsonl holds, bars(...), or
Plot(name, traces, layout, height=..., wide=...) for whatever Plotly draws, with word("axis.x"), colour("pos") and
scale("signed") where a text, a colour or a colorscale stands. A Plot's title is the word plot.NAME, the sentence under
it plot.NAME.note; a Curve is called line.NAME. Plots' and sections' names are lower_case, and none is used twice.
Words stand in words/TASK.en.json and words/TASK.zh.json; they go before the shell's of the same key (plot.loss.note,
plot.speed), and `both = both_of("TASK")` of words/ gives both languages: both("lead.tested", pairs=91).
"""

from typing import Protocol

from pellucid.errors import RunError
from pellucid.see.report import classify, embed, language, regress, translate
from pellucid.see.report.elements import Body, Section
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot


class Part(Protocol):
    """A task's module."""

    def verdict(self, facts: Facts) -> Body: ...
    def sections(self, facts: Facts) -> list[Section]: ...
    def curves(self, facts: Facts) -> list[Plot]: ...
    def data(self, facts: Facts) -> Body: ...
    def next_steps(self, facts: Facts) -> dict[str, str]: ...


PARTS: dict[str, Part] = {
    "translate": translate,
    "regress": regress,
    "language": language,
    "embed": embed,
    "classify": classify,
}


def part_of(facts: Facts) -> Part:
    """Raises RunError if the run's task is none of ours."""
    if facts.task not in PARTS:
        raise RunError(
            f"{facts.run}: its config.toml says task = {facts.task!r}, and there is no such task",
            mend=f"There are {', '.join(PARTS)}.",
        )
    return PARTS[facts.task]
