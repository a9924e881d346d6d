"""Mending pairs: what is written has none of the faults that can be mended, and whatever was done is listed."""

import csv
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.check.characters import MOJIBAKE
from pellucid.data.check.mend import (
    BROKEN,
    CHARACTERS,
    DROPPED,
    OF_BYTES,
    OF_ROWS,
    SWAPPED,
    Mended,
    mended_text,
    mending,
)
from pellucid.data.check.whole import check_files
from pellucid.data.pairs import Pair
from pellucid.data.read import read_pairs
from pellucid.errors import ConfigError, DataError
from tests.data.check.test_pairs import clean, tsv, written

MENDED = CHARACTERS | OF_ROWS | OF_BYTES | SWAPPED | BROKEN | DROPPED


def fixed(path: Path, out: Path) -> tuple[list[tuple[str, str]], Mended]:
    with mending(out) as mender:
        check_files([str(path)], "pairs", languages=("en", "zh"), mender=mender)
    return [(pair.source, pair.target) for pair in read_pairs([out]).pairs], mender.done


def kinds_in(path: Path) -> set[str]:
    (checked,) = check_files([str(path)], "pairs", languages=("en", "zh"))
    return set(checked.findings.counts)


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("Close the cafÃ©\t关上咖啡馆", ("Close the café", "关上咖啡馆")),
        ("It isnâ€™t closed\tå…³ä¸Šç›–å\xad\x90", ("It isn’t closed", "关上盖子")),
        ("Close &amp;amp; lock it\t关上并锁好", ("Close &amp; lock it", "关上并锁好")),
        ('Close the "lid"\t关上&quot;盖子&quot;', ('Close the "lid"', '关上"盖子"')),
        ("Close\x07 the\0 lid\t关上\ufeff盖子", ("Close the lid", "关上盖子")),
        ("Close the cafe\u0301\t关上\u200b咖啡馆", ("Close the café", "关上咖啡馆")),
        (" Close the \u202elid\t\u3000关上盖子 ", ("Close the lid", "关上盖子")),
        ("关上盖子\tClose the lid", ("Close the lid", "关上盖子")),
        ("Close the lid;关上盖子", ("Close the lid", "关上盖子")),
        ('"Close the ""lid"""\t关上盖子', ('Close the "lid"', "关上盖子")),
        ("Close the lid\t", None),
        ("Close the lid now\tClose the lid now", None),
        ("Close the lid", None),
        ("en\tzh", None),
    ],
)
def test_a_pair_is_mended_exactly_or_dropped(tmp_path: Path, line: str, pair: tuple[str, str] | None) -> None:
    rows = clean()
    lines = tsv(rows).splitlines()
    lines[9:9] = [line]
    pairs, done = fixed(written(tmp_path, "\n".join(lines) + "\n"), tmp_path / "clean.tsv")
    assert pairs == [*rows[:8], *([pair] if pair else []), *rows[8:]]
    assert not done.outcomes["stays"]
    assert kinds_in(tmp_path / "clean.tsv") == set()


def test_what_cannot_be_mended_stays_and_is_listed_with_its_line(tmp_path: Path) -> None:
    rows = clean()
    rows[5:5] = [("Close 25 lids ", "关上 52 个盖子"), rows[1]]
    pairs, done = fixed(written(tmp_path, tsv(rows)), tmp_path / "clean.tsv")
    assert ("Close 25 lids", "关上 52 个盖子") in pairs
    listed = list(csv.DictReader((tmp_path / "clean.tsv.report.csv").open(encoding="utf-8", newline="")))
    assert [(entry["line"], entry["kind"], entry["outcome"]) for entry in listed] == [
        ("7", "outer-space", "mended"),
        ("7", "number-differs", "stays"),
        ("8", "duplicate-pair", "dropped"),
    ]
    assert (done.pairs, done.json()["dropped"]) == (len(rows) - 1, {"duplicate-pair": 1})


def test_other_encodings_formats_and_languages_become_one_table(tmp_path: Path) -> None:
    rows = clean()[:20]
    wide = written(tmp_path, "".join(f"{b};{a}\r\n" for a, b in [("en", "zh"), *rows]).encode("gb18030"), "p.csv")
    pairs, _ = fixed(wide, tmp_path / "clean.tsv")
    assert pairs == rows
    lines = written(tmp_path, json.dumps({"en": "Two\nlines", "zh": "两\n行"}), "p.jsonl")
    assert fixed(lines, tmp_path / "clean.tsv")[0] == [("Two lines", "两 行")]
    assert fixed(lines, tmp_path / "clean.jsonl")[0] == [("Two\nlines", "两\n行")]


def test_nothing_is_written_if_the_files_cannot_be_checked(tmp_path: Path) -> None:
    out = tmp_path / "clean.tsv"
    out.write_text("what was there")
    with pytest.raises(DataError):
        fixed(tmp_path / "nowhere.tsv", out)
    assert out.read_text() == "what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["clean.tsv"]
    with pytest.raises(ConfigError, match="xlsx"):
        fixed(written(tmp_path, tsv(clean())), tmp_path / "clean.xlsx")


ODD = st.sampled_from(
    ["\u200b", "\ufeff", "\0", "\x07", "\u202e", "\u200f", "e\u0301", "cafÃ©", "â€™", "&amp;amp;", " ", "\u3000",
     "\x85", "&amp;quot;", "Ã", "\u200d", "ÃÂ©", "¿", "\u0301", "Å", "ä¸\xad", "\xad", "<b>", "%s", '"', "7", "\\u4e2d"]
)  # fmt: skip
SIDES = st.lists(st.one_of(ODD, st.sampled_from(["Close", "the", "lid", "关上", "盖子", "窗口"])), max_size=7).map(
    "".join
)


@settings(max_examples=25)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8))
def test_a_mended_file_checks_clean_of_all_that_is_mended(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("mend")
    lines = "".join(json.dumps({"en": a, "zh": b}) + "\n" for a, b in [*clean()[:8], *rows])
    fixed(written(folder, lines, "p.jsonl"), folder / "clean.jsonl")
    assert not kinds_in(folder / "clean.jsonl") & MENDED


@given(st.text(max_size=30))
def test_a_mended_text_is_in_normal_form_and_mending_it_again_changes_nothing(text: str) -> None:
    mended = mended_text(text)
    assert unicodedata.is_normalized("NFC", mended)
    assert mended_text(mended) == mended


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=20))
def test_text_that_was_read_in_the_wrong_encoding_is_given_back(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    try:
        wrong = text.encode().decode("cp1252")
    except UnicodeDecodeError:
        return
    if MOJIBAKE.search(wrong):
        assert mended_text(wrong) == mended_text(text)


def test_held_out_sentences_stay_and_are_listed(tmp_path: Path) -> None:
    path = written(tmp_path, tsv(clean()))
    with mending(tmp_path / "clean.tsv") as mender:
        check_files([str(path)], held_out=[Pair(*clean()[0], "t.tsv:1")], mender=mender)
    assert mender.done.outcomes["stays"]["held-out-leak"] == 1
