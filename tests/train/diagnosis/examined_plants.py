"""Data and tasks with an illness planted in them, and what stands where it was planted."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn import datasets
from torch import nn
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.task import Batch, Losses, Task
from pellucid.tasks.translate import TranslateTask
from pellucid.train.diagnosis import diagnose
from pellucid.train.diagnosis.examination import examine
from tests.train.diagnosis.trainings import merged, settled

Rows = list[list[float]]


def known(name: str) -> tuple[Rows, list[str]]:
    """Rows and classes of one of scikit-learn's data sets."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x.tolist(), [f"c{label}" for label in y]


def flipped(labels: Sequence[str], share: float, seed: int = 1) -> tuple[list[str], set[int]]:
    """Labels of which some are replaced by another one, and which these are."""
    draw, classes = random.Random(seed), sorted(set(labels))
    chosen = {number for number in range(len(labels)) if draw.random() < share}
    return [
        draw.choice([one for one in classes if one != label]) if number in chosen else label
        for number, label in enumerate(labels)
    ], chosen


def written_rows(path: Path, rows: Sequence[Sequence[float]], labels: Sequence[str]) -> Path:
    """A table with a header; row n stands in line n + 2."""
    head = ",".join([*(f"x{place}" for place in range(len(rows[0]))), "y"])
    lines = [",".join([*map(str, row), label]) for row, label in zip(rows, labels, strict=True)]
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def row_numbers(lines: Sequence[str]) -> set[int]:
    """The rows that findings name by `FILE, line N` at the beginning."""
    return {int(line.split(", line ")[1].split(":")[0].split(" ")[0]) - 2 for line in lines}


def rows_task(path: Path, kind: type[ClassifyTask] = ClassifyTask, **sections: Any) -> ClassifyTask:
    start = {"data": {"files": [str(path)], "target": "y"}}
    return kind(ClassifyConfig.parse(merged(start, settled(sections, steps=200, batch=32))))


def blobs(rare: int, often: int, seed: int = 0) -> tuple[Rows, list[str]]:
    """Two clouds of points that touch, one of few points."""
    draw = random.Random(seed)
    rows = [[round(draw.gauss(0.8 * (n < rare), 1), 4) for _ in range(6)] for n in range(rare + often)]
    return rows, ["yes" if n < rare else "no" for n in range(rare + often)]


class InEvaluationMode(ClassifyTask):
    """Training as if someone had forgotten `model.train()`."""

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        return super().loss(model.eval(), batch)


class EvaluatedInTrainingMode(ClassifyTask):
    """Evaluation as if someone had forgotten `model.eval()`."""

    def judged(self, model: nn.Module, numbers: Sequence[int]) -> tuple[torch.Tensor, float]:
        with torch.no_grad():
            logits = model.train()(self.inputs(numbers))
        return logits.softmax(1), float(F.cross_entropy(logits, self.data.labels[torch.tensor(numbers)]))


class OthersInputs(ClassifyTask):
    """Inputs that lose their targets on the way to the network: each comes with those of another example."""

    def batches(self, number: int, first: int = 0) -> Iterable[Batch]:
        return (self.collate(examples) for examples in self.epoch(number)[first:])

    def collate(self, examples: Sequence[int]) -> Batch:
        batch = super().collate(examples)
        count = len(self.data.sides.train)
        order = list(range(count))
        random.Random(1).shuffle(order)
        other = super().collate([order[number % count] for number in examples])
        return Batch({"inputs": other.tensors["inputs"], "labels": batch.tensors["labels"]}, 0.0)


class PaddingCounted(TranslateTask):
    """The loss over all places, those that are only filled up too."""

    def loss(self, model: Any, batch: Batch) -> Losses:
        source, target = batch.tensors["source"], batch.tensors["target"]
        logits = F.linear(model.decode(target[:, :-1], model.encode(source)), model.embedding.weight)
        asked = target[:, 1:].flatten()
        return Losses({"cross_entropy": F.cross_entropy(logits.flatten(0, 1), asked)}, count=len(asked))


def diagnosed(run: Run, task: Task | None = None) -> dict[str, dict[str, Any]]:
    """All findings about a run by illness, after an examination; with `task`, of what the code at hand does."""
    return {one["illness"]: one for one in diagnose(run, examine(run, task))["findings"]}


def cured(task: Task, finding: dict[str, Any], make: Callable[..., Task]) -> Task:
    """The task made again with what the first cure of a finding sets."""
    cure = next(cure for cure in finding["cures"] if cure["set"])
    sections: dict[str, Any] = {}
    for field, value in cure["set"].items():
        *places, name = field.split(".")
        inner = sections
        for place in places:
            inner = inner.setdefault(place, {})
        inner[name] = value
    return make(**sections)
