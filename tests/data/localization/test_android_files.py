"""Android's strings.xml: an XML parser reads in the filled file exactly what was wanted, and Android its escapes."""

from pathlib import Path

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import is_localization, open_document
from pellucid.errors import DataError

SOURCE = """<?xml version="1.0" encoding="utf-8"?>
<!-- Strings of the app -->
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
    <string name="app" translatable="false">Pellucid</string>

    <!-- On a button -->
    <string name="open">Open\\n   \\"it\\'s\\"
        &amp; go </string>
    <string name="ref">@string/open</string>
    <string name="rich"><b>Bold</b> <xliff:g id="n" example="2">%1$d</xliff:g> &lt;i></string>
    <string name="page"><![CDATA[<a href=\\"x\\">Page</a>]]></string>
    <string name="save">Save</string>
    <integer name="i">3</integer>
    <string-array name="days">
        <item>Monday</item>
        <item>Tuesday</item>
    </string-array>
    <plurals name="files">
        <!-- one -->
        <item quantity="one">A file</item>
        <item quantity="other">%d files</item>
    </plurals>
</resources>
"""
HERE = """<resources>
  <string   name='save'>保存 </string>
  <string name="old">旧</string>
</resources>"""


def written(folder: Path, content: str | bytes, place: str = "values") -> Path:
    path = folder / place / "strings.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_translation_is_laid_out_as_the_source_and_keeps_its_finished_texts(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE)
    assert is_localization(path)
    so_far = written(tmp_path, HERE, "values-zh-rCN")
    document = open_document(path, translated=so_far)
    assert document.target_language == "zh"
    assert [(u.key, u.line, u.source, u.target, u.state, u.comment) for u in document.units] == [
        ("open", 7, 'Open\n "it\'s" & go', "", "untranslated", "On a button"),
        ("rich", 10, '<b>Bold</b> <xliff:g id="n" example="2">%1$d</xliff:g> <i>', "", "untranslated", ""),
        ("page", 11, '<a href="x">Page</a>', "", "untranslated", ""),
        ("save", 12, "Save", "保存", "finished", ""),
        ("days[0]", 15, "Monday", "", "untranslated", ""),
        ("days[1]", 16, "Tuesday", "", "untranslated", ""),
        ("files (other)", 21, "%d files", "", "untranslated", ""),
    ]
    assert document.filled({}) == HERE.encode()
    rich = '<i> <xliff:g id="n" example="2">%1$d</xliff:g> <b>粗</b>'
    texts = {0: " 打开 it's\n@", 1: rich, 2: '<a href="x">页</a>', 5: "星期二", 6: "%d 个文件"}
    assert (
        document.filled(texts).decode()
        == """<?xml version="1.0" encoding="utf-8"?>
<!-- Strings of the app -->
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">

    <!-- On a button -->
    <string name="open">\\u0020打开 it\\'s\\n@</string>
    <string name="ref">@string/open</string>
    <string name="rich">&lt;i&gt; <xliff:g id="n" example="2">%1$d</xliff:g> <b>粗</b></string>
    <string name="page"><![CDATA[<a href=\\"x\\">页</a>]]></string>
    <string   name='save'>保存 </string>
    <string-array name="days">
        <item></item>
        <item>星期二</item>
    </string-array>
    <plurals name="files">
        <item quantity="other">%d 个文件</item>
    </plurals>
    <string name="old">旧</string>
</resources>
"""
    )


def test_what_is_not_filled_is_left_out_and_comments_stay(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, SOURCE), target="zh")
    assert document.filled({}) == SOURCE.encode()
    names = [child.get("name") for child in ElementTree.fromstring(document.filled({3: "保存"}))]
    assert names == ["ref", "save"]
    assert "<!-- On a button -->" in document.filled({3: "保存"}).decode()


