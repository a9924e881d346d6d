"""What a regression's report adds: how near it comes, coefficients beside the closed form, the valley that the descent
went through, networks of growing size against one curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import pairwise
from typing import Any

from pellucid.see.report.elements import Body, Section, heading, headline, paragraph, slider, table
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Colour, Curve, Plot, bars, colour, lines, of_evaluations, scale, thinned, word
from pellucid.see.report.words import both_of

PATH_POINTS = 600  # of the path that is drawn
FIRST_SHOWN = 2  # of the networks, the place of the one that the slider begins with
SHADES: tuple[Colour, ...] = ("faint", "quiet", "neg", "share", "pos", "focus", "ink")  # of networks side by side
both = both_of("regress")

Row = Mapping[str, Any]


def verdict(facts: Facts) -> Body:
    """R² in a sentence, and all systems in a table."""
    test, described = facts.test or {}, facts.data or {}
    model, closed = test["systems"]["model"], test["systems"]["closed_form"]
    gain = model["r2"] - closed["r2"]
    if described.get("inputs") and facts.settings["model"]["depth"] == 0:
        compared = both("compared.linear", difference=f"{abs(gain):.1g}")
    else:
        compared = both("compared.better" if gain > 0 else "compared.worse", gain=f"{abs(gain):.3f}")
    lead = both(
        "lead.tested",
        target=test["target"],
        inputs=f"{described.get('inputs', 0):,}",
        train=f"{described.get('train', 0):,}",
        rows=f"{test['rows']:,}",
        seconds=f"{facts.end['seconds']:.0f}" if facts.end else "?",
        share=f"{100 * model['r2']:.1f}",
        rmse=f"{model['rmse']:.4g}",
        compared="\0",
    ).replace("\0", compared)
    rows = [
        (
            both(f"system.{system}"),
            f"{scores['r2']:.3f}<small>{scores['low']:.2f}–{scores['high']:.2f}</small>",
            f"{scores['rmse']:.4g}",
            f"{scores['mae']:.4g}",
        )
        for system, scores in test["systems"].items()
    ]
    heads = (both("system"), "R²", both("measure.rmse"), both("measure.mae"))
    trained = test["train"]["model"]
    fit = both("verdict.train", r2=f"{trained['r2']:.3f}", rmse=f"{trained['rmse']:.4g}")
    interval = both("headline", low=f"{model['low']:.2f}", high=f"{model['high']:.2f}", rows=f"{test['rows']:,}")
    return [
        headline(f"{model['r2']:.3f}", interval),
        f'<p class="verdict">{lead}</p>',
        table(heads, rows, numbers=(1, 2, 3)),
        paragraph(both("r2")),
        paragraph(fit),
    ]


def sections(facts: Facts) -> list[Section]:
    test = facts.test
    if test is None:
        return [Section("valley", valley(facts))]
    return [
        Section("growing", growing(test)),
        Section("fitted", fitted(test)),
        Section("valley", valley(facts)),
        Section("coefficients", coefficients(facts)),
        Section("predictions", predictions(test)),
    ]


def growing(test: Row) -> Body:
    """Networks of one hidden layer against the function: one at a time with a slider, and all errors."""
    networks = test.get("networks", [])
    if not networks:
        return []
    curve = test.get("curve")
    known = curve is not None and "function" in curve
    heads = [both("neurons"), *([both("distance")] if known else []), both("measure.rmse"), "R²"]
    rows = [
        (
            str(one["neurons"]),
            *([f"{one['distance']:.4f}"] if known else []),
            f"{one['scores']['rmse']:.4f}",
            f"{one['scores']['r2']:.3f}",
        )
        for one in networks
    ]
    sizes = [one["neurons"] for one in networks]
    errors = [Curve("rmse", sizes, [one["scores"]["rmse"] for one in networks], "pos")]
    if known:
        errors.insert(0, Curve("distance", sizes, [one["distance"] for one in networks], "share"))
    logarithmic = {"xaxis": {"title": {"text": word("axis.neurons")}, "type": "log", "tickvals": sizes}}
    smallest, largest = (chosen(value for curve in errors for value in curve.y) for chosen in (min, max))
    marks = [part * 10**power for power in range(-6, 9) for part in (1, 2, 5)]
    ticks = [mark for mark in marks if smallest / 2 < mark < largest * 2]
    logarithmic["yaxis"] = {"type": "log", "tickvals": ticks, "ticktext": [f"{mark:g}" for mark in ticks]}
    shrinking = replace(lines("shrinking", errors, x="axis.neurons"), layout=logarithmic)
    told = table(heads, rows, numbers=range(len(heads)))
    if curve is None:
        return [paragraph(both("growing.lead_table")), shrinking, told]
    text = curve.get("text", test["target"])
    plot, shown = _growing_plot(curve, networks)
    control = slider(both, "neurons", plot.name, shown, first=min(FIRST_SHOWN, len(networks) - 1))
    return [paragraph(both("growing.lead", function=text)), control, plot, shrinking, told]


def _growing_plot(curve: Row, networks: Sequence[Row]) -> tuple[Plot, list[tuple[str, list[int]]]]:
    """Points, function and every network's curve; which of them each place of the slider shows."""
    traces = [
        _points(curve),
        *([_line(curve, curve["function"], "function", "quiet", "dash")] if "function" in curve else []),
    ]
    always = list(range(len(traces)))
    first = min(FIRST_SHOWN, len(networks) - 1)
    for place, (one, y) in enumerate(zip(networks, curve["networks"], strict=True)):
        trace = _line(curve, y, "network", "pos") | {"visible": place == first}
        traces.append(trace | {"name": str(one["neurons"])})
    shown = [(str(one["neurons"]), [*always, len(always) + place]) for place, one in enumerate(networks)]
    legend = [Curve("points", [], [], "faint"), Curve("network", [], [], "pos")]
    if "function" in curve:
        legend.insert(1, Curve("function", [], [], "quiet", dashed=True))
    return Plot("growing", traces, _curve_layout(curve), legend=legend, height=420, wide=True), shown


