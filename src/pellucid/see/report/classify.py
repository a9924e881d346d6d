"""What a classifier's report adds: accuracy beside baselines, each class, what is taken for what, how far its certainty
can be believed, what it is most wrong about, and the images as training saw them.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from pellucid.see.report.elements import Body, Picture, Section, heading, headline, paragraph, searchable, sheet, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Plot, colour, lines, of_evaluations, scale, word
from pellucid.see.report.words import both_of

CELL, MARGIN, LARGEST = 34, 130, 760  # pixels of the confusion table: a class, around, at most
NUMBERED = 24  # classes up to which each cell says its number
COLUMNS_SHOWN = 8  # of a row of a table
both = both_of("classify")


def verdict(facts: Facts) -> Body:
    """Accuracy in a sentence, beside what the most frequent class and the nearest example would score."""
    test, described, plan = facts.test or {}, facts.data or {}, facts.plan or {}
    systems = test["systems"]
    gain = systems["model"]["value"] - systems["nearest"]["value"]
    key = "compared.better" if gain > 0 else "compared.same" if gain == 0 else "compared.worse"
    lead = both(
        "lead.tested",
        classes=len(test["classes"]),
        train=f"{described.get('train', 0):,}",
        parameters=f"{plan.get('parameters', test['parameters']):,}",
        seconds=f"{facts.end['seconds'] if facts.end else 0:.0f}",
        examples=f"{test['examples']:,}",
        accuracy=f"{systems['model']['value']:.2f}",
        compared="\0",
    ).replace("\0", both(key, gain=f"{abs(gain):.2f}"))
    found = systems["model"]
    interval = both("headline", low=f"{found['low']:.1f}", high=f"{found['high']:.1f}")
    body: list[str | Plot] = [
        headline(f"{found['value']:.2f}%", interval),
        f'<p class="verdict">{lead}</p>',
        _systems(systems),
        paragraph(both("intervals")),
    ]
    if test["fully_connected"]:
        times = test["fully_connected"] / test["parameters"]
        body += [
            heading(both("convolution")),
            _parameters(test),
            paragraph(both("convolution.why", times=f"{times:,.0f}")),
        ]
    return body


def _systems(systems: Mapping[str, Any]) -> str:
    rows = []
    for system, found in systems.items():
        ours = system == "model"
        kind = "bar" if ours else "bar base"
        drawn = f'<span class="{kind}" aria-hidden="true"><i style="width:{found["value"]:.0f}%"></i></span>'
        rows.append(
            f'<tr{" class=ours" if ours else ""}><th scope="row">{both(f"system.{system}")}</th><td class="number">'
            f"{drawn}{found['value']:.2f}<small>{found['low']:.1f}–{found['high']:.1f}</small></td></tr>"
        )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">{both("system")}</th>'
        f'<th scope="col" class="number">{both("accuracy")}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _parameters(test: Mapping[str, Any]) -> str:
    rows = [
        (both("convolution.own"), f"{test['parameters']:,}"),
        (both("convolution.dense"), f"{test['fully_connected']:,}"),
    ]
    return table((both("network"), both("parameters")), rows, numbers=(1,))


def sections(facts: Facts) -> list[Section]:
    if facts.test is None:
        return [Section("augmentation", augmentation(facts))]
    return [
        Section("classes", classes(facts.test)),
        Section("certainty", certainty(facts.test)),
        Section("wrong", wrong(facts.test)),
        Section("augmentation", augmentation(facts)),
    ]


def classes(test: Mapping[str, Any]) -> Body:
    """Each class's scores, worst first, and the confusion table."""
    named = sorted(zip(test["classes"], test["by_class"], strict=True), key=lambda pair: pair[1]["f1"])
    keys = ("precision", "recall", "f1")
    rows = [(escape(name), *(f"{found[key]:.1f}" for key in keys), f"{found['examples']:,}") for name, found in named]
    rows.append((f"<b>{both('mean')}</b>", *(f"<b>{test['macro'][key]:.1f}</b>" for key in keys), ""))
    heads = [both(key) for key in ("class", *keys, "examples")]
    return [paragraph(both("classes.lead")), table(heads, rows, numbers=range(1, 5)), confusion(test)]


