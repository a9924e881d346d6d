"""Tokens joined to words, and what a search found to choose among: held against the plain text, search and pass."""

from functools import lru_cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.tokenizer import EOS, Tokenizer
from pellucid.generate.decode import TorchEngine
from pellucid.generate.text import prepare, translate_texts
from pellucid.run import Run
from pellucid.see.alternatives import Alternatives, alternatives
from pellucid.see.decode import trace_of_decoding
from pellucid.see.joining import joined
from tests.see.test_translation import made

PAIRS = Path(__file__).parents[2] / "examples" / "pairs.tsv"
TEXT = "Delete %(name)s and all of the unbelievable messages, don't save"


@lru_cache
def tokenizer(vocabulary: int = 320) -> Tokenizer:
    return Tokenizer.train(PAIRS.read_text(encoding="utf-8").replace("\t", "\n").split("\n"), vocabulary)


def words(text: str) -> list[str]:
    (prepared,) = prepare(tokenizer(), [text], 500)
    return [word.text for word in joined(tokenizer(), prepared.ids, prepared.strings)]


@given(st.text(max_size=40))
@settings(max_examples=30)
def test_words_one_after_another_are_the_text(text: str) -> None:
    ids = tokenizer().encode(text)
    found = joined(tokenizer(), ids)
    assert "".join(word.text for word in found).removeprefix(" ") == tokenizer().decode(ids)
    assert [number for word in found for number in range(word.first, word.after)] == list(range(len(ids)))


def test_a_word_is_whole_however_many_tokens_it_takes() -> None:
    assert len(tokenizer().encode("unbelievable naïveté")) > 2
    assert words("An unbelievable naïveté, don't") == [" An", " unbelievable", " naïveté", ",", " don't", ""]


def test_the_bytes_of_a_character_are_never_parted() -> None:
    assert len(tokenizer().encode("鲑😀")) > 2
    assert words("鲑😀") == ["鲑", "😀", ""]


def test_what_is_kept_is_a_word_of_its_own_and_marked() -> None:
    (prepared,) = prepare(tokenizer(), ["Open %(name)s, or${path}s"], 500)
    kept = [word.text for word in joined(tokenizer(), prepared.ids, prepared.strings) if word.copied]
    assert kept == [" %(name)s", "${path}"] or kept == ["%(name)s", "${path}"]


def test_incomplete_characters_are_left_out() -> None:
    ids = tokenizer().encode("a鲑b")
    assert "".join(word.text for word in joined(tokenizer(), [*ids[:-2], ids[-1], EOS])) == " ab"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("alternatives") / "en-zh")


@pytest.fixture(scope="module")
def found(run: Run) -> Alternatives:
    config = run.decoding.changed(method="beam", beam=3, max_ratio=1.0)
    return alternatives(TorchEngine(run.model).model, run.tokenizer, TEXT, config)


def test_alternatives_are_those_of_the_plain_search(run: Run, found: Alternatives) -> None:
    config = run.decoding.changed(method="beam", beam=3, max_ratio=1.0)
    (plain,) = translate_texts(run.engine("torch"), run.tokenizer, [TEXT], config)
    assert [(one.text, one.score) for one in found.found] == [(one.text, one.score) for one in plain]
    assert len(found.found) == 3


def test_words_of_alternatives_make_their_texts(found: Alternatives) -> None:
    for one in found.found:
        assert "".join(word.text for word in one.words).strip() == one.text
    assert "".join(word.text for word in found.source).strip() == TEXT
    assert found.kept == ("%(name)s",)


@pytest.mark.parametrize(("layer", "head"), [(0, None), (1, 1), (None, None)])
def test_shares_are_the_cross_attention_of_a_pass_without_cache(
    run: Run, found: Alternatives, layer: int | None, head: int | None
) -> None:
    trace = trace_of_decoding(run, found.decoding)
    crossing = [call.weights.value for call in trace.attentions() if "cross_attention" in call.place]
    weights = torch.stack([one.reshape(-1, *one.shape[-2:]) for one in crossing])  # layer, head, query, key
    weights = weights if layer is None else weights[layer : layer + 1]
    weights = weights if head is None else weights[:, head : head + 1]
    mean = weights.mean(dim=(0, 1))
    best = found.found[0]
    assert best.words
    for word in best.words:
        rows = mean[word.first : word.after].mean(dim=0)
        wanted = [float(rows[one.first : one.after].sum()) for one in found.source]
        assert found.shares(best, word, layer, head) == pytest.approx(wanted, abs=2e-4)
        assert sum(wanted) == pytest.approx(1, abs=1e-4)


def test_a_text_longer_than_the_model_reads_is_said_to_be_cut(run: Run) -> None:
    model, config = TorchEngine(run.model).model, run.decoding.changed(method="greedy", max_ratio=0.1)
    assert alternatives(model, run.tokenizer, "Save " * 300, config).cut
    assert not alternatives(model, run.tokenizer, "Save", config).cut
