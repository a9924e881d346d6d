"""Reading: every format gives its pairs, and every fault its file, its line and its mend."""

import csv
import gzip
import io
import json
from pathlib import Path

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.languages import language, languages_in_name, script_share
from pellucid.data.read import Reading, read_pairs
from pellucid.errors import DataError

PAIRS = [("Save", "保存"), ("Open the file", "打开文件")]
HEADER = '<?xml version="1.0"?><tmx version="1.4"><header srclang="en"/><body>'
PO = r"""
msgid ""
msgstr "Language: zh_CN\nContent-Type: text/plain; charset=UTF-8\n"

msgid "Save"
msgstr "保存"

#, fuzzy
msgid "Open"
msgstr "关闭"

msgid "Close"
msgstr ""

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d 个文件"

#~ msgid "Old"
#~ msgstr "旧"
"""


def unit(*texts: tuple[str, str]) -> str:
    return f"<tu>{''.join(f'<tuv xml:lang={code!r}><seg>{text}</seg></tuv>' for code, text in texts)}</tu>"


def found(reading: Reading) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in reading.pairs]


def write(place: Path, name: str, text: str) -> str:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(path)


TWO_LINES = "Save\t保存\nOpen the file\t打开文件\n"
FORMATS = {
    "pairs.tsv": TWO_LINES,
    "en-zh.tsv": TWO_LINES,
    "named.tsv": "en\tzh\n" + TWO_LINES,
    "swapped.tsv": "zh\ten\n保存\tSave\n打开文件\tOpen the file\n",
    "crlf.tsv": TWO_LINES.replace("\n", "\r\n"),
    "no-end.tsv": TWO_LINES.rstrip("\n"),
    "marked.tsv": "\ufeff" + TWO_LINES,
    "blank.tsv": "Save\t保存\n\nOpen the file\t打开文件\n\n",
    "extra.tsv": "origin\tEnglish\tnote\tChinese\na\tSave\tx\t保存\nb\tOpen the file\ty\t打开文件\n",
    "pairs.csv": '"Save",保存\nOpen the file,"打开文件"\n',
    "roles.csv": "source,target\nSave,保存\nOpen the file,打开文件\n",
    "keys.jsonl": '{"en": "Save", "zh": "保存"}\n\n{"en": "Open the file", "zh": "打开文件"}\n',
    "hub.jsonl": "".join(json.dumps({"translation": {"en": a, "zh": b}}) + "\n" for a, b in PAIRS),
    "roles.jsonl": "".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in PAIRS),
    "memory.tmx": HEADER + "".join(unit(("en-US", a), ("zh-CN", b)) for a, b in PAIRS) + "</body></tmx>",
    "turned.tmx": HEADER + "".join(unit(("zh", b), ("en", a), ("de", "x")) for a, b in PAIRS) + "</body></tmx>",
    "packed.tsv.gz": TWO_LINES,
    "packed.jsonl.gz": '{"en": "Save", "zh": "保存"}\n{"en": "Open the file", "zh": "打开文件"}\n',
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_its_pairs(name: str, tmp_path: Path) -> None:
    reading = read_pairs([write(tmp_path, name, FORMATS[name])], "en", "zh")
    assert found(reading) == PAIRS
    assert (reading.source, reading.target) == ("en", "zh")


@pytest.mark.parametrize("name", ["en-zh.tsv", "named.tsv", "keys.jsonl", "memory.tmx", "turned.tmx", "extra.tsv"])
def test_languages_are_taken_from_the_file_where_it_tells_them(name: str, tmp_path: Path) -> None:
    reading = read_pairs([write(tmp_path, name, FORMATS[name])])
    assert (reading.source, reading.target) == ("en", "zh")


def test_utf_16_with_its_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(TWO_LINES.encode("utf-16"))
    assert found(read_pairs([tmp_path / "a.tsv"], "en", "zh")) == PAIRS


def test_a_catalog_gives_its_finished_entries_and_counts_the_others(tmp_path: Path) -> None:
    reading = read_pairs([write(tmp_path, "app.po", PO)])
    assert found(reading) == [("Save", "保存"), ("%d files", "%d 个文件")]
    assert (reading.source, reading.target) == ("en", "zh")
    assert reading.files[0].left_out == {"fuzzy": 1, "obsolete": 1, "untranslated": 1}
    assert reading.pairs[0].origin == "app.po:5"


def test_a_plural_of_two_forms_gives_two_pairs(tmp_path: Path) -> None:
    text = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%d Datei"\nmsgstr[1] "%d Dateien"\n'
    reading = read_pairs([write(tmp_path, "de.po", text)])
    assert found(reading) == [("%d file", "%d Datei"), ("%d files", "%d Dateien")]


def test_a_compiled_catalog_is_read_and_its_language_told_by_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "locale" / "de" / "LC_MESSAGES" / "app.mo"
    path.parent.mkdir(parents=True)
    catalog = polib.POFile()
    catalog.append(polib.POEntry(msgid="Save", msgstr="Speichern"))
    catalog.save_as_mofile(str(path))
    reading = read_pairs([path])
    assert (found(reading), reading.target) == ([("Save", "Speichern")], "de")


def test_codes_inside_a_memorys_text_are_left_out_and_highlights_kept(tmp_path: Path) -> None:
    text = unit(("en", "Press <ph x='1'>{1}</ph><hi>Save</hi> now"), ("zh", "立即按<bpt i='1'>b</bpt>保存"))
    reading = read_pairs([write(tmp_path, "a.tmx", HEADER + text + "</body></tmx>")])
    assert found(reading) == [("Press Save now", "立即按保存")]


