"""`pellucid train embed`: from text files to word vectors."""

from typing import Annotated, Any

import typer

from pellucid.cli.console import RUNS
from pellucid.cli.options import (
    ConfigFile,
    Device,
    FindRate,
    JsonEvents,
    LearningRate,
    Record,
    RunsFolder,
    Settings,
    Threads,
    recorded,
)
from pellucid.cli.train import assembled, run_training
from pellucid.errors import ConfigError


def embed(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Text files, folders, globs, or sample:shakespeare.", show_default=False),
    ] = None,
    dimension: Annotated[int | None, typer.Option(help="Numbers of a word's vector. [default: 64]")] = None,
    window: Annotated[int | None, typer.Option(help="Words on each side that count as neighbours, at most.")] = None,
    negatives: Annotated[int | None, typer.Option(help="Words drawn at random for each neighbour.")] = None,
    most: Annotated[int | None, typer.Option(help="Words that get a vector, at most.")] = None,
    fewest: Annotated[int | None, typer.Option(help="Times that a word must stand in the text.")] = None,
    map_: Annotated[str | None, typer.Option("--map", help="pca, or umap: how the report draws the words.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the text. [default: 6]")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train instead: 90s, 10m, 2h.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps instead.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run. [default: that of the text]")] = None,
    runs: RunsFolder = RUNS,
    config: ConfigFile = None,
    set_: Settings = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of data and words drawn.")] = None,
    batch: Annotated[int | None, typer.Option(help="Words in a batch.")] = None,
    learning_rate: LearningRate = None,
    record: Record = None,
    device: Device = None,
    threads: Threads = None,
    find_rate: FindRate = False,
    json: JsonEvents = False,
) -> None:
    """Train word vectors on text: skip-gram with negative sampling.

    Example: pellucid train embed books/ --dimension 100
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {"files": files or None, "most": most, "fewest": fewest},
        "model": {"dimension": dimension, "window": window, "negatives": negatives},
        "training": {
            "epochs": epochs,
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
    parsed = assembled("embed", config, flags, [*([f"map={map_}"] if map_ else []), *(set_ or [])])
    if not parsed.data.files:
        raise ConfigError("no text to train on", mend="Name a text file, a folder of them, or sample:shakespeare.")
    run_training(parsed, name, runs, json, find_rate)
