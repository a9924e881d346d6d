"""Options that several commands have, said once: those of every training, whatever its task."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.errors import ConfigError

RunsFolder = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
ConfigFile = Annotated[Path | None, typer.Option(help="A TOML file with the whole run; flags override it.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Any field, as section.field=value; may be repeated.")
]
Steps = Annotated[int | None, typer.Option(help="Optimizer steps, instead of a budget.")]
LearningRate = Annotated[float | None, typer.Option(help="Highest learning rate.")]
DropoutShare = Annotated[float | None, typer.Option(help="Share of numbers switched off in training.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
FindRate = Annotated[
    bool, typer.Option("--find-rate", help="Do not train: try learning rates on a copy, and say which suits.")
]
Record = Annotated[
    str | None,
    typer.Option(help="Keep the weights to look back at: every=50 steps, or evaluations.", show_default=False),
]
JsonEvents = Annotated[bool, typer.Option("--json", help="One JSON object per event, nothing else.")]


def recorded(text: str | None) -> int | str | None:
    """What `--record` says, as the config has it. Raises ConfigError for anything else."""
    if text is None or text == "evaluations":
        return text
    number = text.removeprefix("every=").replace(",", "")
    if not number.isdigit() or not int(number):
        raise ConfigError(
            f"--record is {text!r}: not an interval", mend="Write --record every=50, or --record evaluations."
        )
    return int(number)
