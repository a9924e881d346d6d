"""Decoding step by step, for `pellucid see --decode`: a block for each position, then the tree of hypotheses.

A block says what is written so far, which source tokens the decoder looks at, and the best candidates for what comes
next. What became of a candidate is told by a sign and a word; the colors only repeat it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from pellucid.cli.console import one_line, out
from pellucid.cli.matrices import number, print_table
from pellucid.cli.opened import Opened, View
from pellucid.cli.words import say
from pellucid.errors import DataError
from pellucid.see.subjects import missing
from pellucid.see.trace import TraceError
from pellucid.words import spoken

if TYPE_CHECKING:
    from pellucid.see.decoding import Candidate, Decoding, Node, Outcome

BAR, EIGHTHS = 10, " ▏▎▍▌▋▊▉"
LEAST = 0.001  # of a share with three decimals
LEAST_LABEL = 20  # columns of the tree's text, however deep it stands
TOKEN = 14  # columns that a token may take
SOURCE = 10  # source tokens shown of a block
SIDE_BY_SIDE = 100  # columns from which the two halves of a block stand beside each other
SIGNS = {"on": "▶", "ends": "■", "cut": "■"}  # of candidates; the others have none
ENDS = {"best": "★", "best_cut": "★", "beaten": "■", "beaten_cut": "■", "stopped": "○"}  # of hypotheses
DEAD = "✕"


def forced_tokens(given: Sequence[str]) -> dict[int, int | str]:
    """`POSITION=TOKEN` as the command line has it. Raises DataError if one is neither."""
    found: dict[int, int | str] = {}
    for one in given:
        position, separator, token = one.partition("=")
        if not separator or not token or not position.strip().isdecimal():
            raise DataError(
                f"--force {one}: not POSITION=TOKEN", "For example: --force 1=file; positions count from 0."
            )
        if int(position) in found:
            raise DataError(f"--force {one}: position {int(position)} was forced before", "Give each position once.")
        found[int(position)] = token
    return found


def decoding_of(opened: Opened, force: Sequence[str], dials: Mapping[str, Any]) -> "Decoding":
    """Of a run, made now; of a saved trace, the one that was kept with it.

    Raises DataError where the trace has none, or is to be decoded anew.
    """
    from pellucid.see.decode import decode

    tokens = forced_tokens(force)
    if opened.saved:
        if tokens or dials:
            raise DataError(
                f"{opened.given} is a saved trace; only a run can decode anew", "Name the run and the text."
            )
        if opened.trace.decoding is None:
            raise DataError(f"{opened.given} was saved without its decoding", "Save it with --decode --save.")
        return opened.trace.decoding
    if opened.target is not None:
        raise DataError("--target was given, and decoding makes its own", "Leave one of them out.")
    opened.run.expect("translate")
    if opened.text is None:
        raise DataError(*missing("translate", str(opened.run.path)))
    return decode(opened.run, opened.text, tokens, **dials)


def print_decoding(decoding: "Decoding", view: View, position: int | None = None) -> None:
    """All positions along the translation and the tree; or one position, with every hypothesis alive there."""
    check(decoding, view, position)
    out.print(Text(f"{decoding.text} → {decoding.translation}", style="bold"))
    out.print(Text(settings(decoding), style="dim"))
    print_change(decoding)
    asked = [decoding.nodes[node.parent] for node in decoding.path if node.parent is not None]
    if position is not None:
        for node in decoding.alive(position):
            print_block(decoding, node, view)
    else:
        for node in asked:
            print_block(decoding, node, view)
    out.print(Text("\n" + say("decoding.signs"), style="dim"))
    if position is None:
        print_tree(decoding)


def check(decoding: "Decoding", view: View, position: int | None) -> None:
    """Raises TraceError for a position, layer or head that there is not."""
    last = max(node.position for node in decoding.nodes)
    if position is not None and not 0 <= position <= last:
        raise TraceError(f"there is no position {position}", f"The positions are 0 to {last}.")
    _, layers, heads, _ = decoding.attention.shape
    if view.head is None:
        return
    for name, given, count in (("layer", view.layer, layers), ("head", view.head, heads)):
        if not 0 <= given < count:
            raise TraceError(f"there is no {name} {given}", f"The {name}s are 0 to {count - 1}.")


def settings(decoding: "Decoding") -> str:
    """How the next token was chosen."""
    config = decoding.config
    if config.method == "sample":
        said = say("decoding.sample", temperature=f"{config.temperature:g}", seed=config.seed)
        said += say("decoding.top_k", count=config.top_k) if config.top_k else ""
        said += say("decoding.top_p", share=f"{config.top_p:g}") if config.top_p < 1 else ""
    elif decoding.width == 1:
        said = say("decoding.greedy")
    else:
        said = say("decoding.beam", width=decoding.width, penalty=f"{config.length_penalty:g}")
    return said + say("decoding.limit", limit=decoding.limit)


def print_change(decoding: "Decoding") -> None:
    """What the forced tokens changed: both translations with their scores."""
    if decoding.unforced is None:
        return
    before, after = decoding.unforced, decoding.outcome
    forced = (
        say("decoding.forced_one", position=one.position, token=one.text, instead=one.instead)
        for one in decoding.forced
    )
    out.print(Text("\n" + say("decoding.forced", tokens="; ".join(forced))))
    if before == after:
        out.print(Text(say("decoding.unchanged")))
        return
    change = ["", number(after.log_probability - before.log_probability), number(after.score - before.score)]
    print_table(
        ["", say("decoding.translation"), say("decoding.total"), say("decoding.score")],
        [
            [say("decoding.without"), *came_to(before)],
            [say("decoding.with"), *came_to(after)],
            [say("decoding.change"), *change],
        ],
        "llrr",
    )


def came_to(outcome: "Outcome") -> list[str]:
    return [outcome.translation, number(outcome.log_probability), number(outcome.score)]


# --- one position ----------------------------------------------------------------------------------------------------


def print_block(decoding: "Decoding", node: "Node", view: View) -> None:
    """What comes after one hypothesis."""
    position = node.position + 1
    title = Text(f"\n{say('decoding.position', position=position)}  ", style="bold")
    title.append(node.written or say("decoding.nothing"), style="not bold")
    title.append(f"  {number(node.total)}" if node.parent is not None else "", style="dim not bold")
    out.print(title)
    left, right = looked_at(decoding, node, view), candidates(decoding, node)
    if out.width < SIDE_BY_SIDE:
        out.print(left)
        out.print()
        out.print(right)
        return
    both = Table.grid(padding=(0, 3))
    both.add_column()
    both.add_column()
    both.add_row(left, right)
    out.print(both)


def looked_at(decoding: "Decoding", node: "Node", view: View) -> Table:
    """The source tokens in their order, with bars; the smallest shares of a long source are added up."""
    one_head = view.head is not None
    shares = decoding.attended(node, view.layer if one_head else None, view.head)
    largest = sorted(range(len(shares)), key=lambda index: -shares[index])[:SOURCE]
    shown = range(len(shares)) if len(shares) <= SOURCE + 1 else sorted(largest)
    heading = say("decoding.head", layer=view.layer, head=view.head) if one_head else say("decoding.looks_at")
    table = columns((heading, "left"), ("", "left"), (say("decoding.share"), "right"))
    for index in shown:
        table.add_row(one_line(decoding.source[index], TOKEN), bar(shares[index]), share(shares[index]))
    if len(shares) > len(shown):
        rest = sum(shares[index] for index in range(len(shares)) if index not in shown)
        table.add_row(say("decoding.others", count=len(shares) - len(shown)), bar(rest), share(rest))
    return table


def candidates(decoding: "Decoding", node: "Node") -> Table:
    """The ten best and all that were kept, with what became of them."""
    sampled = decoding.config.method == "sample"
    headings = [("", "left"), (say("decoding.next"), "left"), ("", "left"), ("p", "right")]
    headings += [(say("decoding.drawn_with"), "right")] if sampled else []
    table = columns(*headings, ("log p", "right"), (say("decoding.total"), "right"), ("", "left"))
    onward = {one.number for one in decoding.path}
    for one in node.candidates:
        style = "" if one.node is not None else "dim"
        cells = [sign(one, onward), one_line(one.text, TOKEN), bar(one.probability), share(one.probability)]
        cells += [share(one.share or 0.0)] if sampled else []
        cells += [number(one.log_probability), number(one.total), say(f"decoding.is.{one.fate.kind}")]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def sign(candidate: "Candidate", onward: set[int]) -> str:
    """★ on the way to the translation, ▶ kept, ■ ended."""
    return "★" if candidate.node in onward else SIGNS.get(candidate.fate.kind, "")


def columns(*headings: tuple[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading, justify in headings:
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def share(value: float) -> str:
    """As a number; one that is not 0 never looks so."""
    return f"<{LEAST}" if 0 < value < LEAST / 2 else number(value)


def bar(value: float) -> str:
    """A share of 1 fills it; anything above 0 shows."""
    eighths = max(round(value * BAR * 8), 1) if value > 0 else 0
    whole, rest = divmod(min(eighths, BAR * 8), 8)
    return ("█" * whole + (EIGHTHS[rest] if rest else "")).ljust(BAR)


# --- the tree --------------------------------------------------------------------------------------------------------


def print_tree(decoding: "Decoding") -> None:
    """All hypotheses with their log p. The translation runs straight down; what branched off it is set in."""
    out.print()
    out.print(Text(say("decoding.tree"), style="bold"))
    out.print(Text(say("decoding.tree_signs"), style="dim"))
    children: dict[int | None, list[Node]] = {}
    for node in sorted(decoding.nodes, key=lambda one: -one.total):
        children.setdefault(node.parent, []).append(node)
    draw_branch(decoding.nodes[0], "", "", children, {node.number for node in decoding.path})


def draw_branch(
    node: "Node", first: str, rest: str, children: Mapping[int | None, list["Node"]], onward: set[int]
) -> None:
    """A hypothesis down to its end, at one depth: before each fork what it wrote, then the other branches there.

    `first` stands before its first line, `rest` before all others.
    """
    bullet = "● " if not first else ""
    while True:
        line, last = [node], node
        while len(children.get(last.number, [])) == 1:
            (last,) = children[last.number]
            line.append(last)
        following = children.get(last.number, [])
        label = Text(" ".join(one.text for one in line), style="bold" if node.number in onward else "")
        label.append(f"  {number(last.total)}" if last.parent is not None else "", style="not bold")
        if not following:
            bullet = f"{ENDS.get(last.fate.kind, DEAD)} "
            label.append(f"  {last.fate.reason(spoken())}", style="not bold" if last.number in onward else "dim")
        print_hanging(first + bullet, rest + ("  " if not following else "│ "), label)
        if not following:
            return
        trunk = next((one for one in following if one.number in onward), None)
        trunk = trunk or max(following, key=lambda one: size_of(one, children))
        for other in following:
            if other is not trunk:
                draw_branch(other, f"{rest}├─ ", f"{rest}│  ", children, onward)
        node, first, bullet = trunk, rest, "● "


def size_of(node: "Node", children: Mapping[int | None, list["Node"]]) -> int:
    return 1 + sum(size_of(one, children) for one in children.get(node.number, []))


def print_hanging(first: str, rest: str, label: Text) -> None:
    """Over as many lines as it takes, with `rest` before all but the first."""
    for count, part in enumerate(label.wrap(out, max(out.width - cell_len(first), LEAST_LABEL))):
        part.rstrip()
        out.print(Text.assemble((rest if count else first, "dim"), part), no_wrap=True)


# --- as JSON ---------------------------------------------------------------------------------------------------------


def decoding_as_json(decoding: "Decoding", view: View, position: int | None = None) -> dict[str, Any]:
    """All that is printed, and every hypothesis at every position, with all digits."""
    check(decoding, view, position)
    last = max(node.position for node in decoding.nodes)
    wanted = range(last + 1) if position is None else [position]
    return {
        "text": decoding.text,
        **asdict(decoding.outcome),
        "source": list(decoding.source),
        "decoding": decoding.config.model_dump(),
        "limit": decoding.limit,
        "forced": [asdict(one) for one in decoding.forced],
        "unforced": asdict(decoding.unforced) if decoding.unforced else None,
        "best": [node.number for node in decoding.path],
        "positions": [
            {"position": at, "hypotheses": [branch_as_json(decoding, node) for node in decoding.alive(at)]}
            for at in wanted
        ],
        "tree": [
            {**{name: value for name, value in asdict(node).items() if name != "candidates"}, **fate_as_json(node)}
            for node in decoding.nodes
        ],
    }


def branch_as_json(decoding: "Decoding", node: "Node") -> dict[str, Any]:
    return {
        "node": node.number,
        "written": node.written,
        "total": node.total,
        "attended": decoding.attended(node),
        "attention": decoding.attention[node.row].tolist(),  # layer head source
        "candidates": [{**asdict(one), **fate_as_json(one)} for one in node.candidates],
    }


def fate_as_json(one: "Node | Candidate") -> dict[str, Any]:
    return {"fate": one.fate.kind, "numbers": dict(one.fate.numbers), "reason": one.fate.reason(spoken())}
