"""`pellucid neighbours`: the words nearest to a word, or to a sum of words."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pellucid.cli.console import find_run, out, print_json
from pellucid.cli.words import say
from pellucid.errors import ConfigError

BAR = 24  # columns of the drawing of a cosine of 1


def neighbours(
    run: Annotated[str, typer.Argument(help="A run folder of embed, or its name in runs/.", show_default=False)],
    word: Annotated[
        list[str], typer.Argument(help="A word, or a sum of words: king - man + woman.", show_default=False)
    ],
    count: Annotated[int, typer.Option(min=1, help="Words shown.")] = 10,
    by: Annotated[str, typer.Option(help="cosine, or dot: the product, which long vectors win.")] = "cosine",
    json: Annotated[bool, typer.Option("--json", help="A list of JSON objects.")] = False,
) -> None:
    """Show the words nearest to a word, or to a sum of words, in a run's table of vectors.

    Example: pellucid neighbours runs/shakespeare-words king - man + woman
    """
    from pellucid.data.words import Vocabulary
    from pellucid.generate.neighbours import nearest
    from pellucid.run import Run
    from pellucid.tasks.embed import VOCABULARY, words_of

    if by not in ("cosine", "dot"):
        raise ConfigError(f"--by is {by!r}: no such measure", mend="Use cosine or dot.")
    opened = Run.open(find_run(run))
    opened.expect("embed")
    words = Vocabulary.load(opened.path / VOCABULARY).words
    found = nearest(words_of(opened.model), words, " ".join(word), count, "cosine" if by == "cosine" else "dot")
    if json:
        print_json([asdict(near) for near in found])
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("embed.near", word=" ".join(word)), overflow="fold")
    for key in ("embed.cosine", "embed.dot"):
        table.add_column(say(key), justify="right", no_wrap=True)
    table.add_column("")
    for near in found:
        bar = "━" * round(BAR * max(near.cosine, 0.0))
        table.add_row(near.word, f"{near.cosine:.3f}", f"{near.dot:.2f}", f"[blue]{bar}[/]")
    out.print(table)