def test_two_text_files_are_read_side_by_side(tmp_path: Path) -> None:
    one = write(tmp_path, "corpus.en", "Save\nOpen the file\n")
    other = write(tmp_path, "corpus.zh.gz", "保存\n打开文件\n")
    assert found(read_pairs([one, other], "en", "zh")) == PAIRS
    assert found(read_pairs([other, one], "en", "zh")) == PAIRS


def test_a_folder_and_a_pattern_give_all_their_files(tmp_path: Path) -> None:
    write(tmp_path, "a/en-zh.tsv", "Save\t保存\n")
    write(tmp_path, "a/b/more.jsonl", '{"en": "Open the file", "zh": "打开文件"}')
    write(tmp_path, "a/readme.md", "not data")
    assert sorted(found(read_pairs([tmp_path / "a"], "en", "zh"))) == sorted(PAIRS)
    assert found(read_pairs([f"{tmp_path}/a/*.tsv"], "en", "zh")) == PAIRS[:1]
    assert found(read_pairs([f"{tmp_path}/**/*.jsonl"], "en", "zh")) == PAIRS[1:]


FAULTS = {
    "a.tsv": ("x\ty\nx\n", "a.tsv, line 2: expected 2 tab-separated columns, found 1"),
    "b.csv": ("x,y\nx,y,z\n", "b.csv, line 2: expected 2 comma-separated columns, found 3"),
    "c.csv": ('x,y\n"x,y\n', "c.csv, line 2: not well-formed CSV"),
    "d.jsonl": ('{"en": "a", "zh": "b"}\n{"en": 3, "zh": "b"}', "d.jsonl, line 2: 'en' is 3, not a text"),
    "e.jsonl": ('{"en": "a", "zh": "b"}\n{oops', "e.jsonl, line 2: not JSON"),
    "f.jsonl": ("[1]", "f.jsonl, line 1: a list, not an object"),
    "g.jsonl": ('{"de": "a", "fr": "b"}', "g.jsonl, line 1: expected a text under two languages"),
    "h.tmx": ("<tmx>\n<body><tu>\n</body></tmx>", "h.tmx, line 3"),
    "i.tmx": ('<!DOCTYPE x [<!ENTITY a "aaaa">]><tmx>&a;</tmx>', "i.tmx: refused"),
    "j.tmx": (HEADER + unit(("de", "x"), ("fr", "y")) + "</body></tmx>", "j.tmx: holds de, fr, not en"),
    "zh-en.tsv": ("x\ty\n", "holds zh to en, the other way round than asked for"),
    "k.unknown": ("x", "k.unknown: no format is known for this name"),
    "l.po": ("nothing of a catalog", "l.po: not a gettext catalog"),
    "lonely.en": ("x\n", "one side of two needs the other"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_place_and_a_mend(name: str, tmp_path: Path) -> None:
    text, sentence = FAULTS[name]
    with pytest.raises(DataError) as caught:
        read_pairs([write(tmp_path, name, text)], "en", "zh")
    assert sentence in caught.value.message
    assert caught.value.mend


def test_files_of_different_length_are_told_apart(tmp_path: Path) -> None:
    one, other = write(tmp_path, "c.en", "a\nb\nc\n"), write(tmp_path, "c.zh", "x\ny\n")
    with pytest.raises(DataError, match=r"c\.en, line 3: .*c\.zh has no such line"):
        read_pairs([one, other], "en", "zh")


def test_an_xml_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    layers = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE tmx [<!ENTITY l0 "ha">{layers}]><tmx><body>&l9;</body></tmx>'
    with pytest.raises(DataError, match="refused"):
        read_pairs([write(tmp_path, "bomb.tmx", text)], "en", "zh")


def test_files_that_hold_different_languages_are_refused_together(tmp_path: Path) -> None:
    one, other = write(tmp_path, "en-zh.tsv", "a\tb\n"), write(tmp_path, "en-de.tsv", "a\tb\n")
    with pytest.raises(DataError, match="holds en to de, not en to zh"):
        read_pairs([one, other])


cell = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: bool(text.strip()))


@given(rows=st.lists(st.tuples(cell, cell), min_size=1))
def test_a_table_that_was_written_is_read_as_it_was(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("tables")
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("source", "target"), *rows])
    for name, text in {
        "a.csv": table.getvalue(),
        "a.tsv": "source\ttarget\n" + "".join(f"{one}\t{other}\n" for one, other in rows),
        "a.jsonl": "".join(json.dumps({"source": one, "target": other}) + "\n" for one, other in rows),
    }.items():
        assert found(read_pairs([write(place, name, text)], "en", "zh")) == rows


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_Hans", "zh"),
        ("EN_us", "en"),
        ("deu", "de"),
        ("German", "de"),
        ("中文", "zh"),
    ],
)
def test_a_language_is_known_by_any_of_its_names(code: str, expected: str) -> None:
    assert language(code).code == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("en-zh.tsv", ["en", "zh"]),
        ("train.en-de.jsonl.gz", ["en", "de"]),
        ("app.zh_CN.po", ["zh"]),
        ("corpus.en", ["en"]),
        ("locale/fr/LC_MESSAGES/app.po", ["fr"]),
        ("pairs.tsv", []),
        ("my-file.csv", []),
    ],
)
def test_languages_are_found_in_the_names_of_files(name: str, expected: list[str]) -> None:
    assert languages_in_name(name) == expected


def test_the_share_of_a_script_counts_letters_only() -> None:
    assert script_share("保存 file 123!", language("zh")) == pytest.approx(2 / 6)
    assert script_share("123 !", language("zh")) == 1
