"""The walk of `pellucid see`: eleven stages, each a question, a sentence and small tables.

Forward they go from the text to the next token; backward from the loss to the text, with gradients in place of values.
"""

from collections.abc import Callable, Sequence

import torch
from rich.text import Text
from torch import Tensor

from pellucid.cli.console import out
from pellucid.cli.matrices import Matrix, Window, in_units, number, power_of, print_matrix, print_table, print_window
from pellucid.cli.opened import Opened, View
from pellucid.cli.words import say
from pellucid.see.attention import Attention
from pellucid.see.operation import Step
from pellucid.see.trace import Trace, largest_difference
from pellucid.see.translation import labels_along
from pellucid.see.walk import Stage, Walk
from pellucid.words import spoken

ROWS = 12  # of a table within the walk
WIDE = 14  # columns for one head's look: its share, and the token
CANDIDATES = 3


def print_walk(opened: Opened, view: View) -> None:
    """All stages; of attention a summary of all heads, or one head whole."""
    walk = Walk(opened.trace, view.layer, view.head)
    about = opened.trace.about
    out.print(Text(f"{about['source']} → {about['target']}", style="bold"))
    said = "see.teacher" if about["given"] else "see.decoded"
    out.print(Text(say(said, run=about["run"]), style="dim"))
    stages = walk.stages()
    for stage in reversed(stages) if view.backward else stages:
        out.print()
        out.print(Text(f"{stage.number}. {stage.title(spoken())}", style="bold"))
        if not view.backward:
            out.print(Text(stage.sentence(spoken())))
        drawn = (GOING_BACK if view.backward else FORWARD)[stage.key](walk, stage, view)
        others = [name for name in stage.steps if name not in drawn]
        if others:
            out.print(Text(say("see.others", names=", ".join(gathered(others))), style="dim"))
    out.print()
    if view.backward:
        out.print(Text(agreement(walk.trace)))
    out.print(Text(say("see.hint", layers=max(walk.layers.values()) - 1, heads=walk.heads - 1), style="dim"))


def gathered(names: Sequence[str]) -> list[str]:
    """Names of one place told together: encoder.0.self_attention.{queries, keys}."""
    places: dict[str, list[str]] = {}
    for name in names:
        place, _, last = name.rpartition(".")
        places.setdefault(place, []).append(last)
    return [
        f"{place}.{{{', '.join(lasts)}}}"
        if place and len(lasts) > 1
        else ", ".join(f"{place}.{last}".lstrip(".") for last in lasts)
        for place, lasts in places.items()
    ]


def agreement(trace: Trace) -> str:
    """How far our own gradients are from PyTorch's, at most."""
    apart = (
        largest_difference(gradient, step.gradient)
        for step, gradient in trace.gradients.items()
        if step.gradient is not None
    )
    return say("see.agreement", difference=f"{max(apart, default=0.0):.1e}".replace("-", "−"))


# --- one function a stage: each returns the names of the steps that it has drawn ------------------------------------


