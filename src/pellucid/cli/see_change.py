"""`pellucid see --set` and `--skip`: what would be otherwise; `--against`: where two passes part."""

import re
from collections.abc import Sequence

from rich.text import Text

from pellucid.cli.console import out, print_json
from pellucid.cli.matrices import number, print_table
from pellucid.cli.opened import Opened, View
from pellucid.cli.see_number import shortened
from pellucid.cli.words import say
from pellucid.errors import DataError
from pellucid.see.address import Address
from pellucid.see.operation import Step
from pellucid.see.replay import Replay
from pellucid.see.trace import Trace
from pellucid.see.translation import is_translation

EDIT = re.compile(r"(?P<address>[^\[\]=]+(?:\[[^\[\]]*\])?)=(?P<value>.+)", re.DOTALL)
ROWS = 40  # layers of a table
TOLERANCE = 1e-5  # beyond it two passes count as different; float32 of one model on two machines stays below


def print_replay(opened: Opened, view: View, edits: Sequence[str], skip: Sequence[str], at: str | None) -> None:
    """The pass once more with cells set and parts left out: what changes in each layer, and the loss."""
    trace = opened.trace
    replay = trace.replay(dict(edit_of(trace, text) for text in edits), skip)
    if view.json:
        found = replay.json()
        if at is not None:
            found["at"] = {"address": at, "before": trace.value(at).tolist(), "after": value_of(replay, at)}
        print_json(found)
        return
    changes = replay.changes()
    if not changes and not replay.unknown:
        out.print(Text(say("see.unchanged")))
    else:
        rows = [[one.layer, number(one.largest, 0, 4), f"{one.relative:.2%}"] for one in changes[:ROWS]]
        print_table([say("see.layer"), say("see.largest"), say("see.relative")], rows, "lrr")
    if len(changes) > ROWS:
        out.print(Text(say("see.more_layers", count=len(changes) - ROWS), style="dim"))
    if replay.unknown:
        out.print(Text(say("see.unknown", name=replay.unknown[0])))
    if at is not None:
        print_cell(replay, at)
    if replay.loss is not None and trace.loss is not None:
        before = float(trace[trace.loss].value)
        told = {"before": f"{before:.6g}", "after": f"{replay.loss:.6g}", "change": f"{replay.loss - before:+.4g}"}
        out.print(Text(say("see.loss_change", **told)))


def print_cell(replay: Replay, at: str) -> None:
    """One number before and after. Raises AddressError where the address names more than one."""
    step, index = replay.trace.cell(at)
    before, after = float(step.value[index]), float(replay.value(step.name)[index])
    out.print(Text(say("see.before_after", address=at, before=f"{before:.6g}", after=f"{after:.6g}")))


def value_of(replay: Replay, at: str) -> object:
    parsed = Address.parse(at)
    value = replay.value(parsed.name)
    return value.tolist() if parsed.cell is None else float(value[replay.trace.cell(parsed)[1]])


def edit_of(trace: Trace, text: str) -> tuple[str, float]:
    """ADDRESS=VALUE. Where the address is of token ids the value may be a token. Raises DataError if it is none."""
    found = EDIT.fullmatch(text.strip())
    if not found:
        raise DataError(f"--set {text!r} is not ADDRESS=VALUE", 'For example: --set "source[position=2]=17"')
    address, value = found["address"], found["value"]
    step = trace[Address.parse(address).name]
    try:
        return address, float(value)
    except ValueError:
        return address, float(id_of(trace, step, value))


def id_of(trace: Trace, step: Step, token: str) -> int:
    """The id of a token by its label, with or without the sign for the space before it."""
    if step.value.is_floating_point():
        raise DataError(f"{token!r} is no number, and {step.name} holds numbers", "Write one, such as 0 or -1.5.")
    tables = [one.operands["weight"] for one in trace if one.op == "embedding"]
    labels = next((table.axes[0].labels for table in tables if table.axes and table.axes[0].labels), None)
    for written in (token, f"␣{token}"):
        if labels and written in labels:
            return labels.index(written)
    raise DataError(
        f"{token!r} is no token of this model", "Give its id, or a token as --at embedding.weight shows it."
    )


def print_against(opened: Opened, view: View, other: str) -> None:
    """Where this pass and another part: that of another run with the same text and translation, or a saved one."""
    from pellucid.see.diff import compare

    trace = opened.trace
    second = other_trace(opened, other)
    found = compare(trace, second, TOLERANCE, relative=TOLERANCE)
    if view.json:
        print_json(found.json())
        return
    if found.first is None:
        out.print(Text(say("see.no_difference", tolerance=f"{TOLERANCE:g}")))
    elif found.first.shapes:
        first, after = (" x ".join(map(str, shape)) for shape in found.first.shapes)
        told = {"address": found.first.address, "first": first, "other": found.first.other, "second": after}
        out.print(Text(say("see.shapes_differ", **told)))
    else:
        part = f"{found.first.part}, " if found.first.part else ""
        apart = number(found.first.difference, 0, 3)
        out.print(Text(say("see.first_difference", apart=apart, part=part)))
        out.print(Text(f"{shortened(trace, found.first.address)} = {found.first.first:.8g}"))
        out.print(Text(f"{shortened(second, found.first.other)} = {found.first.second:.8g}"))
    out.print(Text(say(f"see.compared_by_{found.by}", count=found.compared), style="dim"))
    rows = [[layer, number(apart, 0, 3)] for layer, apart in list(found.layers.items())[:ROWS]]
    print_table([say("see.layer"), say("see.largest_difference")], rows, "lr")
    if len(found.layers) > ROWS:
        out.print(Text(say("see.more_layers", count=len(found.layers) - ROWS), style="dim"))


def other_trace(opened: Opened, other: str) -> Trace:
    """The pass to compare with. A run translates the same text, and is given the same translation to read."""
    if other.endswith(".safetensors"):
        return Opened(other, None, None).trace
    about = opened.trace.about
    if not is_translation(opened.trace):
        raise DataError(f"{other} is a run, and this trace is of no translation", "Compare with a saved trace.")
    return Opened(other, about["source"], about["target"]).trace
