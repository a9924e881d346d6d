"""The whole way in a few calls: train, resume, open.

import pellucid
run = pellucid.train("run.toml")
print(run.translate(["Save changes before closing?"]))
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import torch

from pellucid.adapt.export import Exportable, check_format, write_export
from pellucid.adapt.parity import Parity, parity
from pellucid.config import RunConfig, parse_budget, read_toml
from pellucid.data.integrity import Breach, breaches, read_glossary
from pellucid.errors import DataError, RunError, TrainingError
from pellucid.files import told_if_unwritable, unwritable, write_text
from pellucid.generate.careful import Proposal
from pellucid.generate.decode import TorchEngine
from pellucid.generate.engine import EngineName
from pellucid.generate.exported import FORMATS, FormatName, Quantization
from pellucid.generate.filling.fill import Progress, Watch, entries_of, proposals_of, translated
from pellucid.generate.filling.journal import journal_path, opened_journal
from pellucid.generate.filling.place import place_of, write_bytes
from pellucid.generate.filling.plan import body, plan, sources_of
from pellucid.generate.filling.review import matches_of, rows_of
from pellucid.generate.filling.summary import Summary, counted
from pellucid.generate.filling.variety import locale_of, unlike
from pellucid.models.parameters import weight_matrices
from pellucid.run import Run
from pellucid.see.report import write_report
from pellucid.see.report.comparison import comparison_page
from pellucid.see.report.review import write_reviews
from pellucid.see.subjects import labels_of, rows_of_examples, rows_of_text
from pellucid.see.training import Penalty, TrainingStep, capture_step
from pellucid.tasks.kinds import config_class, task_class
from pellucid.tasks.remembered import Remembered
from pellucid.tasks.task import Batch, Task
from pellucid.train.comparison import Comparison, compared, refusal_of, runs_in
from pellucid.train.comparison import compare as compared_runs
from pellucid.train.cure import parse_changes, parse_seeds, plan_cure
from pellucid.train.curing import carried_out
from pellucid.train.diagnosis.diagnose import Attending, diagnose, harmless
from pellucid.train.loop import Event, Trainer, Watcher
from pellucid.train.parallel import Workers, joined, started_together
from pellucid.train.plan import make_plan, prepare_device
from pellucid.train.precision import autocast
from pellucid.train.rate_finder import HIGHEST, LOWEST, STEPS, RateCurve
from pellucid.train.rate_finder import find_rate as _find_rate
from pellucid.train.room import told_if_full
from pellucid.train.standing import next_batches, standing

VARIETY_PAIRS = 2000  # training pairs that show which script a run has learned
USES = {
    "translate": '`pellucid translate {run} "text"` uses it.',
    "regress": "`pellucid predict {run} TABLE.csv` uses it.",
    "language": '`pellucid generate {run} "text"` uses it.',
    "embed": "`pellucid neighbours {run} WORD` uses it.",
    "classify": "`pellucid predict {run} FILE` uses it.",
}


def train(
    config: RunConfig | str | Path,
    run_folder: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    watcher: Watcher = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train a network as `config` (an object or a TOML file) says, evaluate it, write its report.

    `run_folder` is where everything goes; without it, a folder in `runs` named after the task's data. `watcher` gets
    each line of metrics.jsonl as it is made; when `should_stop` says so, the step is finished and everything is saved.
    Under `torchrun` all its processes train the one network together; the first one alone writes and is watched.
    Raises ConfigError, DataError, RunError or TrainingError; each says how to mend it.
    """
    with joined() as workers:
        return _train(config, run_folder, Path(runs), watcher if workers.is_first else _unseen, should_stop, workers)


