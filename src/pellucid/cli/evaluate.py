"""`pellucid evaluate`: how good a run is on what it was not trained on, beside its baselines, as in its report."""

from typing import Annotated

import typer

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.outcome import outcome_of
from pellucid.cli.words import say
from pellucid.errors import ConfigError


def evaluate(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    split: Annotated[str, typer.Option(help="test or dev.")] = "test",
    files: Annotated[
        list[str] | None,
        typer.Option("--on", "--file", help="Score on these pairs, rows, images or texts instead; may be repeated."),
    ] = None,
    beam: Annotated[int | None, typer.Option(help="Translators: hypotheses kept side by side.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Score a run beside its baselines: on its own held-out side, or on other files.

    Example: pellucid evaluate runs/en-zh

    Example: pellucid evaluate runs/houses --on newer.csv
    """
    from pellucid.run import Run

    if split not in ("test", "dev"):
        raise ConfigError(f"--split is {split!r}: no such side", mend="Use test or dev.")
    opened = Run.open(find_run(run))
    _ = opened.model  # a damaged model is told before the data is read
    decoding = {"method": "beam" if beam > 1 else "greedy", "beam": beam} if beam else {}
    if files:
        result = opened.evaluate_on(files, **decoding)
    else:
        result = opened.evaluate("test" if split == "test" else "dev", **decoding)
    if json:
        print_json(result)
        return
    if files:
        out.print(say("evaluate.on", run=opened.name, files=" ".join(files)), markup=False, soft_wrap=True)
    elif split == "dev":
        out.print(say("evaluate.dev", run=opened.name), markup=False)
    outcome_of(opened.task_name).print_tested(opened, result)
