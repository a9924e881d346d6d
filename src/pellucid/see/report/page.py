"""The page that every task's training shares: facts in, one HTML file out.

It says how far the training is, then what the task's part adds (parts.py), the curves, the data, the plan and the
config, and what to do next. Numbers and texts stand in it without JavaScript; plots need it.
"""

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from pellucid.files import write_text
from pellucid.see.report.elements import Body, Section, composed, copied, heading, named_values
from pellucid.see.report.facts import Facts, gather
from pellucid.see.report.parts import part_of
from pellucid.see.report.plots import Plot, lines, loss, of_steps
from pellucid.see.report.words import both_of, words
from pellucid.words import LANGUAGES

LANGUAGE_BUTTON = '<span class="en" lang="zh">中文</span><span class="zh" lang="en">English</span>'
# Nothing may be fetched: an image is one that stands in the page, or that it makes when a plot is saved.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, finished or not; returns its path. Raises RunError if it is none."""
    path = folder / "report.html"
    write_text(path, html(gather(folder)))
    return path


def html(facts: Facts) -> str:
    """The whole page. Raises RunError if the run's task is none of ours."""
    both = both_of(facts.task)
    there = [section for section in sections(facts) if section.body]
    plots = [piece for section in there for piece in section.body if isinstance(piece, Plot)]
    links = "".join(f'<li><a href="#{section.name}">{both(section.name)}</a></li>' for section in there)
    body = "".join(
        f'<section id="{section.name}"><h2>{both(section.name)}</h2>{composed(both, section.body)}</section>'
        for section in there
    )
    embedded = {
        "name": facts.name,
        "plots": {plot.name: {"traces": plot.traces, "layout": plot.layout} for plot in plots},
        "words": {language: words(facts.task, language) for language in LANGUAGES},
    }
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(facts.name)} · Pellucid</title>
<style>{_file("page.css")}</style>
<header><b>Pellucid</b><span class="where">{escape(facts.run)}</span>
<button id="language" type="button">{LANGUAGE_BUTTON}</button></header>
<div class="frame">
<nav aria-label="Sections"><div><h2>{both("sections")}</h2><ol>{links}</ol></div></nav>
<main><h1>{both("title")}: {escape(facts.name)}</h1>{body}</main>
</div>
<script type="application/json" id="facts">{_embedded(embedded)}</script>
<script>{_plotly()}</script>
<script>{_file("page.js")}</script>
</html>
"""


def sections(facts: Facts) -> list[Section]:
    """All of the page, in the order in which it is read."""
    part = part_of(facts)
    return [
        Section("verdict", part.verdict(facts) if facts.test is not None else unscored(facts)),
        *part.sections(facts),
        Section("curves", curves(facts, part.curves(facts))),
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
            lines("learning_rate", [of_steps(facts, "learning_rate")]),
            lines("gradient_norm", [of_steps(facts, "gradient_norm")]),
            lines("speed", [of_steps(facts, "tokens_per_second")], from_zero=True),
        ]
    )
    script = f'<noscript><p class="lead">{both_of(facts.task)("plot.script")}</p></noscript>'
    return [script, *plots] if plots else []


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


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever the texts hold."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", " ")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _file(name: str) -> str:
    return files("pellucid.see.report").joinpath(name).read_text(encoding="utf-8")
