"""Sentence pairs: every kind of fault planted into clean files is found by name at its line, and nothing else is."""

import gzip
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import polib
import pytest

from pellucid.data.check.fault import Fault, kinds
from pellucid.data.check.whole import check_files
from pellucid.data.pairs import Pair

CLEAN = [
    ("Save the file before you close it.", "请在关闭之前保存文件。"),
    ("%(count)d messages were sent to {name}.", "已向 {name} 发送 %(count)d 条消息。"),
    ("Press <b>Enter</b> to go on.", "请按<b>回车键</b>继续。"),
    ("GitHub", "GitHub"),
    ("Use a port between 1 and 65,535.", "请使用 1 到 65535 之间的端口。"),
    ("Copyright &copy; 2024", "版权所有 &copy; 2024"),
    ("What's new?", "新增功能？"),
    ("“CAFÉ’S” — l’été, naïve", "“咖啡”——夏天，天真"),
    ("It's 5 o'clock in the afternoon.", "现在是下午五点。"),
    ("Visit https://example.org/a?b=1&c=2 for help.", "请访问 https://example.org/a?b=1&c=2 获取帮助。"),
    ("Run `git commit --all` in the folder.", "在文件夹中运行 `git commit --all`。"),
    ("Are you sure???", "您确定吗？？？"),
    ("Temperature in °C (or µm)", "温度，单位 °C（或 µm）"),
    ("OK", "确定"),
    ("A < B and C > D; Q&A; AT&T", "A < B 且 C > D；问答；AT&T"),
    ('He said "yes".', "他说“是”。"),
]
WORDS = [
    ("window", "窗口"), ("folder", "文件夹"), ("network", "网络"), ("printer", "打印机"), ("message", "消息"),
    ("account", "账户"), ("picture", "图片"), ("server", "服务器"), ("calendar", "日历"), ("keyboard", "键盘"),
]  # fmt: skip
DEEDS = [("Open", "打开"), ("Move", "移动"), ("Rename", "重命名"), ("Check", "检查"), ("Share", "共享")]


def clean(count: int = 40) -> list[tuple[str, str]]:
    made = [
        (f"{deed} the {one} beside the {other}", f"{tat}{zwei}旁边的{eins}")
        for deed, tat in DEEDS
        for one, eins in WORDS
        for other, zwei in WORDS
        if one != other
    ]
    random.Random(1).shuffle(made)
    return made[:count] + CLEAN


def tsv(rows: list[tuple[str, str]]) -> str:
    return "".join(["en\tzh\n", *(f"{one}\t{other}\n" for one, other in rows)])


def written(folder: Path, content: str | bytes, name: str = "p.tsv") -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def found(*paths: Path, languages: tuple[str | None, str | None] = (None, None), held: list[Pair] = []) -> list[Fault]:  # noqa: B006
    (checked,) = check_files([str(path) for path in paths], "pairs", languages=languages, held_out=held)
    return checked.findings.faults


def places(faults: list[Fault]) -> list[tuple[str, int | None]]:
    return [(fault.kind, fault.line if fault.line is not None else fault.row) for fault in faults]


