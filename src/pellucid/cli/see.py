"""`pellucid see`: a translation opened, stage by stage and number by number.

The command only says which view was asked for; each view has a file of its own and draws with `matrices.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli.console import err, print_json
from pellucid.cli.opened import Opened, View
from pellucid.cli.see_training import show_training, write_step
from pellucid.cli.words import say
from pellucid.errors import DataError

DECODING = "Decoding"
TRAINING = "Training"
WHAT_IF = "What if"


def see(
    run: Annotated[str, typer.Argument(help="A run folder, its name in runs/, or a saved trace.", show_default=False)],
    text: Annotated[
        str | None,
        typer.Argument(
            help="A text to translate or to read, a word, a held-out row's number, a picture or a table; "
            "a saved trace has its own."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Its translation; without it, what the run itself translates.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Explain the number, or show the tensor, at an address.")
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why", help="Explain the next training step of the weight at an address.", rich_help_panel=TRAINING
        ),
    ] = None,
    flow: Annotated[
        bool,
        typer.Option(
            "--flow",
            help="Show norms of activations, gradients and updates in the next training step.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    step: Annotated[
        str | None,
        typer.Option(
            help="With the weights as they were after this step of the training, if it was recorded; all: --at over "
            "all of them.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    layer: Annotated[int, typer.Option(help="The layer whose attention is walked through.")] = 0,
    head: Annotated[int | None, typer.Option(help="Show the attention of this head alone, whole.")] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Show gradients, and where they come from.")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Show all digits.")] = False,
    row: Annotated[int, typer.Option(min=0, help="The first row shown of a large matrix.")] = 0,
    column: Annotated[int, typer.Option(min=0, help="The first column shown of a large matrix.")] = 0,
    paths: Annotated[
        str | None, typer.Option("--paths", help="The chain rule from a number, or a tensor, to the loss.")
    ] = None,
    edits: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="What if: ADDRESS=VALUE, a number or for token ids a token; may be repeated.",
            rich_help_panel=WHAT_IF,
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip", help="What if: without this head, layer or step; may be repeated.", rich_help_panel=WHAT_IF
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Another run, or a saved trace: where the two part.", rich_help_panel=WHAT_IF),
    ] = None,
    decode: Annotated[
        bool,
        typer.Option("--decode", help="Show decoding step by step, and every hypothesis.", rich_help_panel=DECODING),
    ] = False,
    position: Annotated[
        int | None, typer.Option(help="Decoding at this position alone, from 0.", rich_help_panel=DECODING)
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option(
            help="Put this token there instead, as POSITION=TOKEN; may be given again.",
            rich_help_panel=DECODING,
            show_default=False,
        ),
    ] = None,
    method: Annotated[str | None, typer.Option(help="greedy, beam or sample.", rich_help_panel=DECODING)] = None,
    beam: Annotated[
        int | None, typer.Option(help="Hypotheses kept side by side; 1 is greedy.", rich_help_panel=DECODING)
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="Above 1 favours longer translations.", rich_help_panel=DECODING)
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of sampling; below 1 is more certain.", rich_help_panel=DECODING)
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Sample among this many tokens.", rich_help_panel=DECODING)] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Sample among the tokens that hold this share.", rich_help_panel=DECODING)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampling.", rich_help_panel=DECODING)] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Keep the trace in this file, to be opened without the run.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write one page in which a browser walks through all numbers, offline; with --why or --flow, those of "
            "the training step."
        ),
    ] = None,
    megabytes: Annotated[
        float, typer.Option(min=1, help="Largest size of that page; what does not fit keeps some of its rows.")
    ] = 10,
) -> None:
    r"""Walk through one pass of a run's network, such as the eleven stages of a translation; open any number of it.

    Example: pellucid see runs/en-zh "Save changes before closing?"

    Example: pellucid see runs/en-zh "Save the file" --at "decoder.0.cross_attention.weights\[head=0, query=1, key=0]"

    Example: pellucid see runs/en-zh --why "decoder.0.feed_forward.wide.weight\[unit=3, input=17]"

    Example: pellucid see runs/en-zh "Save the file" --skip "decoder.1.cross_attention\[head=2]"

    Example: pellucid see runs/en-zh "Save the file" --decode --beam 3

    Example: pellucid see runs/en-zh "Save the file" --html page.html

    Example: pellucid see runs/en-zh "Save the file" --why "decoder_norm.weight\[unit=3]" --html page.html

    Example: pellucid see runs/digits 0

    Example: pellucid see runs/digits 0 --step 400
    """
    if why is not None or flow:
        if step is not None:
            raise DataError(
                "--why and --flow are of the training's last saved state, and --step of an earlier one",
                "Leave one of them out.",
            )
        if html is not None:
            write_step(run, text, target, why, html, megabytes)
        else:
            show_training(run, text, target, why, flow, json, exact)
        return
    view = View(layer, head, backward, exact, row, column, json)
    if step == "all":
        show_course(run, text, target, view, at)
        return
    opened = Opened(run, text, target, number_of_step(step))
    dials = {
        "method": method or ("sample" if temperature or top_k or top_p else "beam" if beam else None),
        "beam": beam,
        "length_penalty": length_penalty,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
    }
    dials = {name: value for name, value in dials.items() if value is not None}
    if html is not None:
        refuse({"--set": edits, "--skip": skip, "--paths": paths, "--against": against, "--json": json})
        if not (decode or position is not None):
            expect_attention(opened, view)
        start = start_of(view, at, decode or position is not None, position)
        write_html(opened, html, megabytes, force or [], dials, start, save)
        return
    if decode or dials or force or position is not None:
        show_decoding(opened, view, position, force or [], dials, save)
        return
    expect_attention(opened, view)
    if save is not None:
        keep(opened, save)
    if edits or skip:
        show_replay(opened, view, edits or [], skip or [], at)
    elif paths is not None:
        show_paths(opened, view, paths)
    elif against is not None:
        show_against(opened, view, against)
    elif at is not None:
        show_address(opened, view, at)
    else:
        show_walk(opened, view)


def expect_attention(opened: Opened, view: View) -> None:
    """Raises DataError if a head or layer of attention is asked for where there is none."""
    option = f"--head {view.head}" if view.head is not None else f"--layer {view.layer}" if view.layer else ""
    if option and not opened.trace.attentions():
        raise DataError(f"{option} is of attention, and this network has none", "Leave it out.")


def keep(opened: Opened, path: Path) -> None:
    try:
        opened.trace.save(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})", mend="Choose another place.") from None
    err.print(say("see.saved", path=path), markup=False)


def number_of_step(text: str | None) -> int | None:
    """Raises DataError for what is no step."""
    if text is None:
        return None
    try:
        return int(text.replace(",", ""))
    except ValueError:
        raise DataError(f"--step is {text!r}: not a step", "Give its number, or all.") from None


def show_course(run: str, text: str | None, target: str | None, view: View, at: str | None) -> None:
    """A number over all recorded steps."""
    from pellucid.cli.see_course import print_course

    if at is None:
        raise DataError("--step all needs a number to follow", 'Name it, as in --at "output.weight[unit=0, input=3]".')
    print_course(run, text, target, view, at)


def refuse(beside: dict[str, Any]) -> None:
    """Raises DataError if something is asked for that a page has no place for."""
    for option, given in beside.items():
        if given:
            raise DataError(
                f"a page shows the pass as it was, and {option} has no place on it", "Leave one of them out."
            )


def start_of(view: View, at: str | None, decode: bool, position: int | None) -> str:
    """Where the page opens: what the same options show in the terminal, as it stands after the # of its address."""
    if decode:
        parts = ["/decoding"] + ([f"step={position}"] if position else [])
        return "&".join(parts + ([f"layer={view.layer}", f"head={view.head}"] if view.head is not None else []))
    if at is None and not (view.backward or view.layer or view.head is not None):
        return ""
    parts = [at or ("/backward" if view.backward else "/map")] + ([f"layer={view.layer}"] if view.layer else [])
    parts += [f"head={view.head}"] if view.head is not None else []
    return "&".join(parts + (["backward"] if view.backward else []))


