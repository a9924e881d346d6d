"""Tables of steps: a trace folded by place, a selection, a comparison, and what came out otherwise in a replay."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from html import escape

import torch

from pellucid.see.notebook.matrix import breakable, look_of, picture, short
from pellucid.see.notebook.values import badge, dtype_of, shape_of, slices, tensor
from pellucid.see.notebook.words import say
from pellucid.see.operation import Step
from pellucid.see.replay import Replay
from pellucid.see.selection import Comparison, Selection
from pellucid.see.trace import Trace

UNFOLDED = 40  # a trace of at most this many steps is shown open
ROWS = 1500  # beyond it a table is too slow to scroll
OPENED = 12  # steps of a selection whose numbers come with it

Placed = tuple[tuple[str, ...], Step]


def listed(head: Sequence[tuple[str, str]], rows: Sequence[str], kind: str = "list", columns: str = "") -> str:
    """A table; `head` has the class and the HTML of each column's title."""
    titles = "".join(f'<th scope="col" class="{name}">{title}</th>' for name, title in head)
    return (
        f'<div class="scroll"><table class="{kind}">{columns}<thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


# --- a trace --------------------------------------------------------------------------------------------------------

HEAD = [
    ("", "name"),
    ("", "op"),
    ("", "shape"),
    ("", "dtype"),
    ("", "how"),
    ("num", "difference"),
    ("num", "least"),
    ("num", "most"),
    ("num", "mean"),
]


def trace(whole: Trace) -> str:
    """All steps in the order of the computation, folded by place; nothing is opened for it."""
    whole.name_axes()
    leaves = [one for one in whole.steps if one.leaf]
    parameters = sum(one.op == "parameter" for one in leaves)
    facts = [say("steps", count=f"{len(whole.steps) - len(leaves):,}")]
    facts.append(say("parameters", count=f"{parameters:,}"))
    facts.append(say("inputs", count=f"{len(leaves) - parameters:,}"))
    if whole.training_step is not None:
        facts.append(say("training_step", step=f"{whole.training_step:,}"))
    if whole.loss is not None:
        facts.append(f"{say('loss')} {escape(whole.loss)} = {short(float(whole[whole.loss].value), 6)}")
    facts.append(amount(whole.bytes))
    entries = list(itertools.islice(placed(whole), ROWS + 1))
    html = f'<p class="note"><span class="name">Trace</span> &nbsp;{" · ".join(facts)}</p>'
    html += tree(entries[:ROWS], trace_row, HEAD)
    if len(entries) > ROWS:
        count = sum(1 for _ in placed(whole)) - ROWS
        html += f'<p class="note">{say("more_rows", count=f"{count:,}")}</p>'
    return html


def placed(whole: Trace) -> Iterator[Placed]:
    """Each step with the places around it, outermost first; steps that were opened already come after their whole."""
    around = {prefix for one in whole.steps for prefix in prefixes(one.place)}

    def within(steps: Sequence[Step], above: tuple[str, ...] | None) -> Iterator[Placed]:
        for one in steps:
            places = above if above is not None else tuple(p for p in prefixes(one.name) if p in around)
            yield places, one
            if one.inside:
                yield from within(one.inside, (*places, one.name))

    return within(whole.steps, None)


def prefixes(name: str) -> list[str]:
    """The places that a name lies in, without itself: a, a.b for a.b.c."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def tree(
    entries: Sequence[Placed],
    row: Callable[[Step, str], str],
    head: Sequence[tuple[str, str]],
    said: Callable[[Sequence[Step]], str] = lambda steps: "",
) -> str:
    """Titles, then tables of neighbors in one place, and places within places to unfold, with what is `said` of each.

    Each table has its titles too, for those who hear it; they are seen once.
    """
    titles = [(kind, say(name) if name else "") for kind, name in head]
    widths = "".join(f'<col class="{name}">' for name in (name or "bar" for _, name in head[1:]))
    columns = f"<colgroup><col>{widths}</colgroup>"
    unfolded = " open" if len(entries) <= UNFOLDED else ""

    def folded(among: Sequence[Placed], depth: int) -> str:
        html = ""
        for inner, run in itertools.groupby(among, lambda entry: entry[0][depth] if len(entry[0]) > depth else None):
            neighbors = list(run)
            if inner is None:
                rows = [row(one, places[-1] if places else "") for places, one in neighbors]
                html += listed(titles, rows, "list steps again", columns)
                continue
            computed = sum(not one.leaf for _, one in neighbors)
            count = say("one_step") if computed == 1 else say("steps", count=f"{computed:,}")
            html += (
                f"<details{unfolded}><summary><b>{escape(inner)}</b> "
                f'<span class="quiet">{count}{said([one for _, one in neighbors])}</span></summary>'
                f"{folded(neighbors, depth + 1)}</details>"
            )
        return html

    seen = listed(titles, [], "list steps", columns).replace("<table ", '<table aria-hidden="true" ')
    return f'<div class="scroll"><div class="tree columns{len(head)}">{seen}{folded(entries, 0)}</div></div>'


def trace_row(one: Step, place: str) -> str:
    leaf = " leaf" if one.leaf else ""
    name = one.name.removeprefix(f"{place}.") if place else one.name
    far = "" if one.difference is None else short(one.difference, 2)
    cells = [
        f'<td class="code{leaf}" title="{escape(one.name)}">{breakable(name)}</td>',
        f'<td class="{leaf.strip()}">{escape(one.op.removeprefix("whole:"))}</td>',
        f"<td>{escape(shape_of(one))}</td><td>{dtype_of(one)}</td><td>{say(one.how)}</td>",
        f'<td class="num" title="{say("why_difference") if far else ""}">{far}</td>',
        *(f'<td class="num">{number}</td>' for number in summary(one)),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def summary(one: Step) -> list[str]:
    """Least, most and mean of the numbers, where they were kept; the mean of those that are finite."""
    if not one.kept or not one.shape.numel():
        return [""] * 3
    value = one.value.detach()
    finite = value.isfinite()
    mean = (value if finite.all() else value[finite]).mean(dtype=torch.float64)
    return [short(float(number)) for number in (*value.aminmax(), mean)]


def amount(size: float) -> str:
    """A number of bytes to read."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


# --- a selection ----------------------------------------------------------------------------------------------------


def selection(chosen: Selection) -> str:
    """The steps that were picked, with a small picture of each, and their numbers folded away."""
    if not chosen.steps:
        return f'<p class="note">{say("nothing", pattern=chosen.pattern)}</p>'
    head = [("", say("look")), *((kind, say(name)) for kind, name in HEAD if name != "how")]
    html = f'<p class="note">{say("selection", count=f"{len(chosen):,}", pattern=chosen.pattern)}</p>'
    rows = []
    values = chosen.values
    whole = list(zip(chosen.addresses, chosen.steps, chosen.cells, strict=True))
    for address, one, cell in whole[:ROWS]:
        part = Step(address, one.op, values[address])
        look = look_of(one.value)
        first = next(slices(one, dict(cell)), None) if one.value.numel() else None
        seen = picture(first.values, look, address, 56) if first else ""
        far = "" if one.difference is None else short(one.difference, 2)
        cells = [f'<td class="code">{breakable(address)}</td>', f"<td>{escape(one.op.removeprefix('whole:'))}</td>"]
        cells += [f"<td>{escape(shape_of(one))}</td><td>{dtype_of(one)}</td>"]
        cells += [f'<td class="num">{number}</td>' for number in (far, *summary(part))]
        rows.append(f"<tr><td>{seen}</td>{''.join(cells)}</tr>")
    html += listed(head, rows)
    for address, one, cell in whole[:OPENED]:
        html += f"<details><summary><b>{escape(address)}</b></summary>{badge(one)}{tensor(one, dict(cell))}</details>"
    return html


def comparison(found: Comparison) -> str:
    """Largest and mean difference and cosine of each pair, with a bar for the size of the largest."""
    head = [("", say("name")), ("", ""), *(("num", say(name)) for name in ("largest", "mean_difference", "cosine"))]
    head.append(("", say("where")))
    strongest = max((row.largest for row in found.rows if row.largest < float("inf")), default=0.0)
    rows = []
    for row in found.rows:
        if row.shapes:
            one, other = (" × ".join(map(str, shape)) for shape in row.shapes)
            said = say("shapes_differ", one=one, other=other)
            rows.append(f'<tr><td class="code">{escape(row.address)}</td><td colspan="5">{said}</td></tr>')
            continue
        cosine = "" if row.cosine != row.cosine else f"{row.cosine:.6f}".replace("-", "−")
        where = escape(f"[{row.at.partition('[')[2]}") if row.at else say("equal")
        numbers = (short(row.largest), short(row.mean), cosine)
        rows.append(
            f'<tr><td class="code">{breakable(row.address)}</td><td>{bar(row.largest, strongest)}</td>'
            f"{''.join(f'<td class=num>{number}</td>' for number in numbers)}<td class='code'>{where}</td></tr>"
        )
    html = f'<p class="note">{say("comparison", count=f"{len(found):,}")}</p>{listed(head, rows)}'
    if found.first:
        html += f'<p class="note">{say("first_apart")} <span class="name">{escape(str(found.first))}</span></p>'
    return html


def bar(value: float, largest: float, kind: str = "p") -> str:
    width = min(100.0, 100 * abs(value) / largest) if largest and abs(value) < float("inf") else 100.0 * (value != 0)
    return f'<span class="bar"><i class="{kind}" style="left:0;width:{width:.1f}%"></i></span>'


# --- what if --------------------------------------------------------------------------------------------------------


def replay(found: Replay) -> str:
    """The loss before and after, and each step that came out otherwise, folded by place."""
    loss = found.trace.loss
    html = f'<div><span class="name">{say("replay")}</span></div><p class="note">'
    if not found.values:
        return f"{html}{say('unchanged')}</p>"
    html += f"{say('changed', count=f'{len(found.values):,}')}</p>"
    if loss is not None and found.loss is not None:
        before = float(found.trace.value(loss))
        html += (
            f'<p class="sum">{say("loss")} {escape(loss)}: {short(before, 6)} → <b>{short(found.loss, 6)}</b> '
            f"({short(found.loss - before, 3)})</p>"
        )
    differences = found.differences
    entries = [(places, one) for places, one in placed(found.trace) if one.name in found.values]

    def row(one: Step, place: str) -> str:
        name = one.name.removeprefix(f"{place}.") if place else one.name
        far, part = differences[one.name], relative(one, differences[one.name])
        return (
            f'<tr><td class="code" title="{escape(one.name)}">{breakable(name)}</td><td>{bar(part, 1.0)}</td>'
            f'<td class="num">{short(100 * part)}%</td><td class="num">{short(far)}</td></tr>'
        )

    def said(steps: Sequence[Step]) -> str:
        return f" · {say('comes_out', difference=short(differences[steps[-1].name]))}"

    head = [("", "name"), ("", ""), ("num", "relative"), ("num", "largest")]
    return html + tree(entries[:ROWS], row, head, said)


def relative(one: Step, difference: float) -> float:
    """A difference as a part of the largest magnitude that the step had."""
    finite = one.value[one.value.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    return difference / largest if largest else float("inf") if difference else 0.0
