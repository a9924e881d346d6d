"""The loop that trains a network, whatever its task: batch, forward, loss, backward, clip, step.

It may be stopped or killed at any moment: what it saves is enough to go on to bit-identical weights on a CPU.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from pellucid.errors import RunError, TrainingError
from pellucid.run import Run
from pellucid.tasks.task import Task
from pellucid.train.learner import Learner, batches_from
from pellucid.train.memory import give_freed_memory_back
from pellucid.train.optimizer import make_optimizer, set_momentum
from pellucid.train.parallel import ALONE, Workers
from pellucid.train.plan import prepare_device
from pellucid.train.recording import Recording
from pellucid.train.schedule import cycled_momentum, learning_rate
from pellucid.train.state import Counters, MovingAverage, carried_of, carried_state, pack, random_state, unpack
from pellucid.train.watching import Watching, places_of

Event = Mapping[str, Any]
Watcher = Callable[[Event], None]
SAVING_SHARE = 0.05  # of the time that may go into saving states
LINES_KEPT, MOST_KEPT = 20, 1000  # step lines written to disk together, at least and at most
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
        torch.manual_seed(self.config.seed)
        self.model = task.build_model().to(self.device)
        workers.draw_apart(self.config.seed)
        self.average = MovingAverage(self.model, self.config.average)
        self.optimizer = make_optimizer(self.model, self.config, self.config.precision)
        self.counters = Counters()
        self._unwritten: list[Event] = []
        self._last_save = self._save_seconds = self._last_write = 0.0
        self.watching = Watching(self.model, self.config.watch or 0, self.config.steps or 0)
        self.recording = Recording(run, self.model, self.config.record if workers.is_first else None)
        self._resume()
        self.learner = Learner(task, self.model, self.optimizer, self.average, workers, self.config.precision)
        self.objective = self.learner.objective

    def train(self) -> None:
        """Train to the last step, or until stopping early or being asked to stop; saves before it returns."""
        config, counters, workers, learner = self.config, self.counters, self.workers, self.learner
        steps = config.steps
        assert steps is not None, "make_plan settles the steps"
        began = self.clock() - counters.seconds
        reason = self._reason_to_end(steps)
        batches = batches_from(self.task, workers, self.device, counters)
        while reason is None:
            started = self.clock()
            step = counters.step + 1
            rate = learning_rate(step, steps, config, counters.cuts)
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
                raise self._diverged(step, loss, norm)
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
                if self.recording.is_full:
                    self._write_recorded()
            if evaluating:
                self._evaluate()
                counters.seconds = self.clock() - began
                self._save()
            elif self._time_to_save():
                self._save()
            reason = self._reason_to_end(steps)
        self._note(
            kind="end",
            step=counters.step,
            seconds=round(counters.seconds, 3),
            reason=reason,
            best_step=counters.best_step,
        )
        self._save(with_end=True)
        give_freed_memory_back()

    def _reason_to_end(self, steps: int) -> str | None:
        counters = self.counters
        if counters.step >= steps:
            return "steps done"
        if 0 < self.config.patience <= counters.without_improvement:
            return f"no improvement for {self.config.patience} evaluations"
        if self.workers.any(self.should_stop()):
            return "interrupted"
        return None

    def _evaluate(self) -> None:
        """Evaluate the averaged weights and keep them if they are the best so far."""
        counters = self.counters
        averaged = self.averaged_model()
        evaluation = self.workers.first(lambda: self.task.evaluate(averaged))
        best = evaluation.headline > counters.best
        if best:
            counters.best, counters.best_step, counters.without_improvement = evaluation.headline, counters.step, 0
            counters.plateau = 0
            about = {"step": counters.step, "scores": evaluation.scores}
            self.workers.first(lambda: self.run.save_model(averaged.state_dict(), about))
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

    def averaged_model(self) -> nn.Module:
        averaged = copy.deepcopy(self.model)
        averaged.load_state_dict({**self.model.state_dict(), **self.learner.penalties.sparse(self.average.weights)})
        return averaged.eval()

    def _note(self, **event: Any) -> None:
        """Tell the watcher, and keep the line for metrics.jsonl; lines go to disk some at a time, the last alone."""
        self._unwritten.append(event)
        self.watcher(event)
        kept = len(self._unwritten)
        due = kept >= MOST_KEPT or (kept >= LINES_KEPT and self.clock() - self._last_write > WRITING_PAUSE)
        if due and event["kind"] != "end":
            self._write_metrics()

    def _write_metrics(self) -> None:
        self.counters.metrics_bytes = self.workers.first(lambda: self.run.append_metrics(self._unwritten))
        self._unwritten, self._last_write = [], self.clock()

    def _time_to_save(self) -> bool:
        """Every `save_every` seconds, but never more than a small share of the time."""
        pause = max(self.config.save_every, self._save_seconds / SAVING_SHARE)
        return self.workers.any(self.clock() - self._last_save > pause)

    def _save(self, with_end: bool = False) -> None:
        """Save a state from which the training goes on. The `end` line is not part of it: a longer one may follow."""
        end = [self._unwritten.pop()] if with_end else []
        self._write_recorded()
        began = self.clock()
        self._write_metrics()
        own = self.workers.gather({**random_state(self.device), **carried_state(self.task)})
        self.workers.first(
            lambda: self.run.save_state(
                self.counters.step, *pack(self.model, self.average, self.optimizer, self.counters, own)
            )
        )
        if end:
            self.workers.first(lambda: self.run.append_metrics(end))
        self._last_save = self.clock()
        self._save_seconds = self._last_save - began

    def _write_recorded(self) -> None:
        began = self.clock()
        written = self.recording.write()
        if written:
            took = round(self.clock() - began, 3)
            self._note(kind="recorded", **written, seconds=round(self.counters.seconds, 3), writing=took)

    def _resume(self) -> None:
        workers = self.workers
        if not workers.first(lambda: self.run.has_state):
            if self.config.watch:
                self._note(kind="network", places=places_of(self.model))
            if self.recording.due(0, evaluating=True):
                self.recording.take(0)
            self._save()
            return
        saved = self.run.load_state()
        if saved is None:
            raise RunError(f"{self.run.path}: no state to be seen here", mend="All workers must see the same folder.")
        tensors, about, warnings = saved
        self.counters = unpack(tensors, about, self.model, self.average, self.optimizer, workers.rank, self.device)
        self.task.carry(carried_of(tensors, workers.rank))
        workers.agree(lambda: self.counters.step, "another saved state", mend="All workers must see the same folder.")
        workers.first(lambda: self.run.cut_metrics(self.counters.metrics_bytes))
        self._last_save = self.clock()
        before = about.get("workers", 1)
        if before != workers.size:
            warnings.append(
                f"{self.run.path}: goes on with {workers.size} worker(s) after {before}; "
                "the weights will not be the same to the bit as with the number it began with"
            )
        for text in warnings:
            self.watcher({"kind": "warning", "text": text})

    def _diverged(self, step: int, loss: float, norm: float) -> TrainingError:
        """Nothing of this step has reached the weights, and the last saved state is good.

        The line that says so is not part of that state: a training that goes on from there takes it back.
        """
        said = {name: value if math.isfinite(value) else None for name, value in (("loss", loss), ("norm", norm))}
        self._note(kind="diverged", step=step, loss=said["loss"], gradient_norm=said["norm"])
        self._write_metrics()
        return TrainingError(
            f"{self.run.path}: step {step} gave a loss of {loss} and a gradient norm of {norm}; "
            "training stopped before it could reach the weights",
            mend=f"Train again with a lower --learning-rate (its highest was {self.config.learning_rate:g}).",
        )
