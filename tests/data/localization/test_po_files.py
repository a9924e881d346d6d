"""Gettext catalogs: read as polib reads them, kept byte for byte, and filled so that polib and msgfmt agree."""

import shutil
import subprocess
from pathlib import Path

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import Document, open_document
from pellucid.errors import DataError

HEADER = 'msgid ""\nmsgstr ""\n"Language: zh_CN\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
ODD = (
    "# A translator's note, behind a file without a last line end\r\n"
    + HEADER.replace("\n", "\r\n")
    + '"Plural-Forms: nplurals=1; plural=0;\\n"\r\n\r\n'
    "#. For the menu\r\n#: menu.c:1\r\n#,c-format\r\n#| msgid \"Opn %s\"\r\nmsgctxt \"menu\"\r\n"
    'msgid   "Open "\r\n\t"%s"\r\nmsgstr ""\r\n\r\n\r\n'
    '#, fuzzy\r\nmsgid "Close"\r\nmsgstr "关"\r\n'
    'msgid "Save"\r\nmsgstr"保存"   \r\n\r\n'
    '#: a.c:2\r\nmsgid "%d file"\r\nmsgid_plural "%d files"\r\nmsgstr[0] ""\r\nmsgstr[1] ""\r\n\r\n'
    '#, fuzzy\r\n#~ msgid "Old"\r\n#~ msgstr ""\r\n\r\n'
    'msgid "a \\"quote\\"\\tand\\\\n"\r\nmsgstr ""'
)  # fmt: skip
words = st.sampled_from(["a", "bc", " ", "  ", "\n", "\t", '"', "\\", "%s", "é", "保存", "。", "🙂", "\\n", "-"])
texts = st.lists(words, min_size=1, max_size=20).map("".join).filter(bool)


def written(folder: Path, content: str | bytes, name: str = "app.po") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def reread(folder: Path, content: bytes, name: str = "filled.po") -> polib.POFile:
    return polib.pofile(str(written(folder, content, name)))


def unit(document: Document, key: str) -> int:
    return next(unit.number for unit in document.units if unit.key == key)


def entries_of(catalog: polib.POFile) -> list[tuple[object, ...]]:
    """All that a catalog says, obsolete entries and previous messages included."""
    names = ("msgctxt", "msgid", "msgid_plural", "msgstr", "msgstr_plural", "previous_msgid", "flags", "obsolete")
    return [tuple(getattr(entry, name) for name in (*names, "comment", "tcomment", "occurrences")) for entry in catalog]


