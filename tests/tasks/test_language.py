"""The language task: bits per character counted right, the state carried over, baselines against slow counting."""

import math
import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from pellucid.data.pieces import Pieces
from pellucid.errors import DataError
from pellucid.models.language import RecurrentLanguageModel
from pellucid.tasks.language import LanguageConfig, LanguageTask, Surprise, interval, passage, surprise
from pellucid.tasks.language_baselines import baselines, ngram_bits

VERBS, THINGS = ("sees", "takes", "paints", "loses"), ("a boat", "the moon", "an old tree", "one more key")


def text(lines: int = 400, seed: int = 1) -> str:
    draw = random.Random(seed)
    return "".join(f"{draw.choice(('She', 'He'))} {draw.choice(VERBS)} {draw.choice(THINGS)}.\n" for _ in range(lines))


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "book.txt"
    path.write_text(text(), encoding="utf-8")
    return path


def task_of(book: Path, cell: str = "gpt", **settings: object) -> LanguageTask:
    return LanguageTask(
        LanguageConfig.parse(
            {
                "data": {"files": [str(book)], "scored": 1000},
                "model": {"cell": cell, "width": 16, "heads": 2, "layers": 1, "context": 12},
                "training": {"batch": 4, "steps": 6, "threads": 1, "precision": "float32"},
                **settings,
            }
        )
    )


@pytest.mark.parametrize("cell", ["gpt", "rnn", "lstm"])
def test_every_token_of_a_text_is_scored_once_given_what_stands_before_it(cell: str, book: Path) -> None:
    task = task_of(book, cell)
    model, shown = task.build_model().eval().requires_grad_(False), text(12, seed=3)
    found = surprise(model, task.pieces, shown)
    ids = task.pieces.encode("\n" + shown).long()
    assert len(found.nats) == len(shown) == found.characters
    if isinstance(model, RecurrentLanguageModel):
        short = shown[:40]  # one row: the state is carried from the first token to the last
        wanted = F.cross_entropy(model(ids[None, :40])[0], ids[1:41], reduction="none")
        torch.testing.assert_close(surprise(model, task.pieces, short).nats, wanted, atol=1e-4, rtol=0)
        return
    for place in (0, 5, 11, 12, 40, len(shown) - 1):
        befores = [ids[max(place + 1 - context, 0) : place + 1] for context in range(6, 13)]
        possible = [float(F.cross_entropy(model(b[None])[0, -1:], ids[place + 1 : place + 2])) for b in befores]
        assert min(abs(float(found.nats[place]) - one) for one in possible) < 1e-4, "with 6 to 12 tokens before it"


def test_bits_per_character_of_bpe_are_bits_of_all_tokens_over_characters(book: Path) -> None:
    task = task_of(book, pieces={"kind": "bpe", "vocabulary": 300})
    model, shown = task.build_model(), text(10, seed=3)
    found = surprise(model, task.pieces, shown)
    assert len(found.nats) == len(task.pieces.encode(shown)) < len(shown)
    assert found.bits_per_character == pytest.approx(float(found.nats.sum()) / math.log(2) / len(shown))
    assert found.perplexity == pytest.approx(math.exp(float(found.nats.mean())))


def test_an_even_model_needs_the_logarithm_of_the_alphabet(book: Path) -> None:
    task = task_of(book, "rnn")
    model = task.build_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    found = surprise(model, task.pieces, text(5))
    assert found.bits_per_character == pytest.approx(math.log2(task.pieces.size), abs=1e-4)
    low, high = interval(found, text(5))
    assert low == high == pytest.approx(math.log2(task.pieces.size), abs=1e-3)


