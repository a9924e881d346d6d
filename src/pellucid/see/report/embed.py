"""What a report of word vectors adds: whether related words are near, who is near whom, the table and its map."""

from collections.abc import Mapping
from html import escape
from typing import Any

from pellucid.see.report.elements import Body, Section, heading, paragraph, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot, colour, lines, of_evaluations, scale, word
from pellucid.see.report.words import both_of

LABELLED = 60  # words on the map whose names are always written; the others' show when pointed at
both = both_of("embed")


def verdict(facts: Facts) -> Body:
    """How often the related word is the nearer one, beside what it takes to do that without training."""
    test, plan = facts.test or {}, facts.plan or {}
    described = facts.data or {}
    systems = test["systems"]
    seconds = facts.end["seconds"] if facts.end else 0.0
    lead = both(
        "lead.tested" if test["pairs"] else "lead.unjudged",
        words=f"{described.get('train', 0):,}",
        vocabulary=f"{described.get('vocabulary', 0):,}",
        parameters=f"{plan.get('parameters', 0):,}",
        minutes=f"{seconds / 60:.{1 if seconds >= 60 else 2}f}",
        pairs=f"{test['pairs']:,}",
        right=f"{100 * systems['model']:.1f}",
        counted=f"{100 * systems['counted']:.1f}",
    )
    rows = [
        (both(f"system.{name}"), f"{100 * share:.1f}")
        for name, share in sorted(systems.items(), key=lambda one: -one[1])
    ]
    judged = [
        (escape(one["word"]), escape(one["related"]), escape(one["other"]), f"{one['pmi']:.2f}")
        for one in test["judged"]
    ]
    if not test["pairs"]:
        return [f'<p class="verdict">{lead}</p>']
    return [
        f'<p class="verdict">{lead}</p>',
        table((both("system"), both("right")), rows, numbers=(1,)),
        paragraph(both("judged.lead")),
        table(
            [both(key) for key in ("judged.word", "judged.related", "judged.other", "judged.pmi")], judged, numbers=(3,)
        ),
    ]


def sections(facts: Facts) -> list[Section]:
    if facts.test is None:
        return []
    return [
        Section("neighbours", neighbours(facts.test)),
        Section("one_hot", likeness(facts.test["likeness"])),
        Section("where", where(facts.test["map"])),
        Section("numbers", numbers(facts.test["table"])),
    ]


def neighbours(test: Mapping[str, Any]) -> Body:
    rows = [
        (f"<b>{escape(asked)}</b>", ", ".join(f"{escape(one['word'])}&nbsp;{one['cosine']:.2f}" for one in found))
        for asked, found in test["neighbours"].items()
    ]
    body: list[str | Plot] = [
        paragraph(both("neighbours.lead")),
        table((both("word"), both("nearest")), rows),
    ]
    if test["analogies"]:
        sums = [(f"<b>{escape(one['asked'])}</b>", escape(", ".join(one["near"]))) for one in test["analogies"]]
        body += [heading(both("analogies")), table((both("sum"), both("nearest")), sums), paragraph(both("sum.lead"))]
    return body


def likeness(found: Mapping[str, Any]) -> Body:
    """The cosines of a few words, one-hot and learned, as two matrices."""
    words = found["words"]
    identity = [[1.0 if row == column else 0.0 for column in range(len(words))] for row in range(len(words))]
    return [
        paragraph(both("one_hot.lead", words=len(words))),
        *(
            Plot(
                name,
                [
                    {
                        "type": "heatmap",
                        "x": words,
                        "y": words,
                        "z": values,
                        "zmid": 0,
                        "colorscale": scale("signed"),
                        "text": [[f"{value:.2f}" for value in row] for row in values],
                        "texttemplate": "%{text}",
                        "hovertemplate": "%{y}, %{x}: %{z:.3f}<extra></extra>",
                    }
                ],
                {"yaxis": {"autorange": "reversed"}},
                height=340,
            )
            for name, values in (
                ("cosine_one_hot", identity),
                ("cosine_learned", found["cosine"]),
                ("dot", found["dot"]),
            )
        ),
    ]


def where(found: Mapping[str, Any]) -> Body:
    """The most frequent words in the plane."""
    words, counts = found["words"], found["counts"]
    shown = {"shares": " + ".join(f"{100 * share:.1f}%" for share in found["shares"]), "words": len(words)}
    points = {
        "type": "scatter",
        "mode": "markers+text",
        "x": found["x"],
        "y": found["y"],
        "text": [name if place < LABELLED else "" for place, name in enumerate(words)],
        "hovertext": [f"{name}: {count:,}" for name, count in zip(words, counts, strict=True)],
        "hoverinfo": "text",
        "textposition": "top center",
        "textfont": {"size": 11, "color": colour("ink")},
        "marker": {"size": 5, "color": colour("share")},
        "showlegend": False,
    }
    method = found["method"]
    axes: dict[str, Any] = {}
    if method == "pca":
        axes = {
            "xaxis": {"title": {"text": word("axis.first")}},
            "yaxis": {"title": {"text": word("axis.second")}},
        }
    return [
        paragraph(both(f"where.{method}", **shown)),
        Plot("map", [points], {**axes, "hovermode": "closest"}, height=620, wide=True),
    ]


def numbers(found: Mapping[str, Any]) -> Body:
    """The first rows of the table, as a heat map."""
    cells = {
        "type": "heatmap",
        "y": found["words"],
        "z": found["values"],
        "zmid": 0,
        "colorscale": scale("signed"),
        "hovertemplate": "%{y}, %{x}: %{z:.3f}<extra></extra>",
    }
    layout = {
        "yaxis": {"autorange": "reversed", "dtick": 1},
        "xaxis": {"title": {"text": word("axis.dimension")}},
    }
    lead = paragraph(both("numbers.lead", words=len(found["words"]), dimension=len(found["values"][0])))
    return [lead, Plot("table", [cells], layout, height=16 * len(found["words"]) + 90, wide=True)]


def curves(facts: Facts) -> list[Plot]:
    return [lines("related", [of_evaluations(facts, "related")], y="axis.share")]


def data(facts: Facts) -> Body:
    described = facts.data or {}
    works = [
        (
            escape(one["name"]),
            f"{one['characters']:,}",
            escape(", ".join(f"{what}: {count:,}" for what, count in one["noticed"].items())),
        )
        for one in described["works"]
    ]
    sides = {side: f"{count:,}" for side, count in described["scenes"].items()}
    facts_said = {key: f"{described[key]:,}" for key in ("train", "vocabulary", "kept", "batches")}
    frequent = ", ".join(f"{escape(name)}&nbsp;{count:,}" for name, count in described["frequent"])
    return [
        paragraph(both("data.sides", train_scenes=sides["train"], dev=sides["dev"], test=sides["test"])),
        paragraph(both("data.words", **facts_said)),
        paragraph(f"{both('data.frequent')} {frequent}"),
        heading(both("data.works")),
        table([both(key) for key in ("data.work", "data.characters", "data.noticed")], works, numbers=(1,)),
    ]


def next_steps(facts: Facts) -> dict[str, str]:
    own = {"next.own": "pellucid train embed books/ --dimension 100"}
    if not facts.over or facts.test is None:
        return own
    asked = next(iter(facts.test["neighbours"]))
    return {
        "next.neighbours": f"pellucid neighbours {facts.run} {asked}",
        "next.see": f"pellucid see {facts.run} {asked}",
        "next.export": f"pellucid export {facts.run} --to word2vec -o vectors.txt",
        **own,
    }