def confusion(test: Mapping[str, Any]) -> Plot:
    """Shares of each row, with the counts in the cells while there is room."""
    names, counts = test["classes"], test["confusion"]
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    size = min(MARGIN + CELL * len(names), LARGEST)
    numbered = {"text": counts, "texttemplate": "%{text}"} if len(names) <= NUMBERED else {"text": counts}
    trace = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "colorscale": scale("share"),
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "%{y} → %{x}: %{text} (%{z:.1%})<extra></extra>",
        **numbered,
    }
    axis = {"type": "category", "showgrid": False}
    layout = {
        "xaxis": {**axis, "title": {"text": word("axis.predicted")}, "side": "top"},
        "yaxis": {**axis, "title": {"text": word("axis.truth")}, "autorange": "reversed"},
        "margin": {"t": 60, "b": 10},
    }
    mistakes = sum(count for i, row in enumerate(counts) for j, count in enumerate(row) if i != j)
    return Plot("confusion", [trace], layout, {"mistakes": f"{mistakes:,}"}, height=size, wide=len(names) > NUMBERED)


def certainty(test: Mapping[str, Any]) -> Body:
    """The reliability plot: as often right as it is sure, or not."""
    bins = [one for one in test["calibration"]["bins"] if one["examples"]]
    sure, right = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
    exact = {
        "type": "scatter",
        "mode": "lines",
        "name": word("line.exact"),
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": colour("quiet"), "width": 1.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    bars = {
        "type": "bar",
        "name": word("line.right"),
        "x": [(one["low"] + one["high"]) / 2 for one in bins],
        "y": right,
        "width": [one["high"] - one["low"] for one in bins],
        "marker": {"color": colour("share"), "opacity": 0.35},
        "customdata": [[one["examples"], one["confidence"]] for one in bins],
        "hovertemplate": "%{customdata[1]:.3f} → %{y:.3f} (%{customdata[0]})<extra></extra>",
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": word("line.right"),
        "x": sure,
        "y": right,
        "marker": {"size": 8, "color": colour("share")},
        "hoverinfo": "skip",
    }
    layout = {
        "xaxis": {"title": {"text": word("axis.sure")}, "range": [0, 1.02]},
        "yaxis": {"title": {"text": word("axis.right")}, "range": [0, 1.04]},
        "bargap": 0,
    }
    rows = [
        (
            f"{one['low']:.1f}–{one['high']:.1f}",
            f"{one['examples']:,}",
            f"{one['confidence']:.3f}",
            f"{one['accuracy']:.3f}",
        )
        for one in bins
    ]
    heads = [both(key) for key in ("certainty.bin", "examples", "certainty.sure", "certainty.right")]
    return [
        paragraph(both("certainty.lead", error=f"{test['calibration']['error']:.1f}")),
        Plot("reliability", [exact, bars, dots], layout, curves=(), height=340),
        table(heads, rows, numbers=range(4)),
    ]


def wrong(test: Mapping[str, Any]) -> Body:
    """Mistakes first; where there are few, what it was least sure about."""
    found = test["wrong"]
    mistakes = sum(one["truth"] != one["predicted"] for one in found)
    lead = paragraph(both("wrong.lead" if mistakes else "wrong.none", count=mistakes, shown=len(found)))
    if found and "image" in found[0]:
        return [lead, sheet(_picture(one) for one in found)]
    columns = list(found[0]["row"]) if found else []
    heads = [both(key) for key in ("wrong.example", "wrong.truth", "wrong.predicted", "wrong.sure", "wrong.row")]
    rows = [
        (
            escape(one["origin"]),
            escape(one["truth"]),
            escape(one["predicted"]),
            f"{100 * one['probability']:.1f}%",
            escape(", ".join(f"{name} {one['row'].get(name, '')}" for name in columns[:COLUMNS_SHOWN])),
        )
        for one in found
    ]
    return [lead, searchable(both, "examples", table(heads, rows, numbers=(3,)))]


