"""`pellucid train regress`: a table with named columns becomes a network that predicts one of them."""

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
    Steps,
    recorded,
)
from pellucid.cli.train import assembled, run_training
from pellucid.errors import ConfigError


def regress(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="CSV, TSV or Parquet with named columns, folders, globs; sample:diabetes; curve:sine, line, parabola, "
            "steps, bump, wave.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    depth: Annotated[int | None, typer.Option(help="Hidden layers; 0: linear regression. [default: 0]")] = None,
    width: Annotated[int | None, typer.Option(help="Neurons in each hidden layer. [default: 64]")] = None,
    activation: Annotated[
        str | None, typer.Option(help="relu, leaky-relu, elu, gelu, silu, tanh, sigmoid or softplus.")
    ] = None,
    neurons: Annotated[
        str | None, typer.Option(help="Networks with so many neurons side by side, such as 1,2,4,8.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="squared, absolute or huber. [default: squared]")] = None,
    missing: Annotated[
        str | None, typer.Option(help="A missing value: drop its row, or fill in the mean. [default: refuse]")
    ] = None,
    categorical: Annotated[
        list[str] | None, typer.Option(help="A column of numbers that are names; may be repeated.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A column that the network may not read; may be repeated.")
    ] = None,
    surface: Annotated[
        str | None, typer.Option(help="Two columns (or bias) whose loss surface is drawn, such as bmi,age.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train: 30s, 2m.")] = None,
    steps: Steps = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the rows, instead of a budget.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run in the runs folder. [default: the file's]")] = None,
    runs: RunsFolder = RUNS,
    config: ConfigFile = None,
    set_: Settings = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of rows and dropout.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows in a batch.")] = None,
    learning_rate: LearningRate = None,
    optimizer: Annotated[
        str | None, typer.Option(help="sgd (plain gradient descent), momentum, nesterov, rmsprop, adam, adamw or muon.")
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of neurons switched off in training.")] = None,
    record: Record = None,
    device: Device = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads. [default: 1]")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the cells of a text file.")] = None,
    find_rate: FindRate = False,
    json: JsonEvents = False,
) -> None:
    """Train linear regression, or a network with hidden layers, to predict a number from a table's other columns.

    Example: pellucid train regress houses.csv --target price
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {
            "files": files or None,
            "target": target,
            "delimiter": delimiter,
            "missing": missing,
            "categorical": categorical or None,
            "leave_out": leave_out or None,
        },
        "model": {
            "depth": depth,
            "width": width,
            "activation": activation,
            "dropout": dropout,
            "sizes": sizes(neurons) if neurons else None,
        },
        "training": {
            "budget": budget,
            "steps": steps,
            "epochs": epochs,
            "seed": seed,
            "record": recorded(record),
            "batch": batch,
            "learning_rate": learning_rate,
            "optimizer": optimizer,
            "device": device,
            "threads": threads,
        },
    }
    settings = [*([f"loss={loss}"] if loss else []), *(set_ or [])]
    if surface:
        settings.append(f"surface={[part.strip() for part in surface.split(',')]!r}")
    parsed = assembled("regress", config, flags, settings)
    if not parsed.data.files:
        raise ConfigError("no data to train on", mend="Name a table, such as houses.csv, or sample:diabetes.")
    run_training(parsed, name, runs, json, find_rate)


def sizes(text: str) -> list[int]:
    """The numbers of a list such as 1,2,4. Raises ConfigError for anything else."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise ConfigError(f"--neurons is {text!r}: not numbers of neurons", mend="Write such as --neurons 1,2,4,8.")
    return found
