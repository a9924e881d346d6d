"""The page that every task's training shares: facts in, one HTML file out.

It says how far the training is, then what the task's part adds (parts.py), the curves, the data, the plan and the
config, and what to do next. Numbers and texts stand in it without JavaScript; plots need it.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from pellucid.files import write_text
from pellucid.lines import told_if_damaged
from pellucid.see.look import embedded, look
from pellucid.see.report.diagnosis import diagnosis, words_of
from pellucid.see.report.elements import Body, Section, composed, copied, heading, named_values, paragraph
from pellucid.see.report.facts import Facts, gather
from pellucid.see.report.layers import layers
from pellucid.see.report.parts import part_of
from pellucid.see.report.plots import Plot, each_and_smoothed, lines, loss, of_steps
from pellucid.see.report.recorded import recorded
from pellucid.see.report.words import both_of, words
from pellucid.words import LANGUAGES

LANGUAGE_BUTTON = '<span class="en" lang="zh">中文</span><span class="zh" lang="en">English</span>'
# Nothing may be fetched: an image is one that stands in the page, or that it makes when a plot is saved.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, finished or not; returns its path. Raises RunError if it is none."""
    path = folder / "report.html"
    facts = gather(folder)
    with told_if_damaged(folder / "metrics.jsonl"):
        content = page(facts, sections(facts, recorded(facts, folder)))
    write_text(path, content)
    return path


def page(facts: Facts, sections: Sequence[Section]) -> str:
    """The whole page, from the sections that have something to show."""
    last = facts.steps[-1]["step"] if facts.steps else 0
    own = words_of(facts)
    return framed(facts.task, facts.name, facts.run, sections, step=first_shown(facts), last=last, own=own)


def framed(
    said: str,
    name: str,
    where: str,
    sections: Sequence[Section],
    *,
    step: int,
    last: int,
    own: Mapping[str, Mapping[str, str]] | None = None,
    facts: Mapping[str, Any] | None = None,
    style: str = "",
    script: str = "",
) -> str:
    """A page in the report's look, its words those of `said` and, by language, its `own`.

    Plots over steps go to `last`, and `step` is chosen. A page may have a `style` and a `script` besides, which finds
    `facts` in what the page knows.
    """
    both = both_of(said, own)
    there = [section for section in sections if section.body]
    plots = [piece for section in there for piece in section.body if isinstance(piece, Plot)]
    links = "".join(
        f'<li><a href="#{section.name}"><span>{number}</span><span>{both(section.name)}</span><span></span></a></li>'
        for number, section in enumerate(there, 1)
    )
    body = "".join(
        f'<section id="{section.name}">'
        f'<h2 class="title" id="title-{section.name}">{both(section.name)}</h2>{composed(both, section.body)}</section>'
        for section in there
    )
    facts_shown = {
        "name": name,
        "plots": {plot.name: {"traces": plot.traces, "layout": plot.layout, "steps": plot.steps} for plot in plots},
        "step": step,
        "last": last,
        "words": {language: {**words(said, language), **(own or {}).get(language, {})} for language in LANGUAGES},
        **(facts or {}),
    }
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(name)} · Pellucid</title>
<link rel="icon" href="data:,">
<style>{look()}{_file("page.css")}{style}</style>
<body class="report">
<header><h1>Pellucid<span class="unseen">: {both("title")}</span></h1><span class="where">{escape(where)}</span>
<span class="right"><button id="language" type="button">{LANGUAGE_BUTTON}</button></span></header>
<div class="places">
<nav aria-labelledby="title-sections"><div><h2 id="title-sections">{both("sections")}</h2>
<ol class="steps">{links}</ol></div></nav>
<main>{body}</main>
</div>
<script type="application/json" id="facts">{embedded(_finite(facts_shown))}</script>
<script>{_plotly() if plots else ""}</script>
<script>{_file("page.js")}</script>
<script>{script}</script>
</body>
</html>
"""


def sections(facts: Facts, looked_back: Body = ()) -> list[Section]:
    """All of a report, in the order in which it is read. Raises RunError if the run's task is none of ours."""
    part = part_of(facts)
    return [
        Section("verdict", part.verdict(facts) if facts.test is not None else unscored(facts)),
        Section("diagnosis", diagnosis(facts)),
        *part.sections(facts),
        Section("curves", curves(facts, part.curves(facts))),
        Section("layers", layers(facts)),
        Section("recorded", looked_back),
        Section("data", [] if facts.data is None else shown(part.data(facts))),
        Section("setup", setup(facts)),
        Section("next", next_steps(facts, part.next_steps(facts))),
    ]


