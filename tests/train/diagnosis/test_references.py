"""What the doctor compares a network with, held against scikit-learn, NumPy and counting by hand."""

import math
import random

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from pellucid.tasks.task import Sample
from pellucid.train.diagnosis.labels import mismatched, suspicious
from pellucid.train.diagnosis.references import (
    NEIGHBOURS,
    bigram,
    dense,
    left_out_guesses,
    neighbours_mean,
    others,
    reference,
    ridge,
    ridge_left_out,
    word_pairs,
)
from pellucid.train.diagnosis.rules.fit import errors_apart
from pellucid.train.diagnosis.twins import Twin, lines_seen, near_rows, near_texts, only_numbers, seen_again

torch.manual_seed(0)


def nowhere(place: int) -> str:
    return f"line {place}"


def test_neighbours_are_those_of_scikit_learn() -> None:
    x, labels, asked = torch.randn(120, 4), torch.randint(3, (120,)), torch.randn(30, 4)
    shares = neighbours_mean(x, torch.nn.functional.one_hot(labels, 3).float(), asked)
    peer = KNeighborsClassifier(n_neighbors=NEIGHBOURS).fit(x.numpy(), labels.numpy())
    np.testing.assert_allclose(shares.numpy(), peer.predict_proba(asked.numpy()), atol=1e-6)


def test_a_linear_fit_leaves_each_example_out_once() -> None:
    x, y = torch.randn(25, 3), torch.randn(25, 1)
    found = ridge_left_out(x, y)
    for place in (0, 7, 24):
        keep = [n for n in range(25) if n != place]
        # The penalty is a share of X^T X, which changes a little when one row is taken out.
        assert abs(float(ridge(x[keep], y[keep], x[place : place + 1])) - float(found[place])) < 0.01


def test_bigrams_are_mixed_as_witten_and_bell_do() -> None:
    ids = torch.tensor([[0, 1, 0, 1, 0, 2, 0, 1]])
    train = Sample(ids[:, :-1], ids[:, 1:], nowhere)
    asked = Sample(torch.tensor([[0, 2], [0, 2]]), torch.tensor([[1, 1], [1, 1]]), nowhere)
    alone = torch.tensor([3.0, 3.0, 1.0]) + 1  # of what was asked in training, each once more
    after_0 = (3 + 2 * alone[1] / alone.sum()) / (4 + 2)
    after_2 = (0 + 1 * alone[1] / alone.sum()) / (1 + 1)
    expected = -math.log(after_0) - math.log(after_2)
    assert float(bigram(train, asked).losses[0]) == pytest.approx(expected, rel=1e-5)


def sentences(count: int, shuffled: bool, seed: int) -> Sample:
    """Targets are the sources, word by word under other numbers, backwards; or of other sentences."""
    draw = random.Random(seed)
    sources = [[draw.randint(3, 40) for _ in range(draw.randint(3, 6))] for _ in range(count)]
    targets = [[1, *(100 + word for word in reversed(source)), 2] for source in sources]
    if shuffled:
        draw.shuffle(targets)
    width = max(map(len, targets))
    rows = (torch.tensor([[*row, *[0] * (width - len(row))] for row in part]) for part in (sources, targets))
    return Sample(*rows, nowhere)


def test_pairs_of_words_tell_whether_sentences_belong_together() -> None:
    for shuffled in (False, True):
        found = word_pairs(sentences(200, shuffled, 1), sentences(60, shuffled, 2))
        assert found.swapped is not None
        assert (errors_apart(found.swapped - found.losses) > 5) is not shuffled


def test_the_order_that_swaps_inputs_leaves_none_in_its_place() -> None:
    for count in (2, 3, 50):
        order = others(count)
        assert sorted(order.tolist()) == list(range(count))
        assert (order != torch.arange(count)).all()


def test_the_reference_of_classes_is_a_probability() -> None:
    x, labels = torch.randn(90, 3), torch.randint(3, (90,))
    for guess in left_out_guesses(x, labels, 3).values():
        torch.testing.assert_close(guess.sum(1), torch.ones(90))
    train, held_out = Sample(x, labels, nowhere), Sample(x[:20], labels[:20], nowhere)
    found = reference(train, held_out, torch.ones(20), 3)
    assert found is not None
    assert (found.losses >= 0).all()