def witten_bell(train: str, held: str, order: int) -> float:
    """The same counts by dictionaries, character by character."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for length in range(order):
        for i in range(len(train) - length):
            counts[train[i : i + length]][train[i + length]] += 1
    alphabet, total = len(set(train)) + 1, 0.0
    for i, character in enumerate(held):
        share = 1 / alphabet
        for length in range(min(order - 1, i) + 1):
            followed = counts.get(held[i - length : i])
            if followed:
                share = (followed[character] + len(followed) * share) / (followed.total() + len(followed))
        total -= math.log2(share)
    return total / len(held)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_counts_give_the_bits_that_slow_counting_gives(order: int) -> None:
    train, held = text(60), text(20, seed=9) + "Zephyr!\n"
    assert ngram_bits(train, held, order) == pytest.approx(witten_bell(train, held, order), abs=1e-9)


def test_longer_counts_predict_better_and_compressors_need_fewer_bits_than_eight() -> None:
    found = baselines(text(), text(60, seed=5))
    assert found["ngram"] < found["unigram"] < 8
    assert 0 < found["zlib"] < 8


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_each_batch_goes_on_with_the_state_in_which_the_one_before_ended(cell: str, book: Path) -> None:
    task = task_of(book, cell)
    model, (first, second, *_) = task.build_model(), task.epoch(0)
    assert isinstance(model, RecurrentLanguageModel)
    tokens = [task.collate(batch).tensors["tokens"] for batch in (first, second)]
    task.loss(model, task.collate(first))
    carried = task.carried()
    loss = task.loss(model, task.collate(second)).total.detach()
    whole, _ = model.read(torch.cat([tokens[0][:, :-1], tokens[1][:, :-1]], dim=1), model.fresh(4))
    wanted = F.cross_entropy(whole[:, 12:].flatten(0, 1), tokens[1][:, 1:].flatten())
    torch.testing.assert_close(loss, wanted, atol=1e-5, rtol=0)
    assert not carried["state"].requires_grad, "the gradient ends where the batch begins"
    torch.testing.assert_close(task.loss(model, task.collate(second)).total, loss), "asked for twice, the same"
    task.carry(carried)
    torch.testing.assert_close(task.loss(model, task.collate(second)).total, loss)
    task.carry({})
    assert not torch.equal(task.loss(model, task.collate(second)).total, loss), "without it, another"


def test_a_batch_that_does_not_go_on_begins_with_nothing_remembered(book: Path) -> None:
    task = task_of(book, "rnn")
    model, batches = task.build_model(), task.epoch(0)
    fresh = task.loss(model, task.collate(batches[2])).total
    task.loss(model, task.collate(batches[0]))
    assert torch.equal(task.loss(model, task.collate(batches[2])).total, fresh)


def test_a_passage_shows_each_token_with_its_bits(book: Path) -> None:
    task = task_of(book)
    shown = passage(task.build_model(), task.pieces, "She sees")
    assert shown["tokens"] == list("She sees")
    assert len(shown["bits"]) == 8


def test_changed_text_is_refused_when_a_run_goes_on(book: Path, tmp_path: Path) -> None:
    config = task_of(book).config
    copy = tmp_path / "book.txt"
    copy.write_text(text() + "More.\n", encoding="utf-8")
    changed = config.changed(data={**config.data.model_dump(), "files": [str(copy)]})
    with pytest.raises(DataError, match="not those that this run was trained on"):
        LanguageTask(changed)


def test_a_text_shorter_than_a_stretch_is_refused_with_what_to_lower(book: Path) -> None:
    with pytest.raises(DataError, match="tokens to train on, and one stretch has 100000") as caught:
        task_of(book, model={"context": 100_000, "width": 16})
    assert "model.context" in caught.value.mend


def test_unknown_characters_are_counted_in_what_is_said_of_the_test(book: Path) -> None:
    task = task_of(book)
    object.__setattr__(task.data.sides, "test", "She sees Ωtea.\n" * 4)
    found = task.test(task.build_model())
    assert (found["unknown"], found["characters"], found["tokens"]) == (4, 60, 60)
    assert set(found["systems"]) == {"model", "unigram", "ngram", "zlib", "lzma"}


def test_the_tokenizer_of_a_run_is_kept_and_read_again(book: Path, tmp_path: Path) -> None:
    task = task_of(book)
    task.keep(tmp_path)
    again = LanguageTask.open(task.config, tmp_path)
    assert again.fingerprint() == task.fingerprint()
    assert isinstance(again.pieces, Pieces)
    assert sum(p.numel() for p in LanguageTask.network(task.config, tmp_path).parameters()) == sum(
        p.numel() for p in task.build_model().parameters()
    )


def test_the_perplexity_of_a_network_that_was_thrown_about_is_a_number() -> None:
    assert Surprise(torch.tensor([1.0, 2.0]), 2).perplexity == pytest.approx(math.exp(1.5))
    assert math.isfinite(Surprise(torch.tensor([2000.0, 3000.0]), 2).perplexity)