def test_clean_pairs_have_no_fault_in_any_format(tmp_path: Path) -> None:
    rows = clean()
    assert found(written(tmp_path, tsv(rows))) == []
    assert found(written(tmp_path, ("\ufeff" + tsv(rows)).encode("utf-8"), "mark.tsv")) == []
    assert found(written(tmp_path, tsv(rows).encode("utf-16"), "wide.tsv")) == []
    assert found(written(tmp_path, gzip.compress(tsv(rows).encode()), "p.tsv.gz")) == []
    quoted = "".join(f'"{a.replace(chr(34), chr(34) * 2)}","{b}"\n' for a, b in [("en", "zh"), *rows])
    assert found(written(tmp_path, quoted, "p.csv")) == []
    lines = "".join(json.dumps({"en": a, "zh": b}) + "\n" for a, b in rows)
    assert found(written(tmp_path, lines, "p.jsonl")) == []
    sides = [written(tmp_path, "".join(row[n] + "\n" for row in rows), f"c.{['en', 'zh'][n]}") for n in (0, 1)]
    assert found(*sides) == []
    catalog = polib.POFile()
    catalog.metadata = {"Language": "zh_CN", "Content-Type": "text/plain; charset=utf-8"}
    catalog += [polib.POEntry(msgid=a, msgstr=b) for a, b in rows]  # type: ignore[arg-type]
    catalog.append(polib.POEntry(msgid="One file", msgid_plural="%d files", msgstr_plural={0: "%d 个文件"}))
    catalog.append(polib.POEntry(msgid="Open", msgctxt="verb", msgstr="打开"))
    catalog.append(polib.POEntry(msgid="Open", msgctxt="state", msgstr="已打开"))
    catalog.append(polib.POEntry(msgid="\n\tindented: ", msgstr="\n\t缩进："))
    catalog.append(polib.POEntry(msgid="Old", msgstr="旧", obsolete=True))
    catalog.save(str(tmp_path / "zh.po"))
    catalog.save_as_mofile(str(tmp_path / "zh.mo"))
    assert found(tmp_path / "zh.po") == []
    assert found(tmp_path / "zh.mo") == []
    assert found(written(tmp_path, tmx(rows), "p.tmx")) == []


def tmx(rows: list[tuple[str, str]], head: str = "") -> str:
    from xml.sax.saxutils import escape

    one, other = '<tu><tuv xml:lang="en"><seg>', '</seg></tuv>\n<tuv xml:lang="zh-CN"><seg>'
    units = "".join(f"{one}{escape(a)}{other}{escape(b)}</seg></tuv></tu>\n" for a, b in rows)
    return f'<?xml version="1.0"?>\n{head}<tmx version="1.4"><header srclang="en"/><body>\n{units}</body></tmx>\n'


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Only one column", "column-count"),
        ("Close the lid\t关上盖子\tthird", "column-count"),
        ("Close the lid;关上盖子", "mixed-delimiters"),
        ('"Close the lid\t关上盖子', "unbalanced-quote"),
        ('"Close the ""lid"""\t关上盖子', "quoted-cell"),
        ("en\tzh", "repeated-header"),
        ("Close \ufeffthe lid\t关上盖子", "byte-order-mark-inside"),
        ("Close \0the lid\t关上盖子", "nul"),
        ("Close the lid\x07\t关上盖子", "control-character"),
        ("Close the \ufffd lid\t关上盖子", "damaged-character"),
        ("Close the cafÃ©\t关上咖啡馆", "mojibake"),
        ("Close the lid\tå…³ä¸Šç›–å­\x90", "mojibake"),
        ("Close the\u200b lid\t关上盖子", "invisible-character"),
        ("Close the \u202elid\t关上盖子", "direction-mark"),
        ("Close the cafe\u0301\t关上咖啡馆", "not-nfc"),
        ("Close the lid\t", "empty-side"),
        ("\t关上盖子", "empty-side"),
        ("Close the lid\t   ", "empty-side"),
        ("Close the lid \t关上盖子", "outer-space"),
        ("Close the lid\t\u3000关上盖子", "outer-space"),
        ("Close the lid now\tClose the lid now", "identical-sides"),
        ("Save\tSave", "identical-sides"),
        ("关上盖子\tClose the lid", "swapped-sides"),
        ("Close the lid\tSchließ den Deckel", "wrong-script"),
        ("Close the lid\tЗакрой крышку", "wrong-script"),
        ("Сlose the lid\t关上盖子", "mixed-script-word"),  # the first letter is Cyrillic
        ("Close the lid and then open it again\t关上盖子 and then open it 再打开", "untranslated-part"),
        ("Close the lid of it\tTODO", "stand-in"),
        ("Close the lid &amp;amp; the box\t关上盖子和箱子", "double-escaped"),
        ('Close the "lid"\t关上&quot;盖子&quot;', "escaped-sign"),
        ("Close the lid\t\\u5173\\u4e0a盖子", "escape-left"),
        ('<div class="x">Close the lid</div>\t<div class="x">关上盖子</div>', "html-left"),
        ("<b>Close the lid</b>\t关上盖子", "html-left"),
        ("Close the %s lid\t关上盖子", "placeholder-differs"),
        ("Close {lid} now\t现在关上 {盖子}", "placeholder-differs"),
        ("Close the ${lid}\t关上 $盖子", "placeholder-differs"),
        ("<i>Close</i> the <b>lid</b>\t<i>关上</i><i>盖子</i>", "tag-differs"),
        ("Close 25 lids\t关上 52 个盖子", "number-differs"),
        ("Close the lid of the box that stands on the table\t关", "length-ratio"),
        ("Close " + "the lid " * 800 + "now\t关上" + "盖子" * 1000, "long-side"),
        ("Close the lid\t????", "lost-characters"),
    ],
)
def test_a_planted_line_of_a_table_is_found(tmp_path: Path, line: str, kind: str) -> None:
    rows = tsv(clean()).splitlines()
    rows[20:20] = [line]
    assert places(found(written(tmp_path, "\n".join(rows) + "\n"))) == [(kind, 21)]


