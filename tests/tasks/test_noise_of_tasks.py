"""The field `noise` in each task: the input changes from epoch to epoch, what is asked for never, held-out never."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.embed import EmbedConfig, EmbedTask
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.translate import TranslateTask
from tests.train.conftest import made_up_pairs, tiny_config

TASKS = ("classify", "regress", "language", "translate", "embed")


def made(kind: str, place: Path, noise: float) -> tuple[Any, str, str]:
    """A task, what its network reads and what it is to give."""
    table, text, pairs = place / "t.csv", place / "t.txt", place / "p.tsv"
    rows = "".join(f"{i * 7 % 10},{i * 3 % 11},{'xy'[i % 2]},{i % 13}\n" for i in range(120))
    table.write_text("a,b,kind,y\n" + rows, encoding="utf-8")
    words = ("the", "king", "saw", "a", "sword", "and", "queen", "loved", "night", "of", "his", "dark", "house")
    lines = (" ".join(words[(i * j) % len(words)] for j in range(1, 12)) for i in range(900))
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs.write_text("".join(f"{p.source}\t{p.target}\n" for p in made_up_pairs()), encoding="utf-8")
    training = {"noise": noise, "steps": 3}
    match kind:
        case "classify":
            given = {"data": {"files": [str(table)], "target": "kind"}, "training": {**training, "batch": 16}}
            return ClassifyTask(ClassifyConfig.parse(given)), "inputs", "labels"
        case "regress":
            given = {"data": {"files": [str(table)], "target": "y"}, "training": training}
            return RegressTask(RegressTask.proposed(RegressConfig.parse(given))), "inputs", "targets"
        case "language":
            given = {"data": {"files": [str(text)]}, "training": {**training, "learning_rate": 1e-3}}
            return LanguageTask(LanguageConfig.parse(given)), "read", "tokens"
        case "translate":
            return TranslateTask(tiny_config(pairs, noise=noise)), "source", "target"
    given = {"data": {"files": [str(text)], "most": 50, "fewest": 2}, "training": {**training, "batch": 16}}
    return EmbedTask(EmbedConfig.parse(given)), "word", "neighbour"


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_read_changes_with_the_epoch_and_what_is_asked_for_does_not(kind: str, tmp_path: Path) -> None:
    task, read, asked = made(kind, tmp_path, 0.3)
    plain, _, _ = made(kind, tmp_path, 0.0)
    first = task.epoch(1)[0]
    batch, again = task.collate(first), task.collate(first)
    assert torch.equal(batch.tensors[read], again.tensors[read])
    clean = plain.collate(plain.epoch(1)[0])
    was = clean.tensors["tokens"][:, :-1] if read == "read" else clean.tensors[read]
    assert was.shape == batch.tensors[read].shape
    assert not torch.equal(was, batch.tensors[read])
    assert torch.equal(clean.tensors[asked], batch.tensors[asked])
    losses = task.loss(task.build_model(), batch)
    assert torch.isfinite(losses.total)


def examples_of(task: Any) -> int:
    """How many an epoch is marked by."""
    if isinstance(task, LanguageTask):
        return len(task.ids)
    return len(task.examples) if isinstance(task, TranslateTask) else len(task.sides.train)


@pytest.mark.parametrize("kind", ["regress", "language", "translate"])
def test_noise_is_other_in_another_epoch_and_the_same_for_each_worker(kind: str, tmp_path: Path) -> None:
    task, read, _ = made(kind, tmp_path, 0.3)
    count = examples_of(task)
    examples = [number % count for number in task.epoch(0)[0]]
    now, later = task.collate(examples), task.collate([number + count for number in examples])
    assert not torch.equal(now.tensors[read], later.tensors[read])
    half = task.collate(examples[::2]).tensors[read]
    assert torch.equal(half, now.tensors[read][::2][:, : half.shape[1]])
