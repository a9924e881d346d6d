"""Held-out text: nothing of it stands in the training text, and two editions of a work stand on one side."""

import random

import pytest

from pellucid.data.stretches import SIDES, editions, hold_out, seen_before
from pellucid.data.works import Work, read_works

WORDS = [f"{a}{b}" for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "en", "in", "on")]


def work(name: str, words: int = 2000, seed: int | None = None) -> Work:
    draw = random.Random(seed if seed is not None else name)
    lines = [" ".join(draw.choices(WORDS, k=8)) for _ in range(words // 8)]
    return Work(name, "\n".join(lines) + "\n")


def respelled(original: Work, name: str, share: float = 0.2) -> Work:
    """Another edition: every fifth word spelled otherwise."""
    draw = random.Random(name)
    lines = original.text.splitlines()
    return Work(
        name, "\n".join(" ".join(w + "e" if draw.random() < share else w for w in line.split()) for line in lines)
    )


def test_of_many_works_whole_ones_are_held_out_and_of_each_only_one_side_has_any() -> None:
    works = [work(f"work {i}") for i in range(20)]
    sides = hold_out(works, 0.1)
    held = {side: [s.work for s in sides.stretches[side]] for side in SIDES}
    assert sides.by == "works"
    assert sorted(name for names in held.values() for name in names) == sorted(w.name for w in works)
    assert [len(held[side]) for side in SIDES] == [16, 2, 2]
    assert sides.test == "\n\n".join(w.text for w in works if w.name in held["test"])
    assert seen_before(sides.test, sides.train) == 0


def test_editions_of_one_work_are_told_though_every_fifth_word_is_spelled_otherwise() -> None:
    works = [work(f"work {i}") for i in range(12)]
    twins = [respelled(works[i], f"work {i}, folio") for i in (2, 5, 7)]
    groups = {frozenset(w.name for w in group) for group in editions([*works, *twins]) if len(group) > 1}
    assert groups == {frozenset({f"work {i}", f"work {i}, folio"}) for i in (2, 5, 7)}
    sides = hold_out([*works, *twins], 0.1)
    where = {s.work: side for side in SIDES for s in sides.stretches[side]}
    assert all(where[f"work {i}"] == where[f"work {i}, folio"] for i in (2, 5, 7))


def test_of_few_works_the_end_of_each_is_held_out_at_a_line_end() -> None:
    works = [work("one"), work("two", 800)]
    sides = hold_out(works, 0.1)
    assert sides.by == "ends"
    for one in works:
        parts = {side: next(s for s in sides.stretches[side] if s.work == one.name) for side in SIDES}
        assert parts["train"].start == 0
        assert parts["train"].end == parts["dev"].start
        assert parts["dev"].end == parts["test"].start
        assert parts["test"].end == len(one.text)
        assert all(one.text[p.start - 1] == "\n" for p in (parts["dev"], parts["test"]))
        assert parts["test"].end - parts["test"].start == pytest.approx(0.1 * len(one.text), abs=200)


def test_the_same_works_give_the_same_sides() -> None:
    works = [work(f"work {i}") for i in range(15)]
    assert hold_out(works, 0.1) == hold_out(works, 0.1)


def test_what_was_seen_before_is_the_share_of_word_sequences_that_training_has() -> None:
    assert seen_before("a b c d e f g h", "x a b c d e f g h y") == 1
    assert seen_before("a b c d e f g h i", "x a b c d e f g h y") == 0.5
    assert seen_before("a b c", "a b c") == 0, "no sequence of eight words in it"


def test_all_editions_of_shakespeares_plays_are_found_by_their_text_alone() -> None:
    works = read_works(["sample:shakespeare"])
    groups = [sorted(w.name for w in group) for group in editions(works)]
    pairs = [group for group in groups if sum(name.endswith("(folio)") for name in group)]
    assert len(pairs) == 35
    assert all(len([name for name in group if not name.endswith("(folio)")]) >= 1 for group in pairs)
    assert ["shakespeare/twelfe-night (folio)", "shakespeare/twelfth night"] in groups
