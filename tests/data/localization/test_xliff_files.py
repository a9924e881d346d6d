"""XLIFF: defusedxml reads in the filled file exactly what was there and what was wanted."""

from pathlib import Path

import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import open_document
from pellucid.errors import DataError

ONE = """<?xml version='1.0' encoding="UTF-8"?>
<!-- <target> in a comment -->
<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2"  version="1.2">
  <file source-language='en-US' datatype="plaintext" original="a.c">
    <body>
      <group id="g" >
        <trans-unit id="1">
          <source>Open &amp; save &lt;<x id="N" equiv-text="{{ n }}"/>&#x3E;</source>
          <note>On a button</note>
        </trans-unit>
        <trans-unit id="2" approved="yes"><source>Close</source><target   state = "final">关闭</target></trans-unit>
        <trans-unit id="3"><source>Copy</source><target state='new'>Copy</target><alt-trans><target>x</target></alt-trans></trans-unit>
        <trans-unit id="4"><source>Cut</source><target/></trans-unit>
        <trans-unit id="5" translate="no"><source>Pellucid</source></trans-unit>
        <trans-unit id="6"><source>Paste</source><target state="needs-review-translation">粘</target></trans-unit>
        <trans-unit id="7"><source><![CDATA[<b>Bold</b>]]></source><target></target></trans-unit>
      </group>
      <group translate="no"><trans-unit id="8"><source>Secret</source></trans-unit></group>
    </body>
  </file>
</xliff>"""  # noqa: E501
TWO = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
 <file id="f">
  <unit id="u1">
   <notes><note category="description">A title</note></notes>
   <segment id="s1">
    <source>Hello <pc id="1">world</pc>!</source>
   </segment>
   <ignorable><source> </source></ignorable>
   <segment state="initial"><source>Bye</source><target/></segment>
  </unit>
  <unit id="u2"><segment state="translated"><source>One</source><target>一</target></segment></unit>
  <unit id="u3" translate="no"><segment><source>Two</source></segment></unit>
  <unit id="u4"><segment><source>Three</source><target>三</target></segment></unit>
 </file>
