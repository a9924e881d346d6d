"""The loop that trains a network, whatever its task: batch, forward, loss, backward, clip, step.

It may be stopped or killed at any moment: what it saves is enough to go on to bit-identical weights on a CPU.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import RunError, TrainingError
from pellucid.files import told_if_unwritable, unwritable
from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.tasks.unread import unread_settings
from pellucid.train.learner import Learner, batches_from
from pellucid.train.memory import give_freed_memory_back
from pellucid.train.optimizer import make_optimizer, set_momentum
from pellucid.train.parallel import ALONE, Workers
from pellucid.train.plan import prepare_device
from pellucid.train.recording import Recording
from pellucid.train.room import check_network, told_if_full
from pellucid.train.schedule import ROLLBACK_FACTOR, cycled_momentum, learning_rate
from pellucid.train.state import Counters, MovingAverage, carried_of, carried_state, pack, random_state, unpack
from pellucid.train.trouble import Trouble, examples_of, faulty_examples, is_sound, origins, where_to
from pellucid.train.watching import Watching, places_of

Event = Mapping[str, Any]
Watcher = Callable[[Event], None]
SAVING_SHARE = 0.05  # of the time that may go into saving states
LINES_KEPT, MOST_KEPT = 20, 1000  # step lines written to disk together, at least and at most
SAID_LINES = 3  # of the data, in a sentence
WRITING_PAUSE = 0.5  # seconds between two such writings: opening a file takes as long as some steps of a small network


class Trainer:
    """One training of one run, from wherever its folder says it stands.

    `watcher` gets each line of metrics.jsonl as it is made; `should_stop` is asked after each step. Of several workers
    each has a Trainer; the first one's alone writes and evaluates, and any one's `should_stop` stops all.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        watcher: Watcher = lambda event: None,
        should_stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        workers: Workers = ALONE,
    ) -> None:
        self.run, self.task, self.config = run, task, task.training
        self.watcher, self.should_stop, self.clock = watcher, should_stop, clock
        self.workers = workers
        self.device = prepare_device(self.config, workers)
        self.rollbacks: list[Event] = []
        self._reason: str | None = None  # to end
        self._unwritten: list[Event] = []
        self._unsaved_model: tuple[Mapping[str, Tensor], Event] | None = None
        self._last_save = self._save_seconds = self._last_write = 0.0
        self._last_state = 0  # the step of the newest state on the disk
        self._failure = ""  # why the last saving did not succeed
        with told_if_full(task, self.device):
            check_network(task, self.device)
            self._begin()
            self._resume()
            self._ready()

    def _begin(self) -> None:
        """A new network and all that goes with it, as they are before the first step or before a state is loaded."""
        torch.manual_seed(self.config.seed)
        self.model = self.task.build_model().to(self.device)
        self.workers.draw_apart(self.config.seed)
        self.average = MovingAverage(self.model, self.config.average)
        self.optimizer = make_optimizer(self.model, self.config, self.config.precision)
        self.counters = Counters()
        self.watching = Watching(self.model, self.config.watch or 0, self.config.steps or 0)
        self.recording = Recording(self.run, self.model, self.config.record if self.workers.is_first else None)

    def _ready(self) -> None:
        """What is made of a network whose state is loaded."""
        self.learner = Learner(self.task, self.model, self.optimizer, self.average, self.workers, self.config.precision)
        self.objective = self.learner.objective

    def train(self) -> None:
        """Train to the last step, or until stopping early or being asked to stop; saves before it returns.

        Where a loss or gradient is no number it goes back to the last good state, with half the rate. Raises
        TrainingError where that has not helped often enough or the data is at fault, RunError if nothing can be saved.
        """
        with told_if_full(self.task, self.device):
            while trouble := self._steps():
                self._go_back(trouble)
        counters = self.counters
        self._note(
            kind="end",
            step=counters.step,
            seconds=round(counters.seconds, 3),
            reason=self._reason,
            best_step=counters.best_step,
        )
        self._save(with_end=True)
        give_freed_memory_back()

    def _steps(self) -> Trouble | None:
        """Step by step until there is a reason to end, or a loss or gradient that is no number."""
        config, counters, workers, learner = self.config, self.counters, self.workers, self.learner
        steps = config.steps
        assert steps is not None, "make_plan settles the steps"
        began = self.clock() - counters.seconds
        self._reason = self._reason_to_end()
        batches = batches_from(self.task, workers, self.device, counters)
        while self._reason is None:
            started = self.clock()
            step = counters.step + 1
            place = counters.epoch, counters.position
            rate = learning_rate(step, steps, config, counters.cuts, counters.rollbacks)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            set_momentum(self.optimizer, cycled_momentum(step, steps, config))
            watched = self.watching.due(step)
            loss = tokens = padding = loading = 0.0
            for more in reversed(range(config.accumulate)):
                asked = self.clock()
                batch, counts = next(batches)
                loading += self.clock() - asked
                with self.watching.listening() if watched else nullcontext():
                    mean, count, weight = learner.backward(batch, counts, more > 0)
                loss += mean * weight
                tokens += count
                padding += batch.padding * weight
            loss, tokens, padding = workers.sum(loss, tokens, padding)
            if watched:
                self.watching.slopes()
            penalty = learner.penalties.value()
            norm = learner.clip()
            if not (math.isfinite(loss + penalty) and math.isfinite(norm)):
                counters.seconds = self.clock() - began
                return Trouble(step, loss, norm, *place)
            learner.update(step)
            learner.clear()
            counters.step, counters.tokens = step, counters.tokens + int(tokens)
            counters.seconds = self.clock() - began
            self._note(
                kind="step",
                step=step,
                seconds=round(counters.seconds, 3),
                loss=round(loss, 5),
                **({"penalty": float(f"{penalty:.6g}")} if learner.penalties else {}),
                learning_rate=rate,
                gradient_norm=round(norm, 5),
                tokens=counters.tokens,
                padding=round(padding, 4),
                loading=round(loading / max(self.clock() - started, 1e-9), 3),
                tokens_per_second=round(tokens / max(self.clock() - started, 1e-9)),
            )
            if watched:
                self._note(kind="statistics", step=step, places=self.watching.told())
            evaluating = step % config.evaluate_every == 0 or step == steps  # type: ignore[operator]
            if self.recording.due(step, evaluating):
                self.recording.take(step)
                if self.recording.is_full and not self._failure:  # on a full disk the next saving tries, not each step
                    self._attempt(self._write_recorded)
            if evaluating:
                loss = self._evaluate()
                if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
                    return Trouble(step, loss, norm, *place)
                counters.seconds = self.clock() - began
                self._save()
            elif self._time_to_save():
                self._save()
            self._reason = self._reason_to_end()
        return None

    def _reason_to_end(self) -> str | None:
        counters = self.counters
        if counters.step >= (self.config.steps or 0):
            return "steps done"
        if 0 < self.config.patience <= counters.without_improvement:
            return f"no improvement for {self.config.patience} evaluations"
        if self.workers.any(self.should_stop()):
            return "interrupted"
        return None

    def _evaluate(self) -> float:
        """Evaluate the averaged weights and keep them if they are the best so far; their loss."""
        counters = self.counters
        averaged = self.averaged_model()
        evaluation = self.workers.first(lambda: self.task.evaluate(averaged))
        finite = all(parameter.isfinite().all() for parameter in averaged.parameters())
        best = finite and evaluation.headline > counters.best
        if finite and math.isfinite(evaluation.loss):
            counters.good = counters.step
            if is_sound(evaluation.loss, counters.lowest, best):
                counters.sound = counters.step
            counters.lowest = min(counters.lowest, evaluation.loss)
        if best:
            counters.best, counters.best_step, counters.without_improvement = evaluation.headline, counters.step, 0
            counters.plateau = 0
            about = {"step": counters.step, "scores": evaluation.scores}
            if self.workers.is_first:
                self._unsaved_model = averaged.state_dict(), about
        else:
            counters.without_improvement += 1
            counters.plateau += 1
            if counters.plateau >= self.config.plateau_patience and self.config.schedule == "plateau":
                counters.plateau, counters.cuts = 0, counters.cuts + 1
        self._note(
            kind="evaluation",
            step=counters.step,
            seconds=round(counters.seconds, 3),
            loss=round(evaluation.loss, 5),
            scores=evaluation.scores,
            samples=evaluation.samples,
            best=best,
        )
        return evaluation.loss

    def averaged_model(self) -> nn.Module:
        averaged = copy.deepcopy(self.model)
        averaged.load_state_dict({**self.model.state_dict(), **self.learner.penalties.sparse(self.average.weights)})
        return averaged.eval()

    def _note(self, **event: Any) -> None:
        """Tell the watcher, and keep the line for metrics.jsonl; lines go to disk some at a time, the last alone."""
        self.watcher(event)
        if not self.workers.is_first:
            return
        self._unwritten.append(event)
        kept = len(self._unwritten)
        due = kept >= MOST_KEPT or (kept >= LINES_KEPT and self.clock() - self._last_write > WRITING_PAUSE)
        if due and event["kind"] != "end" and not self._failure:
            self._attempt(self._write_metrics)

    def _attempt(self, write: Callable[[], object]) -> None:
        """Write what need not be on the disk yet; where that fails, the next saving tries again."""
        try:
            write()
        except OSError as error:
            self._warn_of(str(unwritable(self.run.path, error)))

    def _write_metrics(self) -> None:
        self.counters.metrics_bytes = self.run.append_metrics(self._unwritten)
        self.counters.told = len(self.rollbacks)
        self._unwritten, self._last_write = [], self.clock()

    def _time_to_save(self) -> bool:
        """Every `save_every` seconds, but never more than a small share of the time."""
        pause = max(self.config.save_every, self._save_seconds / SAVING_SHARE)
        return self.workers.any(self.clock() - self._last_save > pause)

    def _save(self, with_end: bool = False) -> None:
        """Save a state from which the training goes on. The `end` line is not part of it: a longer one may follow.

        Where that fails, as on a full disk, the last state stays as it is, and the training goes on with a warning: the
        next saving writes what this one could not. At the end there is none; then this raises RunError.
        """
        failure = self._saved(with_end)
        if failure and with_end:
            raise RunError(
                f"{failure}; the training stands at step {self.counters.step:,}, saved is step {self._last_state:,}",
                mend=f"Mend that; then `pellucid resume {self.run.path}` goes on from there.",
            )
        self._warn_of(failure)

    def _saved(self, with_end: bool = False) -> str:
        """Save; all workers learn why that failed, if it did."""
        began = self.clock()
        own = self.workers.gather({**random_state(self.device), **carried_state(self.task)})
        failure, self._last_state = self.workers.first(lambda: (self._written(own, with_end), self._last_state))
        self._last_save = self.clock()
        self._save_seconds = self._last_save - began
        return failure

    def _written(self, own: Sequence[Mapping[str, Tensor]], with_end: bool) -> str:
        """Write all that is not on the disk, the state last; why that failed, if it did."""
        end = [self._unwritten.pop()] if with_end else []
        try:
            if self._unsaved_model is not None:
                self.run.save_model(*self._unsaved_model)
            self._unsaved_model = None
            self._write_recorded()
            self._write_metrics()
            self._write_state(own)
            if end:
                self.run.append_metrics(end)
        except OSError as error:
            return str(unwritable(self.run.path, error))
        return ""

    def _write_state(self, own: Sequence[Mapping[str, Tensor]]) -> None:
        counters = self.counters
        packed = pack(self.model, self.average, self.optimizer, counters, own, self.rollbacks)
        self.run.save_state(counters.step, *packed, keep=(counters.good, counters.sound))
        self._last_state = counters.step

    def _warn_of(self, failure: str) -> None:
        """Say once that nothing can be saved, and once that it can again."""
        if failure and not self._failure:
            text = f"{failure}; the training goes on and tries again; saved is step {self._last_state:,}"
            self.watcher({"kind": "warning", "text": text})
        elif self._failure and not failure:
            text = f"{self.run.path}: saved again, at step {self._last_state:,}"
            self.watcher({"kind": "warning", "text": text})
        self._failure = failure

    def _write_recorded(self) -> None:
        began = self.clock()
        written = self.recording.write()
        if written:
            took = round(self.clock() - began, 3)
            event = {"kind": "recorded", **written, "seconds": round(self.counters.seconds, 3), "writing": took}
            self._unwritten.append(event)
            self.watcher(event)

    def _resume(self) -> None:
        workers = self.workers
        if not workers.first(lambda: self.run.has_state):
            workers.first(self.run.begin_metrics)
            for text in unread_settings(self.task.config):
                self.watcher({"kind": "warning", "text": text})
            if self.config.watch:
                self._note(kind="network", places=places_of(self.model))
            if self.recording.due(0, evaluating=True):
                self.recording.take(0)
            if failure := self._saved():
                raise RunError(failure, mend="Mend that, or choose another place.")
            return
        saved = self.run.load_state()
        if saved is None:
            raise RunError(f"{self.run.path}: no state to be seen here", mend="All workers must see the same folder.")
        tensors, about, warnings = saved
        self._load(tensors, about)
        self._last_state = self.counters.step
        workers.agree(lambda: self.counters.step, "another saved state", mend="All workers must see the same folder.")
        with told_if_unwritable(self.run.path):
            workers.first(self._cut_metrics)
        self._last_save = self.clock()
        before = about.get("workers", 1)
        if before != workers.size:
            warnings.append(
                f"{self.run.path}: goes on with {workers.size} worker(s) after {before}; "
                "the weights will not be the same to the bit as with the number it began with"
            )
        for text in warnings:
            self.watcher({"kind": "warning", "text": text})

    def _load(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        rank = self.workers.rank
        self.counters = unpack(tensors, about, self.model, self.average, self.optimizer, rank, self.device)
        self.task.carry(carried_of(tensors, rank))
        self.rollbacks = list(about.get("rollbacks", []))

    def _cut_metrics(self) -> None:
        """Leave in metrics.jsonl what stood there when the state was saved, and what led back to it."""
        self.run.cut_metrics(self.counters.metrics_bytes)
        if self.rollbacks[self.counters.told :]:
            self.run.append_metrics(self.rollbacks[self.counters.told :])

    def _go_back(self, trouble: Trouble) -> None:
        """Go on from the last good state with half the rate, or raise TrainingError if that is of no use any more.

        What is written is written in an order in which it may be cut off anywhere: a resumed training comes to the
        same trouble again, or finds all that is needed to go on.
        """
        workers, before, rollbacks = self.workers, self.counters, self.rollbacks
        examples, others = examples_of(self.task, trouble)
        lines = origins(self.task, examples)
        if before.rollbacks >= self.config.rollbacks:
            raise self._diverged(trouble, lines)
        self._load_good(where_to(before, rollbacks[-1]["to"] if rollbacks else None), trouble, lines)
        faulty = workers.first(lambda: faulty_examples(self.task, self.model, examples, others))
        if faulty:
            raise self._diverged(trouble, origins(self.task, faulty), at_fault=self.counters.step)
        self.counters.rollbacks, self.counters.seconds = before.rollbacks + 1, before.seconds
        line = {
            "kind": "rollback",
            **trouble.told(),
            "to": self.counters.step,
            "number": self.counters.rollbacks,
            "of": self.config.rollbacks,
            "learning_rate": (self.config.learning_rate or 0.0) * ROLLBACK_FACTOR**self.counters.rollbacks,
            "lines": lines,
        }
        self.rollbacks = [*rollbacks, line]
        self._unwritten, self._unsaved_model = [], None
        own = workers.gather({**random_state(self.device), **carried_state(self.task)})
        failure = workers.first(lambda: self._write_back(own))
        if failure:
            raise RunError(failure, mend=f"Mend that; then `pellucid resume {self.run.path}` goes on.")
        self.watcher(line)
        self._ready()

    def _write_back(self, own: Sequence[Mapping[str, Tensor]]) -> str:
        try:
            self._write_state(own)
            self.run.forget_after(self.counters.step)
            self._cut_metrics()
        except OSError as error:
            return str(unwritable(self.run.path, error))
        return ""

    def _load_good(self, steps: Sequence[int], trouble: Trouble, lines: Sequence[str]) -> None:
        """Load the first of these states that can be read, else the newest. Raises TrainingError if none can."""
        for step in (*steps, None):
            try:
                saved = self.run.load_state() if step is None else (*self.run.state_of(step), [])
            except RunError:
                continue
            if saved is not None:
                self._begin()
                self._load(*saved[:2])
                return
        raise self._diverged(trouble, lines)

    def _diverged(self, trouble: Trouble, lines: Sequence[str], at_fault: int | None = None) -> TrainingError:
        """Nothing of this step has reached the weights, and the last saved state is good.

        `at_fault`: with the weights of which step, that were good, the examples at `lines` give no number either. The
        line that says so is not part of that state: a training that goes on from there takes it back.
        """
        event = {"kind": "diverged", **trouble.told(), "lines": list(lines)}
        if at_fault is not None:
            event["at_fault"] = at_fault
        self._note(**event)
        if self.workers.is_first:
            with suppress(OSError):
                self._write_metrics()
        what = f"{self.run.path}: step {trouble.step} gave a loss of {trouble.loss}"
        what += f" and a gradient norm of {trouble.norm}"
        rest = len(lines) - SAID_LINES
        named = "; ".join(lines[:SAID_LINES]) + (f" and {rest} more" if rest > 0 else "")
        if at_fault is not None:
            return TrainingError(
                f"{what}, and so does its data with the good weights of step {at_fault}: it is the data, {named}",
                mend="Mend or remove what stands there, and train again.",
            )
        rate = f"its highest was {self.config.learning_rate:g}"
        tried = ""
        if self.counters.rollbacks:
            tried = f" after going back {self.counters.rollbacks} times"
            rate += f", at last {(self.config.learning_rate or 0.0) * ROLLBACK_FACTOR**self.counters.rollbacks:g}"
        return TrainingError(
            f"{what}{tried}; training stopped before it could reach the weights; the batch came from {named}",
            mend=f"Train again with a lower --learning-rate ({rate}).",
        )
