"""A step of a translator's training: each row of its batches is a sentence and its translation."""

from collections.abc import Sequence
from typing import Any

from pellucid.data.tokenizer import BOS, EOS, PAD
from pellucid.run import Run
from pellucid.see.capture import Labels
from pellucid.see.subjects import Rows
from pellucid.see.tokens import labels_of
from pellucid.see.translation import batch_of, sentence_of
from pellucid.tasks.task import Batch


def rows_of_text(run: Run, text: str, target: str | None = None) -> Rows:
    """One pair; without `target` with the run's own translation."""
    sentence = sentence_of(run, text, target)
    labels = labels_of(run.tokenizer)
    about = {"source": sentence.source, "target": sentence.target}
    batch, wanted = batch_of(sentence), [labels[token] for token in (*sentence.target_ids, EOS)]
    return Rows(batch, _names(run.tokenizer, batch), wanted, about)


def names_of(task: Any, batch: Batch, examples: Sequence[int]) -> list[str]:
    """Source and target of each row."""
    return _names(task.tokenizer, batch)


def labels_of_run(run: Run) -> Labels:
    return {"embedding.weight": labels_of(run.tokenizer)}


def _names(tokenizer: Any, batch: Batch) -> list[str]:
    sides = ([tokenizer.decode(_inner(row)) for row in batch.tensors[side].tolist()] for side in ("source", "target"))
    return [f"{source} → {target}" for source, target in zip(*sides, strict=True)]


def _inner(ids: Sequence[int]) -> list[int]:
    return [number for number in ids if number not in (BOS, EOS, PAD)]
