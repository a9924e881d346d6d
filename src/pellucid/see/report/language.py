"""What a language model adds to the report: bits per character beside counts and compressors, a held-out passage with
the surprise at each of its tokens, and what the model wrote as it learned."""

from collections.abc import Mapping
from html import escape
from typing import Any

from pellucid.see.report.elements import Body, Section, heading, headline, paragraph, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot, lines, of_evaluations
from pellucid.see.report.words import both_of

both = both_of("language")
FULL_SHADE = 8.0  # bits at which a token is shaded fully: as hard to guess as one of 256
SHADE = 70  # percent of the colour in a fully shaded token, so that its text stays readable
WORKS_SHOWN = 100


def verdict(facts: Facts) -> Body:
    test, plan, described = facts.test or {}, facts.plan or {}, facts.data or {}
    systems = test["systems"]
    bits = {name: found["bits_per_character"] for name, found in systems.items()}
    gain = bits["ngram"] - bits["model"]
    compared = both("compared.better" if gain > 0 else "compared.worse", gain=f"{abs(gain):.2f}")
    seconds = facts.end["seconds"] if facts.end else 0.0
    lead = both(
        "lead.tested",
        cell="\1",
        parameters=f"{plan.get('parameters', 0):,}",
        minutes=f"{seconds / 60:.{1 if seconds >= 60 else 2}f}",
        characters=f"{test['characters']:,}",
        bits=f"{bits['model']:.3f}",
        perplexity=f"{test['perplexity']:.2f}",
        token=f"{described.get('characters_per_token', 1):.1f}",
        compared="\0",
    )
    cell = facts.settings.get("model", {}).get("cell", "gpt")
    lead = lead.replace("\1", both(f"cell.{cell}")).replace("\0", compared)
    found = systems["model"]
    interval = both("headline", low=f"{found['low']:.3f}", high=f"{found['high']:.3f}")
    return [
        headline(f"{bits['model']:.3f}", interval),
        f'<p class="verdict">{lead}</p>',
        scores(systems),
        paragraph(both("intervals")),
    ]