def _picture(one: Mapping[str, Any]) -> Picture:
    right = one["truth"] == one["predicted"]
    caption = both(
        "wrong.right" if right else "wrong.caption",
        truth=one["truth"],
        predicted=one["predicted"],
        sure=f"{100 * one['probability']:.0f}",
    )
    return Picture(f"data:image/png;base64,{one['image']}", f"{one['origin']}: {one['truth']}", caption)


def augmentation(facts: Facts) -> Body:
    """Some images, and to the right of each what training saw of it."""
    described = facts.data or {}
    if not described.get("augmented"):
        return []
    address = f"data:image/png;base64,{described['augmented']}"
    return [
        paragraph(both("augmentation.lead")),
        paragraph(" · ".join(changes(described["augmentation"]))),
        _large(address, "augmented training images", facts.name + "-augmentation"),
    ]


def changes(told: Mapping[str, Any]) -> list[str]:
    """How images were changed, each way and its strength in both languages; `told` is an AugmentationConfig's."""
    found = [both("augmentation.rotate", value=f"{told['rotate']:g}")] if told["rotate"] else []
    shares = [name for name in ("shift", "crop", "brightness", "noise") if told[name]]
    found += [both(f"augmentation.{name}", value=f"{100 * told[name]:g}") for name in shares]
    return found + ([both(f"augmentation.{told['flip']}")] if told["flip"] != "none" else [])


def _large(address: str, shows: str, name: str) -> str:
    """One wide picture, its pixels as they are, to be saved as it is."""
    return (
        f'<figure class="wide"><img class="contact" src="{escape(address)}" alt="{escape(shows)}">'
        f'<p><a href="{escape(address)}" download="{escape(name)}.png">PNG</a></p></figure>'
    )


def curves(facts: Facts) -> list[Plot]:
    scored = [of_evaluations(facts, "accuracy"), of_evaluations(facts, "f1", colour="neg", dashed=True)]
    return [lines("scores", scored)]


def data(facts: Facts) -> Body:
    """Where it came from, how many of each class stand where, and images of each class."""
    described = facts.data or {}
    counts = {key: f"{described[key]:,}" for key in ("read", "train", "dev", "test")}
    shape = described["shape"]
    what = (
        both("data.images", width=shape[2], height=shape[1], channels=shape[0])
        if len(shape) == 3
        else both("data.rows", inputs=shape[0], target=described["target"])
    )
    files = [(escape(file["path"]), escape(file["kind"])) for file in described["files"]]
    rows = [
        (escape(one["class"]), *(f"{one[side]:,}" for side in ("train", "dev", "test"))) for one in described["classes"]
    ]
    body: list[str | Plot] = [
        paragraph(both("data.sides", **counts)),
        paragraph(what),
        *(paragraph(both(f"data.{note['kind']}", count=f"{note['count']:,}")) for note in described["notes"]),
        heading(both("data.files")),
        table([both("data.file"), both("data.kind")], files),
        heading(both("data.classes")),
        table([both(key) for key in ("class", "data.train", "data.dev", "data.test")], rows, numbers=(1, 2, 3)),
    ]
    left_out = [(escape(name), escape(why)) for name, why in described["left_out"].items()]
    if left_out:
        body += [heading(both("data.left_out")), table([both("data.column"), both("data.why")], left_out)]
    if described["samples"]:
        address = f"data:image/png;base64,{described['samples']}"
        body += [
            heading(both("data.samples")),
            _large(address, "training images of each class", facts.name + "-images"),
        ]
    return body


def next_steps(facts: Facts) -> dict[str, str]:
    described = facts.data or {}
    images = len(described.get("shape", [])) == 3
    own = (
        "pellucid train classify pictures/ --augment light"
        if images
        else "pellucid train classify table.csv --target COLUMN"
    )
    if not facts.over:
        return {"next.own": own}
    return {
        "next.predict": f"pellucid predict {facts.run} {'picture.png' if images else 'table.csv'}",
        "next.see": f"pellucid see {facts.run} 0",
        "next.own": own,
    }
