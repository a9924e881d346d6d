"""The translation memory: the nearest source, and all translations of the very same one."""

import difflib
import random

from pellucid.data.pairs import Pair
from pellucid.tasks.memory import SHORTLIST, TranslationMemory, known_translations

WORDS = ["open", "close", "save", "the", "file", "window", "page", "folder", "now", "later", "again", "not", "all"]


def pairs(count: int) -> list[Pair]:
    draw = random.Random(3)
    return [Pair(" ".join(draw.choices(WORDS, k=draw.randint(1, 7))), f"t{number}") for number in range(count)]


def test_a_source_that_was_trained_on_is_its_own_nearest_match() -> None:
    memory = TranslationMemory(pairs(200))
    for pair in pairs(200)[::20]:
        found = memory.nearest(pair.source)
        assert found is not None
        assert found[0].source == pair.source
        assert found[1] == 1.0


def test_the_similarity_is_the_ratio_of_matching_letters_and_the_best_of_a_small_memory() -> None:
    some = pairs(SHORTLIST)  # all of them are compared, so that the best can be found by looking at each
    memory = TranslationMemory(some)
    for source in ("Save the file now", "close all windows", "the page"):
        found = memory.nearest(source)
        assert found is not None
        shares = [pair for pair in some if set(pair.source.split()) & set(source.lower().split())]
        ratios = [difflib.SequenceMatcher(None, pair.source, source.lower(), autojunk=False).ratio() for pair in shares]
        assert found[1] == max(ratios)


def test_a_source_that_shares_no_word_has_no_near_match() -> None:
    assert TranslationMemory(pairs(50)).nearest("xyzzy") is None


def test_translations_of_one_source_come_most_frequent_first_and_only_from_training() -> None:
    trained = [Pair("Open", "打开"), Pair("Open", "开启"), Pair("Close", "关闭"), Pair("Save", "保存")]
    read = [
        *trained,
        Pair(" Open ", "开启"),
        Pair("Open", "held out"),
        Pair("Open", "held out"),
        Pair("Open", "held out"),
    ]
    assert known_translations(trained, read, ["Open", "Close", "Quit"]) == {
        "Open": ("开启", "打开"),
        "Close": ("关闭",),
    }
