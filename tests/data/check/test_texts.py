"""Texts: every kind of fault planted into a clean one is found in its file and at its line, and nothing else is."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.check.fault import Fault, kinds, words
from pellucid.data.check.whole import check_files

CLEAN = [  # letters, quotes and signs of many languages that must not be taken for faults
    "“CAFÉ’S” — l’été, où ? «Â», naïve, Åse Ä“, ¿qué?",
    "中文，标点。「引号」　全角空格",
    "می‌خواهم و ‏שלום‎ हिन्दी क्‍ष 👨‍👩‍👧",
    "Ελληνικά, Русский: «Съешь ещё этих булок», Đặng",
    "\tindented\twith tabs",
    "HTML as a word; a < b and b > c; Q&A; AT&T;",
]


def prose(lines: int = 80, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    letters = "abcdefghijklmnop"
    return [" ".join("".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(9)) for _ in range(lines)]


def written(folder: Path, content: str | bytes, name: str = "t.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def found(path: Path | str) -> list[Fault]:
    (checked,) = check_files([path])
    assert checked.kind == "text"
    return checked.findings.faults


def only(faults: list[Fault]) -> Fault:
    assert len(faults) == 1, faults
    return faults[0]


def test_clean_texts_of_many_languages_have_no_fault(tmp_path: Path) -> None:
    assert found(written(tmp_path, "\n".join(prose() + CLEAN))) == []
    assert found(written(tmp_path, ("\ufeff" + "\r\n".join(prose() + CLEAN)).encode())) == []
    assert found(written(tmp_path, "\n".join(prose() + CLEAN).encode("utf-16"))) == []


def planted_line(text: str) -> list[str]:
    lines = prose()
    lines[30] = text
    return lines


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a byte order\ufeff mark", "byte-order-mark-inside"),
        ("a \0 zero", "nul"),
        ("a bell \a", "control-character"),
        ("a control \x92 character", "control-character"),
        ("a lost \ufffd character", "damaged-character"),
        ("cafÃ© au lait", "mojibake"),
        ("itâ€™s", "mojibake"),
        ("Â© 2020 and Â»", "mojibake"),
        ("ä¸\xadæ–‡", "mojibake"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "mojibake"),
        ("锟斤拷", "mojibake"),
        ("zero\u200bwidth", "invisible-character"),
        ("soft\u00adhyphen", "invisible-character"),
        ("join\u200der", "invisible-character"),
        ("turned \u202e around", "direction-mark"),
        ("left\u200e to right", "direction-mark"),
        ("e\u0301te\u0301", "not-nfc"),
        ("x" * 10_001, "long-line"),
        ("*** START OF THE PROJECT GUTENBERG EBOOK MOBY DICK ***", "boilerplate"),
        ("Permission is hereby granted, free of charge, to any person", "boilerplate"),
        ("see www.gutenberg.org for it", "boilerplate"),
        ("left <br/> in", "markup"),
        ("left in &nbsp; too", "markup"),
    ],
)
def test_a_planted_line_is_found(tmp_path: Path, text: str, kind: str) -> None:
    fault = only(found(written(tmp_path, "\n".join(planted_line(text)))))
    assert (fault.kind, fault.line) == (kind, 31)


@given(st.text("éüñçøß—“”’…", min_size=1, max_size=3), st.integers(0, 79))
def test_every_text_read_in_the_wrong_encoding_is_found(
    tmp_path_factory: pytest.TempPathFactory, text: str, place: int
) -> None:
    try:
        wrong = text.encode().decode("cp1252")
    except UnicodeDecodeError:
        return
    lines = prose()
    lines[place] = f"a word {wrong} here"
    fault = only(found(written(tmp_path_factory.mktemp("t"), "\n".join(lines))))
    assert (fault.kind, fault.line) == ("mojibake", place + 1)


@given(st.text(st.characters(codec="latin-1", categories=["L", "Zs"], exclude_characters="ªµºÂÃ\xa0"), max_size=40))
def test_latin_letters_in_quotes_are_no_fault(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert found(written(tmp_path_factory.mktemp("t"), "\n".join([*prose(), f"“{text}”"]))) == []


def test_encodings_are_told_apart(tmp_path: Path) -> None:
    text = "\n".join([*prose(), "Straße und Café"])
    fault = only(found(written(tmp_path, text.encode("latin-1"))))
    assert (fault.kind, fault.line, fault.facts["encoding"]) == ("wrong-encoding", 81, "Windows-1252")
    mixed = text.encode("latin-1") + "\nnaïve\n".encode()
    assert (only(found(written(tmp_path, mixed))).kind, only(found(written(tmp_path, mixed))).line) == (
        "mixed-encodings",
        81,
    )
    chinese = "\n".join(["这是一个测试文本", *["每一行都写着中文字"] * 20])
    fault = only(found(written(tmp_path, chinese.encode("gbk"))))
    assert (fault.facts["encoding"], fault.facts["lines"]) == ("GB18030", "21")


@pytest.mark.parametrize(("end", "line"), [("\r\n", 41), ("\r", 41)])
def test_line_ends_of_two_kinds_are_found_where_they_change(tmp_path: Path, end: str, line: int) -> None:
    lines = prose()
    text = "\n".join(lines[:40]) + "\n" + lines[40] + end + "\n".join(lines[41:])
    fault = only(found(written(tmp_path, text)))
    assert (fault.kind, fault.line) == ("mixed-line-ends", line)


def test_files_that_are_the_same_and_stretches_within_them_are_found(tmp_path: Path) -> None:
    written(tmp_path, "\n".join(prose()), "a.txt")
    written(tmp_path, "\r\n".join(prose()) + "\r\n\r\n", "b.txt")
    other = prose(seed=2)
    written(tmp_path, "\n".join([*other[:20], "", *prose()[10:50], *other[20:]]), "c.txt")
    same, stretch = found(tmp_path)
    assert (same.kind, same.file, same.facts["first"]) == (
        "duplicate-file",
        str(tmp_path / "b.txt"),
        str(tmp_path / "a.txt"),
    )
    assert (stretch.kind, stretch.file, stretch.line) == ("repeated-stretch", str(tmp_path / "c.txt"), 22)
    assert stretch.facts["first"] == f"{tmp_path / 'a.txt'}:11"


def test_a_long_stretch_repeated_within_one_file_is_found_once(tmp_path: Path) -> None:
    lines = prose(200)
    fault = only(found(written(tmp_path, "\n".join([*lines, *lines[40:90], *prose(20, 3)]))))
    assert (fault.kind, fault.line) == ("repeated-stretch", 201)


def test_a_refrain_is_no_repeated_stretch(tmp_path: Path) -> None:
    lines = prose(200)
    assert found(written(tmp_path, "\n".join([*lines, *lines[40:46], *prose(20, 3)]))) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "almost-empty"), (b"A title\n", "almost-empty"), (b"%PDF-1.7 ...", "not-text"), (b"PK\3\4....", "not-text")],
)
def test_files_that_are_no_text_are_found(tmp_path: Path, content: bytes, kind: str) -> None:
    assert only(found(written(tmp_path, content))).kind == kind


def test_pages_written_in_markup_may_hold_tags(tmp_path: Path) -> None:
    assert found(written(tmp_path, "\n".join([*prose(), "a<br>b"]), "t.md")) == []


def test_shakespeares_works_as_prepared_have_no_fault() -> None:
    assert found("sample:shakespeare") == []


@given(st.binary(max_size=300))
def test_whatever_bytes_there_are_they_are_checked_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    for fault in found(written(tmp_path_factory.mktemp("t"), content)):
        assert fault.kind in kinds()
        assert fault.said("en")
        assert fault.mend("zh")


def test_every_kind_is_said_in_both_languages_with_the_same_facts() -> None:
    import string

    english, chinese = words("en"), words("zh")
    assert english.keys() == chinese.keys()
    assert len(english) == 2 * len(kinds())
    for key in english:
        facts = [
            {field for _, field, _, _ in string.Formatter().parse(told[key])} - {None} for told in (english, chinese)
        ]
        assert facts[0] == facts[1], key


@pytest.mark.parametrize("page", ["docs/data-check.md", "docs/zh/data-check.md"])
def test_every_kind_is_named_on_the_page_about_them(page: str) -> None:
    text = (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in text.splitlines() if line.startswith("|") and "`" in line]
    assert sorted(re.findall(r"`([a-z-]+)`", " ".join(rows))) == sorted(kinds())
