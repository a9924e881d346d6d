"""The page of a comparison: the verdict, scores with their spread, curves overlaid, and what differs.

Made of what `Comparison.json()` of train/comparison.py gives, and of nothing else. The sentences stand in
words/compare.*.json; the command line says the same ones (`sentences`).
"""

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from pellucid.see.report.elements import Body, Section, composed, copied, paragraph, table
from pellucid.see.report.page import framed
from pellucid.see.report.plots import Colour, Plot, colour, word
from pellucid.see.report.words import both_of

both = both_of("compare")
Told = Mapping[str, Any]
Said = tuple[str, dict[str, str]]  # a word of the page, and its values
COLOURS: tuple[Colour, ...] = ("quiet", "share", "neg", "pos", "ink")
SEED = "training.seed"
NARROW = 3  # groups whose scores find room in half the page
COARSE = 1 / 3  # of a difference: a score that moves in larger steps is said to
LEAST = 0.05  # below which the test by signs alone would do


def comparison_page(told: Told) -> str:
    """The whole page as HTML."""
    last = max((one["steps"] for group in told["groups"] for one in group["trainings"]), default=0)
    first = "cured" if told["cured"] else "verdict"
    sections = [
        Section(first, verdict(told)),
        Section("scores", scores(told)),
        Section("curves", curves(told)),
        Section("settings", settings(told)),
        Section("trainings", trainings(told)),
        Section("next", next_steps(told)),
    ]
    return framed("compare", told["name"], told["name"], sections, step=0, last=last)


# What is said


def sentences(told: Told) -> list[list[Said]]:
    """The verdict on each group beside the first: what it is, then why, as words with their values.

    Of a cure, how far the reasons reach is said as well; of several groups once for all (`remarks`).
    """
    if told["refusal"]:
        refusal = told["refusal"]
        return [[("refused", {}), (f"refused.{refusal['reason']}", dict(refusal["values"]))]]
    said = []
    for number, effect in enumerate(told["effects"]):
        group = told["groups"][number + 1]
        kind = "cure" if told["cured"] else "group"
        what = told["cured"]["what"] if told["cured"] else group["name"]
        head = (f"{kind}.{effect['verdict']}", {"what": what, "first": told["groups"][0]["name"]})
        why = reasons(told, effect)
        said.append([head, *(why if told["cured"] else why[:1])])
    return said


def remarks(told: Told) -> list[Said]:
    """What holds for all of a comparison: how long a cure's trainings are, how far several verdicts reach."""
    if told["cured"]:
        return about_cure(told)
    known = [effect for effect in told["effects"] if effect["mean"] is not None]
    said: list[Said] = []
    if len(known) > 1:
        said.append(("several", {"count": str(len(known)), "level": f"{100 * known[0]['level']:.4g}"}))
    if any(effect["least"] is not None and effect["least"] > LEAST for effect in known):
        said.append(("remark.few", {}))
    if any(effect["method"] == "paired" and len(set(effect["seeds"])) > 1 for effect in known):
        said.append(("remark.common", {}))
    return said


def reasons(told: Told, effect: Told) -> list[Said]:
    """Why the verdict is what it is, in numbers."""
    before, after = effect["seeds"]
    failed = {"failed_before": str(effect["failed"][0]), "failed_after": str(effect["failed"][1])}
    values = {"before": str(before), "after": str(after), **failed}
    if effect["reason"] == "few":
        one = "one" if before == after == 1 else "few"
        return [(f"reason.{one}.{'cure' if told['cured'] else 'group'}", values)]
    if effect["mean"] is None:
        return [(f"reason.{effect['reason']}", values)]
    values |= {
        "mean": signed(told, effect["mean"]),
        "low": signed(told, effect["low"]),
        "high": signed(told, effect["high"]),
        "worth": number(told, effect["worth"]),
        "level": f"{100 * effect['level']:.4g}",
        "seeds": str(len(effect["differences"])),
    }
    said = [(f"reason.{effect['reason']}", values)]
    if effect["reason"] == "same":
        return said
    if effect["step"] > abs(effect["mean"]) * COARSE:
        said.append((f"how.step.{told['score']['name']}", {"step": number(told, effect["step"])}))
    if effect["method"] == "unpaired":
        said.append(("how.unpaired", values))
    elif effect["exact"] is not None:
        values |= {"p": probability(effect["exact"]), "least": probability(effect["least"])}
        said.append(("how.signs_few" if effect["least"] > LEAST else "how.signs", values))
    return said


def about_cure(told: Told) -> list[Said]:
    """How long the trainings are, and why."""
    cured, said = told["cured"], []
    if cured["adapted"]:
        changes = ", ".join(f"{name} {old} → {new}" for name, (old, new) in cured["adapted"].items())
        said.append(("length.adapted", {"changes": changes}))
    elif "training.steps" in cured["changes"]:
        said.append(("length.changed", {}))
    else:
        said.append(("length.same", {"steps": f"{cured['steps']:,}"}))
    return said


