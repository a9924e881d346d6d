"""What the trainer costs on the smallest networks: our training beside plain loops, scikit-learn and NumPy.

    OMP_NUM_THREADS=1 python bench/ladder.py [--rounds 5] [--write docs/benchmarks.md]

Epochs per second of a multilayer perceptron and of a convolutional network on scikit-learn's digits, with the same
network, batches, optimizer and number format in PyTorch's plain loop; for the perceptron also scikit-learn's
MLPClassifier and a loop in NumPy. Characters per second of an LSTM and a GPT on Shakespeare beside a plain loop with
`nn.LSTM`. All take turns, on one thread; medians. Seconds are of this process's processor time, so that other work on
the machine counts for little. Ours is the whole trainer: batches, clipping, statistics of layers, metrics on disk, the
watcher.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tables import machine_line, replace_section
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.task import Task
from pellucid.train.loop import Trainer
from pellucid.train.plan import make_plan

BATCH, WIDTH, RATE = 64, 64, 3e-3
WARM = 10  # steps before ours are timed
clock = time.process_time
Measured = Callable[[], float]  # one round: items a second


def ours(task: Task) -> Measured:
    """The trainer, from its first step to its last; evaluations and savings are left out as others have none."""
    task.config = task.config.changed(training=make_plan(task).training.model_dump())

    def measure() -> float:
        with tempfile.TemporaryDirectory() as place:
            run = Run.create(Path(place) / "run", task)
            stamps: list[tuple[float, int]] = []

            def watch(event: object) -> None:
                if isinstance(event, dict) and event["kind"] == "step" and event["step"] in (WARM, task.training.steps):
                    stamps.append((clock(), event["tokens"]))

            with run.locked():
                Trainer(run, task, watch).train()
            (began, first), (ended, last) = stamps
            return (last - first) / (ended - began)

    return measure


def digits(kind: str, epochs: int) -> ClassifyTask:
    training = {"epochs": epochs, "batch": BATCH, "learning_rate": RATE, "evaluate_every": 10**6, "patience": 10**6}
    model = {"kind": kind, "mlp": {"width": WIDTH, "depth": 1, "dropout": 0.0}}
    return ClassifyTask(
        ClassifyConfig.parse(
            {
                "data": {"files": ["sample:digits"]},
                "model": model,
                "training": {**training, "save_every": 10**6, "threads": 1},
            }
        )
    )


def plain(model: nn.Module, inputs: Tensor, labels: Tensor, epochs: int) -> Measured:
    """The loop of a tutorial, over tensors that are ready."""

    def measure() -> float:
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
        model.train()
        began = clock()
        for _ in range(epochs):
            order = torch.randperm(len(inputs))
            for start in range(0, len(inputs), BATCH):
                chosen = order[start : start + BATCH]
                loss = F.cross_entropy(model(inputs[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return epochs * len(inputs) / (clock() - began)

    return measure


def scikit_learn(inputs: Tensor, labels: Tensor, epochs: int) -> Measured:
    from sklearn.neural_network import MLPClassifier

    def measure() -> float:
        network = MLPClassifier((WIDTH,), batch_size=BATCH, learning_rate_init=RATE, max_iter=epochs, tol=0.0)
        network.set_params(n_iter_no_change=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = clock()
            network.fit(inputs.numpy(), labels.numpy())
        return network.n_iter_ * len(inputs) / (clock() - began)

    return measure


def numpy_loop(inputs: Tensor, labels: Tensor, epochs: int) -> Measured:
    """Forward, backward and Adam written out, in float32."""
    x, y = inputs.numpy(), labels.numpy()
    classes = int(y.max()) + 1

    def measure() -> float:
        draw = np.random.default_rng(1)
        shapes = [(x.shape[1], WIDTH), (WIDTH,), (WIDTH, classes), (classes,)]
        weights = [draw.normal(0, 0.1, shape).astype(np.float32) for shape in shapes]
        means, squares = ([np.zeros_like(w) for w in weights] for _ in range(2))
        step, began = 0, clock()
        for _ in range(epochs):
            order = draw.permutation(len(x))
            for start in range(0, len(x), BATCH):
                chosen = order[start : start + BATCH]
                a, right = x[chosen], y[chosen]
                hidden = np.maximum(a @ weights[0] + weights[1], 0)
                logits = hidden @ weights[2] + weights[3]
                shares = np.exp(logits - logits.max(1, keepdims=True))
                shares /= shares.sum(1, keepdims=True)
                shares[np.arange(len(a)), right] -= 1
                shares /= len(a)
                back = shares @ weights[2].T * (hidden > 0)
                step += 1
                for number, gradient in enumerate((a.T @ back, back.sum(0), hidden.T @ shares, shares.sum(0))):
                    means[number] += 0.1 * (gradient - means[number])
                    squares[number] += 0.02 * (gradient * gradient - squares[number])
                    size = np.sqrt(squares[number] / (1 - 0.98**step)) + 1e-9
                    weights[number] -= RATE * (means[number] / (1 - 0.9**step) / size + 0.01 * weights[number])
        return epochs * len(x) / (clock() - began)

    return measure


def text(cell: str, steps: int) -> LanguageTask:
    return LanguageTask(
        LanguageConfig.parse(
            {
                "data": {"files": ["sample:shakespeare:modern"]},
                "model": {"cell": cell},
                "training": {
                    **{"steps": steps, "evaluate_every": 10**6, "save_every": 10**6, "precision": "float32"},
                    **{"average": 0.0, "optimizer": "adamw", "threads": 1},
                },
            }
        )
    )


class PlainLanguage(nn.Module):
    """What one would write with `nn.LSTM`."""

    def __init__(self, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(words, width), nn.Linear(width, words)
        self.recurrent = nn.LSTM(width, width, layers, batch_first=True)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        states, carried = self.recurrent(self.embedding(ids), state)
        return self.output(states), carried


def plain_lstm(task: LanguageTask, steps: int) -> Measured:
    """The same width, layers, rows and context, the state carried on, gradients clipped."""
    model = PlainLanguage(task.pieces.size, task.config.model.width, task.config.model.layers)
    batches = [task.collate(examples).tensors for examples in task.epoch(0)[:steps]]
    ids = [tensors["tokens"] for tensors in batches]

    def measure() -> float:
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
        state, count, began = None, 0, clock()
        for rows in ids:
            logits, state = model(rows[:, :-1], state)
            state = (state[0].detach(), state[1].detach())
            loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            count += rows[:, 1:].numel()
        return count / (clock() - began)

    return measure


def in_turns(measures: dict[str, Measured], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in measures}
    for name, measure in measures.items():
        measure()
        print(f"  {name} warmed up", file=sys.stderr)
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def table(title: str, found: dict[str, list[float]], per: float, unit: str) -> list[str]:
    """Medians and ranges, and how many times as fast as ours each is."""
    own = statistics.median(next(iter(found.values())))
    lines = [f"| {title} | {unit} | lowest to highest | times ours |", "| --- | ---: | ---: | ---: |"]
    for name, rates in found.items():
        middle = statistics.median(rates)
        ends = f"{min(rates) / per:,.1f} to {max(rates) / per:,.1f}"
        lines.append(f"| {name} | {middle / per:,.1f} | {ends} | {middle / own:.2f} |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40, help="of one round of the perceptron")
    parser.add_argument("--steps", type=int, default=40, help="of one round of a language model")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f"{machine_line()}. Processor time; medians of {arguments.rounds} rounds that take turns.", ""]
    for kind, title, epochs in (("mlp", "perceptron on digits", arguments.epochs), ("cnn", "CNN on digits", 4)):
        task = digits(kind, epochs)
        training = task.data.sides.train
        inputs, labels = task.inputs(training), task.data.labels[torch.tensor(training)]
        measures = {"Pellucid": ours(task), "plain PyTorch loop": plain(task.build_model(), inputs, labels, epochs)}
        if kind == "mlp":
            flat = inputs.flatten(1)
            measures["scikit-learn MLPClassifier"] = scikit_learn(flat, labels, epochs)
            measures["NumPy loop"] = numpy_loop(flat, labels, epochs)
        lines += table(title, in_turns(measures, arguments.rounds), len(training), "epochs/s")
    lstm = text("lstm", arguments.steps)
    measures = {
        "Pellucid, LSTM": ours(lstm),
        "plain loop with nn.LSTM": plain_lstm(lstm, arguments.steps),
        "Pellucid, GPT": ours(text("gpt", arguments.steps)),
    }
    lines += table("language model on Shakespeare", in_turns(measures, arguments.rounds), 1000, "1,000 characters/s")
    print("\n".join(lines))
    if arguments.write:
        replace_section(arguments.write, "ladder", "\n".join(lines))


if __name__ == "__main__":
    main()
