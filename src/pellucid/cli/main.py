"""The entry point: all commands, and the only place where an error becomes an exit.

Exit codes: 0 done, 2 something the person can mend, 130 interrupted.
"""

import os
import sys

import typer

from pellucid import __version__
from pellucid.cli import (
    compare,
    corpus,
    cure,
    data,
    data_check,
    demo,
    demo_memory,
    doctor,
    evaluate,
    export,
    find_rate,
    generate,
    neighbours,
    report,
    resume,
    runs,
    see,
    train,
    train_classify,
    train_embed,
    train_language,
    train_regress,
    translate,
)
from pellucid.cli import predict as predict_
from pellucid.cli.console import err
from pellucid.cli.voice import one_voice
from pellucid.cli.words import say
from pellucid.errors import PellucidError, WorkerError, is_of_memory
from pellucid.files import failure_of

app = typer.Typer(
    name="pellucid",
    help="Train a small network of your own, use it, and open every number of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train_app = typer.Typer(help="Train a network on your own data.", no_args_is_help=True)
data_app = typer.Typer(help="Look at data before it is trained on.", no_args_is_help=True)
corpus_app = typer.Typer(help="Collect a corpus that Pellucid knows how to fetch.", no_args_is_help=True)
demo_app = typer.Typer(help="Train on a default corpus and show what came out.", no_args_is_help=True)

train_app.command("translate")(train.translate)
train_app.command("regress")(train_regress.regress)
train_app.command("language")(train_language.language)
train_app.command("embed")(train_embed.embed)
train_app.command("classify")(train_classify.classify)
app.add_typer(train_app, name="train")
app.command("predict")(predict_.predict)
app.command("translate")(translate.translate)
app.command("generate")(generate.generate)
app.command("see")(see.see)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("neighbours")(neighbours.neighbours)
app.command("runs")(runs.runs)
app.command("resume")(resume.resume)
app.command("find-rate")(find_rate.find_rate)
app.command("report")(report.report)
app.command("cure")(cure.cure)
app.command("compare")(compare.compare)
app.command("doctor")(doctor.doctor)
data_app.command("show")(data.show)
data_app.command("check")(data_check.check)
app.add_typer(data_app, name="data")
corpus_app.command("interface-strings")(corpus.interface_strings)
app.add_typer(corpus_app, name="corpus")
demo_app.command("translate")(demo.translate)
demo_app.command("regress")(demo.regress)
demo_app.command("language")(demo.language)
demo_app.command("memory")(demo_memory.memory)
demo_app.command("embed")(demo.embed)
demo_app.command("classify")(demo.classify)
app.add_typer(demo_app, name="demo")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Train a small network of your own, use it, and open every number of it."""


def _leave(code: int) -> None:
    """Exit; by way of train/parallel.py where that was loaded, which knows what several workers leave behind."""
    parallel = sys.modules.get("pellucid.train.parallel")
    (parallel.leave if parallel else sys.exit)(code)


def _tell(error: PellucidError) -> None:
    err.print(f"[red]{say('error')}[/]", end=" ")
    err.print(error.message, markup=False, soft_wrap=True)
    if error.mend:
        err.print(error.mend, markup=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors that a person can mend are two lines on standard error."""
    try:
        with one_voice():
            app()
    except WorkerError:
        _leave(2)
    except PellucidError as error:
        _tell(error)
        _leave(2)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (OSError, MemoryError, RuntimeError) as error:
        if not isinstance(error, OSError) and not is_of_memory(error):
            raise
        _tell(failure_of(error))
        _leave(2)
    except KeyboardInterrupt:
        err.print(say("interrupted"))
        sys.exit(130)
