"""`pellucid demo`: the main job on the default corpus, from nothing to a table of translations."""

from typing import Annotated, Any

import typer

from pellucid.cli.console import RUNS, err
from pellucid.cli.corpus import collect_shown
from pellucid.cli.options import JsonEvents, RunsFolder
from pellucid.cli.train import assembled, run_training
from pellucid.cli.words import say
from pellucid.errors import ConfigError

SAMPLES = ("digits", "mnist", "wine", "breast-cancer")


def translate(
    target: Annotated[str, typer.Option("--to", help="zh, de or fr.")] = "zh",
    budget: Annotated[str, typer.Option(help="Time to train.")] = "4m",
    size: Annotated[str, typer.Option(help="Of the corpus: small, default or large.")] = "default",
    runs: RunsFolder = RUNS,
    json: JsonEvents = False,
) -> None:
    """Collect the default corpus, train English to Chinese (German, French), and show what came out.

    Example: pellucid demo translate --to de
    """
    from pellucid.train.parallel import joined

    with joined() as workers:
        workers.first(lambda: collect_shown(target, size))
    data = {"files": [f"corpus:interface-strings:{size}"], "source": "en", "target": target}
    config = assembled("translate", None, {"data": data, "training": {"budget": budget}}, [])
    run_training(config, None, runs, json)


def regress(
    curve: Annotated[
        str | None, typer.Option(help="Fit networks of growing size to line, parabola, sine, steps, bump or wave.")
    ] = None,
    loss: Annotated[str, typer.Option(help="squared, absolute or huber.")] = "squared",
    runs: RunsFolder = RUNS,
    json: JsonEvents = False,
) -> None:
    """Linear regression on scikit-learn's diabetes table, in closed form and by descent; or networks against a curve.

    Example: pellucid demo regress --curve sine
    """
    files = [f"curve:{curve.removeprefix('curve:')}" if curve else "sample:diabetes"]
    run_training(assembled("regress", None, {"data": {"files": files}}, [f"loss={loss}"]), None, runs, json)


def language(
    cell: Annotated[str, typer.Option(help="gpt, rnn, lstm or gru.")] = "gpt",
    budget: Annotated[str, typer.Option(help="Time to train.")] = "80s",
    runs: RunsFolder = RUNS,
    json: JsonEvents = False,
) -> None:
    """Train a language model on Shakespeare's works, and show what it writes and how well it predicts.

    Example: pellucid demo language --cell lstm
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {"files": ["sample:shakespeare"]},
        "model": {"cell": cell},
        "training": {"budget": budget},
    }
    run_training(assembled("language", None, flags, []), None, runs, json)


def embed(
    runs: RunsFolder = RUNS,
    json: JsonEvents = False,
) -> None:
    """Train word vectors on Shakespeare's plays and poems, and show which words lie near each other.

    Example: pellucid demo embed
    """
    run_training(assembled("embed", None, {"data": {"files": ["sample:shakespeare:modern"]}}, []), None, runs, json)


def classify(
    data: Annotated[str, typer.Option(help="digits, mnist, wine or breast-cancer.")] = "digits",
    augment: Annotated[str | None, typer.Option(help="Images: none, light or strong. [default: light]")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training examples. [default: 40; mnist: 8]")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train, instead of epochs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of data, dropout and augmentation.")] = None,
    runs: RunsFolder = RUNS,
    json: JsonEvents = False,
) -> None:
    """Train a network on handwritten digits (or measurements of wines, of tumours), and show what came out.

    Example: pellucid demo classify --data breast-cancer
    """
    from pellucid.data.augment import is_installed

    if data not in SAMPLES:
        raise ConfigError(f"--data is {data!r}: no such sample", mend=f"There are {', '.join(SAMPLES)}.")
    images = data in ("digits", "mnist")
    if images and augment is None and not is_installed() and not json:
        err.print(say("classify.no_kornia"), markup=False)
    if data == "mnist" and epochs is None and budget is None:
        epochs = 8  # of 5,000 images of 28 x 28: a minute on two cores
    flags: dict[str, dict[str, Any]] = {
        "data": {"files": [f"sample:{data}"]},
        "augmentation": {"preset": augment or ("light" if images and is_installed() else "none")},
        "training": {"epochs": epochs, "budget": budget, "seed": seed},
    }
    run_training(assembled("classify", None, flags, []), None, runs, json)