</xliff>
"""
texts = st.text(st.sampled_from("ab &<>\"'é保]\t"), min_size=1, max_size=8).filter(str.strip)


def written(folder: Path, content: str | bytes, name: str = "app.xlf") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_version_1_2_is_filled_in_its_own_places_only(tmp_path: Path) -> None:
    for content in (ONE, ONE.replace("\n", "\r\n")):
        document = open_document(written(tmp_path, content), target="zh_CN")
        assert [(u.key, u.line, u.source, u.target, u.state, u.comment) for u in document.units] == [
            ("1", 8, 'Open & save <<x id="N" equiv-text="{{ n }}"/>>', "", "untranslated", "On a button"),
            ("2", 11, "Close", "关闭", "finished", ""),
            ("3", 12, "Copy", "", "untranslated", ""),
            ("4", 13, "Cut", "", "untranslated", ""),
            ("6", 15, "Paste", "粘", "needs review", ""),
            ("7", 16, "<b>Bold</b>", "", "untranslated", ""),
        ]
        assert document.source_language == "en-US"
        assert document.filled({}) == content.encode()
        filled = document.filled(
            {0: '<<x id="N" equiv-text="{{ n }}"/>> 开&存', 2: "复制", 3: "剪切", 5: "<b>粗</b>]]>"}
        )
        expected = (
            ONE.replace('original="a.c"', 'original="a.c" target-language="zh-CN"')
            .replace(
                "&#x3E;</source>\n",
                '&#x3E;</source>\n          <target state="needs-review-translation">'
                '&lt;<x id="N" equiv-text="{{ n }}"/>&gt; 开&amp;存</target>\n',
            )
            .replace("'new'>Copy", "'needs-review-translation'>复制")
            .replace("<target/>", '<target state="needs-review-translation">剪切</target>')
            .replace(
                "<target></target>",
                '<target state="needs-review-translation"><![CDATA[<b>粗</b>]]]]><![CDATA[>]]></target>',
            )
        )
        assert filled.decode() == expected.replace("\n", "\r\n" if "\r" in content else "\n")


def test_version_2_0_is_filled_in_its_own_places_only(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, TWO), target="zh")
    assert [(u.key, u.source, u.target, u.state, u.comment) for u in document.units] == [
        ("u1/s1", 'Hello <pc id="1">world</pc>!', "", "untranslated", "A title"),
        ("u1", "Bye", "", "untranslated", "A title"),
        ("u2", "One", "一", "finished", ""),
        ("u4", "Three", "三", "finished", ""),
    ]
    filled = document.filled({0: '<pc id="1">世界</pc>，你好！', 1: "再见"})
    assert filled.decode() == TWO.replace('srcLang="en"', 'srcLang="en" trgLang="zh"').replace(
        '<segment id="s1">', '<segment id="s1" state="translated" subState="pellucid:needs-review">'
    ).replace("!</source>", '!</source>\n    <target><pc id="1">世界</pc>，你好！</target>').replace(
        '<segment state="initial">', '<segment state="translated" subState="pellucid:needs-review">'
    ).replace("<target/>", "<target>再见</target>")
    again = open_document(written(tmp_path, filled))
    assert [u.state for u in again.units] == ["needs review", "needs review", "finished", "finished"]
    assert again.target_language == "zh"


def test_a_source_that_is_cut_into_segments_is_filled_segment_by_segment(tmp_path: Path) -> None:
    entry = (
        '<trans-unit id="1"><source>A. B.</source><seg-source><mrk mtype="seg" mid="1">A.</mrk> '
        '<g id="9"><mrk mtype="seg" mid="2">B.</mrk></g></seg-source>{}</trans-unit>'
    )
    frame = '<xliff version="1.2"><file source-language="en" target-language="zh"><body>{}</body></file></xliff>'
    document = open_document(written(tmp_path, frame.format(entry.format(""))))
    assert [(u.key, u.source) for u in document.units] == [("1/1", "A."), ("1/2", "B.")]
    target = (
        '<target state="needs-review-translation"><mrk mtype="seg" mid="1">{}</mrk> '
        '<g id="9"><mrk mtype="seg" mid="2">乙。</mrk></g></target>'
    )
    half = document.filled({1: "乙。"}).decode()
    assert half == frame.format(entry.format(target.format("")))
    document = open_document(written(tmp_path, half))
    assert [(u.target, u.state) for u in document.units] == [("", "untranslated"), ("乙。", "needs review")]
    assert document.filled({0: "甲。"}).decode() == frame.format(entry.format(target.format("甲。")))


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(st.tuples(texts, st.none() | st.just("") | texts, texts), max_size=5), second=st.booleans())
def test_any_text_comes_back_as_an_xml_parser_reads_it(
    entries: list[tuple[str, str | None, str]], second: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = ElementTree.fromstring(
        '<xliff version="2.0" srcLang="en" trgLang="zh"><file/></xliff>'
        if second
        else '<xliff version="1.2"><file source-language="en" target-language="zh"><body/></file></xliff>'
    )
    body = root.find("file" if second else "file/body")
    assert body is not None
    for source, target, _ in entries:
        unit = body.makeelement("unit" if second else "trans-unit", {"id": "x"})
        body.append(unit)
        entry = unit.makeelement("segment", {}) if second else unit
        if second:
            unit.append(entry)
        for name, text in (("source", source), ("target", target)):
            if text is not None:
                child = entry.makeelement(name, {})
                child.text = text
                entry.append(child)
    path = written(tmp_path_factory.mktemp("xliff"), ElementTree.tostring(root))
    document = open_document(path)
    assert [(u.source, u.target.strip()) for u in document.units] == [
        (one, (other or "").strip()) for one, other, _ in entries
    ]
    assert document.filled({}) == path.read_bytes()
    filled = document.filled({u.number: entries[u.number][2] for u in document.units if u.state == "untranslated"})
    found = [
        (entry.text, entry.tag) for entry in ElementTree.fromstring(filled).iter() if entry.tag in ("source", "target")
    ]
    assert [text for text, tag in found if tag == "source"] == [source for source, _, _ in entries]
    assert [text for text, tag in found if tag == "target"] == [
        target if target and target.strip() else new for _, target, new in entries
    ]


def test_characters_that_an_encoding_lacks_are_written_as_numbers(tmp_path: Path) -> None:
    content = ONE.replace("UTF-8", "ISO-8859-1").replace("关闭", "Schließen").replace("粘", "x")
    document = open_document(written(tmp_path, content.encode("latin-1")), target="zh")
    assert document.units[1].target == "Schließen"
    assert "&#21098;&#20999;" in document.filled({3: "剪切"}).decode("latin-1")


def test_a_text_with_broken_markup_does_not_fit(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, TWO), target="zh")
    for text in ('<pc id="1">世界', "世界</pc>", '</pc>世界<pc id="1">', "a\x01b"):
        assert not document.fits(0, text)
    with pytest.raises(DataError, match=r"app\.xlf, line 6: u1/s1 cannot hold"):
        document.filled({0: "</pc>"})
    assert b"&lt;br&gt;" in document.filled({0: "<br>"})  # no tag of the source: a text


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
THEFT = '<!DOCTYPE x [<!ENTITY a SYSTEM "secret.txt">]>'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB + '<xliff version="1.2">&b;</xliff>', "refused, because it defines entities"),
        (THEFT + '<xliff version="1.2">&a;</xliff>', "refused, because it defines entities"),
        ('<xliff version="1.2"><file></xliff>', r"app\.xlf, line 1, column \d+: not well-formed XML"),
        ('<xliff version="9"/>', "holds XLIFF of version '9'"),
        ("<html/>", "holds <html>"),
        ('<xliff version="1.2"><file><trans-unit id="1"/></file></xliff>', "line 1: <trans-unit> without a <source>"),
        ('<xliff version="1.2">' + "<a>" * 300 + "</a>" * 300 + "</xliff>", "nested more than 200 deep"),
        ("", "not well-formed XML"),
        (b'<xliff version="1.2">\n\xff</xliff>', "line 2: byte 23"),
    ],
)
def test_a_broken_or_harmful_file_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_document(written(tmp_path, content))
    assert refused.value.mend