def tokens(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """Both sides by position: the token, and its id."""
    columns = [columns_of(walk.trace[name]) for name in stage.steps]
    count = max(len(labels) for labels, _ in columns)
    rows = [
        [str(position), *(cell for column in columns for cell in at_position(column, position))]
        for position in range(min(count, ROWS))
    ]
    heads = ["", *(head for name in stage.steps for head in (say(f"see.{name}"), "id"))]
    print_table(heads, rows, "r" + "lr" * len(columns))
    print_window("source", (0, len(rows), count))
    return stage.steps


def columns_of(step: Step) -> tuple[Sequence[str], list[int]]:
    return labels_along(step, -1), step.value.flatten().tolist()


def at_position(column: tuple[Sequence[str], list[int]], position: int) -> tuple[str, str]:
    labels, ids = column
    return (labels[position], str(ids[position])) if position < len(labels) else ("", "")


def matrices(*chosen: int) -> Callable[[Walk, Stage, View], Sequence[str]]:
    """Some of the stage's steps as they are."""

    def draw(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
        names = [stage.steps[number] for number in chosen if number < len(stage.steps)]
        for name in names:
            print_step(walk, name, view)
        return names

    return draw


def print_step(walk: Walk, name: str, view: View) -> None:
    """A step's values or gradient, of one head where it has heads."""
    step = walk.trace[name]
    values: Tensor | None = walk.trace.gradients.get(step) if view.backward else step.value
    if values is None:
        out.print(Text(say("see.no_gradient", name=name), style="dim"))
        return
    address, rest = name, values
    if "head" in step.axis_names:
        head = view.head or 0
        address, rest = f"{name}[head={head}]", values.select(step.axis_names.index("head"), head)
    title = f"dL/d {address}" if view.backward else address
    table = rest.flatten(0, -2) if rest.dim() > 2 else rest
    rows, columns = labels_along(step, -2), labels_along(step, -1)
    matrix = Matrix(address, table.tolist(), rows, columns, title, str(values.dtype).removeprefix("torch."))
    print_matrix(matrix, Window(rows=ROWS), view.exact)


def attention(side: str, part: str) -> Callable[[Walk, Stage, View], Sequence[str]]:
    """With --head its scores, masked scores and shares; else where each head looks."""

    def draw(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
        call = walk.call(side, part)
        if view.head is None:
            step = call.masked if view.backward else call.weights
            print_looks(walk, call, step, view)
            return [step.name]
        names = [step.name for step in dict.fromkeys([call.scores, call.scaled, call.masked, call.weights])]
        for name in reversed(names) if view.backward else names:
            print_step(walk, name, view)
        return names

    return draw


def print_looks(walk: Walk, call: Attention, step: Step, view: View) -> None:
    """For each query and head the key with the largest share; backward the one on which the loss pulls most."""
    values = walk.trace.gradients[step][0] if view.backward else step.value[0]
    best = (values.abs() if view.backward else values).argmax(dim=-1)
    found = values.gather(-1, best[..., None])[..., 0]  # head, query
    keys, queries = labels_along(call.weights, -1), labels_along(call.weights, -2)
    power = power_of(found.tolist()) if view.backward else 0
    title = say("see.pulls" if view.backward else "see.looks", name=step.name)
    out.print(Text(in_units(title, power), style="bold"))
    at_once = max((out.width - WIDE) // (WIDE + 2), 1)
    for first in range(0, len(values), at_once):
        heads = range(first, min(first + at_once, len(values)))
        rows = [
            [
                label,
                *(f"{number(float(found[head, query]), power)} {keys[int(best[head, query])]}" for head in heads),
            ]
            for query, label in enumerate(queries[:ROWS])
        ]
        print_table(["", *(say("see.head", head=head) for head in heads)], rows, "l" * (len(heads) + 1))
    print_window(step.name, (0, min(len(queries), ROWS), len(queries)))


def feed_forward(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """How many neurons each position wakes, and which most; then what comes back."""
    _, active, narrow = stage.steps
    step = walk.trace[active]
    values, labels = step.value[0], labels_along(step, -2)
    most, which = values.max(dim=-1)
    rows = [
        [label, str(int((values[row] > 0).sum())), str(int(which[row])), number(float(most[row]))]
        for row, label in enumerate(labels[:ROWS])
    ]
    out.print(Text(active, style="bold"))
    heads = [say(key) for key in ("see.active", "see.strongest", "see.value")]
    print_table(["", *heads], rows, "lrrr")
    print_window(active, (0, len(rows), len(labels)))
    print_step(walk, narrow, view)
    return [active, narrow]


def projection(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """The tokens with the highest scores, after each position."""
    logits = walk.trace["logits"]
    print_candidates(walk, logits, logits.value[0])
    return ["logits"]


def print_candidates(walk: Walk, step: Step, values: Tensor) -> None:
    """The tokens with the largest numbers at each position, best first."""
    best = values.topk(min(CANDIDATES, values.size(-1)), dim=-1)
    read, names = labels_along(walk.trace["target"], 1), labels_along(step, -1)
    rows = [
        [label, *(f"{number(v)} {names[t]}" for v, t in zip(*ranked, strict=True))]
        for label, *ranked in zip(read[:ROWS], best.values.tolist(), best.indices.tolist(), strict=False)
    ]
    out.print(Text(step.name, style="bold"))
    print_table([say("see.after"), *(say("see.candidate", rank=rank + 1) for rank in range(CANDIDATES))], rows, "llll")
    print_window(step.name, (0, len(rows), len(read)))


def softmax(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """The likeliest tokens, and beside them the one that stands there, its share and its surprise."""
    shares = walk.trace["probabilities"]
    print_candidates(walk, shares, shares.value[0])
    print_surprise(walk)
    return ["probabilities", "loss"]


def print_surprise(walk: Walk) -> None:
    shares, wanted = walk.trace["probabilities"].value[0], walk.trace["wanted"]
    right = shares.gather(-1, wanted.value[:, None])[:, 0]
    read, names = labels_along(walk.trace["target"], 1), labels_along(wanted, 0)
    rows = [
        [label, name, number(float(share)), number(float(-share.log()))]
        for label, name, share in zip(read[:ROWS], names, right, strict=False)
    ]
    out.print(Text(f"loss = {number(float(walk.trace['loss'].value))}", style="bold"))
    print_table([say("see.after"), say("see.wanted"), "p", "−log p"], rows, "llrr")
    print_window("wanted", (0, len(rows), len(read)))


def pulls_on_tokens(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """Of the logits' gradient: the token pulled up most, and those pushed down most."""
    logits = walk.trace["logits"]
    gradient = walk.trace.gradients[logits][0]
    read, names = labels_along(walk.trace["target"], 1), labels_along(logits, -1)
    low, high = gradient.topk(1, dim=-1, largest=False), gradient.topk(2, dim=-1)
    columns = torch.cat([low.values, high.values], -1).tolist(), torch.cat([low.indices, high.indices], -1).tolist()
    rows = [
        [label, *(f"{number(v)} {names[t]}" for v, t in zip(*ranked, strict=True))]
        for label, *ranked in zip(read[:ROWS], *columns, strict=False)
    ]
    out.print(Text("dL/d logits", style="bold"))
    print_table([say("see.after"), say("see.up"), say("see.down"), say("see.down")], rows, "llll")
    print_window("logits", (0, len(rows), len(read)))
    states = stage.steps[0]
    print_step(walk, states, view)
    return ["logits", states]


def surprise(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    print_surprise(walk)
    return stage.steps


def pulls_on_words(walk: Walk, stage: Stage, view: View) -> Sequence[str]:
    """How strongly the loss pulls at each token's vector: the length of its gradient."""
    for side in ("source", "target"):
        lengths = walk.trace.gradients[walk.trace[f"{side}.embedding"]][0].norm(dim=-1)[None]
        columns = labels_along(walk.trace[side], 1)
        title = say("see.length", name=f"{side}.embedding")
        print_matrix(Matrix(f"{side}.embedding", lengths.tolist(), [""], columns, title), Window(), view.exact)
    return stage.steps


Draw = Callable[[Walk, Stage, View], Sequence[str]]
ATTENTION: dict[str, Draw] = {
    "encoder_attention": attention("encoder", "self_attention"),
    "decoder_attention": attention("decoder", "self_attention"),
    "cross_attention": attention("decoder", "cross_attention"),
}
FORWARD: dict[str, Draw] = {
    **ATTENTION,
    "tokens": tokens,
    "embeddings": matrices(0),
    "positions": matrices(0, 1),
    "add_and_norm": matrices(0, 1),
    "feed_forward": feed_forward,
    "keys_and_values": matrices(0, 1, 2),
    "projection": projection,
    "softmax": softmax,
}
GOING_BACK: dict[str, Draw] = {
    **ATTENTION,
    "tokens": pulls_on_words,
    "embeddings": matrices(0, 2),
    "positions": matrices(1, 3),
    "add_and_norm": matrices(1, 0),
    "feed_forward": matrices(2, 1),
    "keys_and_values": matrices(2, 1, 0),
    "projection": pulls_on_tokens,
    "softmax": surprise,
}