def _train(
    config: RunConfig | str | Path,
    run_folder: str | Path | None,
    runs: Path,
    watcher: Watcher,
    should_stop: Callable[[], bool],
    workers: Workers,
) -> Run:
    config = _read(config)
    if config.training.budget is not None:
        parse_budget(config.training.budget)
    if workers.first(lambda: run_folder is not None and Path(run_folder).exists() and any(Path(run_folder).iterdir())):
        raise RunError(f"{run_folder}: already exists and is not empty", mend="Choose another --name, or remove it.")
    kind = task_class(config.task)
    config = kind.proposed(config)
    workers.first(lambda: kind.fetch(config))
    task = kind.open(config)
    _agree(workers, task)
    about = {"kind": "data", **task.describe()}
    watcher(about)
    plan = make_plan(task, workers=workers)
    task.config = task.config.changed(training=plan.training.model_dump())
    planned = {
        "kind": "plan",
        "parameters": plan.parameters,
        "preset": getattr(getattr(task.config, "model", None), "preset", None),
        "item": task.item,
        "steps": plan.training.steps,
        "budget": plan.training.budget,
        "precision": plan.training.precision,
        "tokens_per_second": round(plan.tokens_per_second),
        "threads": plan.training.threads,
        "workers": workers.size,
        "matmul": plan.matrix_rates,
        **({"recorded": plan.recorded.told()} if plan.recorded else {}),
    }
    run = workers.first(lambda: Run.create(run_folder or free_folder(runs, task.name), task, [about, planned]))
    watcher(planned)
    return _go_on(run, task, watcher, should_stop, workers)