def fitted(test: Row) -> Body:
    """Of one network with one input: its curve through the points, and the straight line of the closed form."""
    curve = test.get("curve")
    if curve is None or "networks" in test:
        return []
    traces = [
        _points(curve),
        *([_line(curve, curve["function"], "function", "quiet", "dash")] if "function" in curve else []),
        _line(curve, curve["line"], "closed_form", "share", "dot"),
        _line(curve, curve["networks"][0], "network", "pos"),
    ]
    legend = [Curve("points", [], [], "faint"), Curve("closed_form", [], [], "share", dashed=True)]
    legend.append(Curve("network", [], [], "pos"))
    return [Plot("fitted", traces, _curve_layout(curve), legend=legend, height=380, wide=True)]


def _points(curve: Row) -> dict[str, Any]:
    marker = {"color": colour("faint"), "size": 5}
    return {"type": "scatter", "mode": "markers", "name": word("line.points"), **curve["points"], "marker": marker}


def _line(curve: Row, y: Sequence[float], name: str, tone: Any, dash: str = "solid") -> dict[str, Any]:
    line = {"color": colour(tone), "width": 2.5, "dash": dash}
    return {"type": "scatter", "mode": "lines", "name": word(f"line.{name}"), "x": curve["x"], "y": y, "line": line}


def _curve_layout(curve: Row) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": curve["input"]}}, "hovermode": "closest"}


