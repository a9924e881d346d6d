"""The page itself: facts in, one HTML file out. Numbers and texts stand in it without JavaScript; plots need it."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from pellucid.data.languages import known_language
from pellucid.files import write_text
from pellucid.see.report.facts import Facts, curves, gather
from pellucid.see.report.words import both, words
from pellucid.words import LANGUAGES

MEASURES = ("chrf", "bleu", "exact", "placeholders")
LANGUAGE_BUTTON = '<span class="en" lang="zh">中文</span><span class="zh" lang="en">English</span>'
# Nothing may be fetched: an image is one that the page itself made, when a plot is saved.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
COLOURS = {
    "loss_step": "faint",
    "loss_smooth": "pos",
    "loss_dev": "neg",
    "bleu": "neg",
    "source": "neg",
    "target": "pos",
}
DASHED = {"loss_dev", "bleu"}


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, finished or not; returns its path. Raises RunError if it is none."""
    path = folder / "report.html"
    write_text(path, html(gather(folder)))
    return path


def html(facts: Facts) -> str:
    """The whole page."""
    plots = plotted(facts)
    sections = {
        "verdict": verdict(facts),
        "samples": samples(facts),
        "learning": learning(facts),
        "curves": "".join(figure(name, lines) for name, lines in plots.items() if name != "lengths"),
        "data": data(facts, plots),
        "setup": setup(facts),
        "next": next_steps(facts),
    }
    sections["curves"] = (
        f'<noscript><p class="lead">{both("plot.script")}</p></noscript><div class="plots">{sections["curves"]}</div>'
    )
    there = {name: body for name, body in sections.items() if body}
    links = "".join(f'<li><a href="#{name}">{both(name)}</a></li>' for name in there)
    body = "".join(f'<section id="{name}"><h2>{both(name)}</h2>{content}</section>' for name, content in there.items())
    embedded = {"name": facts.name, "plots": plots, "words": {language: words(language) for language in LANGUAGES}}
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(facts.name)} · Pellucid</title>
<style>{_file("page.css")}</style>
<header><b>Pellucid</b><span class="where">runs/{escape(facts.name)}</span>
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


def verdict(facts: Facts) -> str:
    test = facts.test
    if test is None:
        if facts.end is not None and facts.end["reason"] != "interrupted":
            return f'<p class="verdict">{both("lead.untested")}</p>'
        step = facts.steps[-1]["step"] if facts.steps else 0
        steps = facts.plan["steps"] if facts.plan else "?"
        return f'<p class="verdict">{both("lead.unfinished", step=step, steps=steps)}</p>'
    systems = test["subsets"]["all"]["systems"]
    gain = systems["model"]["chrf"]["value"] - systems["memory"]["chrf"]["value"]
    compared = both("compared.better" if gain > 0 else "compared.worse", gain=f"{abs(gain):.1f}")
    described = facts.data or {}
    plan = facts.plan or {}
    seconds = facts.end["seconds"] if facts.end else 0.0
    lead = both(
        "lead.tested",
        source="\1",
        target="\2",
        train=f"{described.get('train', 0):,}",
        preset=plan.get("preset", ""),
        parameters=f"{plan.get('parameters', 0) / 1e6:.1f} M",
        minutes=f"{seconds / 60:.1f} min",
        pairs=f"{test['pairs']:,}",
        chrf=f"{systems['model']['chrf']['value']:.1f}",
        bleu=f"{systems['model']['bleu']['value']:.1f}",
        compared="\0",
    )
    languages = [_language(described.get(side, "und")) for side in ("source", "target")]
    for place, words_there in zip("\0\1\2", (compared, *languages), strict=True):
        lead = lead.replace(place, words_there)
    tables = "".join(scores(name, subset) for name, subset in test["subsets"].items())
    return f'<p class="verdict">{lead}</p>{tables}<p class="lead">{both("intervals")}</p>'


def _language(code: str) -> str:
    """Its name, in English and in the language itself."""
    found = known_language(code)
    if found is None:
        return escape(code)
    return found.english if found.english == found.native else f"{found.english} ({found.native})"