def resume(
    path: str | Path,
    *,
    watcher: Watcher = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Go on with a training that was stopped or killed, from its last saved state, to the same end.

    Under `torchrun` its processes go on together, as in `train`; all of them must see the run folder.
    """
    with joined() as workers:
        run = Run.open(path)
        if workers.first(lambda: run.status == "finished" and any(line["kind"] == "test" for line in run.metrics())):
            raise RunError(f"{path}: this training is finished", mend=USES[run.config.task].format(run=path))
        _agree(workers, run.task)
        return _go_on(run, run.task, watcher if workers.is_first else _unseen, should_stop, workers)


def find_rate(
    of: RunConfig | Run | str | Path, *, lowest: float = LOWEST, highest: float = HIGHEST, steps: int = STEPS
) -> RateCurve:
    """Try learning rates on a copy of a training and say which suits: see train/rate_finder.py.

    `of` is a config or its TOML file, tried from the first weights, or a run or its folder, tried from its last saved
    state. Nothing is written, and nothing that was there is changed. Raises as `train`.
    """
    if isinstance(of, str | Path) and Path(of).is_dir():
        of = Run.open(of)
    threads = torch.get_num_threads()
    limits: dict[str, Any] = {"lowest": lowest, "highest": highest, "steps": steps}
    try:
        with torch.random.fork_rng():
            if not isinstance(of, Run):
                config = _read(of)
                kind = task_class(config.task)
                config = kind.proposed(config)
                kind.fetch(config)
                task = kind.open(config)
                prepare_device(config.training)
                return _find_rate(task, **limits)
            device = prepare_device(of.config.training)
            if not of.has_state:
                return _find_rate(of.task, **limits)
            stands = standing(of, of.network().to(device))
            return _find_rate(of.task, stands.model, stands.optimizer, stands.counters, **limits)
    finally:
        torch.set_num_threads(threads)


def _read(config: RunConfig | str | Path) -> RunConfig:
    """A config as it is, or of a TOML file."""
    if isinstance(config, RunConfig):
        return config
    values = read_toml(Path(config))
    return config_class(values.get("task", "translate")).parse(values, where=str(config))


def open_run(path: str | Path) -> Run:
    """Open a run folder. Raises RunError if it is none."""
    return Run.open(path)


def cure(
    run: Run | str | Path,
    changes: Mapping[str, Any] | str,
    seeds: int | Sequence[int] | str = 3,
    *,
    watcher: Watcher = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Comparison | None:
    """Train a run again with one change and without it, over some seeds, and say whether the change helped.

    `changes` are fields of its config and their values, such as {"dropout": 0.2} or "dropout=0.2". Everything stands in
    a folder beside the run; what is there already is not trained again, and what was stopped goes on. A training that
    fails, as by a loss that is not finite, counts as one. Returns None if `should_stop` said so before the end.
    Raises ConfigError for a change that cannot be made, DataError if the data has changed, RunError for what stands in
    the way.
    """
    if started_together():
        raise RunError("a cure trains in one process", mend="Start it without torchrun.")
    opened = run if isinstance(run, Run) else Run.open(run)
    planned = plan_cure(
        opened,
        parse_changes(changes) if isinstance(changes, str) else changes,
        parse_seeds(seeds) if isinstance(seeds, str) else seeds,
    )
    if not carried_out(planned, train, resume, watcher, should_stop):
        return None
    groups = planned.groups()
    trainings = [one for group in groups for one in group.trainings]
    found = compared(f"{opened.name}: {planned.what}", groups, refusal_of(trainings), planned.cured)
    told = found.json()
    write_text(planned.page, comparison_page(told))
    write_text(planned.result, json.dumps(told, ensure_ascii=False) + "\n")
    watcher({**told, "page": str(planned.page)})
    return found


def compare(runs: Sequence[Run | str | Path], page: str | Path | None = None) -> Comparison:
    """Runs side by side: those that differ in nothing but the seed together, each kind beside the first.

    A folder of runs stands for all in it. With `page` everything is written there too, as one HTML file. Runs of other
    tasks or data are shown and not ranked (`refusal` says why). Raises RunError for fewer than two runs.
    """
    opened: list[Run] = []
    for one in runs:
        if isinstance(one, Run):
            opened.append(one)
            continue
        paths = runs_in(Path(one)) if Path(one).is_dir() else []
        opened += [Run.open(path) for path in paths or [Path(one)]]
    found = compared_runs(opened)
    if page is not None:
        try:
            write_text(Path(page), comparison_page(found.json()))
        except OSError as error:
            raise unwritable(page, error) from None
    return found


def next_step(run: Run, text: str | None = None, target: str | None = None) -> TrainingStep:
    """The optimizer step that a run's training takes next from its last saved state, opened; the run is not touched.

    Without `text` it is of the batches that come next, with the dropout and whatever else is drawn for them: what
    `resume` does. With it, the step that this one input would make if it were the whole batch: a sentence (without
    `target`, with the run's own translation), a text, a word and its neighbour, a held-out row or picture by its
    number. Of a finished training it is one step more, at the rate of its last. Raises RunError if no state was saved,
    DataError if the data has changed, TraceError if a text is empty or too long.
    """
    training = run.config.training
    device = torch.device(training.device if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        model = run.network().to(device)
    stands = standing(run, model)
    task = run.task.apart()
    task.carry(task.carried_by_one(stands.carried))
    if text is None:
        found = next_batches(task, stands.counters, training.accumulate)
        rows = [rows_of_examples(task, run.task_name, batch, examples) for examples, batch in found]
    else:
        rows = [rows_of_text(run, text, target)]
    names = list(rows[0].batch.tensors)

    def objective(*tensors: torch.Tensor) -> torch.Tensor:
        with autocast(training.precision, device):
            loss: torch.Tensor = task.loss(model, Batch(dict(zip(names, tensors, strict=True)), padding=0.0)).total
            return loss

    objective.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])  # type: ignore[attr-defined]
    with torch.random.fork_rng():
        torch.set_rng_state(stands.randomness["random.cpu"])
        if "random.cuda" in stands.randomness:
            torch.cuda.set_rng_state(stands.randomness["random.cuda"], device)
        step = capture_step(
            model,
            objective,
            [tuple(one.batch.to(device).tensors.values()) for one in rows],
            clip=training.clip or None,
            clip_value=training.clip_value or None,
            penalty=Penalty(
                training.l1,
                training.l2,
                training.l1_method == "proximal",
                frozenset(weight_matrices(model) if training.l1 or training.l2 else ()),
            ),
            optimizer=stands.optimizer,
            training_step=stands.counters.step + 1,
            labels=labels_of(run),
        )
    for trace, one in zip(step.traces, rows, strict=True):
        trace.about = {"run": run.name, **one.about}
    step.rows = rows
    return step


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
    run.expect("translate")
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


def fill(
    run: Run | str | Path,
    file: str | Path,
    output: str | Path,
    *,
    glossary: str | Path | None = None,
    reviews: Sequence[str | Path] = (),
    kind: str | None = None,
    memory: bool = True,
    overwrite: bool = False,
    restart: bool = False,
    engine: EngineName = "auto",
    watch: Watch = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    **decoding: Any,
) -> Summary:
    """Fill the untranslated entries of a localization file and write it to `output`, which may be `file` itself.

    The run's own training pairs are asked first (unless `memory` is False), then the model; what breaks a grave check
    stays empty. Finished entries never change, filled ones are marked as needing review, and `reviews` (.html, .csv)
    list them, worst first. When `should_stop` says so, what is done is kept beside the output and the same call goes on
    from there, to the same bytes; `restart` forgets it. `kind` names the format where the file's name does not.
    `decoding` overrides fields of DecodingConfig. Raises DataError, RunError or ConfigError; each says how to mend it.
    """
    began = time.monotonic()
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.expect("translate")
    settings = opened.decoding.changed(**decoding)
    decoder = type(opened.engine(engine, settings)).__name__  # a missing model is told before the file is read
    languages = source, target = opened.config.data.source, opened.config.data.target
    terms = read_glossary(Path(glossary)) if glossary is not None else ()
    listed = [Path(one) for one in reviews]
    place = place_of(Path(file), Path(output), languages, kind=kind, reviews=listed, overwrite=overwrite)
    document, remembered = place.document, Remembered(opened.config)

    def check(text: str, translation: str) -> tuple[Breach, ...]:
        return breaches(text, translation, source, target, terms)

    def translate(texts: Sequence[str]) -> list[Proposal]:
        return opened.careful(texts, engine, terms, **decoding)

    watch(Progress("memory"))
    times = sources_of(document.units)
    known = remembered.translations({body(text) for text in times}) if memory and times else {}
    planned = plan(times, known, check)
    learned = opened.tokenizer.tokens(range(opened.tokenizer.size))
    if memory and times:  # a small vocabulary spells its characters by bytes, and says little
        learned += remembered.targets(VARIETY_PAIRS)
    about = {
        "filling": 1,  # of this form of journal
        "file": place.checksum,
        "weights": opened.weights_checksum,
        "decoder": decoder,
        "decoding": settings.model_dump(),
        "planned": planned.checksum(terms),
    }
    with opened_journal(journal_path(place.output), about, planned.sizes, restart=restart) as journal:
        continued = planned.entries(text for number in journal.held for text in planned.chunks[number])
        found, is_whole = translated(planned, translate, journal, watch, should_stop)
        entries = entries_of(document.units, found, document.fits, check if listed else None)
        summary = Summary(
            file=str(file),
            output=str(output),
            format=document.format,
            **counted(document.units, entries),
            interrupted=not is_whole,
            continued=continued,
            stale=journal.stale,
            memory_missing=remembered.missing,
            variety=unlike(locale_of(document, place.output, target), learned, opened.config.data.files),
            reviews=tuple(map(str, listed)),
            seconds=time.monotonic() - began,
        )
        if not is_whole:
            return summary
        if listed:
            matches = matches_of(entries, remembered.nearest, watch, should_stop) if memory else {}
            summary = replace(summary, interrupted=matches is None, seconds=time.monotonic() - began)
            if matches is None:
                return summary
            write_reviews(listed, summary.json(), rows_of(entries, matches), languages, str(opened.path))
        write_bytes(place.output, document.filled(proposals_of(entries)))
        journal.remove()
    return summary


def free_folder(parent: Path, name: str) -> Path:
    """`parent/en-zh`, or the first of `en-zh-2`, `en-zh-3` ... that is free."""
    number, folder = 1, parent / name
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


def _go_on(run: Run, task: Task, watcher: Watcher, should_stop: Callable[[], bool], workers: Workers) -> Run:
    with told_if_unwritable(run.path), run.locked() if workers.is_first else nullcontext():
        if workers.first(lambda: run.status != "finished"):
            attending = Attending(run, watcher) if workers.is_first else watcher
            try:
                Trainer(run, task, attending, should_stop, workers=workers).train()
            except TrainingError:  # what it says of the step, the doctor says of its cause
                workers.first(lambda: _diagnose(run, watcher))
                raise
        with told_if_full(task, torch.device("cpu")):
            workers.first(lambda: None if run.ending() == "interrupted" else evaluate(run, task, watcher))
    with told_if_unwritable(run.path):
        workers.first(lambda: _diagnose(run, watcher))
        workers.first(lambda: write_report(run.path))
    return run


def _diagnose(run: Run, watcher: Watcher) -> None:
    with harmless(watcher):
        diagnose(run)


def _agree(workers: Workers, task: Task) -> None:
    workers.agree(task.fingerprint, "other data or settings", mend="Give all workers the same files and command.")


def _unseen(event: Event) -> None:
    """Watches for the workers whose events the first one shows."""


def evaluate(run: Run, task: Task, watcher: Watcher = lambda event: None) -> None:
    """Score the run's best model on the held-out test side and add the result to its metrics."""
    began = time.monotonic()
    result = {"kind": "test", **task.test(run.model), "seconds": round(time.monotonic() - began, 2)}
    run.append_metrics([result])
    watcher(result)
