"""What a translator's report adds: scores beside two baselines, translations to read, how one of them came to be."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import pairwise
from typing import Any

from pellucid.data.languages import known_language
from pellucid.see.report.elements import Body, Section, heading, headline, paragraph, searchable, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Curve, Plot, bars, each_and_smoothed, lines, of_evaluations
from pellucid.see.report.words import both_of

MEASURES = ("chrf", "bleu", "exact", "placeholders")
both = both_of("translate")


def verdict(facts: Facts) -> Body:
    """The model's scores in a sentence, and all systems' in tables."""
    test = facts.test or {}
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
        minutes=f"{seconds / 60:.{1 if seconds >= 60 else 2}f}",
        pairs=f"{test['pairs']:,}",
        chrf=f"{systems['model']['chrf']['value']:.1f}",
        bleu=f"{systems['model']['bleu']['value']:.1f}",
        compared="\0",
    )
    languages = [_language(described.get(side, "und")) for side in ("source", "target")]
    for place, words_there in zip("\0\1\2", (compared, *languages), strict=True):
        lead = lead.replace(place, words_there)
    tables = [scores(name, subset) for name, subset in test["subsets"].items()]
    chrf = systems["model"]["chrf"]
    interval = both("headline", low=f"{chrf['low']:.1f}", high=f"{chrf['high']:.1f}")
    return [
        headline(f"{chrf['value']:.1f}", interval),
        f'<p class="verdict">{lead}</p>',
        *tables,
        paragraph(both("intervals")),
    ]


def _language(code: str) -> str:
    """Its name: in English with its own beside it, and to readers of Chinese its own."""
    found = known_language(code)
    if found is None:
        return escape(code)
    english = found.english if found.english == found.native else f"{found.english} ({found.native})"
    return f'<span class="en">{escape(english)}</span><span class="zh">{escape(found.native)}</span>'


def scores(name: str, subset: Mapping[str, Any]) -> str:
    """A table of all systems' scores on some of the held-out sentences."""
    systems, pairs = subset["systems"], f"{subset['pairs']:,}"
    measures = [measure for measure in MEASURES if any(measure in found for found in systems.values())]
    head = "".join(f'<th scope="col" class="number">{both(f"measure.{measure}")}</th>' for measure in measures)
    rows = []
    for system, found in systems.items():
        ours = system == "model"
        cells = "".join(_score(found.get(measure), bar=measure == "chrf", ours=ours) for measure in measures)
        rows.append(f'<tr{" class=ours" if ours else ""}><th scope="row">{both(f"system.{system}")}</th>{cells}</tr>')
    return (
        f"{heading(both(f'subset.{name}', pairs=pairs))}"
        f'<div class="scroll"><table class="plain"><thead><tr><th scope="col">{both("system")}</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _score(score: Mapping[str, float] | None, *, bar: bool, ours: bool) -> str:
    if score is None:
        return '<td class="number"></td>'
    kind = "bar" if ours else "bar base"
    drawn = f'<span class="{kind}" aria-hidden="true"><i style="width:{score["value"]:.0f}%"></i></span>' if bar else ""
    return f'<td class="number">{drawn}{score["value"]:.1f}<small>{score["low"]:.1f}–{score["high"]:.1f}</small></td>'


def sections(facts: Facts) -> list[Section]:
    return [Section("samples", samples(facts)), Section("learning", learning(facts))]


def samples(facts: Facts) -> Body:
    """Held-out sentences, their translations and what they might have been."""
    if facts.test is None or not facts.test["samples"]:
        return []
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
    sentences = (
        f'<table class="plain sentences"><thead><tr><th scope="col" class="number">chrF</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    lead = paragraph(both("samples.lead", shown=len(found), pairs=pairs))
    return [lead, searchable(both, "samples", sentences)]


def learning(facts: Facts) -> Body:
    """The dev sentence whose translation changed most often, at every evaluation."""
    histories: dict[str, list[tuple[int, str]]] = {}
    references: dict[str, str] = {}
    for line in facts.evaluations:
        for sample in line["samples"]:
            histories.setdefault(sample["source"], []).append((line["step"], sample["output"]))
            references[sample["source"]] = sample["references"][0]
    if not histories:
        return []
    source, target = _languages(facts)
    told = max(histories, key=lambda text: len({output for _, output in histories[text]}))
    rows = [(str(step), f'<span lang="{target}">{escape(output)}</span>') for step, output in histories[told]]
    return [
        paragraph(both("learning.lead")),
        f'<p class="told" lang="{source}">{escape(told)}</p>',
        table((both("axis.step"), both("column.output")), rows, numbers=(0,)),
        paragraph(f'{both("learning.reference")}: <span lang="{target}">{escape(references[told])}</span>'),
    ]


def curves(facts: Facts) -> list[Plot]:
    scored = [of_evaluations(facts, "chrf"), of_evaluations(facts, "bleu", colour="neg", dashed=True)]
    return [
        lines("scores", scored, from_zero=True),
        lines("padding", each_and_smoothed(facts, "padding", factor=100), from_zero=True),
    ]


def data(facts: Facts) -> Body:
    described = facts.data or {}
    read = [(escape(file["path"]), escape(file["kind"]), f"{file['pairs']:,}") for file in described["files"]]
    removed = [
        (escape(name), f"{count:,}", _pairs(described["removed_samples"].get(name, [])))
        for name, count in described["removed"].items()
    ]
    facts_said = {key: f"{described[key]:,}" for key in ("read", "train", "dev", "test", "clusters")}
    largest, padding = f"{described['largest_cluster']:,}", f"{100 * described['padding']:.1f}"
    counts = {key: f"{described[key]:,}" for key in ("vocabulary", "tokens", "batches")}
    files, filters = ("data.file", "data.kind", "data.pairs"), ("data.filter", "data.removed", "data.examples")
    return [
        paragraph(both("data.sides", **facts_said, largest=largest)),
        paragraph(both("data.vocabulary", **counts, padding=padding)),
        heading(both("data.files")),
        table([both(key) for key in files], read, numbers=(2,)),
        heading(both("data.filters")),
        table([both(key) for key in filters], removed, numbers=(1,)),
        lengths(described["lengths"]),
    ]


def lengths(counted: Mapping[str, Any]) -> Plot:
    """How many training sentences have how many tokens."""
    ranges = [f"{low}–{high - 1}" for low, high in pairwise(counted["edges"])]
    sides = [Curve("source", ranges, counted["source"], "neg"), Curve("target", ranges, counted["target"], "pos")]
    return bars("lengths", sides, x="axis.tokens")


def _pairs(found: Iterable[Mapping[str, str]]) -> str:
    return "<br>".join(escape(f"{pair['source'][:90]} | {pair['target'][:90]}") for pair in found)


def next_steps(facts: Facts) -> dict[str, str]:
    source, target = _languages(facts)
    own = {"next.own": f"pellucid train translate pairs.tsv --from {source} --to {target} --budget 10m"}
    if not facts.over:
        return own
    given = " ".join(facts.settings.get("data", {}).get("files", []))
    return {
        "next.translate": f'pellucid translate {facts.run} "Save changes before closing?"',
        "next.longer": f"pellucid train translate {given} --from {source} --to {target} --budget 20m",
        **own,
    }


def _languages(facts: Facts) -> tuple[str, str]:
    described = facts.data or {}
    return escape(described.get("source", "und")), escape(described.get("target", "und"))
