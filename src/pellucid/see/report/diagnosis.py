"""What the doctor found, as a section: each illness with its evidence, the plot that convinces, and its cures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from pellucid.see.report.elements import Body, copied, figures, heading, named_values, paragraph
from pellucid.see.report.facts import Facts
from pellucid.see.report.plots import Colour, Curve, Plot, lines, thinned
from pellucid.see.report.words import Both, both_of
from pellucid.words import LANGUAGES

COLOURS: Sequence[Colour] = ("neg", "pos", "share", "quiet", "ink", "faint")
SHOWN_LINES = 40  # of the data


def diagnosis(facts: Facts) -> Body:
    """Nothing where the doctor has not looked yet."""
    found = facts.diagnosis
    if found is None:
        return []
    both = both_of(facts.task)
    examined = both("diagnosis.examined" if found.get("examined") else "diagnosis.unexamined", run=facts.run)
    if not found["findings"]:
        healthy = both("diagnosis.healthy", step=f"{found['step']:,}")
        return [f'<p class="verdict">{healthy}</p>', paragraph(examined), *learning_curve(both, found)]
    body: list[str | Plot] = [paragraph(both("diagnosis.lead", step=f"{found['step']:,}")), paragraph(examined)]
    for number, finding in enumerate(found["findings"], 1):
        body += of_finding(both, number, finding)
    return body + learning_curve(both, found)


def learning_curve(both: Both, found: Mapping[str, Any]) -> list[str | Plot]:
    """What training on parts of the examples led to, if that was asked for: its points, and those that it lacks."""
    curve = found.get("learning_curve")
    if curve is None:
        return []
    body: list[str | Plot] = [heading(both("diagnosis.curve"))]
    if curve["stopped"]:
        return [*body, paragraph(both("diagnosis.curve_stopped"))]
    points = curve["points"]
    examples = [point["examples"] for point in points]
    held_out = Curve("curve_held_out", examples, [point["held_out"] for point in points], "share")
    training = Curve("curve_training", examples, [point["training"] for point in points], "quiet", dashed=True)
    drawn = lines("learning_curve", [held_out, training], x="axis.curve_examples", y="axis.curve_loss", from_zero=True)
    marks = {"type": "log", "tickvals": examples, "ticktext": [f"{count:,}" for count in examples]}
    layout = {"xaxis": {**drawn.layout["xaxis"], **marks}}
    # a single point is no curve
    shown = [replace(drawn, layout={**drawn.layout, **layout})] if len(points) > 1 else []
    body += [paragraph(both("diagnosis.curve_lead")), *shown]
    for point in [] if shown else points:
        losses = {name: figures(point[name]) for name in ("training", "held_out")}
        body.append(paragraph(both("diagnosis.curve_point", examples=f"{point['examples']:,}", **losses)))
    for lost in curve["broken"]:
        body.append(paragraph(both("diagnosis.curve_broken", examples=f"{lost['examples']:,}", why=lost["why"])))
    return body


def of_finding(both: Both, number: int, finding: Mapping[str, Any]) -> Body:
    sure = both("diagnosis.sure", percent=f"{100 * finding['sure']:.0f}")
    facts = [
        (both("diagnosis.place"), finding["place"]),
        (both("axis.step"), "" if finding["step"] is None else f"{finding['step']:,}"),
        (both("diagnosis.number"), figures(finding["number"])),
        (both("diagnosis.threshold"), figures(finding["threshold"])),
    ]
    title = f'{number}. {said(finding, "title")} <span class="quiet">{sure}</span>'
    body: list[str | Plot] = [
        f'<div class="finding" id="finding-{number}">{heading(title)}</div>',
        f"<p>{said(finding, 'evidence')}</p>",
        f'<p class="quiet">{said(finding, "why")}</p>',
        named_values(facts),
    ]
    if finding["plot"]:
        body.append(plot_of(number, finding))
    if finding["lines"]:
        shown = finding["lines"][:SHOWN_LINES]
        rest = len(finding["lines"]) - len(shown)
        more = f"<p>{both('diagnosis.more', count=f'{rest:,}')}</p>" if rest else ""
        items = "".join(f"<li>{escape(line)}</li>" for line in shown)
        title = both("diagnosis.lines", count=f"{len(finding['lines']):,}")
        body.append(f'<details><summary>{title}</summary><ul class="mono">{items}</ul>{more}</details>')
    if finding["cures"]:
        body.append(f'<p class="told">{both("diagnosis.cures")}</p>')
    for place, cure in enumerate(finding["cures"], 1):
        body.append(f"<p>{place}. {both_languages(cure['said'])}</p>")
        if cure["command"]:
            body.append(copied(both, f"cure-{number}-{place}", cure["command"]))
    return body


def plot_of(number: int, finding: Mapping[str, Any]) -> Plot:
    """The series of a finding, and what the rule compares with as a line if that is of the same kind."""
    name = f"finding_{number}"
    curves = []
    for place, series in enumerate(finding["plot"]):
        held = [(x, y) for x, y in zip(series["steps"], series["values"], strict=True) if y is not None]
        chosen = thinned([y for _, y in held])
        curves.append(
            Curve(
                f"{name}_{place}",
                [held[at][0] for at in chosen],
                [held[at][1] for at in chosen],
                COLOURS[place % len(COLOURS)],
            )
        )
    there = [curve for curve in curves if curve.y]
    if finding["drawn"] and there:
        ends = [min(curve.x[0] for curve in there), max(curve.x[-1] for curve in there)]
        threshold = [finding["threshold"]] * 2
        there.append(Curve(f"{name}_threshold", ends, threshold, "quiet", dashed=True, width=1.5))
    over_steps = finding["axis"] == "step"
    drawn = lines(name, there, x="axis.step" if over_steps else f"axis.{name}")
    layout = dict(drawn.layout)
    if finding["logarithmic"]:
        layout["yaxis"] = {**layout["yaxis"], "type": "log", "exponentformat": "power"}
    return Plot(name, drawn.traces, layout, curves=drawn.curves, wide=True, steps=over_steps)


def words_of(facts: Facts) -> dict[str, dict[str, str]]:
    """What the plots of the findings are called, by language: as the doctor says it."""
    found: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for number, finding in enumerate((facts.diagnosis or {}).get("findings", []), 1):
        name = f"finding_{number}"
        for language in LANGUAGES:
            words = found[language]
            words[f"plot.{name}"] = plain(finding["said"][language]["title"])
            words[f"plot.{name}.note"] = ""
            words[f"axis.{name}"] = plain(finding["axis_said"][language])
            words[f"line.{name}_threshold"] = plain(finding["threshold_said"][language])
            for place, series in enumerate(finding["plot"]):
                words[f"line.{name}_{place}"] = plain(series["said"][language])
    return found


def plain(text: str) -> str:
    """Words are filled in where braces stand; these texts have nothing to be filled in."""
    return text.replace("{", "(").replace("}", ")")


def said(finding: Mapping[str, Any], what: str) -> str:
    return both_languages({language: finding["said"][language][what] for language in LANGUAGES})


def both_languages(texts: Mapping[str, str]) -> str:
    return "".join(f'<span class="{one}" lang="{one}">{escape(texts[one])}</span>' for one in LANGUAGES)