def write_html(
    opened: Opened,
    path: Path,
    megabytes: float,
    force: Sequence[str],
    dials: dict[str, Any],
    start: str,
    save: Path | None,
) -> None:
    """The page of a trace; where the run decodes the target itself, how it did is on it as well."""
    from pellucid.cli.decoding import decoding_of
    from pellucid.see.decode import trace_of_decoding

    if opened.saved or opened.target is not None or opened.run.task_name != "translate":
        refuse({"--force": force, **{f"--{name.replace('_', '-')}": value for name, value in dials.items()}})
    else:
        opened.trace = trace_of_decoding(opened.run, decoding_of(opened, force, dials))
    if save is not None:
        keep(opened, save)
    try:
        opened.trace.html(path, megabytes=megabytes, at=start)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})", mend="Choose another place.") from None
    err.print(say("see.page", path=path), markup=False)


def show_walk(opened: Opened, view: View) -> None:
    """The eleven stages of a translation; of anything else, its places in order."""
    from pellucid.cli.see_json import walk_as_json
    from pellucid.cli.see_pass import print_pass
    from pellucid.cli.see_walk import print_walk
    from pellucid.see.translation import is_translation

    if not is_translation(opened.trace):
        print_pass(opened, view)
    elif view.json:
        print_json(walk_as_json(opened.trace, view))
    else:
        print_walk(opened, view)


def show_address(opened: Opened, view: View, address: str) -> None:
    from pellucid.cli.see_number import print_address

    print_address(opened, view, address)


def show_paths(opened: Opened, view: View, address: str) -> None:
    from pellucid.cli.see_paths import print_paths

    print_paths(opened, view, address)


def show_replay(opened: Opened, view: View, edits: Sequence[str], skip: Sequence[str], at: str | None) -> None:
    from pellucid.cli.see_change import print_replay

    print_replay(opened, view, edits, skip, at)


def show_against(opened: Opened, view: View, other: str) -> None:
    from pellucid.cli.see_change import print_against

    print_against(opened, view, other)


def show_decoding(
    opened: Opened, view: View, position: int | None, force: Sequence[str], dials: dict[str, Any], save: Path | None
) -> None:
    """How the target came about; of a saved trace, the decoding that was kept with it."""
    from pellucid.cli.decoding import decoding_as_json, decoding_of, print_decoding
    from pellucid.see.decode import trace_of_decoding

    decoding = decoding_of(opened, force, dials)
    if save is not None:
        if not opened.saved:
            opened.trace = trace_of_decoding(opened.run, decoding)
        keep(opened, save)
    if view.json:
        print_json(decoding_as_json(decoding, view, position))
    else:
        print_decoding(decoding, view, position)
