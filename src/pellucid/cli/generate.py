"""`pellucid generate`: a trained language model goes on with a text, written to the terminal as it comes."""

import sys
from typing import Annotated

import typer

from pellucid.cli.console import RUNS, err, find_run, print_json
from pellucid.cli.options import RunsFolder
from pellucid.cli.words import say
from pellucid.errors import DataError


def generate(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    prompt: Annotated[str, typer.Argument(help="The text to go on with; - reads it from a pipe.")] = "",
    length: Annotated[int | None, typer.Option(min=0, help="Tokens to write. [default: the run's, 500]")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Below 1 is more certain; 0 always takes the best token.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Sample among this many tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Sample among the tokens that hold this share.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampling.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Texts to write, each with the next seed.")] = 1,
    runs: RunsFolder = RUNS,
    json: Annotated[bool, typer.Option("--json", help="A JSON object per text, nothing else.")] = False,
) -> None:
    """Go on with a text, token by token.

    Example: pellucid generate runs/shakespeare "ROMEO." --temperature 0.7
    """
    from pellucid.run import Run

    opened = Run.open(find_run(run, runs))
    opened.expect("language")
    if prompt == "-":
        try:
            prompt = sys.stdin.read()
        except UnicodeDecodeError as error:
            raise DataError(f"the text from the pipe is not UTF-8 ({error.reason})", mend="Save it as UTF-8.") from None
    asked = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    settings = opened.config.writing.changed(**{name: value for name, value in asked.items() if value is not None})

    from pellucid.generate.write import write
    from pellucid.tasks.language import pieces_in

    pieces, model = pieces_in(opened.path), opened.model
    unknown = pieces.unknown(prompt)
    if unknown:
        shown = " ".join(repr(character) for character in unknown[:8]) + (" ..." if len(unknown) > 8 else "")
        err.print(say("generate.unknown", characters=shown), markup=False)
    for number in range(samples):
        config = settings.changed(seed=settings.seed + number)
        written = write(model, pieces, prompt, config)
        if json:
            text = "".join(written)
            print_json({"prompt": prompt, "text": text, **config.model_dump()})
            continue
        if number:
            sys.stdout.write("\n")
        sys.stdout.write(prompt)
        for piece in written:
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")
