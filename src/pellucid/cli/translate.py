"""`pellucid translate`: a trained run, given texts, gives translations and nothing else on standard output.

A localization file is filled instead: see translate_file.py.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import err, find_run
from pellucid.cli.translate_file import is_filled, translate_file
from pellucid.cli.words import say
from pellucid.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pellucid.generate.config import DecodingConfig
    from pellucid.generate.engine import EngineName
    from pellucid.run import Run

ENGINES: tuple["EngineName", ...] = ("auto", "torch", "ctranslate2", "onnx")
AT_A_TIME = 256  # lines read ahead, so that sentences of like length can be translated side by side


def translate(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    text: Annotated[list[str] | None, typer.Argument(help="Texts; without any, a prompt or a pipe.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Translate this text file line by line, or fill this localization file.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")] = None,
    kind: Annotated[
        str | None, typer.Option("--as", help="What the file is: text, po, xliff, json, android or table.")
    ] = None,
    glossary: Annotated[
        Path | None, typer.Option(help="Filling: a table of terms and their translations to keep to.")
    ] = None,
    review: Annotated[
        list[Path] | None,
        typer.Option(help="Filling: list all proposals, worst first: .html or .csv; may be repeated."),
    ] = None,
    memory: Annotated[bool, typer.Option(help="Filling: use the run's own training pairs first.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Filling: write over what is there.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Filling: forget what was done before a stop.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Filling: exit with 1 if entries were left empty.")] = False,
    method: Annotated[str | None, typer.Option(help="greedy, beam or sample.")] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept side by side.")] = None,
    n_best: Annotated[int, typer.Option(min=1, help="Translations given of each text.")] = 1,
    length_penalty: Annotated[float | None, typer.Option(help="Above 1 favours longer translations.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of sampling; below 1 is more certain.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Sample among this many tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Sample among the tokens that hold this share.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampling.")] = None,
    engine: Annotated[
        str, typer.Option(help="torch, ctranslate2 or onnx (after `pellucid export`), or auto.")
    ] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="A JSON object per text, with scores; filling, one of what came of it.")
    ] = False,
    history: Annotated[
        bool, typer.Option(help="At the prompt: remember what was typed for the next time, for you alone.")
    ] = True,
) -> None:
    """Translate texts given as arguments, a file line by line, or what comes through a pipe; without any, at a prompt.

    A localization file (PO, XLIFF, i18n JSON, Android strings, TSV or CSV) is filled: its untranslated entries, each
    marked as needing review.

    Example: pellucid translate runs/en-zh "Save changes before closing?"

    Example: pellucid translate runs/en-zh --file app.po -o app.zh.po --review review.html
    """
    from pellucid.run import Run

    opened = Run.open(find_run(run))
    if file is not None and text:
        raise DataError("a text and --file were both given", mend="Give one of them.")
    decoding = {
        "method": method or ("sample" if temperature or top_k or top_p else None),
        "beam": _width(beam, n_best, opened.decoding.beam),
        "length_penalty": length_penalty,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
    }
    given = {name: value for name, value in decoding.items() if value is not None}
    settings = opened.decoding.changed(**given)  # a wrong value is told before anything is read or loaded
    if engine not in ENGINES:
        raise ConfigError(f"--engine is {engine!r}: no such engine", mend=f"Use {', '.join(ENGINES)}.")
    opened.expect("translate")
    if file is not None and is_filled(file, kind):
        if n_best > 1:
            raise ConfigError(f"--n-best is {n_best}, and an entry holds one translation", mend="Leave it out.")
        translate_file(
            opened,
            file,
            output,
            kind=kind,
            glossary=glossary,
            reviews=review or [],
            memory=memory,
            overwrite=overwrite,
            restart=restart,
            strict=strict,
            json=json,
            engine=engine,
            decoding=given,
        )
        return
    filling = {"--glossary": glossary, "--review": review, "--overwrite": overwrite, "--restart": restart}
    for option in [name for name, value in {**filling, "--strict": strict, "--no-memory": not memory}.items() if value]:
        raise ConfigError(
            f"{option} is for filling a localization file",
            mend="Give --file with one, and --as if its name is unclear.",
        )
    asked = bool(text or file or output or json or engine not in ("auto", "torch"))
    if not asked and can_converse() and opened.has_model:
        _converse(opened, settings, history)
        return
    opened.engine(engine, settings)  # so is a missing or damaged model
    lines = _lines(text, file)
    if output is None:
        for line in _translated(opened, engine, lines, given, n_best, json):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        return
    from pellucid.files import write_text

    results = list(_translated(opened, engine, lines, given, n_best, json))
    try:
        write_text(output, "".join(f"{line}\n" for line in results))
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror})", mend="Choose another place.") from None
    err.print(say("translate.written", lines=f"{len(results):,}", path=output), markup=False)


def can_converse() -> bool:
    """Whether a person sits at a terminal that can move its cursor, and there is what draws the prompt."""
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not at_terminal or os.environ.get("TERM", "").lower() in ("dumb", "unknown", ""):
        return False
    return importlib.util.find_spec("prompt_toolkit") is not None


def _converse(run: "Run", settings: "DecodingConfig", history: bool) -> None:
    """The prompt. It always decodes with PyTorch, because only there attention can be seen."""
    from pellucid.cli.prompt.desk import Desk
    from pellucid.cli.prompt.session import converse
    from pellucid.data.integrity import breaches

    def faults(source: str, translation: str) -> list[str]:
        return [breach.said() for breach in breaches(source, translation, *run.languages)]

    converse(Desk(), run, settings, faults, history)


def _width(beam: int | None, n_best: int, usual: int) -> int | None:
    """Of the beam: as asked for, but at least as many hypotheses as are to be shown."""
    if n_best == 1 or (beam is not None and beam < 1):
        return beam
    return max(usual if beam is None else beam, n_best)


def _lines(text: list[str] | None, file: Path | None) -> Iterable[str]:
    if text:
        return text
    if file is not None:
        from pellucid.data.textfile import read_lines

        return [line for _, line in read_lines(file)]
    if sys.stdin.isatty():
        err.print(say("translate.hint"))
        return iter(_typed, None)
    return (line.rstrip("\r\n") for line in sys.stdin)


def _typed() -> str | None:
    try:
        return input()
    except EOFError:
        return None


def _translated(
    run: "Run", engine: "EngineName", lines: Iterable[str], decoding: dict[str, Any], n_best: int, json: bool
) -> Iterator[str]:
    """One line of output for each line and each of its `n_best` translations, in the order of the input."""
    import json as encoder

    iterator = iter(lines)
    at_a_time = 1 if sys.stdin.isatty() else AT_A_TIME
    while some := list(islice(iterator, at_a_time)):
        for source, found in zip(some, run.translations(some, engine, **decoding), strict=True):
            best = found[:n_best]
            if json:
                translations = [{"text": one.text, "score": round(one.score, 4)} for one in best]
                yield encoder.dumps({"source": source, "translations": translations}, ensure_ascii=False)
            else:
                # A translation is one line, so that line n of the output belongs to line n of the input.
                yield from (" ".join(one.text.splitlines()) for one in best)
