"""Pieces: text to ids and back without loss, cut alike whether whole or in parts."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from pellucid.data.pieces import LINES, Pieces
from pellucid.errors import RunError

TEXT = ("To be, or not to be: that is the question.\n\n  Ham. 'Tis nobler — 春眠不觉晓 😀\n" * 12) + "ξ"
BPE = Pieces.train(TEXT, "bpe", 320)
CHARACTERS = Pieces.train(TEXT, "characters")


@given(st.text())
def test_any_text_comes_back_from_bpe_whole_and_as_a_stream(text: str) -> None:
    ids = BPE.encode(text).tolist()
    assert BPE.decode(ids) == text
    assert "".join(BPE.stream(iter(ids))) == text


@given(st.text(alphabet=sorted(set(TEXT) - {"ξ"})))
def test_known_characters_come_back_one_for_one(text: str) -> None:
    ids = CHARACTERS.encode(text)
    assert len(ids) == len(text)
    assert CHARACTERS.decode(ids.tolist()) == text == "".join(CHARACTERS.stream(iter(ids.tolist())))


def test_a_character_that_training_hardly_has_is_unknown() -> None:
    assert CHARACTERS.encode("ξToZ\U0010ffff").tolist()[::4] == [0, 0]
    assert CHARACTERS.decode(CHARACTERS.encode("ToξZ").tolist()) == "To��"
    assert CHARACTERS.unknown("ToξZ") == ["Z", "ξ"]
    assert BPE.unknown("ξZ") == []


def test_a_text_cut_into_lines_gives_the_tokens_of_the_whole() -> None:
    whole = BPE.engine.encode(TEXT, add_special_tokens=False).ids
    assert BPE.encode(TEXT).tolist() == whole
    assert "".join(LINES.split(TEXT)) == TEXT


@pytest.mark.parametrize("pieces", [BPE, CHARACTERS], ids=["bpe", "characters"])
def test_a_saved_file_loads_here_and_in_the_tokenizers_library(pieces: Pieces, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    pieces.save(tmp_path / "tokenizer.json")
    loaded = Pieces.load(tmp_path / "tokenizer.json")
    assert (loaded.kind, loaded.names()) == (pieces.kind, pieces.names())
    assert torch.equal(loaded.encode(TEXT), pieces.encode(TEXT))
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
    assert theirs == pieces.encode(TEXT).tolist()


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"tokenizer\.json: no such file"):
        Pieces.load(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match=r"tokenizer\.json: not a tokenizer file"):
        Pieces.load(tmp_path / "tokenizer.json")
