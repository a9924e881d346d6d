"""What the doctor's statistics and a recording cost a training.

    python bench/doctor.py [--rounds 7] [--preset small] [--write docs/benchmarks.md]

Whole trainings by the trainer itself, in processor time of one thread, so that other work on the machine counts
little: plain, with statistics as often as the plan chooses, and recorded at every 50th step. The three take turns
within each round; a ratio is that of one round, and the table has the median of all. Evaluations and the saving of
states are left out: the trainings are too short for either, and they are the same in all three.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tables import machine_line, replace_section

from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.loop import Trainer
from pellucid.train.plan import make_plan

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"watch": 0},
    "statistics": {},
    "recorded": {"watch": 0, "record": 50},
}
GOALS = {"statistics": 0.03, "recorded": 0.05}


def made_up(count: int) -> str:
    """Pairs of sentences of 4 to 16 words, drawn from 3,000 that are made of syllables."""
    draw = random.Random(1)
    syllables = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(3000)]

    def sentence() -> str:
        return " ".join(draw.choices(words, k=draw.randint(4, 16)))

    return "".join(f"{sentence()}\t{sentence()}\n" for _ in range(count))


def translator(folder: Path, preset: str, steps: int) -> Any:
    path = folder / "pairs.tsv"
    if not path.exists():
        path.write_text(made_up(4000), encoding="utf-8")
    return TranslateTask(
        TranslateConfig.parse(
            {
                "data": {"files": [str(path)], "source": "en", "target": "de"},
                "model": {"preset": preset},
                "training": {"steps": steps, "threads": 1, "precision": "float32", "evaluate_every": 10**6},
            }
        )
    )


def digits(steps: int) -> Any:
    return ClassifyTask(
        ClassifyConfig.parse(
            {
                "data": {"files": ["sample:digits"]},
                "model": {"kind": "mlp"},
                "training": {"steps": steps, "batch": 32, "threads": 1, "evaluate_every": 10**6, "patience": 10**6},
            }
        )
    )


class Timed(Trainer):
    """A training without its evaluations."""

    def _evaluate(self) -> None:
        """Left out."""


def seconds_of(task: Any, training: dict[str, Any], folder: Path) -> tuple[float, float, int]:
    """Processor time and share of a whole training, and how often it was looked at."""
    task.config = task.config.changed(training={**task.config.training.model_dump(), **training})
    shutil.rmtree(folder, ignore_errors=True)
    run = Run.create(folder, task)
    task.carry({})
    trainer = Timed(run, task)
    began = time.process_time()
    trainer.train()
    used = time.process_time() - began
    looks = sum(line["kind"] == "statistics" for line in run.metrics())
    return used, used / task.config.training.steps, looks


def measured(name: str, task: Any, rounds: int, folder: Path) -> list[str]:
    torch.set_num_threads(1)
    base = make_plan(task).training.model_dump()
    watch = base["watch"]
    ratios: dict[str, list[float]] = {kind: [] for kind in KINDS}
    step, looks = [], 0
    for _ in range(rounds):
        used = {}
        for kind, fields in KINDS.items():
            task.config = task.config.changed(training=base)
            used[kind], one, seen = seconds_of(task, fields, folder / name)
            if kind == "plain":
                step.append(one)
            elif kind == "statistics":
                looks = seen
        for kind in GOALS:
            ratios[kind].append(used[kind] / used["plain"] - 1)
    rows = []
    for kind, goal in GOALS.items():
        low, middle, high = (f"{100 * value:+.1f}%" for value in spread(ratios[kind]))
        what = f"statistics, every {watch} steps ({looks} looks)" if kind == "statistics" else "recorded, every 50th"
        plain = f"{statistics.median(step) * 1e3:.2f}"
        rows.append(f"| {name} | {plain} | {what} | {middle} | {low} to {high} | {goal:.0%} |")
    return rows


def spread(values: list[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return ordered[0], statistics.median(ordered), ordered[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, nargs=2, default=[150, 3000], help="of the translator, of the digits")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = measured("digits MLP", digits(arguments.steps[1]), arguments.rounds, folder)
        rows += measured(
            f"translator, {arguments.preset}",
            translator(folder, arguments.preset, arguments.steps[0]),
            arguments.rounds,
            folder,
        )
    text = "\n".join(
        [
            "| network | a plain step, ms | what is added | more time | of all rounds | goal |",
            "| --- | ---: | --- | ---: | ---: | ---: |",
            *rows,
            "",
            f"Median of {arguments.rounds} rounds, processor time. {machine_line()}.",
        ]
    )
    print(text)
    if arguments.write:
        replace_section(arguments.write, "doctor", text)


if __name__ == "__main__":
    main()