def scores(systems: Mapping[str, Mapping[str, float]]) -> str:
    """One row a system; a longer bar is more bits, which is worse."""
    most = max(found["bits_per_character"] for found in systems.values())
    rows = []
    for system, found in systems.items():
        ours, bits = system == "model", found["bits_per_character"]
        between = f"{found['low']:.3f}–{found['high']:.3f}" if "low" in found else ""
        kind = "bar" if ours else "bar base"
        bar = f'<span class="{kind}" aria-hidden="true"><i style="width:{100 * bits / most:.0f}%"></i></span>'
        rows.append(
            f'<tr{" class=ours" if ours else ""}><th scope="row">{both(f"system.{system}")}</th>'
            f'<td class="number">{bar}{bits:.3f}</td><td class="number">{between}</td></tr>'
        )
    heads = "".join(f'<th scope="col" class="number">{head}</th>' for head in (both("bits"), "95%"))
    return (
        f'<div class="scroll"><table class="plain"><thead><tr><th scope="col">{both("system")}</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def sections(facts: Facts) -> list[Section]:
    return [
        Section("writes", writes(facts)),
        Section("surprise", surprise(facts)),
        Section("learning", learning(facts)),
    ]


def writes(facts: Facts) -> Body:
    """What the finished model wrote, after lines that it had never seen."""
    if facts.test is None or not facts.test["samples"]:
        return []
    settings = facts.settings.get("writing", {})
    chosen = {"temperature": settings.get("temperature", 1.0), "seed": settings.get("seed", 1)}
    written = [
        f'<pre tabindex="0"><b>{escape(sample["prompt"])}</b>{escape(sample["text"])}</pre>'
        for sample in facts.test["samples"]
    ]
    return [paragraph(both("writes.lead", **chosen)), *written]


def surprise(facts: Facts) -> Body:
    """A held-out passage; the darker a token stands, the less the model expected it."""
    if facts.test is None or not facts.test["passage"]["tokens"]:
        return []
    passage = facts.test["passage"]
    spans = "".join(
        f'<span title="{bits:.1f} bits" style="background:color-mix(in srgb,rgb(var(--pos)) '
        f'{min(bits / FULL_SHADE, 1) * SHADE:.0f}%,transparent)">{escape(token)}</span>'
        for token, bits in zip(passage["tokens"], passage["bits"], strict=True)
    )
    hardest = sorted(zip(passage["bits"], range(len(passage["bits"])), strict=True), reverse=True)[:8]
    rows = [(_around(passage["tokens"], place), f"{bits:.1f}") for bits, place in hardest]
    return [
        paragraph(both("surprise.lead")),
        f'<pre class="passage" tabindex="0">{spans}</pre>',
        heading(both("surprise.hardest")),
        table([both("surprise.token"), both("bits.one")], rows, numbers=(1,)),
    ]


def _around(tokens: list[str], place: int, width: int = 24) -> str:
    """A token in bold, and the text around it."""
    before = "".join(tokens[max(place - width, 0) : place]).replace("\n", "⏎")
    after = "".join(tokens[place + 1 : place + 1 + width // 2]).replace("\n", "⏎")
    shown = tokens[place].replace("\n", "⏎").replace(" ", "␣")
    return f"{escape(before)}<b>{escape(shown)}</b>{escape(after)}"


def learning(facts: Facts) -> Body:
    """What was written at each evaluation."""
    rows = [
        (
            str(line["step"]),
            f"{line['scores']['bits_per_character']:.3f}",
            f"<pre>{escape(line['samples'][0]['text'].strip(chr(10)))}</pre>",
        )
        for line in facts.evaluations
        if line["samples"]
    ]
    if not rows:
        return []
    heads = (both("axis.step"), both("bits"), both("column.text"))
    return [paragraph(both("learning.lead")), table(heads, rows, numbers=(0, 1))]


def curves(facts: Facts) -> list[Plot]:
    return [lines("bits", [of_evaluations(facts, "bits_per_character")])]


def data(facts: Facts) -> Body:
    described: Any = facts.data or {}
    characters = {side: f"{count:,}" for side, count in described["characters"].items()}
    tokens = {
        "vocabulary": f"{described['vocabulary']:,}",
        "tokens": f"{described['train']:,}",
        "per": f"{described['characters_per_token']:.2f}",
        "batches": f"{described['batches']:,}",
    }
    held = [(escape(work), both(f"side.{side}")) for side, works in described["held_out"].items() for work in works]
    works = [(escape(work["name"]), f"{work['characters']:,}") for work in described["works"][:WORKS_SHOWN]]
    noticed = [(both(f"noticed.{what}"), f"{count:,}") for what, count in described["noticed"].items()]
    body: list[str] = [
        paragraph(both(f"data.{described['by']}", texts=len(described["works"]), **characters)),
        paragraph(both("data.seen", share=f"{100 * described['seen_before']:.2f}")),
        paragraph(both(f"data.{described['pieces']}", **tokens)),
    ]
    if described["editions"]:
        body.append(paragraph(both("data.editions", count=len(described["editions"]))))
    if held:
        body += [heading(both("data.held")), table([both("data.work"), both("data.side")], held)]
    if noticed:
        body += [heading(both("data.noticed")), table([both("data.what"), both("data.count")], noticed, numbers=(1,))]
    body += [
        f'<h3 id="title-works">{both("data.works_read")}</h3>',
        f'<div class="reveal" tabindex="0" role="region" aria-labelledby="title-works">'
        f"{table([both('data.work'), both('data.characters_of')], works, numbers=(1,))}</div>",
    ]
    return body


def next_steps(facts: Facts) -> dict[str, str]:
    own = {"next.own": "pellucid train language books/ --budget 10m"}
    if not facts.over:
        return own
    given = " ".join(facts.settings.get("data", {}).get("files", []))
    return {
        "next.generate": f'pellucid generate {facts.run} "The " --temperature 0.7',
        "next.see": f'pellucid see {facts.run} "To be, or not"',
        "next.longer": f"pellucid train language {given} --budget 20m",
        **own,
    }
