"""`pellucid cure`: a run trained again with one change, over several seeds, and whether that helped."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from pellucid.cli.console import duration, err, find_run, out, print_json
from pellucid.cli.live import stopped_by_ctrl_c
from pellucid.cli.options import JsonEvents
from pellucid.cli.outcome import outcome_of
from pellucid.cli.words import say
from pellucid.train.cured import OVER

Event = Mapping[str, Any]


def cure(
    run: Annotated[str, typer.Argument(help="A run folder, or its name in runs/.", show_default=False)],
    with_: Annotated[
        list[str],
        typer.Option(
            "--with",
            metavar="FIELD=VALUE",
            help="What to change: fields of config.toml, as dropout=0.2,clip=1; may be repeated.",
            show_default=False,
        ),
    ],
    seeds: Annotated[str, typer.Option(help="Over how many seeds, or which: 3, or 1,2,3.")] = "3",
    json: JsonEvents = False,
) -> None:
    """Train a run again with one change, same data order, over several seeds, and say whether it helped.

    The trainings stand in RUN.cures, beside the run; called again, it goes on where it was, and uses again what is
    there. With the page that shows them side by side.

    Example: pellucid cure runs/wine --with dropout=0.5
    """
    from pellucid import api
    from pellucid.cli.verdict import print_comparison
    from pellucid.run import Run

    opened = Run.open(find_run(run))
    live = CureLive(opened.task_name, json)
    with stopped_by_ctrl_c(live) as should_stop:
        found = api.cure(opened, ",".join(with_), seeds, watcher=live.show, should_stop=should_stop)
    if found is None:
        if not json:
            out.print(say("cure.stopped"), markup=False)
        raise typer.Exit(130)
    if json:
        return
    out.print()
    print_comparison(found.json())
    out.print(say("compare.page", path=live.page), markup=False, soft_wrap=True)


class CureLive:
    """Shows the events of a cure: one bar over all its trainings, and a line as each is over."""

    def __init__(self, task: str, json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.json, self.page = json, ""
        self._outcome, self._clock = outcome_of(task), clock
        self._trainings: list[Event] = []
        self._now: Event = {}
        self._before = self._made = 0  # steps of trainings that are over, and all that were made in this call
        self._step = 0  # of the training that is made now
        self._began = clock()
        self._bar: Progress | None = None

    def show(self, event: Event) -> None:
        if self.json:
            print_json(event)
        match event["kind"]:
            case "cure":
                self._begin(event)
            case "training":
                self._training(event)
            case "step":
                self._stepped(event["step"])
            case "test":
                self._over(self._outcome.score_of(event))
            case "failed":
                self._over(say("cure.failed", text=event["text"]))
            case "warning":
                err.print(f"{say('warning')} {event['text']}", markup=False)
            case "comparison":
                self.page = event["page"]
                self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self, event: Event) -> None:
        self._trainings = event["trainings"]
        open_ones = [one for one in self._trainings if one["state"] not in OVER]
        facts = {
            "run": event["run"],
            "what": event["what"],
            "seeds": ", ".join(map(str, event["seeds"])),
            "trainings": len(self._trainings),
            "there": len(self._trainings) - len(open_ones),
            "folder": event["folder"],
        }
        if self.json:
            return
        out.print(say("cure.begin", **facts), markup=False)
        if not out.is_terminal or not open_ones:
            return
        wide = out.width >= 70
        columns = [BarColumn(bar_width=None if wide else 8), TextColumn("{task.fields[words]}", markup=False)]
        self._bar = Progress(*columns, console=out, expand=wide)
        self._task = self._bar.add_task("", total=sum(one["steps"] for one in open_ones), words="")
        self._bar.start()
        self._began = self._clock()

    def _training(self, event: Event) -> None:
        self._now, self._step = event, event["steps_done"]
        if event["state"] in OVER:
            from pellucid.run import Run

            kinds = {line["kind"]: line for line in Run(Path(event["run"])).metrics()}
            failed = event["state"] == "failed"
            result = (
                say("cure.failed", text=kinds["failed"]["text"]) if failed else self._outcome.score_of(kinds["test"])
            )
            self._line(say("cure.there", line=result))
            return
        self._update()

    def _stepped(self, step: int) -> None:
        self._made += max(step - self._step, 0)
        self._step = step
        self._update()

    def _over(self, result: str) -> None:
        self._line(result)
        self._before += self._now["steps"]
        self._step = 0
        self._update()

    def _line(self, result: str) -> None:
        if not self.json:
            out.print(f"{self._place()}  {self._name()}  {result}", markup=False)

    def _update(self) -> None:
        if self._bar is None or not self._now:
            return
        words = f"{self._place()}  {self._name()}  {self._step:,}/{self._now['steps']:,}  {self.time_left()}"
        self._bar.update(self._task, completed=self._before + self._step, words=words)

    def time_left(self) -> str:
        """By the steps made in this call and the time that they took, evaluations and all."""
        if not self._made:
            return ""
        rest = [one for one in self._trainings[self._now["number"] - 1 :] if one["state"] not in OVER]
        steps = sum(one["steps"] - one["steps_done"] for one in rest[1:]) + (self._now["steps"] - self._step)
        return say("cure.left", time=duration(steps * (self._clock() - self._began) / self._made))

    def _place(self) -> str:
        return f"{self._now['number']}/{len(self._trainings)}"

    def _name(self) -> str:
        return say("cure.treated" if self._now["treated"] else "cure.untreated", seed=self._now["seed"])
