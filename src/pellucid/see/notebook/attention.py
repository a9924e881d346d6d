"""A call of attention drawn: all heads side by side, and the nine parts of one of them with the reasons of its mask."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import torch
from torch import Tensor

from pellucid.see.attention import Attention
from pellucid.see.notebook.matrix import WINDOW, Look, look_of, picture, short
from pellucid.see.notebook.steps import listed
from pellucid.see.notebook.values import Slice, Where, badge, drawn, shape_of, slices
from pellucid.see.notebook.words import say
from pellucid.see.operation import Axis, Step
from pellucid.see.selection import position
from pellucid.see.trace import largest_difference

HEADS = 16  # side by side
READABLE = 8  # positions up to which the small matrices hold numbers


def attention(call: Attention, where: Where | None = None, rows: int = WINDOW[0], columns: int = WINDOW[1]) -> str:
    """Weights of all heads of one sentence, then Q, K, V, scores, scaled, masked, weights, weighted sum, projection."""
    at = chosen(call.weights, where or {})
    html = f'<div><span class="name">{escape(call.place)}</span>{badge(call.weights)}</div>'
    html += f'<p class="note">{say("attention_title")}<br>{hidden(call)}</p>'
    weights = look_of(call.weights.value)
    if at:
        html += heads(call, at, weights)
        *before, (axis, index) = at.items()
        size = call.weights.value.size(len(before))
        example = ", ".join(f"{name}={number}" for name, number in [*before, (axis, (index + 1) % size)])
        fixed = ", ".join(f"{name}={number}" for name, number in at.items())
        html += f'<p class="note">{say("head_note", chosen=fixed, example=example)}</p>'
    return html + parts(call, at, weights, rows, columns) + joined(call, at, rows, columns)


def chosen(weights: Step, where: Where) -> dict[str, int]:
    """The position along each axis before query and key: as it is said, else the first."""
    said = {axis: position(weights, axis, index) for axis, index in where.items()}
    leading = weights.axis_names[:-2]
    return {axis: said.get(axis, 0) % weights.value.size(number) for number, axis in enumerate(leading)}


def hidden(call: Attention) -> str:
    """How many weights are hidden, and why."""
    cells = call.hidden
    if call.reason == "none":
        return say("hidden_none")
    reasons = " + ".join(say(reason) for reason in call.reason.split(" and "))
    counted = say("hidden_count", hidden=f"{int(cells.sum()):,}", count=f"{cells.numel():,}", reasons="{reasons}")
    return counted.replace("{reasons}", reasons)


def part(step: Step, at: Mapping[str, int]) -> Slice:
    """The matrix of one part that belongs to the chosen sentence and head; of shared heads, the one that is shared."""
    places: dict[str, int] = {}
    leading = list(zip(step.axis_names[:-2], step.value.shape[:-2], strict=True))
    for (axis, size), index in zip(reversed(leading), reversed(list(at.values())), strict=False):
        places[axis] = min(index, size - 1)
    return next(slices(step, places))


def heads(call: Attention, at: Mapping[str, int], look: Look) -> str:
    """The weights of every head, small: with numbers where they are few, else as pictures."""
    axis = list(at)[-1]
    count = call.weights.value.size(len(at) - 1)
    few = max(call.weights.value.shape[-2:]) <= READABLE
    html = ""
    for head in range(min(count, HEADS)):
        one = next(slices(call.weights, {**at, axis: head}))
        if few:
            html += drawn(one, look, READABLE, READABLE, f"{escape(axis)} {head}", small=True)
        else:
            html += figure(one, look, f"{axis} {head}")
    return f'<h4>{say("heads")}</h4><div class="row">{html}</div>{look.legend}'


def figure(one: Slice, look: Look, title: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{picture(one.values, look, title, 160)}</figure>"


def parts(call: Attention, at: Mapping[str, int], weights: Look, rows: int, columns: int) -> str:
    """From queries to the weighted sum, for one head; what is added or compared with each other has one scale."""
    names = ("query", "key", "value", "scores", "scaled", "masked", "weights", "weighted")
    steps = (call.query, call.key, call.value, call.scores, call.scaled, call.masked, call.weights, call.heads)
    found = {name: part(step, at) for name, step in zip(names, steps, strict=True)}
    factor = scale(found["scores"].values, found["scaled"].values)
    said = {"scaled": say("scaled_by", factor=short(factor, 4))} if factor is not None else {}
    why = reasons(call, found["masked"].values)
    if call.reason != "none":
        said["masked"] = f"{say('hidden_because')} {' + '.join(say(reason) for reason in call.reason.split(' and '))}"
    html = ""
    for group in (names[:3], names[3:6], names[6:7], names[7:]):
        values = [found[name].values for name in group]
        look = weights if group == ("weights",) else Look(look_of(*values, torch.full((1,), 0.0)).largest)
        figures = []
        for name in group:
            title = f"{names.index(name) + 1} {say(name)}"
            title += f' <span class="quiet">{said[name]}</span>' if name in said else ""
            mark = why if name == "masked" else None
            figures.append(drawn(found[name], look, rows, columns, title, mark=mark))
        html += f'<div class="row">{"".join(f"<div>{one}</div>" for one in figures)}</div>{look.legend}'
    return html


def reasons(call: Attention, masked: Tensor) -> Callable[[int, int], str]:
    """Why a cell of one head is hidden; nothing where it is not."""
    cells = (masked == -math.inf).cpu()
    why = call.reason
    ahead = torch.ones(cells.shape, dtype=torch.bool).triu(1) & ("causal" in why)
    column = (cells | ahead).all(0, keepdim=True) & cells & ("padding" in why)

    def reason(i: int, j: int) -> str:
        if not cells[i, j]:
            return ""
        names = [name for name, there in (("causal", ahead[i, j]), ("padding", column[i, j])) if there]
        return " + ".join(say(name) for name in names or ["other"])

    return reason


def scale(scores: Tensor, scaled: Tensor) -> float | None:
    """What the scores were multiplied by, read off their strongest."""
    if scores.shape != scaled.shape or not scores.numel():
        return None
    at = scores.double().abs().argmax()
    strongest = float(scores.flatten()[at])
    return float(scaled.flatten()[at]) / strongest if strongest else None


def joined(call: Attention, at: Mapping[str, int], rows: int, columns: int) -> str:
    """The projection's output, and how much of it each head brought."""
    if call.output is None:
        return f'<p class="note">{say("no_projection")}</p>'
    output = part(call.output, dict(list(at.items())[:-1]))
    html = drawn(output, look_of(output.values), rows, columns, f"9 {say('joined')}")
    shares = call.shares()
    if shares is None:
        return html
    bias = call.output.operands.get("bias")
    whole = shares.sum(-3) + (bias.value if bias is not None else 0)
    far = largest_difference(whole.reshape(-1), call.output.value.reshape(-1))
    leading = tuple(list(at.values())[: shares.dim() - 3])
    sizes = shares[leading].norm(dim=-1)
    labels = call.weights.axes[-2]
    names = Step("shares", "norm", sizes, axes=(Axis("head"), Axis(labels.name, labels.labels)))
    html += drawn(next(slices(names, {})), look_of(sizes), rows, columns, say("shares"))
    return f'{html}<p class="note">{say("shares_note", difference=short(far, 2))}</p>'


def attentions(calls: Sequence[Attention]) -> str:
    """One line a call."""
    rows = [
        f'<tr><td class="code">{escape(call.place)}</td><td>{escape(shape_of(call.weights))}</td>'
        f"<td>{hidden(call)}</td></tr>"
        for call in calls
    ]
    head = [("", say("place")), ("", say("axes")), ("", say("hidden_because"))]
    return f'<p class="note">{say("calls", count=len(calls))}</p>{listed(head, rows)}'