def test_pairs_that_are_there_twice_or_otherwise_are_found(tmp_path: Path) -> None:
    rows = clean()
    rows[20:20] = [rows[3], (rows[4][0], "另一种译法在这里")]
    duplicate, other = found(written(tmp_path, tsv(rows)))
    assert (duplicate.kind, duplicate.line, duplicate.facts["first"]) == ("duplicate-pair", 22, "5")
    assert (other.kind, other.line, other.facts["first"]) == ("many-targets", 23, "6")


def test_bytes_of_a_table_are_checked(tmp_path: Path) -> None:
    lines = tsv(clean()).encode().splitlines(keepends=True)
    mixed = b"".join([*lines[:9], "Close the lid\t关上盖子\n".encode("gb18030"), *lines[9:]])
    assert places(found(written(tmp_path, mixed))) == [("mixed-encodings", 10)]
    ends = b"".join([*lines[:9], lines[9].replace(b"\n", b"\r\n"), *lines[10:]])
    assert places(found(written(tmp_path, ends))) == [("mixed-line-ends", 10)]
    foreign = "".join(f"{a}\t{b}\n" for a, b in [("en", "zh"), *clean()[:40]]).encode("gb18030")
    assert [fault.kind for fault in found(written(tmp_path, foreign))] == ["wrong-encoding"]
    wide = tsv(clean()).encode("utf-16-le")
    assert [fault.kind for fault in found(written(tmp_path, wide))] == ["no-byte-order-mark"]
    packed = gzip.compress(tsv(clean(400)).encode())
    assert [fault.kind for fault in found(written(tmp_path, packed[: len(packed) // 2], "p.tsv.gz"))] == [
        "damaged-file"
    ]
    assert [fault.kind for fault in found(written(tmp_path, "", "en-zh.tsv"))] == ["empty-file"]


def test_a_table_with_another_delimiter_is_read_with_it(tmp_path: Path) -> None:
    rows = clean(40)[:40]
    text = tsv(rows).replace("\t", ";")
    assert places(found(written(tmp_path, text))) == [("wrong-delimiter", 1)]


def test_reading_goes_on_behind_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    rows = [f"{a},{b}" for a, b in [("en", "zh"), *clean()[:40]]]
    rows[10:10] = ['"Close the lid,关上盖子']
    rows[30:30] = ["Close the lid,"]
    assert places(found(written(tmp_path, "\n".join(rows) + "\n", "p.csv"))) == [
        ("unbalanced-quote", 11),
        ("empty-side", 31),
    ]


def test_a_file_with_its_columns_swapped_is_told_once(tmp_path: Path) -> None:
    rows = [(b, a) for a, b in clean()[:40]]
    (fault,) = found(written(tmp_path, tsv(rows)))
    assert (fault.kind, fault.line, fault.facts["rows"]) == ("swapped-file", 2, "40")


def test_swapped_sides_of_languages_in_the_same_letters_are_told_by_their_commonest_words(tmp_path: Path) -> None:
    rows = [
        ("You can not open the file", "Sie können die Datei nicht öffnen"),
        ("Die Datei ist nicht auf dem Server", "The file is not on the server"),
        ("Status of the network", "Status des Netzwerks"),
    ]
    text = "".join(f"{a}\t{b}\n" for a, b in [("en", "de"), *rows])
    assert places(found(written(tmp_path, text))) == [("swapped-sides", 3)]


def test_other_languages_than_asked_for_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, tsv(clean()).replace("en\tzh", "en\tja", 1))
    assert found(path, languages=("en", "zh"))[0].kind == "other-languages"


def test_aligned_files_of_unequal_length_are_found_where_one_ends(tmp_path: Path) -> None:
    rows = clean()
    one = written(tmp_path, "".join(f"{a}\n" for a, _ in rows), "c.en")
    other = written(tmp_path, "".join(f"{b}\n" for _, b in rows[:-3]), "c.zh")
    (fault,) = found(one, other)
    assert (fault.kind, fault.file, fault.line) == ("line-count", str(one), len(rows) - 2)
    assert (fault.facts["lines"], fault.facts["others"]) == (str(len(rows)), str(len(rows) - 3))


def test_lines_of_json_that_are_no_pair_are_found(tmp_path: Path) -> None:
    lines = [json.dumps({"en": a, "zh": b}) for a, b in clean()]
    lines[4] = '{"en": "Close'
    lines[7] = '{"en": "Close the lid", "zh": null}'
    lines[9] = '["Close the lid"]'
    lines[11] = json.dumps({"en": "Close the\u200b lid", "zh": "关上盖子"})
    assert places(found(written(tmp_path, "\n".join(lines), "p.jsonl"))) == [
        ("broken-json", 5),
        ("broken-json", 8),
        ("broken-json", 10),
        ("invisible-character", 12),
    ]


CATALOG = """msgid ""
msgstr ""
"Language: zh_CN\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

#, fuzzy
msgid "Close the lid"
msgstr "关上盖子"

msgid "Open the "box""
msgstr "打开箱子"

msgid "Move the window"
msgstr "移动窗口"

msgid "Shut down"
"the computer"

msgid "Rename the folder"
nonsense
msgstr "重命名文件夹"

msgid ""
"Check the network "
"of %s"
msgstr "检查网络"

#~ msgid "Share the printer"
#~ msgstr "共享打印机"
"""


def test_entries_of_a_catalog_are_checked_behind_broken_ones(tmp_path: Path) -> None:
    assert places(found(written(tmp_path, CATALOG, "zh.po"))) == [
        ("fuzzy-entry", 7),
        ("broken-entry", 10),
        ("broken-entry", 16),
        ("broken-entry", 20),
        ("placeholder-differs", 23),
    ]


def test_what_a_catalog_marks_as_fuzzy_or_obsolete_is_found_where_it_is_used_as_true(tmp_path: Path) -> None:
    catalog = written(tmp_path, CATALOG, "zh.po")
    table = written(
        tmp_path, tsv([("Close the lid", "关上盖子"), ("Move it", "移动"), ("Share the printer", "共享打印机")])
    )
    used = [fault for fault in found(table, catalog) if fault.file == str(table)]
    assert places(used) == [("fuzzy-used", 2), ("obsolete-used", 4)]
    assert used[0].facts["first"] == f"{catalog}:7"


def test_units_of_a_memory_are_checked_behind_broken_ones(tmp_path: Path) -> None:
    text = tmx(clean()[:6])
    units = text.splitlines()
    units[7] = units[7].replace("</seg>", "", 1)
    assert places(found(written(tmp_path, "\n".join(units), "p.tmx"))) == [("broken-xml", 8)]
    cut = text[: text.rindex("<tu>") + 30]
    assert places(found(written(tmp_path, cut, "p.tmx"))) == [("broken-xml", 13)]
    assert [fault.kind for fault in found(written(tmp_path, text.replace("</tmx>", ""), "p.tmx"))] == ["broken-xml"]


def test_xml_bombs_are_refused_and_what_stands_behind_them_is_checked(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    rows = clean()[:6]
    text = tmx(rows, bomb + "]>\n").replace(rows[2][0], "&j;")
    assert places(found(written(tmp_path, text, "p.tmx"))) == [("xml-entities", 2), ("broken-xml", 8)]


def test_an_archive_that_unpacks_to_gigabytes_takes_no_such_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "p.tsv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(tsv(clean()).encode())
        for _ in range(64):
            file.write(b"a" * (1 << 20))
        file.write(b"\nClose the lid\t\n")
    tracemalloc.start()
    faults = found(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    last = len(clean()) + 2
    assert [(kind, line) for kind, line in places(faults) if kind != "column-count"] == [
        ("endless-line", last),
        ("empty-side", last + 1),
    ]
    assert peak < 64 << 20


def test_zip_archives_are_told_whole_or_damaged(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.tsv", tsv(clean(400)))
    assert [fault.kind for fault in found(tmp_path / "p.zip")] == ["packed-file"]
    content = (tmp_path / "p.zip").read_bytes()
    assert [fault.kind for fault in found(written(tmp_path, content[:-400], "cut.zip"))] == ["damaged-file"]
    torn = content[:300] + bytes(50) + content[350:]
    assert [fault.kind for fault in found(written(tmp_path, torn, "torn.zip"))] == ["damaged-file"]


def test_held_out_sentences_and_their_twins_are_found(tmp_path: Path) -> None:
    held = [
        Pair("Open the window of the old house", "打开老房子的窗户", "test.tsv:7"),
        Pair("Close the lid", "关", "t:1"),
    ]
    rows = clean()
    rows[5:5] = [("Close the lid", "关上盖子"), ("Open a window of the old house", "打开老房子的一扇窗户")]
    leak, near = found(written(tmp_path, tsv(rows)), held=held)
    assert (leak.kind, leak.line, leak.facts["first"]) == ("held-out-leak", 7, "t:1")
    assert (near.kind, near.line, near.facts["first"]) == ("near-held-out", 8, "test.tsv:7")


def test_files_that_are_named_as_splits_are_checked_against_each_other(tmp_path: Path) -> None:
    rows = clean()
    train = written(tmp_path, tsv([*rows[:30], ("Quite another sentence", "完全不同的句子")]), "train.tsv")
    test = written(tmp_path, tsv([*rows[31:36], ("Quite another sentence", "完全不同的句子")]), "test.tsv")
    leaks = [fault for fault in found(train, test) if fault.kind == "held-out-leak"]
    assert [(fault.file, fault.line) for fault in leaks] == [(str(train), 32)]


def test_more_than_25_kinds_of_fault_in_pairs_are_planted_here() -> None:
    import re

    text = Path(__file__).read_text(encoding="utf-8")
    assert len({kind for kind in kinds() if re.search(f'"{kind}"', text)}) > 40


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[str | bytes, str], Path]:
    return lambda content, name: written(tmp_path, content, name)


@pytest.mark.parametrize("name", ["p.tsv", "p.csv", "p.jsonl", "zh.po", "zh.mo", "p.tmx", "p.tsv.gz", "p.zip"])
def test_whatever_bytes_there_are_they_are_checked_without_an_error(fresh: Callable[..., Path], name: str) -> None:
    draw = random.Random(name)
    seeds = [
        tsv(clean()).encode(),
        CATALOG.encode(),
        tmx(clean()[:5]).encode(),
        b'{"en": "a", "zh": "b"}\n' * 9,
        b"\0" * 99,
    ]
    for _ in range(40):
        content = bytearray(draw.choice(seeds))
        for _ in range(draw.randrange(30)):
            at = draw.randrange(len(content))
            content[at : at + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        for fault in found(fresh(bytes(content), name), languages=("en", "zh")):
            assert fault.said("en")
            assert fault.mend("zh")
