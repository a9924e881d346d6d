"""Sentences with numbers in them: one thing is not several."""

import re
from pathlib import Path

import pytest

from pellucid.cli.words import say
from pellucid.words import LANGUAGES, filled

SOURCE = Path(__file__).parent.parent / "src" / "pellucid"


@pytest.mark.parametrize(("count", "said"), [(1, "1 row"), ("1", "1 row"), (0, "0 rows"), ("1,001", "1,001 rows")])
def test_a_word_goes_with_its_number(count: int | str, said: str) -> None:
    assert filled("{count} {count:row|rows}", {"count": count}) == said


def test_other_formats_are_those_of_python() -> None:
    assert filled("{x:.2f} {y!r} {z:>4}", {"x": 1.0, "y": "a", "z": "b"}) == "1.00 'a'    b"


def test_sentences_of_the_command_line_tell_one_from_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_LANG", "en")
    assert say("check.pairs", count="1") == "1 pair"
    assert say("survey.texts", texts="1", characters="12", different="1") == (
        "1 text of 12 characters, 1 different one"
    )
    assert say("classify.note.twice", count="1").startswith("1 image is there")
    assert say("check.total", faults="3", kinds=1) == "Found: 3, of 1 kind."


def test_no_sentence_leaves_the_plural_to_the_reader() -> None:
    for path in SOURCE.rglob("*en.json"):
        left = [line for line in path.read_text(encoding="utf-8").splitlines() if re.search(r"[a-z]\(s\)", line)]
        assert not left, f"{path.name}: {left}"


def test_only_languages_with_a_singular_have_two_forms() -> None:
    assert LANGUAGES == ("en", "zh")
    for path in SOURCE.rglob("*zh.json"):
        assert not re.search(r"{\w+:[^}]*\|", path.read_text(encoding="utf-8")), path.name
