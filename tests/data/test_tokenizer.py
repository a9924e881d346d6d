"""Tokens: nothing is lost on the way to numbers and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.slots import CHARACTERS
from pellucid.data.tokenizer import SMALLEST, SPECIAL, Tokenizer
from pellucid.errors import RunError

TEXTS = ["Save changes before closing?", "关闭前要保存更改吗？", "Close the window", "关闭窗口", "Save the file"] * 4
TOKENIZER = Tokenizer.train(TEXTS, vocabulary=400)


@given(st.text())
def test_any_text_comes_back_as_it_went(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        " leading",
        "  two",
        "trailing ",
        "保存 file",
        "file 保存",
        "a\tb\nc\r\n",
        "😀👍🏽",
        "ﬁ é ẹ́",
        "\x00\x1f",
        "",
        " ",
        "⺀x",
    ],
)
def test_awkward_texts_come_back_as_they_went(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize("literal", SPECIAL)
def test_a_text_that_spells_a_special_token_is_not_that_token(literal: str) -> None:
    ids = TOKENIZER.encode(f"a {literal} b")
    assert min(ids) >= len(SPECIAL)
    assert TOKENIZER.decode(ids) == f"a {literal} b"


def test_a_slot_is_one_token_wherever_it_stands() -> None:
    for slot in CHARACTERS:
        alone = TOKENIZER.encode(slot)
        assert len(TOKENIZER.encode(f"x{slot}y")) == 2 + len(TOKENIZER.encode(slot)) - (alone[0] == 0)
        assert TOKENIZER.encode(f"x{slot}")[-1] == TOKENIZER.encode(f"保存{slot}")[-1]


def test_frequent_words_are_one_token_and_unseen_ones_are_spelled() -> None:
    assert TOKENIZER.is_word("Save")
    assert not TOKENIZER.is_word("PYTHONPATH")


def test_a_word_has_one_token_at_the_beginning_and_inside() -> None:
    assert TOKENIZER.encode("Save")[0] == TOKENIZER.encode("x Save")[-1]


def test_it_is_the_same_after_saving_and_loading(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.size == TOKENIZER.size
    assert loaded.encode_all(TEXTS) == TOKENIZER.encode_all(TEXTS)


def test_every_byte_is_known_even_in_the_smallest_table() -> None:
    smallest = Tokenizer.train(["a"], vocabulary=SMALLEST)
    assert smallest.size == SMALLEST
    assert smallest.decode(smallest.encode("žluťoučký 馬 \x07")) == "žluťoučký 馬 \x07"


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(RunError, match="not a tokenizer file"):
        Tokenizer.load(path)
    with pytest.raises(RunError, match="no such file"):
        Tokenizer.load(tmp_path / "other.json")
