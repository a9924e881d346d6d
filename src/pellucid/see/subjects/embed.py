"""One step of word vectors seen through: a word, one neighbour, and the words drawn to be told from it.

Beside the table's row, which the model looks up, stands what a one-hot vector times the table gives: the same numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pellucid.data.skipgrams import noise
from pellucid.data.words import Vocabulary
from pellucid.errors import DataError
from pellucid.generate.neighbours import nearest
from pellucid.models.skipgram import SkipGram, one_hot
from pellucid.run import Run
from pellucid.see.capture import Labels, capture
from pellucid.see.subjects import Rows
from pellucid.see.trace import Trace
from pellucid.tasks.embed import VOCABULARY
from pellucid.tasks.task import Batch

KIND = "embed"


def trace_of(run: Run, text: str, backward: bool = True) -> Trace:
    """The pass of one pair: `king`, or `king crown` to say which neighbour; the others are drawn, the same each time.

    Without a neighbour it is the one that the model expects most. Raises DataError for a word that has no vector.
    """
    run.expect("embed")
    words = Vocabulary.load(run.path / VOCABULARY)
    model: SkipGram = run.model
    number, neighbour = asked(run, words.words, text)
    draw = torch.Generator().manual_seed(run.config.training.seed)
    table = noise(torch.tensor(words.counts, dtype=torch.float32))
    drawn = table[torch.randint(len(table), (1, run.config.model.negatives), generator=draw)]

    def objective(word: Tensor, neighbour: Tensor, drawn: Tensor) -> Tensor:
        one_hot(word, len(words.words)) @ model.word.weight  # for the eye: the model looks the row up
        loss: Tensor = model(word, neighbour, drawn)
        return loss

    trace = capture(
        model,
        torch.tensor([number]),
        torch.tensor([neighbour]),
        drawn,
        objective=objective,
        loss=(lambda losses: losses.mean()) if backward else None,
        labels={
            "word": [words.words[number]],
            "neighbour": [words.words[neighbour]],
            "word.weight": words.words,
            "neighbour.weight": words.words,
        },
    )
    name_parts(trace)
    trace.about = {
        "kind": KIND,
        "run": run.name,
        "source": words.words[number],
        "neighbour": words.words[neighbour],
        "drawn": [words.words[one] for one in drawn[0].tolist()],
    }
    return trace


def rows_of_text(run: Run, text: str) -> Rows:
    """A word and its neighbour, as in `trace_of`; the words it is told from are drawn as training draws them."""
    run.expect("embed")
    words = Vocabulary.load(run.path / VOCABULARY).words
    number, neighbour = asked(run, words, text)
    batch = Batch({"word": torch.tensor([number]), "neighbour": torch.tensor([neighbour])}, padding=0.0)
    about = {"kind": KIND, "source": words[number], "neighbour": words[neighbour]}
    return Rows(batch, [f"{words[number]}, {words[neighbour]}"], about=about)


def names_of(task: Any, batch: Batch, examples: Sequence[int]) -> list[str]:
    """The two words of each pair."""
    words, pairs = (
        task.vocabulary.words,
        zip(*(batch.tensors[name].tolist() for name in ("word", "neighbour")), strict=True),
    )
    return [f"{words[one]}, {words[other]}" for one, other in pairs]


def labels_of_run(run: Run) -> Labels:
    words = Vocabulary.load(run.path / VOCABULARY).words
    return {"word.weight": words, "neighbour.weight": words}


def asked(run: Run, words: Sequence[str], text: str) -> tuple[int, int]:
    """The numbers of a word and of its neighbour. Raises DataError for a word that has no vector."""
    word, *others = text.lower().split() or [""]
    number = _number(words, run, word)
    return number, _number(words, run, others[0]) if others else _expected(run.model, number)


def name_parts(trace: Trace) -> None:
    """Names by what a step is for: the products with the neighbour and with the words drawn, and their losses."""
    found = {step.name: step for step in trace.steps}
    for old, new in {
        "to": "one_hot_numbers",
        "matmul": "one_hot_times_table",
        "word.embedding": "word.vector",
        "neighbour.embedding": "neighbour.vector",
        "neighbour.embedding_2": "neighbour.drawn_vectors",
        "mul": "products",
        "sum": "agreement",
        "squeeze": "drawn_agreements",
        "log_sigmoid": "log_probability",
        "log_sigmoid_2": "drawn_log_probabilities",
        "mean": "loss",
    }.items():
        if old in found:
            trace.rename(found[old], new)


def _number(words: Sequence[str], run: Run, word: str) -> int:
    if word in words:
        return words.index(word)
    nearest(run.model.word.weight.detach(), words, word)  # raises, with words spelled alike
    raise DataError(f"{word!r}: not a word", mend="Give one word, or two: a word and a neighbour.")


def _expected(model: SkipGram, number: int) -> int:
    """The neighbour with the highest probability, other than the word itself."""
    with torch.inference_mode():
        scores = model.neighbour.weight @ model.word.weight[number]
        scores[number] = -torch.inf
        return int(scores.argmax())
