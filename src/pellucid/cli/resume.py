"""`pellucid resume`: go on with a training that was stopped or killed."""

from typing import Annotated

import typer

from pellucid.cli.console import find_run
from pellucid.cli.live import Live, stopped_by_ctrl_c
from pellucid.cli.options import JsonEvents
from pellucid.cli.train import finish


def resume(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    json: JsonEvents = False,
) -> None:
    """Go on with a training from its last saved state, to the same end.

    Example: pellucid resume runs/en-zh
    """
    from pellucid import api
    from pellucid.run import Run

    path = find_run(run)
    stopped = Run.open(path)
    config = stopped.config
    live = Live(config.task, json, stopped.kind.item)
    live.steps = config.training.steps or 0
    with stopped_by_ctrl_c(live) as should_stop:
        opened = api.resume(path, watcher=live.show, should_stop=should_stop)
    finish(live, opened)