def unscored(facts: Facts) -> Body:
    """Of a training that has no test line: how far it is."""
    both = both_of(facts.task)
    if facts.over:
        return [f'<p class="verdict">{both("lead.untested")}</p>']
    step = facts.steps[-1]["step"] if facts.steps else 0
    steps = facts.plan["steps"] if facts.plan else "?"
    return [f'<p class="verdict">{both("lead.unfinished", step=step, steps=steps)}</p>']


def curves(facts: Facts, own: list[Plot]) -> Body:
    """Loss first, then the task's own, then those of every training."""
    plots = shown(
        [
            loss(facts),
            *own,
            lines("penalty", [of_steps(facts, "penalty")]),
            lines("learning_rate", [of_steps(facts, "learning_rate")]),
            lines("gradient_norm", each_and_smoothed(facts, "gradient_norm")),
            lines("speed", each_and_smoothed(facts, "tokens_per_second"), from_zero=True),
        ]
    )
    both = both_of(facts.task)
    script = f'<noscript><p class="lead">{both("plot.script")}</p></noscript>'
    return (
        [*gone_back(facts), script, paragraph(both("curves.lead")), *plots, moment(facts)]
        if plots
        else gone_back(facts)
    )


def gone_back(facts: Facts) -> list[str | Plot]:
    """Each time that a loss or gradient was no number: where the training went back to, and from which data it came."""
    both = both_of(facts.task)
    found: list[str | Plot] = []
    for line in facts.rollbacks:
        rate, lines = f"{line['learning_rate']:.3g}", line["lines"]
        said = both("curves.rollback", step=f"{line['step']:,}", to=f"{line['to']:,}", rate=rate)
        title = both("curves.rollback.lines", count=f"{len(lines):,}")
        items = "".join(f"<li>{escape(str(one))}</li>" for one in lines)
        found.append(f'<p>{said}</p><details><summary>{title}</summary><ul class="mono">{items}</ul></details>')
    return found


def moment(facts: Facts) -> str:
    """The step that is chosen, and what the page writes beside it: all that was measured there."""
    if len(facts.steps) < 2:
        return ""
    first, last = facts.steps[0]["step"], facts.steps[-1]["step"]
    return (
        f'<div class="moment" hidden><label><span>{both_of(facts.task)("axis.step")}</span>'
        f'<input type="range" min="{first}" max="{last}" step="1"><output class="mono"></output></label><dl></dl></div>'
    )


def first_shown(facts: Facts) -> int:
    """The step that is chosen at first: that of the best model, else the last."""
    if facts.end is not None and facts.end.get("best_step"):
        return int(facts.end["best_step"])
    return int(facts.steps[-1]["step"]) if facts.steps else 0


def shown(body: Body) -> Body:
    """Without the plots that have nothing to show."""
    return [piece for piece in body if not isinstance(piece, Plot) or piece.traces]


def setup(facts: Facts) -> Body:
    both = both_of(facts.task)
    config = [heading(both("config")), copied(both, "config", facts.config)]
    if facts.plan is None:
        return config
    told = facts.plan
    entries = {
        "parameters": f"{told['parameters']:,}",
        "steps": f"{told['steps']:,}",
        "budget": told.get("budget") or "",
        "precision": told["precision"],
        "speed": f"{told['tokens_per_second']:,}",
        "threads": str(told["threads"]),
        "workers": str(told["workers"]) if told.get("workers", 1) > 1 else "",
        "matmul": ", ".join(f"{rate:,}" for rate in told.get("matmul", {}).values()),
        "seconds": f"{facts.end['seconds']:.0f}" if facts.end else "",
        "best": f"{facts.end['best_step']:,}" if facts.end else "",
    }
    rows = [(both(f"plan.{key}"), value) for key, value in entries.items()]
    return [heading(both("plan")), named_values(rows), *config]


def next_steps(facts: Facts, own: dict[str, str]) -> Body:
    both = both_of(facts.task)
    resume = {} if facts.over else {"next.resume": f"pellucid resume {facts.run}"}
    return [f"<p>{both(key)}</p>{copied(both, key.replace('.', '-'), text)}" for key, text in {**resume, **own}.items()]


def _finite(value: Any) -> Any:
    """The same with None, JSON's null, for what is no number."""
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _file(name: str) -> str:
    return files("pellucid.see.report").joinpath(name).read_text(encoding="utf-8")
