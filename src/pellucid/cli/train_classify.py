"""`pellucid train classify`: from a table or a place of images to a run folder."""

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
    Threads,
    recorded,
)
from pellucid.cli.train import assembled, run_training
from pellucid.errors import ConfigError


def classify(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="A table, a folder of class folders, .npz, IDX files, or sample:digits, mnist, wine, breast-cancer.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Tables: the column that holds the class.")] = None,
    size: Annotated[str | None, typer.Option(help="Images: WIDTHxHEIGHT to which each is brought.")] = None,
    colours: Annotated[str | None, typer.Option(help="Images: auto, gray or rgb.")] = None,
    augment: Annotated[str | None, typer.Option(help="Images: none, light or strong changes in training.")] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="Rare classes count as much as frequent ones.")] = False,
    network: Annotated[str | None, typer.Option(help="cnn or mlp. [default: cnn for images, mlp for tables]")] = None,
    residual: Annotated[bool, typer.Option("--residual", help="Images: stages of residual blocks.")] = False,
    dropout: DropoutShare = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training examples. [default: 40]")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train, instead of epochs: 90s, 10m.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps, instead of epochs.")] = None,
    batch: Annotated[int | None, typer.Option(help="Examples in a batch.")] = None,
    learning_rate: LearningRate = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of data, dropout and augmentation.")] = None,
    missing: Annotated[str | None, typer.Option(help="Tables: refuse, drop or mean of missing values.")] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="Tables: a column of numbers that are names; may be repeated.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Tables: a column not to be read; repeatable.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Tables: between the columns.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run in the runs folder. [default: the data's]")] = None,
    runs: RunsFolder = RUNS,
    config: ConfigFile = None,
    set_: Settings = None,
    record: Record = None,
    device: Device = None,
    threads: Threads = None,
    find_rate: FindRate = False,
    json: JsonEvents = False,
) -> None:
    """Train a network that tells classes apart: rows of a table, or images.

    Example: pellucid train classify pictures/ --size 64x64 --augment light
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {
            "files": files or None,
            "target": target,
            "size": size,
            "colours": colours,
            "missing": missing,
            "categorical": categorical or None,
            "left_out": leave_out or None,
            "delimiter": delimiter,
        },
        "augmentation": {"preset": augment},
        "model": {"kind": network},
        "training": {
            "epochs": epochs,
            "budget": budget,
            "steps": steps,
            "batch": batch,
            "learning_rate": learning_rate,
            "seed": seed,
            "record": recorded(record),
            "device": device,
            "threads": threads,
        },
    }
    settings = list(set_ or [])
    # Before those of the person, who has the last word.
    if dropout is not None:
        settings = [f"model.mlp.dropout={dropout}", f"model.cnn.dropout={dropout}", *settings]
    if residual:
        settings = ["model.cnn.residual=true", *settings]
    if balanced:
        settings = ["class_weights='balanced'", *settings]
    parsed = assembled("classify", config, flags, settings)
    if not parsed.data.files:
        raise ConfigError("no data to train on", mend="Name a table, a folder of class folders, or sample:digits.")
    run_training(parsed, name, runs, json, find_rate)