@st.composite
def catalogs(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A catalog that polib wrote, and translations for some of its empty entries."""
    catalog = polib.POFile(wrapwidth=draw(st.sampled_from([0, 30, 78])))
    catalog.metadata = {"Language": "zh", "Content-Type": "text/plain; charset=UTF-8"}
    fills = {}
    for message in draw(st.lists(texts, unique=True, max_size=6)):
        catalog.append(
            polib.POEntry(
                msgid=message,
                msgctxt=draw(st.none() | texts),
                msgstr=draw(st.just("") | texts),
                flags=draw(st.lists(st.sampled_from(["fuzzy", "c-format", "no-wrap"]), unique=True)),
                comment=draw(st.just("") | st.just("a\nnote")),
                occurrences=draw(st.just([]) | st.just([("a.c", "1")])),
                previous_msgid=draw(st.none() | texts),
                obsolete=draw(st.booleans()),
            )
        )
        fills[message] = draw(st.just("") | texts)
    return str(catalog).replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), fills


@settings(max_examples=40, deadline=None)
@given(made=catalogs())
def test_a_catalog_is_read_as_polib_reads_it_and_changes_only_where_it_is_filled(
    made: tuple[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content, fills = made
    folder = tmp_path_factory.mktemp("catalog")
    path = written(folder, content)
    document, catalog = open_document(path), polib.pofile(str(path))
    live = [entry for entry in catalog if not entry.obsolete]
    assert [(u.context, u.source, u.target) for u in document.units] == [
        (entry.msgctxt or "", entry.msgid, entry.msgstr) for entry in live
    ]
    assert document.filled({}) == path.read_bytes()
    proposals = {u.number: fills[u.source] for u in document.units if u.state == "untranslated"}
    for entry in live:
        if not entry.msgstr and fills[entry.msgid]:
            entry.msgstr = fills[entry.msgid]
            entry.flags = entry.flags if entry.fuzzy else ["fuzzy", *entry.flags]
    assert entries_of(reread(folder, document.filled(proposals))) == entries_of(catalog)


def test_an_odd_catalog_is_filled_in_its_own_places_only(tmp_path: Path) -> None:
    path = written(tmp_path, ODD)
    document = open_document(path)
    assert [(u.key, u.line, u.source, u.target, u.state) for u in document.units] == [
        ("menu | Open %s", 12, "Open %s", "", "untranslated"),
        ("Close", 19, "Close", "关", "needs review"),
        ("Save", 21, "Save", "保存", "finished"),
        ("%d file [0]", 25, "%d files", "", "untranslated"),
        ('a "quote"\tand\\n', 34, 'a "quote"\tand\\n', "", "untranslated"),
    ]
    assert document.units[0].comment == "For the menu"
    assert document.filled({}) == path.read_bytes()
    expected = (
        ODD.replace('#,c-format', "#, fuzzy,c-format")
        .replace('"%s"\r\nmsgstr ""', '"%s"\r\nmsgstr "打开 %s"')
        .replace('msgid "%d file"', '#, fuzzy\r\nmsgid "%d file"')
        .replace('msgstr[0] ""\r\nmsgstr[1] ""', 'msgstr[0] "%d 个文件"')
        .replace('msgid "a \\"quote', '#, fuzzy\r\nmsgid "a \\"quote')
        .removesuffix('msgstr ""')
        + 'msgstr "“引”\\t与\\\\n"'
    )  # fmt: skip
    assert document.filled({0: "打开 %s", 3: "%d 个文件", 4: "“引”\t与\\n"}).decode() == expected


def test_a_byte_order_mark_and_an_encoding_of_the_header_stay(tmp_path: Path) -> None:
    content = HEADER + '\nmsgid "Open"\nmsgstr ""\n\nmsgid "Save"\nmsgstr "保存"\n'
    for raw in (
        b"\xef\xbb\xbf" + content.encode(),
        content.replace("UTF-8", "GB18030").encode("gb18030"),
        b"\xff\xfe" + content.encode("utf-16-le"),
    ):
        document = open_document(written(tmp_path, raw))
        assert document.filled({}) == raw
        encoding = {0xEF: "utf-8-sig", 0xFF: "utf-16"}.get(raw[0], "gb18030")
        assert document.filled({0: "打开"}).decode(encoding) == raw.decode(encoding).replace(
            'msgid "Open"\nmsgstr ""', '#, fuzzy\nmsgid "Open"\nmsgstr "打开"'
        )


def test_bytes_that_an_encoding_can_spell_in_two_ways_are_kept(tmp_path: Path) -> None:
    content = HEADER.replace("UTF-8", "ISO-2022-JP").encode() + b'\nmsgid "Open"\nmsgstr ""\n\nmsgid "Save"\nmsgstr "'
    raw = content + b'\x1b$B\x1b$BJ]B8\x1b(B"\n'  # shifted twice, which no encoder does
    document = open_document(written(tmp_path, raw))
    assert document.units[1].target == "保存"
    assert document.filled({0: "開"}) == raw.replace(
        b'msgid "Open"\nmsgstr ""', '#, fuzzy\nmsgid "Open"\nmsgstr "開"'.encode("iso-2022-jp")
    )


def test_a_file_whose_lines_end_in_carriage_returns_alone_keeps_them(tmp_path: Path) -> None:
    content = (HEADER + '\nmsgid "Open"\nmsgstr ""\n').replace("\n", "\r")
    document = open_document(written(tmp_path, content))
    assert [(unit.source, unit.line) for unit in document.units] == [("Open", 6)]
    assert document.filled({0: "打开"}).decode() == content.replace(
        'msgid "Open"\rmsgstr ""', '#, fuzzy\rmsgid "Open"\rmsgstr "打开"'
    )


def test_a_character_that_the_encoding_lacks_is_refused(tmp_path: Path) -> None:
    content = HEADER.replace("UTF-8", "ISO-8859-1") + '\nmsgid "Open"\nmsgstr ""\n'
    document = open_document(written(tmp_path, content))
    assert document.fits(0, "Öffnen")
    assert not document.fits(0, "打开")
    with pytest.raises(DataError, match=r"app\.po, line 6: Open cannot hold '打开'"):
        document.filled({0: "打开"})


def template(folder: Path) -> Path:
    return written(
        folder,
        "# SOME DESCRIPTIVE TITLE.\n#, fuzzy\n" + 'msgid ""\nmsgstr ""\n"Project-Id-Version: PACKAGE VERSION\\n"\n'
        '"Language: \\n"\n"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=CHARSET\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n"\n\n'
        '#, c-format\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n',
        "app.pot",
    )


@pytest.mark.parametrize(
    ("language", "forms"),
    [("zh_CN", ["%d files"]), ("de", ["%d file", "%d files"]), ("ru", ["%d file", "%d files", "%d files"])],
)
def test_a_template_gets_the_forms_of_its_language_and_a_header_that_msgfmt_accepts(
    tmp_path: Path, language: str, forms: list[str]
) -> None:
    document = open_document(template(tmp_path), target=language)
    assert [u.source for u in document.units] == forms
    content = document.filled({n: f"%d {n} 保" for n in range(len(forms))})
    catalog = reread(tmp_path, content)
    assert catalog.metadata["Language"] == language
    assert catalog[0].msgstr_plural == {n: f"%d {n} 保" for n in range(len(forms))}
    assert catalog[0].flags == ["fuzzy", "c-format"]
    accepted_by_msgfmt(tmp_path / "filled.po")


def test_a_catalog_without_a_header_gets_one(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, '# Note\nmsgid "Open"\nmsgstr ""\n'), target="zh")
    catalog = reread(tmp_path, document.filled({0: "打开"}))
    assert catalog.metadata["Content-Type"] == "text/plain; charset=UTF-8"
    assert [(e.msgid, e.msgstr, e.flags, e.tcomment) for e in catalog] == [("Open", "打开", ["fuzzy"], "Note")]
    accepted_by_msgfmt(tmp_path / "filled.po")


def accepted_by_msgfmt(path: Path) -> None:
    """Where gettext is installed, as on CI's machines, its own check is a second witness."""
    if shutil.which("msgfmt"):
        done = subprocess.run(
            ["msgfmt", "--check-format", "--check-domain", "--use-fuzzy", "-o", "/dev/null", path],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_long_translation_is_broken_where_gettext_breaks_it(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, HEADER + '\nmsgid "Open"\nmsgstr ""\n'))
    english = " ".join(["word"] * 14)
    for text, lines in (
        (english, [f"{english}"]),
        (f"{english} word more words", [f"{english} word ", "more words"]),
        ("保存" * 30, ["保存" * 19, "保存" * 11]),
        ("one\ntwo\n", ["one\\n", "two\\n"]),
        ("one\n", None),
    ):
        written_lines = document.filled({0: text}).decode().split("\n")
        start = next(n for n, line in enumerate(written_lines) if line.startswith("msgstr") and n > 5)
        if lines is None:
            assert written_lines[start:] == ['msgstr "one\\n"', ""]
        elif len(lines) == 1:
            assert written_lines[start:] == [f'msgstr "{lines[0]}"', ""]
        else:
            assert written_lines[start:] == ['msgstr ""', *(f'"{line}"' for line in lines), ""]


def test_a_catalog_whose_long_lines_are_not_broken_stays_so(tmp_path: Path) -> None:
    long = " ".join(["word"] * 40)
    document = open_document(written(tmp_path, HEADER + f'\nmsgid "{long}"\nmsgstr ""\n'))
    assert document.filled({0: f"译 {long}"}).decode().endswith(f'\nmsgstr "译 {long}"\n')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('msgid "a"\nmsgid "b"\nmsgstr ""\n', "line 2: msgid where it cannot stand"),
        ('msgid "a"\n', "line 1: a message without a msgstr"),
        ('msgstr "a"\n', "line 1: msgstr without a msgid before it"),
        ('msgid "a\nmsgstr ""\n', "line 1: a quoted text does not end"),
        ('msgid "a"\nmsgstr "b" c\n', "line 2: not a line of a catalog"),
        ('"a"\n', "line 1: a text without a keyword"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr ""\n', "line 3: msgstr in an entry with msgid_plural"),
        ('msgid "a"\nmsgstr[0] ""\n', r"line 2: msgstr\[0\] in an entry without msgid_plural"),
        ('msgid "a"\nmsgstr\n', "line 1: msgstr without a text"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr[99999999999] ""\n', "line 3: a plural with a form 99999999999"),
        ('msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=n/0;\\n"\n', "line 1: its Plural-Forms cannot be used"),
        ('msgid ""\nmsgstr "Content-Type: text/plain; charset=klingon\\n"\n', "encoding is klingon"),
        (b'msgid "a"\nmsgstr "\xff"\n', r"line 2: byte 19 of the file \(0xff\) is not utf-8"),
    ],
)
def test_a_broken_catalog_is_refused_with_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_document(written(tmp_path, content), target="zh")
    assert refused.value.mend


def test_plural_forms_that_the_rule_demands_are_added_and_those_with_a_text_stay(tmp_path: Path) -> None:
    rule = '"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 ? 1 : 2);\\n"\n\n'
    head = HEADER.replace("zh_CN", "pl") + rule
    entry = 'msgid "A file"\nmsgid_plural "%d files"\n{}'
    document = open_document(written(tmp_path, head + entry.format('msgstr[0] "Plik"\nmsgstr[1] ""\n')))
    assert [(u.source, u.target, u.state, u.plural) for u in document.units] == [
        ("A file", "Plik", "finished", "0"),
        ("%d files", "", "untranslated", "1"),
        ("%d files", "", "untranslated", "2"),
    ]
    assert document.filled({2: "%d plików"}).decode() == head + "#, fuzzy\n" + entry.format(
        'msgstr[0] "Plik"\nmsgstr[1] ""\nmsgstr[2] "%d plików"\n'
    )
    document = open_document(written(tmp_path, head + entry.format('msgstr[0] ""\nmsgstr[3] "?"\n')))
    assert document.filled({0: "a", 1: "%d b", 2: "%d c"}).decode() == head + "#, fuzzy\n" + entry.format(
        'msgstr[0] "a"\nmsgstr[3] "?"\nmsgstr[1] "%d b"\nmsgstr[2] "%d c"\n'
    )