def scores(name: str, subset: Mapping[str, Any]) -> str:
    systems, pairs = subset["systems"], f"{subset['pairs']:,}"
    measures = [measure for measure in MEASURES if any(measure in found for found in systems.values())]
    head = "".join(f'<th scope="col" class="number">{both(f"measure.{measure}")}</th>' for measure in measures)
    rows = []
    for system, found in systems.items():
        ours = system == "model"
        cells = "".join(_score(found.get(measure), bar=measure == "chrf", ours=ours) for measure in measures)
        rows.append(f'<tr{" class=ours" if ours else ""}><th scope="row">{both(f"system.{system}")}</th>{cells}</tr>')
    return (
        f"<h3>{both(f'subset.{name}', pairs=pairs)}</h3>"
        f'<div class="scroll"><table><thead><tr><th scope="col">{both("system")}</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _score(score: Mapping[str, float] | None, *, bar: bool, ours: bool) -> str:
    if score is None:
        return '<td class="number"></td>'
    kind = "bar" if ours else "bar base"
    drawn = f'<span class="{kind}" aria-hidden="true"><i style="width:{score["value"]:.0f}%"></i></span>' if bar else ""
    return f'<td class="number">{drawn}{score["value"]:.1f}<small>{score["low"]:.1f}–{score["high"]:.1f}</small></td>'


def samples(facts: Facts) -> str:
    if facts.test is None or not facts.test["samples"]:
        return ""
    source, target = _languages(facts)
    found, pairs = facts.test["samples"], f"{facts.test['pairs']:,}"
    columns = ("source", "output", "reference", "memory")
    head = "".join(f'<th scope="col">{both(f"column.{column}")}</th>' for column in columns)
    rows = "".join(
        f'<tr><td class="number">{sample["chrf"]:.0f}</td>'
        f'<td lang="{source}">{escape(sample["source"])}</td><td lang="{target}">{escape(sample["output"])}</td>'
        f'<td lang="{target}">{"<br>".join(map(escape, sample["references"]))}</td>'
        f'<td lang="{target}">{escape(sample["memory"])}</td></tr>'
        for sample in found
    )
    return (
        f'<p class="lead">{both("samples.lead", shown=len(found), pairs=pairs)}</p>'
        f'<div class="tools"><label for="find">{both("filter")}</label> <input id="find" type="search">'
        f'<button id="order" type="button" aria-pressed="false">{both("order")}</button></div>'
        f'<div class="reveal" tabindex="0" role="region" aria-label="samples"><table id="sentences"><thead><tr>'
        f'<th scope="col" class="number">chrF</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f'<p id="none" hidden>{both("none.found")}</p></div>'
    )


def learning(facts: Facts) -> str:
    """The dev sentence whose translation changed most often, at every evaluation."""
    histories: dict[str, list[tuple[int, str]]] = {}
    references: dict[str, str] = {}
    for line in facts.evaluations:
        for sample in line["samples"]:
            histories.setdefault(sample["source"], []).append((line["step"], sample["output"]))
            references[sample["source"]] = sample["references"][0]
    if not histories:
        return ""
    source, target = _languages(facts)
    told = max(histories, key=lambda text: len({output for _, output in histories[text]}))
    rows = "".join(
        f'<tr><td class="number">{step}</td><td lang="{target}">{escape(output)}</td></tr>'
        for step, output in histories[told]
    )
    return (
        f'<p class="lead">{both("learning.lead")}</p><div class="learning"><p lang="{source}"><b>{escape(told)}</b></p>'
        f'<div class="scroll"><table><thead><tr><th scope="col" class="number">{both("column.step")}</th>'
        f'<th scope="col">{both("column.output")}</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"<p class=lead>{both('learning.reference')}: <span lang={target}>{escape(references[told])}</span></p>"
        "</div>"
    )


def plotted(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    plots: dict[str, list[dict[str, Any]]] = curves(facts)
    lengths = (facts.data or {}).get("lengths")
    if lengths:
        edges = lengths["edges"]
        labels = [f"{low}–{high - 1}" for low, high in pairwise(edges)]
        plots["lengths"] = [{"name": side, "x": labels, "y": lengths[side]} for side in ("source", "target")]
    return plots


def figure(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    legend = "".join(
        f'<span><i class="{"dashed" if line["name"] in DASHED else ""}" '
        f'style="color:var(--{COLOURS.get(line["name"], "share")})"></i>{both("line." + line["name"])}</span>'
        for line in lines
    )
    ranges = "".join(f"<p>{_range(line)}</p>" for line in lines if line["y"])
    return (
        f"<figure><figcaption>{both(f'plot.{name}')}"
        f'<button type="button" data-csv="{name}">{both("csv")}</button></figcaption>'
        f'<div class="legend">{legend}</div><div class="plot" id="plot-{name}" aria-hidden="true"></div>'
        f'<p>{both(f"plot.{name}.note")}</p><div class="ranges">{ranges}</div></figure>'
    )


def _range(line: Mapping[str, Any]) -> str:
    values = line["y"]
    shown = {"first": values[0], "last": values[-1], "low": min(values), "high": max(values)}
    numbers = {key: f"{value:.4g}" if isinstance(value, float) else f"{value:,}" for key, value in shown.items()}
    return both("plot.range", name="\0", **numbers).replace("\0", both(f"line.{line['name']}"))


def data(facts: Facts, plots: Mapping[str, Any]) -> str:
    described = facts.data
    if described is None:
        return ""
    read = _rows((escape(f["path"]), escape(f["kind"]), f"{f['pairs']:,}") for f in described["files"])
    removed = _rows(
        (escape(name), f"{count:,}", _pairs(described["removed_samples"].get(name, [])))
        for name, count in described["removed"].items()
    )
    facts_said = {key: f"{described[key]:,}" for key in ("read", "train", "dev", "test", "clusters")}
    largest, padding = f"{described['largest_cluster']:,}", f"{100 * described['padding']:.1f}"
    counts = {key: f"{described[key]:,}" for key in ("vocabulary", "tokens", "batches")}
    return (
        f'<p class="lead">{both("data.sides", **facts_said, largest=largest)}</p>'
        f'<p class="lead">{both("data.vocabulary", **counts, padding=padding)}</p>'
        f"<h3>{both('data.files')}</h3>{_table(('data.file', 'data.kind', 'data.pairs'), read)}"
        f"<h3>{both('data.filters')}</h3>{_table(('data.filter', 'data.removed', 'data.examples'), removed)}"
        f"<h3></h3>{figure('lengths', plots['lengths'])}"
    )


def _pairs(found: Iterable[Mapping[str, str]]) -> str:
    return "<br>".join(escape(f"{pair['source'][:90]} | {pair['target'][:90]}") for pair in found)


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)


def _table(heads: Sequence[str], rows: str) -> str:
    head = "".join(f'<th scope="col">{both(key)}</th>' for key in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def setup(facts: Facts) -> str:
    plan = ""
    if facts.plan is not None:
        told = facts.plan
        matmul = told.get("matmul", {})
        entries = {
            "parameters": f"{told['parameters']:,}",
            "steps": f"{told['steps']:,}",
            "budget": told.get("budget") or "",
            "precision": told["precision"],
            "speed": f"{told['tokens_per_second']:,}",
            "threads": str(told["threads"]),
            "workers": str(told["workers"]) if told.get("workers", 1) > 1 else "",
            "matmul": ", ".join(f"{rate:,}" for rate in matmul.values()),
            "seconds": f"{facts.end['seconds']:.0f}" if facts.end else "",
            "best": f"{facts.end['best_step']:,}" if facts.end else "",
        }
        rows = "".join(
            f'<tr><th scope="row">{both(f"plan.{key}")}</th><td class="number">{escape(value)}</td></tr>'
            for key, value in entries.items()
            if value
        )
        plan = f'<h3>{both("plan")}</h3><div class="scroll"><table><tbody>{rows}</tbody></table></div>'
    return f"{plan}<h3>{both('config')}</h3>{_copied('config', facts.config)}"


def next_steps(facts: Facts) -> str:
    source, target = _languages(facts)
    run = f"runs/{facts.name}"
    commands = {}
    if facts.end is None or facts.end["reason"] == "interrupted":
        commands["resume"] = f"pellucid resume {run}"
    else:
        commands["translate"] = f'pellucid translate {run} "Save changes before closing?"'
        given = " ".join(tomllib.loads(facts.config).get("data", {}).get("files", []))
        commands["longer"] = f"pellucid train translate {given} --from {source} --to {target} --budget 20m"
    commands["own"] = f"pellucid train translate pairs.tsv --from {source} --to {target} --budget 10m"
    return "".join(f"<p>{both(f'next.{key}')}</p>{_copied(f'next-{key}', text)}" for key, text in commands.items())


def _copied(name: str, text: str) -> str:
    return (
        f'<div class="copied"><button type="button" data-copy="{name}">{both("copy")}</button>'
        f'<pre id="{name}" tabindex="0">{escape(text)}</pre></div>'
    )


def _languages(facts: Facts) -> tuple[str, str]:
    described = facts.data or {}
    return escape(described.get("source", "und")), escape(described.get("target", "und"))


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever the texts hold."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", " ")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _file(name: str) -> str:
    return files("pellucid.see.report").joinpath(name).read_text(encoding="utf-8")
