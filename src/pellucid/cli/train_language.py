"""`pellucid train language`: from text files to a run folder."""

from typing import Annotated, Any

import typer

from pellucid.cli.console import RUNS
from pellucid.cli.options import (
    ConfigFile,
    Device,
    DropoutShare,
    FindRate,
    JsonEvents,
    LearningRate,
    Record,
    RunsFolder,
    Settings,
    Steps,
    Threads,
    recorded,
)
from pellucid.cli.train import assembled, run_training
from pellucid.errors import ConfigError


def language(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Text files, folders, globs, or sample:shakespeare.", show_default=False),
    ] = None,
    cell: Annotated[str | None, typer.Option(help="gpt, rnn, lstm or gru. [default: gpt]")] = None,
    pieces: Annotated[str | None, typer.Option(help="characters or bpe. [default: characters]")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Tokens at most, with --pieces bpe.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train: 90s, 10m, 2h. [default: 10m]")] = None,
    steps: Steps = None,
    width: Annotated[int | None, typer.Option(help="Numbers in the vector of a position, or in a state.")] = None,
    layers: Annotated[int | None, typer.Option(help="Blocks or recurrent layers.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of a stretch of text.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run. [default: that of the text]")] = None,
    runs: RunsFolder = RUNS,
    config: ConfigFile = None,
    set_: Settings = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of data and dropout.")] = None,
    batch: Annotated[int | None, typer.Option(help="Stretches of text in a batch.")] = None,
    learning_rate: LearningRate = None,
    dropout: DropoutShare = None,
    record: Record = None,
    device: Device = None,
    threads: Threads = None,
    find_rate: FindRate = False,
    json: JsonEvents = False,
) -> None:
    """Train a language model on text: a small GPT, or a recurrent network.

    Example: pellucid train language books/ --cell lstm --budget 10m
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {"files": files or None},
        "pieces": {"kind": pieces or ("bpe" if vocabulary else None), "vocabulary": vocabulary},
        "model": {"cell": cell, "width": width, "layers": layers, "context": context, "dropout": dropout},
        "training": {
            "budget": budget,
            "steps": steps,
            "seed": seed,
            "record": recorded(record),
            "batch": batch,
            "learning_rate": learning_rate,
            "device": device,
            "threads": threads,
        },
    }
    parsed = assembled("language", config, flags, set_ or [])
    if not parsed.data.files:
        raise ConfigError("no text to train on", mend="Name a text file, a folder of them, or sample:shakespeare.")
    run_training(parsed, name, runs, json, find_rate)
