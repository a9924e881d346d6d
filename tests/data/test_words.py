"""Words of a text, the scenes they stand in, and the pairs that skip-gram learns from."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from pellucid.data.skipgrams import BETWEEN, NOISE, SkipGrams, noise
from pellucid.data.words import Vocabulary, scenes
from pellucid.errors import DataError, RunError

TEXT = "The king's well-fed horse; the KING, 3 horses and O'Brien."
CHINESE = "国王骑着马。国王看见王后，王后看见国王。城堡里的国王，城堡外的王后。"


def test_words_are_runs_of_letters_with_what_joins_them_inside() -> None:
    found = Vocabulary.of([TEXT * 2], most=100, fewest=1)
    assert dict(zip(found.words, found.counts, strict=True)) == {
        **{"the": 4, "king's": 2, "well-fed": 2, "horse": 2, "king": 2, "horses": 2, "and": 2, "o'brien": 2}
    }
    assert found.words[0] == "the"


def test_chinese_is_cut_into_the_pieces_that_are_frequent_in_it() -> None:
    found = Vocabulary.of([CHINESE * 20 + " and the horse " * 20], most=100, fewest=5)
    assert {"国王", "王后", "horse"} <= set(found.words)
    (numbers,) = found.numbers(["国王 horse 王后"])
    assert [found.words[number] for number in numbers] == ["国王", "horse", "王后"]


def test_a_vocabulary_is_saved_and_loaded_to_the_same_numbers(tmp_path: Path) -> None:
    found = Vocabulary.of([(CHINESE + TEXT) * 20], most=100, fewest=2)
    found.save(tmp_path / "words.json")
    loaded = Vocabulary.load(tmp_path / "words.json")
    assert (loaded.words, loaded.counts) == (found.words, found.counts)
    assert loaded.numbers([CHINESE + TEXT]) == found.numbers([CHINESE + TEXT])


@pytest.mark.parametrize("content", ["", "[]", '{"words": ["a"], "counts": [], "han": null}', '{"words": ["a", "a"]}'])
def test_a_damaged_vocabulary_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "words.json").write_text(content)
    with pytest.raises(RunError, match="not a vocabulary"):
        Vocabulary.load(tmp_path / "words.json")


def test_too_few_frequent_words_are_told() -> None:
    with pytest.raises(DataError, match="of which 1 come at least 3 times"):
        Vocabulary.of(["one one one two"], most=10, fewest=3)


def test_scenes_begin_at_headings_and_without_them_every_few_pages() -> None:
    body = "word " * 60
    assert len(scenes(f"ACT I.\nScene I. A room.\n{body}\nSCENE II\n{body}")) == 2
    assert len(scenes(f"第一回 甲\n{'字词 ' * 60}\n第二回 乙\n{'字词 ' * 60}")) == 2
    assert [len(scene.split()) for scene in scenes("word " * 7000)] == [3000, 3000, 1000]
    assert scenes("a few words") == []


def made(threshold: float = 1.0, window: int = 2) -> SkipGrams:
    texts = [[0, 1, 2, 3, 4, 5] * 50, [0, 0, 0, 6, 7] * 40]
    counts = torch.tensor([word for text in texts for word in text]).bincount().float()
    return SkipGrams(texts, counts, window, threshold, seed=1)


def test_pairs_are_of_one_text_and_within_the_window() -> None:
    grams = made()
    seen = Counter()
    for batch in grams.epoch(0, 64):
        word, near = grams.pairs(torch.tensor(batch))
        seen.update(zip(word.tolist(), near.tolist(), strict=True))
    assert not any({a, b} <= {1, 2, 3, 4, 5} and (a - b) % 6 not in (1, 2, 4, 5) for a, b in seen)
    assert not any(a in (1, 2, 3, 4, 5) and b in (6, 7) for a, b in seen)
    near, far = seen[1, 2], seen[1, 3]
    assert 0.35 < far / near < 0.65  # of a window of two, half of the centres reach to the second word


def test_an_epoch_visits_each_place_once_in_an_order_of_its_own() -> None:
    grams = made()
    visits = [[place for batch in grams.epoch(number, 50) for place in batch] for number in (0, 1, 0)]
    length = len(grams.words)
    assert sorted(visits[0]) == sorted(set(visits[0]))
    assert len(visits[0]) == 500
    assert visits[0] == visits[2]
    assert [place % length for place in visits[0]] != [place % length for place in visits[1]]
    assert {place // length for place in visits[1]} == {1}


def test_frequent_words_are_left_out_as_the_formula_says() -> None:
    grams = made(threshold=0.02)
    kept = Counter()
    for number in range(30):
        kept.update(word for word in grams.thinned(number).words.tolist() if word != BETWEEN)
    frequency = torch.tensor([170.0, 50, 50, 50, 50, 50, 40, 40]) / 500
    frequency[0] = (50 + 120) / 500
    expected = ((0.02 / frequency).sqrt() + 0.02 / frequency).clamp(max=1)
    for word in range(8):
        assert kept[word] / (30 * 500 * float(frequency[word])) == pytest.approx(float(expected[word]), abs=0.06)


def test_words_are_drawn_as_non_neighbours_by_their_counts_to_the_power_of_three_quarters() -> None:
    counts = torch.tensor([1000.0, 100.0, 1.0])
    drawn = noise(counts).bincount(minlength=3).double()
    expected = counts.double() ** NOISE
    torch.testing.assert_close(drawn / drawn.sum(), expected / expected.sum(), atol=1e-5, rtol=0)
