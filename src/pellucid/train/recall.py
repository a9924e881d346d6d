"""What recurrent networks lack, in numbers: memory over distance, gradient over distance, and time that can be shared.

Three measurements of a plain recurrent network, an LSTM and a Transformer of the same width: how often each recalls
what stood k steps ago after the same number of training steps; how large the gradient of a loss still is at a token k
steps before it; and what a token costs when the sequence is long.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional as F

from pellucid.models.language import Cell, LanguageModelConfig, build_language_model
from pellucid.run import Run
from pellucid.tasks.recall import SYMBOLS, RecallConfig, RecallTask
from pellucid.train.loop import Trainer

CELLS: tuple[Cell, ...] = ("rnn", "lstm", "gpt")
DISTANCES = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = (16, 32, 64, 128, 256, 512)
WIDTH = 64
ROUNDS = 3  # of timing, of which the median is taken


@dataclass(frozen=True, slots=True)
class Memory:
    """The three curves of each network, by its cell: accuracy, gradient norm, and microseconds a token."""

    accuracy: dict[str, list[float]] = field(default_factory=dict)
    gradient: dict[str, list[float]] = field(default_factory=dict)
    microseconds: dict[str, list[float]] = field(default_factory=dict)
    distances: Sequence[int] = DISTANCES
    lengths: Sequence[int] = LENGTHS
    steps: int = 0
    chance: float = 1 / SYMBOLS


def measure_memory(
    steps: int = 400,
    distances: Sequence[int] = DISTANCES,
    lengths: Sequence[int] = LENGTHS,
    progress: Callable[[str, str], None] = lambda cell, what: None,
    seed: int = 1,
    threads: int = 1,
) -> Memory:
    """All three measurements of all three networks; each training goes through the trainer of every task."""
    found = Memory(distances=tuple(distances), lengths=tuple(lengths), steps=steps)
    for cell in CELLS:
        found.accuracy[cell] = []
        for distance in distances:
            progress(cell, f"k = {distance}")
            found.accuracy[cell].append(accuracy(cell, distance, steps, seed, threads))
        progress(cell, "gradient")
        found.gradient[cell] = gradient_norms(cell, distances, seed)
        progress(cell, "time")
        found.microseconds[cell] = [microseconds(cell, length) for length in lengths]
    return found


def size(cell: Cell, context: int) -> LanguageModelConfig:
    return LanguageModelConfig.parse(
        {"cell": cell, "width": WIDTH, "layers": 2 if cell == "gpt" else 1, "context": context}
    )


def accuracy(cell: Cell, distance: int, steps: int, seed: int = 1, threads: int = 1) -> float:
    """The share of symbols recalled after so many training steps."""
    config = RecallConfig.parse(
        {
            "distance": distance,
            "model": size(cell, distance + 1).model_dump(),
            "training": {
                "steps": steps,
                "seed": seed,
                "batch": 32,
                "learning_rate": 5e-3,
                "evaluate_every": steps,
                "save_every": 1e9,
                "threads": threads,
            },
        }
    )
    with tempfile.TemporaryDirectory() as place:
        task = RecallTask(config)
        run = Run.create(Path(place) / task.name, task)
        with torch.random.fork_rng():
            Trainer(run, task).train()
        return max(float(line["scores"]["accuracy"]) for line in run.metrics() if line["kind"] == "evaluation")


def gradient_norms(cell: Cell, distances: Sequence[int], seed: int = 1, rows: int = 16) -> list[float]:
    """||dL_T / dx_{T-k}|| over that at k = 0, mean over rows, with L_T a fresh network's loss at the last token T."""
    length = max(distances) + 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_language_model(size(cell, length), SYMBOLS)
        symbols, asked = torch.randint(SYMBOLS, (rows, length)), torch.randint(SYMBOLS, (rows,))
    vectors: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        output.retain_grad()
        vectors.append(output)

    with model.embedding.register_forward_hook(keep):
        F.cross_entropy(model(symbols)[:, -1], asked, reduction="sum").backward()  # type: ignore[no-untyped-call]
    gradient = vectors[0].grad
    assert gradient is not None
    norms = gradient.norm(dim=-1).mean(dim=0)  # time
    return [float(norms[-1 - distance] / norms[-1]) for distance in distances]


def microseconds(cell: Cell, length: int) -> float:
    """Of one token, forward and backward, in one sequence of that length: the median of some rounds."""
    model = build_language_model(size(cell, length), SYMBOLS)
    symbols = torch.zeros(1, length, dtype=torch.long)

    def once() -> float:
        began = time.perf_counter()
        model(symbols).sum().backward()
        return (time.perf_counter() - began) / length * 1e6

    once()
    return statistics.median(once() for _ in range(ROUNDS))
