"""`pellucid see --paths`: the chain rule from one number to the loss, path by path or added up in groups."""

from rich.text import Text

from pellucid.cli.console import out, print_json
from pellucid.cli.matrices import number, print_table
from pellucid.cli.opened import Opened, View
from pellucid.cli.see_number import shortened
from pellucid.cli.words import say
from pellucid.see.chain import Paths, Way, percent, short, size_of
from pellucid.see.trace import Trace

GROUPS = 20  # rows of a table
NUMBERS = 40  # columns that a table's numbers take


def print_paths(opened: Opened, view: View, address: str) -> None:
    found = opened.trace.paths(address)
    if view.json:
        print_json(found.json())
        return
    size = number(size_of(found.gradient), 0, 4)
    key = "see.gradient" if found.one else "see.gradient_norm"
    out.print(Text(say(key, address=found.address, value=size), style="bold"))
    if not found.count:
        out.print(Text(say("see.no_gradient", name=found.address)))
        return
    told = {"count": short(found.count)}
    if found.own:
        out.print(Text(say("see.paths_out_of", layers=", ".join(found.own), **told)))
    else:
        out.print(Text(say("see.paths", **told)))
    if found.listed is not None:
        for path in found.listed:
            out.print(Text(path.text()))
    else:
        print_groups(opened.trace, found)


def print_groups(trace: Trace, found: Paths) -> None:
    rows = [
        [name_of(trace, found, way), str(len(way.past)) if way and way.past else "", short(paths), percent(share), part]
        for way, part, paths, share in ((w, number(p, 0, 4), c, s) for w, p, c, s in found.rows(GROUPS))
    ]
    heads = [say(key) for key in ("see.through", "see.past", "see.path_count", "see.share")]
    print_table([*heads, say("see.contribution" if found.one else "see.norm")], rows, "lrrrr")
    if any(group.way.past for group in found.groups):
        out.print(Text(say("see.past_means"), style="dim"))
    elif len(found.groups) == 1:
        out.print(Text(say("see.name_a_cell"), style="dim"))


def name_of(trace: Trace, found: Paths, way: Way | None) -> str:
    """What the paths of a row have in common; too long a name loses its beginning, as its end tells more."""
    if way is None:
        return say("see.rest", count=len(found.groups) - GROUPS + 1)
    name = way.through or say("see.straight_on")
    name = shortened(trace, name) if "[" in name else name
    name = name if way.by is None else f"{way.by} > {name}"
    room = max(out.width - NUMBERS, NUMBERS)
    return name if len(name) <= room else f"…{name[1 - room :]}"
