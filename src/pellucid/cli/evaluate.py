"""`pellucid evaluate`: how good a run is on sentences that it was not trained on, beside two baselines."""

from typing import Annotated

import typer

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.tables import print_samples, print_scores
from pellucid.cli.words import say
from pellucid.errors import ConfigError


def evaluate(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    split: Annotated[str, typer.Option(help="test or dev.")] = "test",
    files: Annotated[
        list[str] | None, typer.Option("--file", help="Score on these pairs instead; may be repeated.")
    ] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept side by side.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Score a run with chrF, BLEU, exact matches and kept placeholders, with 95% intervals.

    Example: pellucid evaluate runs/en-zh
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
    print_scores(result)
    out.print()
    print_samples(result["samples"], say("samples.title"))