def valley(facts: Facts) -> Body:
    """The loss over two weights as a surface and a contour map, and the way that this training took over it."""
    found = (facts.test or {}).get("surface")
    if found is None:
        return []
    points = [point for line in facts.evaluations for one in line["samples"] for point in one.get("path", [])]
    chosen = thinned([point[3] for point in points], PATH_POINTS)
    steps, first, second, loss = ([points[i][column] for i in chosen] for column in range(4))
    names, grid = found["names"], {key: found[key] for key in ("x", "y")}
    low = min(map(min, found["loss"]))
    labels = [f"{step}" for step in steps]
    way = {"x": first, "y": second, "text": labels, "name": word("line.path")}
    hover = "%{text}<br>%{x:.4f}, %{y:.4f}<extra></extra>"
    ends = {"x": [first[0], found["end"][0]], "y": [second[0], found["end"][1]]} if points else {"x": [], "y": []}
    contour = [
        {
            "type": "contour",
            **grid,
            "z": found["loss"],
            "name": word("line.loss"),
            "colorscale": scale("share"),
            "reversescale": True,
            "ncontours": 24,
            "contours": {"coloring": "heatmap"},
            "line": {"color": colour("line"), "width": 1},
            "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": word("axis.loss")}},
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            **way,
            "hovertemplate": hover,
            "line": {"color": colour("pos"), "width": 2},
            "marker": {"color": colour("pos"), "size": 4},
        },
        {
            "type": "scatter",
            "mode": "markers",
            **ends,
            "name": word("line.ends"),
            "text": [str(steps[0]), str(steps[-1])] if points else [],
            "hovertemplate": hover,
            "marker": {"color": [colour("neg"), colour("ink")], "size": 11, "symbol": ["circle", "x"]},
        },
    ]
    solid = [
        {
            "type": "surface",
            **grid,
            "z": found["loss"],
            "name": word("line.loss"),
            "colorscale": scale("share"),
            "reversescale": True,
            "showscale": False,
            "opacity": 0.85,
            "contours": {"z": {"show": True, "color": colour("line"), "width": 1}},
        },
        {
            "type": "scatter3d",
            "mode": "lines+markers",
            **way,
            "z": loss,
            "line": {"color": colour("pos"), "width": 6},
            "marker": {"color": colour("pos"), "size": 2.5},
        },
    ]
    titles = {"xaxis": {"title": {"text": names[0]}}, "yaxis": {"title": {"text": names[1]}}}
    scene = {
        **titles,
        "zaxis": {"title": {"text": word("axis.loss")}},
        "camera": {"eye": {"x": 1.5, "y": -1.5, "z": 0.9}},
    }
    values = {"first": names[0], "second": names[1]}
    legend = [Curve("path", [], [], "pos")]
    said = both(
        "valley.lead" if len(names) < int((facts.plan or {}).get("parameters", 0)) else "valley.whole",
        **values,
        steps=f"{facts.steps[-1]['step'] if facts.steps else 0:,}",
        low=f"{low:.4f}",
    )
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    return [
        paragraph(said),
        Plot("surface", solid, {"scene": scene, "margin": margin}, values, legend=legend, height=460),
        Plot("contour", contour, titles | {"hovermode": "closest"}, values, legend=legend, height=460),
    ]


def coefficients(facts: Facts) -> Body:
    """The closed form with its standard errors; of a linear network, what the descent found beside it."""
    test = facts.test or {}
    linear = test["coefficients"][0]["descent"] is not None
    if "networks" in test:
        return []
    heads = [both("column"), both("closed_form"), *([both("descent")] if linear else [])]
    heads += [both("standard_error"), "t", "p", both("standardized")]
    rows = []
    for row in test["coefficients"]:
        known = row["standard_error"] is not None
        cells = [escape(row["name"]), f"{row['closed_form']:.6g}", *([f"{row['descent']:.6g}"] if linear else [])]
        cells += (
            [f"{row['standard_error']:.4g}", f"{row['t']:.2f}", _p(row["p"])] if known else [both("reference"), "", ""]
        )
        rows.append([*cells, "" if row["standardized"] is None else f"{row['standardized']:+.3f}"])
    facts_said = {"deviation": f"{test['residual_deviation']:.4g}", "degrees": f"{test['degrees']:,}"}
    found = sorted(test["coefficients"][1:], key=lambda row: -abs(row["standardized"]))[:20]
    weights = Curve("standardized", [row["name"] for row in found], [round(row["standardized"], 4) for row in found])
    lead = paragraph(both("coefficients.lead"))
    descended = [paragraph(both("coefficients.descent"))] if linear else [paragraph(both("coefficients.network"))]
    return [
        lead,
        *descended,
        table(heads, rows, numbers=range(1, len(heads))),
        paragraph(both("coefficients.note", **facts_said)),
        bars("weights", [weights], x="axis.column") if len(found) > 1 else "",
    ]


def _p(value: float) -> str:
    text = f"{value:.2g}" if value else "&lt;1e-300"
    return f"<b>{text}</b>" if value < 0.05 else text