def test_plurals_become_those_of_the_target_language(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, SOURCE), target="ru")
    forms = [unit for unit in document.units if unit.plural]
    assert [(u.plural, u.source) for u in forms] == [
        ("one", "%d files"),  # of 21 too, so that it must say the number
        ("few", "%d files"),
        ("many", "%d files"),
        ("other", "%d files"),
    ]
    filled = document.filled({u.number: f"%d {u.plural}" for u in forms})
    items = ElementTree.fromstring(filled).findall("plurals/item")
    assert [(item.get("quantity"), item.text) for item in items] == [
        ("one", "%d one"), ("few", "%d few"), ("many", "%d many"), ("other", "%d other")
    ]  # fmt: skip
    without = document.filled({u.number: f"%d {u.plural}" for u in forms[:-1]})
    assert ElementTree.fromstring(without).find("plurals") is None
    german = open_document(written(tmp_path, SOURCE), target="de")
    assert [u.source for u in german.units if u.plural] == ["A file", "%d files"]


def test_arrays_and_plurals_keep_what_the_translation_so_far_has(tmp_path: Path) -> None:
    so_far = """<resources>
    <string-array name="days"><item>M</item><item/><item>X</item></string-array>
    <plurals name="files"><item quantity="many">%d m</item><item quantity='other'>%d o</item></plurals>
</resources>"""
    path, there = written(tmp_path, SOURCE), written(tmp_path, so_far, "values-b+ru+RU")
    document = open_document(path, translated=there)
    assert [(u.key, u.target) for u in document.units][4:] == [
        ("days[0]", "M"), ("days[1]", ""),
        ("files (one)", ""), ("files (few)", ""), ("files (many)", "%d m"), ("files (other)", "%d o"),
    ]  # fmt: skip
    filled = document.filled({5: "T", 6: "%d 1"}).decode()
    assert (
        filled[filled.index("    <string-array") :]
        == """    <string-array name="days">
        <item>M</item>
        <item>T</item>
        <item>X</item>
    </string-array>
    <plurals name="files">
        <item quantity="one">%d 1</item>
        <item quantity="many">%d m</item>
        <item quantity='other'>%d o</item>
    </plurals>
</resources>
"""
    )
    other = document.filled({0: "О"}).decode()
    for line in so_far.splitlines()[1:3]:
        assert line in other


def test_a_character_in_two_escapes_is_one(tmp_path: Path) -> None:
    content = '<resources><string name="a">\\uD83D\\uDE42 \\ud83d</string></resources>'
    assert [u.source for u in open_document(written(tmp_path, content), target="zh").units] == ["🙂 \ufffd"]


def test_a_reference_in_an_array_and_a_text_in_quotes_stay_what_they_are(tmp_path: Path) -> None:
    content = (
        '<resources>\n  <string-array name="a">\n    <item>@string/b</item>\n    <item>"  two  \\u00e9"\\?</item>\n'
        '  </string-array>\n  <plurals name="none"><item>x</item></plurals>\n  <string name="empty"/>\n</resources>'
    )
    document = open_document(written(tmp_path, content), target="zh")
    assert [(u.key, u.source) for u in document.units] == [("a[1]", "  two  é?")]
    assert document.filled({0: "  二  ?"}).decode() == (
        '<resources>\n  <string-array name="a">\n    <item>@string/b</item>\n'
        "    <item>\\u0020\\u0020二 \\u0020?</item>\n  </string-array>\n</resources>"
    )


texts = st.text(st.sampled_from("ab &<>\"'\\é保]@?\n\t"), min_size=1, max_size=8).filter(
    lambda text: text.strip() and text[0] not in "@?"
)


@settings(max_examples=80, deadline=None)
@given(fills=st.lists(texts, min_size=1, max_size=5))
def test_any_text_comes_back_as_it_was_filled_in(fills: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("android")
    lines = "".join(f'  <string name="s{number}">Text {number}</string>\n' for number in range(len(fills)))
    path = written(folder, f"<resources>\n{lines}</resources>\n")
    filled = open_document(path, target="zh").filled(dict(enumerate(fills)))
    ElementTree.fromstring(filled)
    so_far = written(folder, filled, "values-zh")
    again = open_document(path, translated=so_far)
    assert [unit.target for unit in again.units] == fills
    assert again.filled({}) == filled


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<!DOCTYPE r [<!ENTITY a "x">]><resources><string name="a">&a;</string></resources>', "refused, because"),
        ("<resources><string></resources>", r"strings\.xml, line 1, column \d+: not well-formed XML"),
        ("<html/>", "not a localization file that is known here"),
    ],
)
def test_a_broken_or_harmful_file_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_document(written(tmp_path, content), target="zh")
    assert refused.value.mend
