"""Tables: the csv module reads in the filled file exactly what was there and what was wanted."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import open_document
from pellucid.errors import DataError

cells = st.text(st.sampled_from("ab ,;\"\n保é'"), max_size=6)


def written(folder: Path, content: str, name: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_csv_is_read_and_filled_as_the_csv_module_reads_it(
    rows: list[tuple[str, str]], quoting: int, end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = io.StringIO()
    csv.writer(made, quoting=quoting, lineterminator=end).writerows([("source", "target"), *rows])
    path = written(tmp_path_factory.mktemp("table"), made.getvalue(), "app.csv")
    document = open_document(path, "en", "zh")
    units = [(u.source, u.target) for u in document.units]
    assert units == [row for row in rows if row[0].strip()]
    assert document.filled({}) == path.read_bytes()
    filled = document.filled({u.number: '译,"' for u in document.units if u.state == "untranslated"})
    expected = [[one, other if other.strip() or not one.strip() else '译,"'] for one, other in rows]
    assert list(csv.reader(io.StringIO(filled.decode(), newline="")))[1:] == expected


def test_a_tab_separated_file_keeps_all_but_what_is_filled(tmp_path: Path) -> None:
    content = (
        '\ufeffid\ten\tzh\tstate\tcontext\r\n1\t Save "all"\t\tnew\tmenu\r\n\r\n2\tOpen\t打开\t\t\r\n3\tX\t叉\tFuzzy\t'
    )
    document = open_document(written(tmp_path, content, "app.tsv"), target="zh")
    assert [(u.key, u.line, u.source, u.target, u.state, u.context) for u in document.units] == [
        ("row 1", 2, ' Save "all"', "", "untranslated", "menu"),
        ("row 2", 4, "Open", "打开", "finished", ""),
        ("row 3", 5, "X", "叉", "needs review", ""),
    ]
    assert (document.source_language, document.target_language) == ("en", "zh")
    assert document.filled({0: "全部保存"}).decode() == content.replace("\t\tnew\t", "\t全部保存\tneeds review\t")
    assert not document.fits(0, "two\tcells")


def test_a_table_without_a_header_may_lack_its_last_cells(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, "Open\nSave\t保存\n", "app.tsv"), target="zh")
    assert document.filled({0: "打开"}).decode() == "Open\t打开\nSave\t保存\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("app.tsv", "a\tb\nc\td\te\n", r"app\.tsv, line 2: expected 2 tab-separated columns, found 3"),
        ("app.tsv", "a,b\n", "line 1: expected 2 tab-separated columns, found 1"),
        ("app.csv", 'a,b\n"c,d\n', r"line 2: not well-formed CSV \(a quote does not end\)"),
        ("app.csv", '"a"b,c\n', r"line 1: not well-formed CSV \(text behind a closing quote\)"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_document(written(tmp_path, content, name), "en", "zh")
    assert refused.value.mend
