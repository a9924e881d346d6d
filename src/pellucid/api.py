"""The whole way in a few calls: train, resume, open.

import pellucid
run = pellucid.train("run.toml")
print(run.translate(["Save changes before closing?"]))
"""

import time
from collections.abc import Callable
from pathlib import Path

from pellucid.adapt.export import Exportable, check_format, write_export
from pellucid.adapt.parity import Parity, parity
from pellucid.config import read_toml
from pellucid.errors import DataError, RunError
from pellucid.generate.decode import TorchEngine
from pellucid.generate.exported import FORMATS, FormatName, Quantization
from pellucid.run import Run
from pellucid.see.report import write_report
from pellucid.tasks.translate import TranslateConfig, TranslateTask, proposed_preset
from pellucid.train.loop import Trainer, Watcher
from pellucid.train.plan import make_plan, parse_budget


def train(
    config: TranslateConfig | str | Path,
    run_folder: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    watcher: Watcher = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train a network as `config` (an object or a TOML file) says, evaluate it, write its report.

    `run_folder` is where everything goes; without it, a folder in `runs` named after the languages. `watcher` gets each
    line of metrics.jsonl as it is made; when `should_stop` says so, the step is finished and everything is saved.
    Raises ConfigError, DataError, RunError or TrainingError; each says how to mend it.
    """
    if not isinstance(config, TranslateConfig):
        config = TranslateConfig.parse(read_toml(Path(config)), where=str(config))
    if config.training.budget is not None:
        parse_budget(config.training.budget)
    if run_folder is not None and Path(run_folder).exists() and any(Path(run_folder).iterdir()):
        raise RunError(f"{run_folder}: already exists and is not empty", mend="Choose another --name, or remove it.")
    if config.model.preset == "auto":
        seconds = parse_budget(config.training.budget) if config.training.budget else 0.0
        config = config.changed(model=config.model.with_preset(proposed_preset(seconds)).model_dump())
    task = TranslateTask(config)
    about = {"kind": "data", **task.describe()}
    watcher(about)
    plan = make_plan(task)
    settled = task.config.changed(training=plan.training.model_dump())
    task.config = settled
    folder = Path(run_folder) if run_folder else free_folder(Path(runs), settled)
    run = Run.create(folder, settled, task.tokenizer)
    planned = {
        "kind": "plan",
        "parameters": plan.parameters,
        "preset": settled.model.preset,
        "steps": plan.training.steps,
        "budget": plan.training.budget,
        "precision": plan.training.precision,
        "tokens_per_second": round(plan.tokens_per_second),
        "threads": plan.training.threads,
        "matmul": plan.matrix_rates,
    }
    watcher(planned)
    run.append_metrics([about, planned])
    return _go_on(run, task, watcher, should_stop)


def resume(
    path: str | Path,
    *,
    watcher: Watcher = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with a training that was stopped or killed, from its last saved state, to the same end."""
    run = Run.open(path)
    if run.status == "finished" and any(line["kind"] == "test" for line in run.metrics()):
        raise RunError(f"{path}: this training is finished", mend=f'`pellucid translate {path} "text"` uses it.')
    return _go_on(run, run.task, watcher, should_stop)


def open_run(path: str | Path) -> Run:
    """Open a run folder. Raises RunError if it is none."""
    return Run.open(path)


def export(
    run: Run,
    to: FormatName = "ctranslate2",
    folder: str | Path | None = None,
    quantize: Quantization = "none",
) -> Parity | None:
    """Write the run's model for another engine and compare the two on the run's own held-out sentences.

    Without `folder` it goes into the run's folder, where `Run.translate` finds it. Returns None, after the export, if
    what runs it is not installed or the run's data can no longer be read. Raises ConfigError if there is no such
    format, a package that writes it is missing or the model cannot be expressed in it; RunError if the run has no model
    or the folder cannot be written.
    """
    check_format(to, quantize)
    place = Path(folder) if folder else run.path / FORMATS[to].folder
    what = Exportable(run.model, run.tokenizer, run.decoding, run.weights_checksum)
    write_export(what, to, place, quantize)
    if not FORMATS[to].is_installed():
        return None
    try:
        task = run.task
    except DataError:
        return None
    exported = FORMATS[to].open(place)
    examples, target = task.data.splits.test, task.data.reading.target
    return parity(TorchEngine(run.model), exported, run.tokenizer, examples, target, run.decoding)


def free_folder(parent: Path, config: TranslateConfig) -> Path:
    """`parent/en-zh`, or the first of `en-zh-2`, `en-zh-3` ... that is free."""
    name = f"{config.data.source}-{config.data.target}"
    number, folder = 1, parent / name
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def _go_on(run: Run, task: TranslateTask, watcher: Watcher, should_stop: Callable[[], bool]) -> Run:
    with run.locked():
        if run.status != "finished":
            Trainer(run, task, watcher, should_stop).train()
        if run.ending() != "interrupted":
            evaluate(run, task, watcher)
    write_report(run.path)
    return run


def evaluate(run: Run, task: TranslateTask, watcher: Watcher = lambda event: None) -> None:
    """Score the run's best model on the held-out test side and add the result to its metrics."""
    began = time.monotonic()
    result = {"kind": "test", **task.test(run.model), "seconds": round(time.monotonic() - began, 2)}
    run.append_metrics([result])
    watcher(result)
