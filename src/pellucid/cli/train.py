"""`pellucid train translate`: from files of sentence pairs to a run folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import RUNS, out
from pellucid.cli.find_rate import find_rate_of
from pellucid.cli.live import Live, stopped_by_ctrl_c
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
from pellucid.cli.words import say
from pellucid.errors import ConfigError
from pellucid.words import spoken

if TYPE_CHECKING:
    from pellucid.config import RunConfig
    from pellucid.run import Run


def translate(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="TSV, CSV, JSONL, PO, MO, TMX, two aligned text files, folders, globs.", show_default=False
        ),
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="Language to translate from, such as en.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Language to translate to, such as zh.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to train: 90s, 10m, 2h. [default: 10m]")] = None,
    steps: Steps = None,
    tokens: Annotated[int | None, typer.Option(help="Target tokens to train on, instead of a budget.")] = None,
    preset: Annotated[str | None, typer.Option(help="Size of the model: auto, tiny, small, base.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run in the runs folder. [default: FROM-TO]")] = None,
    runs: RunsFolder = RUNS,
    config: ConfigFile = None,
    set_: Settings = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order of data and dropout.")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Tokens at most.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Target tokens in a batch.")] = None,
    learning_rate: LearningRate = None,
    dropout: DropoutShare = None,
    record: Record = None,
    device: Device = None,
    threads: Threads = None,
    delimiter: Annotated[str | None, typer.Option(help="Between the columns of a table.")] = None,
    find_rate: FindRate = False,
    json: JsonEvents = False,
) -> None:
    """Train a translating Transformer on sentence pairs.

    Example: pellucid train translate pairs.tsv --from en --to zh --budget 10m
    """
    flags: dict[str, dict[str, Any]] = {
        "data": {"files": files or None, "source": source, "target": target, "delimiter": delimiter},
        "tokenizer": {"vocabulary": vocabulary},
        "model": {"preset": preset, "dropout": dropout},
        "training": {
            "budget": budget,
            "steps": steps,
            "tokens": tokens,
            "seed": seed,
            "record": recorded(record),
            "batch_tokens": batch_tokens,
            "learning_rate": learning_rate,
            "device": device,
            "threads": threads,
        },
    }
    parsed = assembled("translate", config, flags, set_ or [])
    if not parsed.data.files:
        raise ConfigError("no data to train on", mend="Name a file of sentence pairs, such as pairs.tsv.")
    run_training(parsed, name, runs, json, find_rate)


def assembled(task: str, path: Path | None, flags: dict[str, dict[str, Any]], settings: Sequence[str]) -> Any:
    """A task's config: the TOML file, if there is one, overridden by flags, overridden by --set. Raises ConfigError."""
    import tomllib

    from pellucid.config import read_toml
    from pellucid.tasks.kinds import config_class

    values = read_toml(path) if path else {}
    config = config_class(task)
    lengths = config.model_fields["training"].annotation.lengths()  # type: ignore[union-attr]
    for section, fields in flags.items():
        given = {field: value for field, value in fields.items() if value is not None}
        if given:
            if set(lengths) & set(given):
                # A flag takes the place of whichever of them the file gave.
                for other in lengths:
                    values.get(section, {}).pop(other, None)
            values[section] = {**values.get(section, {}), **given}
    for setting in settings:
        place, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: not a setting", mend="Write --set section.field=value.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        *sections, field = place.strip().split(".")
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[field] = value
    return config.parse(values, where=str(path) if path else "config")


def run_training(config: "RunConfig", name: str | None, runs: Path, json: bool, find_rate: bool = False) -> None:
    """Train with everything shown, then print what came out and what to try next; or look for a learning rate.

    Raises ConfigError for a name that leads out of the folder of runs.
    """
    folder = runs / name if name else None
    if folder is not None and not folder.resolve().is_relative_to(runs.resolve()):
        raise ConfigError(
            f"--name is {name!r}: leads out of {runs}", mend="Give a plain name, and the place by --runs."
        )
    if find_rate:
        find_rate_of(config, json)
        return
    from pellucid import api
    from pellucid.tasks.kinds import task_class

    live = Live(config.task, json, task_class(config.task).item)
    with stopped_by_ctrl_c(live) as should_stop:
        run = api.train(config, folder, runs=runs, watcher=live.show, should_stop=should_stop)
    finish(live, run)


def finish(live: Live, run: "Run") -> None:
    """Scores, samples and next steps; or how to go on, if it was stopped."""
    if live.ended is not None and live.ended["reason"] == "interrupted":
        if not live.json:
            out.print(
                say("train.stopped", step=f"{live.ended['step']:,}", steps=f"{live.steps:,}", run=run.path),
                markup=False,
            )
        raise typer.Exit(130)
    if live.json or live.tested is None:
        return
    out.print()
    live.outcome.print_outcome(run, live.tested)
    tell_findings(run)


def tell_findings(run: "Run") -> None:
    """One line on what the doctor found, if it found anything."""
    found = run.diagnosis()
    titles = [finding["said"][spoken()]["title"] for finding in found["findings"]] if found else []
    if titles:
        out.print()
        out.print(say("doctor.found", titles="; ".join(titles), run=run.path), markup=False)