def about_gap(told: Told, number: int = 0) -> list[Said]:
    """The loss gap of the first group and of another, and whether it changed."""
    before, after = (told["groups"][place]["gap"] for place in (0, number + 1))
    if before is None or after is None:
        return []
    values = {"before": figure(before), "after": figure(after)}
    effect = told["gap_effects"][number] if told["gap_effects"] else None
    if effect is None or effect["mean"] is None:
        return [("gap", values)]
    values |= {"mean": sign(effect["mean"]), "low": sign(effect["low"]), "high": sign(effect["high"])}
    return [("gap.interval", values)]


# How numbers are written


def number(told: Told, value: float | None) -> str:
    """A score with the digits that count."""
    return "–" if value is None else f"{value:,.{told['score']['digits']}f}".replace("-", "−")


def signed(told: Told, value: float) -> str:
    return f"{value:+,.{told['score']['digits']}f}".replace("-", "−")


def figure(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def sign(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def probability(value: float) -> str:
    return f"{value:.3g}"


def setting(value: Any) -> str:
    """A value of a config as it stands in a table."""
    if value is None:
        return "–"
    return (
        str(value).lower() if isinstance(value, bool) else f"{value:.12g}" if isinstance(value, float) else str(value)
    )


# What is shown


def verdict(told: Told) -> Body:
    body: list[str | Plot] = []
    for said in sentences(told):
        head, *rest = (both(key, **values) for key, values in said)
        body.append(f'<p class="verdict"><b>{head}</b></p>')
        body += [paragraph(text) for text in rest]
    return [*body, *(paragraph(both(key, **values)) for key, values in remarks(told))]


def scores(told: Told) -> Body:
    """Each seed's score in each group, their mean and deviation, and what one group makes of another's."""
    name = told["score"]["name"]
    plot = _score_plot(told)
    better = "more" if told["score"]["higher"] else "less"
    heads = [
        both("group"),
        both("seeds"),
        both(f"score.{name}"),
        both("deviation"),
        both("difference"),
        both("interval"),
    ]
    rows = []
    for place, group in enumerate(told["groups"]):
        effect = told["effects"][place - 1] if place and told["effects"] else None
        known = effect is not None and effect["mean"] is not None
        rows.append(
            (
                _named(told, place),
                str(len(group["seeds"])),
                number(told, group["mean"]),
                number(told, group["deviation"]),
                signed(told, effect["mean"]) if known and effect else "",
                f"{signed(told, effect['low'])} … {signed(told, effect['high'])}" if known and effect else "",
            )
        )
    body: list[str | Plot] = [paragraph(both(f"scores.lead.{better}")), plot, table(heads, rows, numbers=range(1, 6))]
    paired = [effect for effect in told["effects"] if effect["differences"]]
    if told["cured"] and paired:
        body.append(_pairs(told, paired[0]))
    body += [paragraph(both(key, **values)) for key, values in (about_gap(told) if len(told["groups"]) == 2 else [])]
    return body


def _pairs(told: Told, effect: Told) -> str:
    """A row a seed: without, with, and the difference."""
    without, treated = ({one["seed"]: one["score"] for one in group["trainings"]} for group in told["groups"][:2])
    rows = [
        (seed, number(told, without[int(seed)]), number(told, treated[int(seed)]), signed(told, difference))
        for seed, difference in effect["differences"].items()
    ]
    heads = [both("seed"), both("untreated"), both("treated"), both("difference")]
    return table(heads, rows, numbers=range(4))


def _score_plot(told: Told) -> Plot:
    """A point for each seed, the same seeds of groups joined; beside them mean and deviation."""
    places = list(range(len(told["groups"])))
    names = [group_name(told, place) for place in places]
    traces: list[dict[str, Any]] = []
    by_seed: dict[int, list[float | None]] = {}
    for place, group in enumerate(told["groups"]):
        for one in group["trainings"]:
            by_seed.setdefault(one["seed"], [None] * len(names))[place] = one["score"]
    for seed, values in by_seed.items():
        if all(value is None for value in values):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{SEED}={seed}",
                "x": places,
                "y": values,
                "line": {"color": colour("faint"), "width": 1},
                "marker": {"color": [colour(_colour(place)) for place in places], "size": 9},
            }
        )
    if not traces:
        return Plot("scores", [])
    means = [group["mean"] for group in told["groups"]]
    spread = [group["deviation"] or 0 for group in told["groups"]]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": word("line.mean"),
            "x": [place + 0.12 for place in places],
            "y": means,
            "error_y": {"type": "data", "array": spread, "color": colour("ink"), "thickness": 1.5, "width": 5},
            "marker": {"color": colour("ink"), "size": 9, "symbol": "diamond"},
        }
    )
    layout = {
        "xaxis": {
            "tickvals": places,
            "ticktext": [word("untreated") if name is None else _wrapped(name) for name in names],
            "range": [-0.5, len(names) - 0.5],
        },
        "yaxis": {"title": {"text": word(f"score.{told['score']['name']}")}},
        "hovermode": "closest",
    }
    return Plot("scores", traces, layout, height=340, wide=len(places) > NARROW)


