"""What an optimizer costs and what it is worth: AdamW, Muon, and PyTorch's own Muon, on the same batches.

    python bench/optimizers.py [--preset tiny] [--steps 800] [--rounds 5] [--write docs/benchmarks.md]

Each trains the translator for the same steps, with the same weights to begin with, the same order of data and the
same schedule; the loss is that of the development pairs, with the averaged weights. Then they take turns at single
updates, on the gradients of one batch, beside a whole step.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tables import machine_line, replace_section
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.memory import keep_freed_memory
from pellucid.train.optimizer import EPSILON, Muon, make_optimizer
from pellucid.train.precision import autocast, faster, matrix_rates
from pellucid.train.schedule import learning_rate, rate_for_width
from pellucid.train.state import MovingAverage

CPU = torch.device("cpu")
Make = Callable[[nn.Module, TrainingConfig, str], list[torch.optim.Optimizer]]


def pytorchs(model: nn.Module, training: TrainingConfig, precision: str) -> list[torch.optim.Optimizer]:
    """The same parameters in the same hands, one matrix at a time."""
    ours = make_optimizer(model, training, precision)
    assert isinstance(ours, Muon)
    matrices, rest = (group["params"] for group in ours.param_groups)
    decay = training.weight_decay
    return [
        torch.optim.Muon(matrices, lr=0.0, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            rest, lr=0.0, betas=(training.beta1, training.beta2), eps=EPSILON, weight_decay=decay, fused=True
        ),
    ]


MAKERS: dict[str, Make] = {
    "AdamW": lambda m, t, p: [make_optimizer(m, t.changed(optimizer="adamw"), p)],
    "Muon": lambda m, t, p: [make_optimizer(m, t, p)],
    "torch.optim.Muon": pytorchs,
}


class Training:
    """One optimizer at work on a network of its own."""

    def __init__(self, task: TranslateTask, make: Make, precision: str) -> None:
        self.task, self.precision, self.config = task, precision, task.training
        torch.manual_seed(self.config.seed)
        self.model = task.build_model()
        self.average = MovingAverage(self.model, self.config.average)
        self.optimizers = make(self.model, self.config, precision)

    def gradients(self, examples: list[int]) -> None:
        with autocast(self.precision, CPU):
            losses = self.task.loss(self.model, self.task.collate(examples))
        losses.total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)

    def update(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()

    def run(self, steps: int) -> float:
        """The development loss after so many steps."""
        step, epoch = 0, 0
        while step < steps:
            for examples in self.task.epoch(epoch)[: steps - step]:
                step += 1
                for group in (group for one in self.optimizers for group in one.param_groups):
                    group["lr"] = learning_rate(step, steps, self.config)
                self.gradients(examples)
                self.update()
                self.model.zero_grad()
                self.average.update(self.model, step)
            epoch += 1
        self.model.load_state_dict({**self.model.state_dict(), **self.average.weights})
        return self.task.evaluate(self.model.eval()).loss


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    keep_freed_memory()
    data = {"files": [args.data], "source": "en", "target": args.to}
    task = TranslateTask(TranslateConfig.parse({"data": data, "model": {"preset": args.preset}}))
    width = task.config.model.d_model
    task.config = task.config.changed(
        training=task.training.changed(steps=args.steps, learning_rate=rate_for_width(width)).model_dump()
    )
    precision = faster(matrix_rates(task.training.batch_tokens, width, CPU))
    trainings = {name: Training(task, make, precision) for name, make in MAKERS.items()}
    batch = task.epoch(0)[0]
    updates: dict[str, list[float]] = {name: [] for name in MAKERS}
    passes: list[float] = []
    for _ in range(args.rounds):
        for name, training in trainings.items():
            training.model.zero_grad()
            passes.append(seconds(lambda one=training: one.gradients(batch)))
            updates[name].append(seconds(training.update))
    before = statistics.median(passes)
    lines = [
        f"Preset {args.preset}, {precision}, one seed, {args.steps} steps; medians of {args.rounds} updates. "
        f"Forward and backward pass: {1e3 * before:.0f} ms. {machine_line()}.",
        "",
        f"| optimizer | one update | share of a step | development loss after {args.steps} steps |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, make in MAKERS.items():
        one = statistics.median(updates[name])
        loss = Training(task, make, precision).run(args.steps)
        print(f"{name}: {1e3 * one:.1f} ms, loss {loss:.3f}", file=sys.stderr, flush=True)
        lines.append(f"| {name} | {1e3 * one:.1f} ms | {one / (one + before):.0%} | {loss:.3f} |")
    text = "\n".join(lines)
    print(text)
    if args.write:
        replace_section(args.write, "bench/optimizers.py", text)


if __name__ == "__main__":
    main()
