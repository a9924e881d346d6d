"""The translation task: what it packs is what the tokenizer gave, and a batch is what plain lists would give."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from pellucid.data.batching import padded
from pellucid.data.pairs import Pair
from pellucid.data.tokenizer import BOS, EOS, PAD
from pellucid.tasks import translate
from pellucid.tasks.translate import TranslateConfig, TranslateTask, slotted_pair


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TranslateTask:
    """A task over 120 made-up pairs, encoded seven at a time."""
    monkeypatch.setattr(translate, "ENCODED_AT_ONCE", 7)
    words = ["window", "file", "page", "mailbox", "list of all the colours"]
    lines = [f"open {w} number {n} {'again ' * (n % 4)}\t{w} {n} {'!' * (n % 5)}" for n in range(24) for w in words]
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return TranslateTask(
        TranslateConfig.parse(
            {
                "data": {"files": [str(path)], "source": "en", "target": "de", "held_out": 5, "near_duplicate": 1.0},
                "tokenizer": {"vocabulary": 350},
                "model": {"d_model": 8, "heads": 2, "feed_forward": 8, "max_length": 60},
            }
        )
    )


def plain(task: TranslateTask, pairs: list[Pair]) -> list[tuple[list[int], list[int]]]:
    slotted = [slotted_pair(pair, task.tokenizer.is_word) for pair in pairs]
    return [([*task.tokenizer.encode(s), EOS], [BOS, *task.tokenizer.encode(t), EOS]) for s, t in slotted]


def test_a_batch_is_the_one_that_plain_lists_would_give(task: TranslateTask) -> None:
    examples = plain(task, task.data.splits.train)
    assert len(task.examples) == len(examples)
    for numbers in task.epoch(0):
        batch = task.collate(numbers)
        sources, targets = ([examples[i][side] for i in numbers] for side in (0, 1))
        assert torch.equal(batch.tensors["source"], padded(sources, PAD))
        assert torch.equal(batch.tensors["target"], padded(targets, PAD))


def test_lengths_are_those_that_the_network_reads_and_writes(task: TranslateTask) -> None:
    expected = [[len(source), len(target) - 1] for source, target in plain(task, task.data.splits.train)]
    assert task.lengths.tolist() == expected


def test_the_described_lengths_count_every_example_once(task: TranslateTask) -> None:
    described = task.describe()
    edges = described["lengths"]["edges"]
    targets = task.lengths[:, 1].tolist()
    assert sum(described["lengths"]["source"]) == len(task.examples)
    assert described["lengths"]["target"] == [
        sum(low <= length < high for length in targets) for low, high in pairwise(edges)
    ]
    assert described["tokens"] == sum(targets)