def curves(told: Told) -> Body:
    """Loss on the development side, loss in training and the score, of every training, in its group's colour."""
    plots = [
        _curve_plot(told, "dev_loss", "dev_losses"),
        _curve_plot(told, "train_loss", "losses"),
        _curve_plot(told, "score_curve", "scores", f"score.{told['score']['name']}"),
    ]
    there = [plot for plot in plots if plot.traces]
    if not there:
        return []
    script = f'<noscript><p class="lead">{both("plot.script")}</p></noscript>'
    keys = "".join(f"{_named(told, place)} &nbsp; " for place in range(len(told["groups"])))
    return [script, paragraph(both("curves.lead")), f'<p class="small">{keys}</p>', *there]


def _curve_plot(told: Told, name: str, of: str, y: str = "axis.loss") -> Plot:
    traces = []
    for place, group in enumerate(told["groups"]):
        for one in group["trainings"]:
            points = [(step, value) for step, value in one[of] if math.isfinite(value)]
            if not points:
                continue
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": one["name"],
                    "x": [step for step, _ in points],
                    "y": [value for _, value in points],
                    "line": {"color": colour(_colour(place)), "width": 1.5, "dash": _dash(place)},
                }
            )
    layout = {
        "xaxis": {"title": {"text": word("axis.step")}},
        "yaxis": {"title": {"text": word(y)}},
        "hovermode": "closest",
    }
    return Plot(name, traces, layout, height=320, steps=True)


def settings(told: Told) -> Body:
    """Every field in which the groups are not alike."""
    if not told["differing"]:
        return [paragraph(both("settings.none"))]
    heads = [both("field"), *(_named(told, place) for place in range(len(told["groups"])))]
    rows = [
        (f"<code>{escape(name)}</code>", *(escape(setting(value)) for value in values))
        for name, values in told["differing"].items()
    ]
    return [paragraph(both("settings.lead")), table(heads, rows)]


def trainings(told: Told) -> Body:
    """Every run folder, and how far it came."""
    score = f"score.{told['score']['name']}"
    heads = [both(key) for key in ("run", "seed", score, "gap.short", "steps", "best", "seconds", "standing")]
    rows = []
    for place, group in enumerate(told["groups"]):
        for one in group["trainings"]:
            rows.append(
                (
                    f"{_key(place)}<code>{escape(one['path'])}</code>",
                    str(one["seed"]),
                    number(told, one["score"]),
                    "–" if one["gap"] is None else figure(one["gap"]),
                    f"{one['steps']:,}",
                    f"{one['best_step']:,}",
                    f"{one['seconds']:.1f}",
                    f'<span class="whole">{both("standing." + one["standing"])}</span>'
                    + (f" {escape(one['failed'])}" if one["failed"] else ""),
                )
            )
    return [table(heads, rows, numbers=range(1, 7))]


def next_steps(told: Told) -> Body:
    body: list[str] = []
    for key, text in commands(told).items():
        body.append(f"<p>{both(key)}</p>{copied(both, key.replace('.', '-'), text)}")
    return [composed(both, body)]


def commands(told: Told) -> dict[str, str]:
    """What may be done next, by the word that says what for."""
    first = told["groups"][0]["trainings"][0]["path"]
    if not told["cured"]:
        return {"next.cure": f"pellucid cure {first} --with FIELD=VALUE"}
    cured = told["cured"]
    asked = ",".join(f"{name}={setting(value)}" for name, value in cured["changes"].items())
    seeds = max(2 * max(len(group["seeds"]) for group in told["groups"]), 6)
    return {
        "next.seeds": f'pellucid cure {cured["run"]} --with "{asked}" --seeds {seeds}',
        "next.other": f"pellucid cure {cured['run']} --with FIELD=VALUE",
    }


def group_name(told: Told, place: int) -> str | None:
    """What a group is called: of a cure by what was changed, else by its first run; None for what is untreated."""
    if told["cured"]:
        return str(told["cured"]["what"]) if place else None
    return str(told["groups"][place]["name"])


def _named(told: Told, place: int) -> str:
    name = group_name(told, place)
    return _key(place) + (both("untreated") if name is None else escape(name))


def _colour(place: int) -> Colour:
    return COLOURS[place % len(COLOURS)]


def _dash(place: int) -> str:
    """The first group, which all are held against, is dashed; those that have to share a colour are dotted."""
    return "dash" if not place else "solid" if place < len(COLOURS) else "dot"


def _key(place: int) -> str:
    return f'<i class="key c-{_colour(place)}{"" if _dash(place) == "solid" else " dashed"}"></i>'


def _wrapped(name: str, width: int = 24) -> str:
    """In lines, so that names of neighbours do not run into each other; Plotly reads some HTML in it."""
    parts = escape(name).split(", ")
    lines: Iterable[str] = (part if len(part) <= width else part[: width - 1] + "…" for part in parts)
    return "<br>".join(lines)