def predictions(test: Row) -> Body:
    """Each held-out row's true value against the predicted one, and the rows that are furthest off."""
    found = test["predictions"]
    values = [*found["truth"], *found["predicted"]]
    ends = [min(values), max(values)]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": ends,
            "y": ends,
            "name": word("line.perfect"),
            "line": {"color": colour("quiet"), "width": 1, "dash": "dash"},
        },
        {
            "type": "scatter",
            "mode": "markers",
            "x": found["truth"],
            "y": found["predicted"],
            "name": word("line.rows"),
            "marker": {"color": colour("share"), "size": 7, "opacity": 0.75},
        },
    ]
    layout = {"xaxis": {"title": {"text": word("axis.truth")}}, "yaxis": {"title": {"text": word("axis.predicted")}}}
    legend = [Curve("perfect", [], [], "quiet", dashed=True), Curve("rows", [], [], "share")]
    worst = [
        (
            escape(one["line"]),
            f"{one['truth']:.5g}",
            f"{one['predicted']:.5g}",
            f"{one['predicted'] - one['truth']:+.4g}",
            escape(", ".join(f"{name} {value}" for name, value in list(one["row"].items())[:12])),
        )
        for one in found["worst"]
    ]
    heads = [both(f"column.{name}") for name in ("line", "truth", "predicted", "off", "row")]
    return [
        Plot("predictions", traces, layout | {"hovermode": "closest"}, legend=legend, height=380),
        heading(both("worst")),
        table(heads, worst, numbers=(1, 2, 3)),
    ]


def curves(facts: Facts) -> list[Plot]:
    """R² on the development rows; of networks side by side each one's error."""
    sizes = [name for line in facts.evaluations[:1] for name in line["scores"] if name.startswith("rmse_")]
    if not sizes:
        return [lines("scores", [of_evaluations(facts, "r2")])]
    steps = [line["step"] for line in facts.evaluations]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name.removeprefix("rmse_"),
            "x": steps,
            "y": [line["scores"][name] for line in facts.evaluations],
            "line": {"color": colour(SHADES[place % len(SHADES)]), "width": 2},
        }
        for place, name in enumerate(sizes)
    ]
    layout = {
        "xaxis": {"title": {"text": word("axis.step")}},
        "yaxis": {"type": "log", "dtick": "D2"},
        "showlegend": True,
    }
    return [Plot("sizes", traces, layout, steps=True)]


def data(facts: Facts) -> Body:
    described = facts.data or {}
    heads = [both(f"column.{name}") for name in ("name", "kind", "mean", "deviation", "range")]
    rows = []
    for column in described["columns"]:
        target = column["name"] == described["target"]
        name = f"<b>{escape(column['name'])}</b> {both('is_target')}" if target else escape(column["name"])
        if column["kind"] == "number":
            span = f"{column.get('lowest', 0):.5g} … {column.get('highest', 0):.5g}"
            cells = [f"{column.get('mean', 0):.5g}", f"{column.get('deviation', 1):.5g}", span]
        else:
            shares = zip(column["categories"], column["shares"], strict=True)
            cells = ["", "", escape(", ".join(f"{category} {100 * share:.0f}%" for category, share in shares))]
        rows.append((name, both(f"kind.{column['kind']}"), *cells))
    counts = {key: f"{described[key]:,}" for key in ("read", "train", "dev", "test", "dropped")}
    left_out = [f"{escape(name)} ({escape(why)})" for name, why in described["left_out"].items()]
    (target_column,) = (column for column in described["columns"] if column["name"] == described["target"])
    edges = target_column["histogram"]["edges"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    spread = Curve("rows", [float(f"{middle:.4g}") for middle in middles], target_column["histogram"]["counts"])
    return [
        paragraph(both("data.sides", **counts)),
        paragraph(escape(", ".join(map(str, described["files"])))),
        paragraph(both("data.standardized")),
        table(heads, rows, numbers=(2, 3)),
        paragraph(both("data.left_out", columns="\0").replace("\0", ", ".join(left_out))) if left_out else "",
        bars("target", [spread], x="axis.target"),
    ]


def next_steps(facts: Facts) -> dict[str, str]:
    settings = facts.settings
    files = " ".join(settings["data"]["files"])
    target = f" --target {settings['data']['target']}" if ":" not in files else ""
    steps = {"next.see": f"pellucid see {facts.run}", "next.predict": f"pellucid predict {facts.run} TABLE.csv"}
    if settings["model"]["depth"] == 0:
        steps["next.network"] = f"pellucid train regress {files}{target} --depth 2 --width 64"
    else:
        steps["next.linear"] = f"pellucid train regress {files}{target} --depth 0"
    return steps | {"next.own": "pellucid train regress YOURS.csv --target COLUMN"}
