"""Whatever happens to a file: it is refused with a sentence, or it is read, kept and filled as before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import open_document
from pellucid.errors import DataError

WHOLE = {
    "a.po": 'msgid ""\nmsgstr "Language: zh\\n"\n\n#, c-format\nmsgctxt "m"\nmsgid "Open %s"\nmsgstr ""\n\n'
    '#~ msgid "b"\nmsgid "%d a"\nmsgid_plural "%d b"\nmsgstr[0] ""\nmsgstr[1] ""\n\n#, fuzzy\nmsgid "c"\nmsgstr "丙"\n',
    "a.xlf": '<?xml version="1.0"?>\n<xliff version="1.2"><file source-language="en"><trans-unit id="1">\n'
    '<source>Open <x id="1"/> &amp; <![CDATA[<b>]]></source><note>n</note></trans-unit>\n'
    "<trans-unit id='2'><source>c</source><target state='new'>c</target></trans-unit></file></xliff>",
    "b.xlf": '<xliff version="2.0" srcLang="en"><file><unit id="1"><segment><source>a<ph id="1"/></source><target/>'
    '</segment></unit><unit id="2" translate="no"><segment><source>b</source></segment></unit></file></xliff>',
    "a.xml": '<resources>\n<string name="a">It\\\'s <b>a</b></string><!-- c -->\n<string-array name="b"><item>x</item>'
    '</string-array><plurals name="p"><item quantity="one">a</item>'
    '<item quantity="other">b</item></plurals></resources>',
    "a.json": '{"a": {"b": "Open \\"x\\"", "c": ["d", 1, null]}, "f_one": "{{n}} a", "f_other": "{{n}} b"}',
    "a.csv": 'id,en,zh,state\r\n1,"Open, ""x""",,\r\n2,c,丙,x\r\n',
    "a.tsv": "en\tzh\nOpen\t\nc\t丙\n",
}
BITS = [
    '"',
    "\\",
    "\n",
    "\r",
    "<",
    ">",
    "/",
    "&",
    "]]>",
    "<![CDATA[",
    "{",
    "}",
    ",",
    "[",
    "]",
    "\0",
    "#",
    "msgid ",
    "\t",
]
BITS += ['msgstr[1] ""', "<target>", "\ufeff", "'", "=", "-->", "<!--", "&#0;", "&#150;", "\\ud800", "#~ ", "#, ", " "]
damages = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from([*BITS, ""])), min_size=1, max_size=2)


@settings(max_examples=40, deadline=None)
@given(damages=damages)
@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_is_refused_with_a_sentence_or_filled_as_any_other(
    name: str, damages: list[tuple[float, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = WHOLE[name].encode()
    for where, cut, bit in damages:
        place = int(where * len(content))
        content = content[:place] + bit.encode() + content[place + cut :]
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content)
    try:
        document = open_document(path, target="zh")
    except DataError as refused:
        said = f"{refused.message} {refused.mend}"
        document = None
    if document is None:
        assert name in said
        return
    assert document.filled({}) == content
    wanted = {unit.number: f"译 {unit.source}" for unit in document.units if unit.state == "untranslated"}
    wanted = {number: text for number, text in wanted.items() if document.fits(number, text)}
    filled = path.with_name(f"filled{path.suffix}")
    filled.write_bytes(document.filled(wanted))
    of_one_language = document.format in ("json", "android") and bool(wanted)
    again = open_document(
        path if of_one_language else filled, target="zh", translated=filled if of_one_language else None
    )
    for unit, then in zip(document.units, again.units, strict=True):
        assert then.source == unit.source
        assert then.target.split() == wanted.get(unit.number, unit.target).split()
