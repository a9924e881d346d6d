"""The ends of texts, accelerators and numbers, and the repairs of what can be put right without choosing words."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.integrity import breaches, repaired
from pellucid.data.integrity.accelerators import accelerator, without_accelerator
from pellucid.data.integrity.ends import closing, edges


def kinds(source: str, target: str, to: str = "zh") -> list[str]:
    return [breach.kind for breach in breaches(source, target, "en", to)]


@pytest.mark.parametrize(
    ("source", "target", "grave"),
    [
        ("Saved\n", "已保存", True),
        ("Saved", "已保存\n", True),
        ("\nSaved", "已保存", True),
        ("Saved ", "已保存", False),
        ("Saved\n\n", "已保存\n", False),
    ],
)
def test_a_line_break_at_an_end_is_grave_and_other_space_told(source: str, target: str, grave: bool) -> None:
    found = breaches(source, target, "en", "zh")
    assert [breach.grave for breach in found] == [grave]


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("Done.", "完成。", []),
        ("Done.", "完成", ["punctuation-missing"]),
        ("Done", "完成。", ["punctuation-extra"]),
        ("Sure?", "确定？", []),
        ("Wait...", "请稍候…", []),
        ("Wait…", "请稍候……", []),
        ("Name:", "名称：", []),
        ("Name:", "名称。", ["punctuation"]),
        ("Files, folders etc.", "文件、文件夹等", []),
        ("a &lt;b&gt;", "一 &lt;b&gt;", []),
    ],
)
def test_the_closing_mark_is_the_same_in_the_languages_own_way(source: str, target: str, found: list[str]) -> None:
    assert kinds(source, target) == found


@pytest.mark.parametrize(
    ("source", "target", "to", "mended"),
    [
        ("Done.", "完成", "zh", "完成。"),
        ("Done.", "完成.", "zh", "完成。"),
        ("Done", "完成。", "zh", "完成"),
        ("Sure?", "确定。", "zh", "确定？"),
        ("  Name:\n", "名称", "zh", "  名称：\n"),
        ("Wait...", "请稍候", "zh", "请稍候..."),
        ("Sure?", "هل أنت متأكد", "ar", "هل أنت متأكد؟"),
        ("Sure?", "Sûr", "fr", "Sûr\u202f?"),
        ("Done.", "完了", "ja", "完了。"),
        ("Done.", "เสร็จ", "th", "เสร็จ"),
        ("&File", "文件", "zh", "文件(&F)"),
        ("&Open...", "打开...", "zh", "打开(&O)..."),
        ("_Name:", "名称：", "zh", "名称(_N)："),
        ("&File", "Datei", "de", "&Datei"),
        ("&Tools", "Extras", "de", "Ex&tras"),
        ("E&xit", "Beenden", "de", "&Beenden"),
        ("&Name {name}", "{name} benennen", "de", "{name} be&nennen"),
        ("See {x}", "见 {x}", "zh", "见 {x}"),
        ("Delete <b>%s</b>?", "删除 <b> %s </b>？", "zh", "删除 <b>%s</b>？"),
        ("A <b> bold</b> one", "一 <b> 粗体 </b>", "zh", "一 <b> 粗体</b>"),
    ],
)
def test_repairs_put_the_ends_right(source: str, target: str, to: str, mended: str) -> None:
    assert repaired(source, target, "en", to) == mended
    assert kinds(source, mended, to) == []


@given(st.text(alphabet=string.ascii_letters + " \n.:?!&_。？"), st.text(alphabet="存文件。？!.: \n&_(F)"))
def test_a_repaired_text_has_the_edges_of_its_source_and_is_not_repaired_again(source: str, target: str) -> None:
    mended = repaired(source, target, "en", "zh")
    if source.strip() and mended.strip():
        assert edges(mended) == edges(source)
        assert repaired(source, mended, "en", "zh") == mended


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("&File", ("&", "F")),
        ("Save &As...", ("&", "A")),
        ("E&xit", ("&", "x")),
        ("文件(&F)", ("&", "F")),
        ("_File", ("_", "F")),
        ("Cl_ose", ("_", "o")),
        ("文件(_F)", ("_", "F")),
        ("R&D", None),
        ("Touch&Go", None),
        ("a && b", None),
        ("Tom & Jerry", None),
        ("a&nbsp;b", None),
        ("x?a=1&b=2", None),
        ("snake_case", None),
        ("Set max_size", None),
        ("_emphasis_", None),
        ("%(_type)s", None),
        ("Ip_version for this rule.", None),
        ("&File &Edit", None),
    ],
)
def test_an_accelerator_is_told_from_other_uses_of_its_sign(text: str, found: tuple[str, str] | None) -> None:
    assert accelerator(text) == found


def test_a_text_is_read_without_its_accelerator() -> None:
    assert [without_accelerator(text) for text in ("E&xit", "文件(&F)...", "R&D")] == ["Exit", "文件...", "R&D"]


def test_an_accelerator_missing_is_told_and_two_are_grave() -> None:
    assert kinds("&File", "文件") == ["accelerator-missing"]
    (doubled,) = breaches("&File", "&Datei &x", "en", "de")
    assert (doubled.kind, doubled.grave) == ("accelerator-doubled", True)


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("1,000 files", "1.000 Dateien", []),
        ("1,000 files", "1 000 Dateien", []),
        ("12 files", "１２ 个文件", []),
        ("2 files", "两个文件", []),
        ("12 months", "十二个月", []),
        ("the first of two", "2 个中的第 1 个", []),
        ("1,000,000 lines", "100 万行", []),
        ("3.5 of 10", "10 之 3.5", []),
        ("2 files", "3 个文件", ["number-missing", "number-extra"]),
        ("to 65535", "到 65536", ["number-missing", "number-extra"]),
        ("%1$s of 5", "%1$s 之 5", []),
    ],
)
def test_numbers_are_the_same_however_they_are_written(source: str, target: str, found: list[str]) -> None:
    assert kinds(source, target) == found


def test_the_mark_that_closes_a_text() -> None:
    assert closing("Wait. . .", "en") == ("period", ".")
    assert closing("e.g.", "en") == ("", "")
    assert closing("Τι;", "el") == ("question", ";")


def test_a_control_character_that_the_source_does_not_hold_is_grave() -> None:
    (found,) = breaches("Save", "保\x07存", "en", "zh")
    assert (found.kind, found.grave, found.said("en")) == ("control", True, "holds the control character \\u0007")
    assert kinds("a\x07b", "一\x07二") == []