def test_confident_learning_names_what_lies_in_another_cloud() -> None:
    x = torch.cat([torch.randn(60, 2), torch.randn(60, 2) + 8])
    labels = torch.tensor([0] * 60 + [1] * 60)
    near, far = [3, 17, 31, 44], [70, 81, 95, 111]
    labels[near], labels[far] = 1, 0
    found = suspicious(x, labels, ["near", "far"], nowhere)
    assert {(one.origin, one.given, one.likely) for one in found} == {
        *((f"line {place}", "far", "near") for place in near),
        *((f"line {place}", "near", "far") for place in far),
    }


def test_two_odd_ones_of_a_hundred_are_not_noise() -> None:
    x = torch.cat([torch.randn(60, 2), torch.randn(60, 2) + 8])
    labels = torch.tensor([0] * 60 + [1] * 60)
    labels[[3, 70]] = torch.tensor([1, 0])
    assert suspicious(x, labels, ["near", "far"], nowhere) == []


def test_pairs_without_gain_are_odd_only_where_most_have_some() -> None:
    gains = torch.tensor([2.0, 2.5, 0.1, 3.0, 1.0])
    assert [one.number for one in mismatched(gains, nowhere)] == [2]
    assert mismatched(gains / 10, nowhere) == []


def test_rows_that_are_all_but_equal_are_twins_and_near_ones_are_not() -> None:
    train = torch.randn(200, 5)
    held_out = torch.cat([train[[7]] + 1e-4, train[[9]] + 0.3, torch.randn(20, 5)])
    assert near_rows(train, held_out) == [Twin(0, 7)]


def test_a_column_that_only_numbers_rows_makes_no_difference() -> None:
    train = torch.cat([torch.arange(100.0)[:, None], torch.randn(100, 4)], dim=1)
    held_out = train[[4, 50]].clone()
    held_out[:, 0] = torch.tensor([100.0, 101.0])
    assert near_rows(train, held_out) == [Twin(0, 4), Twin(1, 50)]
    assert only_numbers(torch.arange(100.0) * 3 + 1, torch.tensor([400.0]))
    assert not only_numbers(torch.randn(100), torch.randn(3))


def test_equal_rows_of_few_values_come_by_chance() -> None:
    coins = torch.randint(2, (300, 4)).float()
    assert near_rows(coins, torch.randint(2, (60, 4)).float()) == []


def test_sentences_are_twins_by_their_letters_on_both_sides() -> None:
    train = [("Open the file.", "打开文件。"), ("Close it", "关闭"), ("Sound 1", "声音 1")]
    held_out = [("open the FILE", "打开文件"), ("Open the file.", "关闭"), ("Sound", "声音")]
    assert near_texts(train, held_out) == [Twin(0, 0)]


def test_text_is_seen_again_by_long_runs_alone() -> None:
    draw = random.Random(1)
    words = [str(draw.randint(0, 9)) for _ in range(3000)]
    known, other = " ".join(words[:1500]), " ".join(words[1500:])
    assert seen_again(other, known) == 0
    assert 0.4 < seen_again(other + "\n" + known, known) < 0.6
    assert (
        seen_again(
            "道可道非常道名可名非常名无名天地之始有名万物之母故常无欲以观其妙",
            "道可道非常道名可名非常名无名天地之始有名万物之母故常无欲以观其妙",
        )
        == 1
    )


def test_long_lines_in_another_order_are_seen_and_short_ones_are_not() -> None:
    draw = random.Random(2)
    lines = [" ".join(str(draw.randint(0, 9)) for _ in range(10)) for _ in range(60)]
    shuffled = draw.sample(lines, len(lines))
    assert lines_seen("\n".join(shuffled[:30]), "\n".join(lines)) == 1
    assert lines_seen("\n".join(lines[:30]), "\n".join(lines[30:])) == 0
    assert lines_seen("Enter the King.\n" * 9, "Enter the King.\n" * 9) == 0


def test_a_reference_costs_more_with_the_inputs_of_others_however_sure_it_is() -> None:
    torch.manual_seed(1)
    x = torch.randn(200, 4)
    y = 3 * x[:, 0]
    held = Sample(x[150:], y[150:], nowhere)
    found = dense(Sample(x[:150], y[:150], nowhere), held, None)
    assert found.others is not None
    predicted = ridge(x[:150], y[:150, None], x[150:])[:, 0]
    swaps = [(predicted.roll(turn) - y[150:]).square() for turn in range(1, 50)]
    torch.testing.assert_close(found.others, torch.stack(swaps).mean(0))
