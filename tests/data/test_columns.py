"""Tables: what is read from each format, and that each fault is told with file, line and mend."""

from pathlib import Path

import pytest

from pellucid.data.columns import read_table
from pellucid.errors import DataError


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(("delimiter", "name"), [(",", "t.csv"), (";", "t.csv"), ("|", "t.txt"), ("\t", "t.csv")])
def test_the_delimiter_is_told_from_the_first_lines(tmp_path: Path, delimiter: str, name: str) -> None:
    rows = [("age", "a name"), ("1.5", "red"), ("2", "blue")]
    path = written(tmp_path, "\n".join(delimiter.join(row) for row in rows), name)
    table = read_table([path])
    assert table.names == ["age", "a name"]
    assert table.columns == [["1.5", "2"], ["red", "blue"]]
    assert table.lines == [f"{path}, line 2", f"{path}, line 3"]


def test_a_delimiter_that_is_given_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "a b;c d\n1 2;3 4\n")
    assert read_table([path], " ").names == ["a", "b;c", "d"]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,b\n"1, or ""2""","x\ny"\n3,z\n')
    table = read_table([path])
    assert table.columns == [['1, or "2"', "3"], ["x\ny", "z"]]
    assert table.lines[1] == f"{path}, line 4"


def test_utf16_and_marks_and_blank_lines_are_read(tmp_path: Path) -> None:
    text = "größe,颜色\n\n1,红\n"
    for content in (text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode()):
        table = read_table([written(tmp_path, content)])
        assert (table.names, table.columns) == (["größe", "颜色"], [["1"], ["红"]])


def test_several_files_are_read_one_under_another_by_their_names(tmp_path: Path) -> None:
    written(tmp_path, "a,b\n1,2\n", "one.csv")
    written(tmp_path, "b\ta\n4\t3\n", "two.tsv")
    assert read_table([tmp_path]).columns == [["1", "3"], ["2", "4"]]
    assert read_table([str(tmp_path / "*.csv")]).columns == [["1"], ["2"]]


def test_parquet_holds_the_same_cells_as_csv(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    columns = {"x": [0.1, None, 1e-30], "n": [1, 2, 3], "s": ["a", "", None]}
    pyarrow.parquet.write_table(arrow.table(columns), path)
    table = read_table([path])
    assert table.columns == [["0.1", "", "1e-30"], ["1", "2", "3"], ["a", "", ""]]
    assert table.lines[2] == f"{path}, row 3"


@pytest.mark.parametrize(
    ("content", "fault", "mend"),
    [
        ("", "the file is empty", "names its columns"),
        ("a,b\n", "no row under them", "rows"),
        ("1,2\n3,4\n", "line 1: holds numbers where the names", "first line"),
        ("a,a\n1,2\n", "line 1: columns 1 and 2 are both named 'a'", "name of its own"),
        ("a,\n1,2\n", "line 1: column 2 has no name", "a name"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 columns separated by commas, found 1", "delimiter"),
        ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 columns separated by commas, found 3", "quotes"),
        ('a,b\n1,"2\n', "line 2: not well-formed", "closed"),
        (b"a,b\n1,caf\xe9\n", "line 2: byte 6 (0xe9) is not UTF-8", "iconv"),
        (b"a,b\n1,\0\n", "line 2: holds a NUL byte", "not a text file"),
    ],
)
def test_a_faulty_table_is_told_with_line_and_mend(tmp_path: Path, content: str | bytes, fault: str, mend: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_table([path])
    assert str(caught.value).startswith(str(path))
    assert fault in str(caught.value)
    assert mend in caught.value.mend


def test_missing_files_folders_without_tables_and_other_columns_are_told(tmp_path: Path) -> None:
    one = written(tmp_path, "a,b\n1,2\n", "one.csv")
    other = written(tmp_path, "a,c\n1,2\n", "other.csv")
    with pytest.raises(DataError, match=r"other.csv: has no column 'b', unlike .*one.csv"):
        read_table([one, other])
    with pytest.raises(DataError, match="no such file"):
        read_table([tmp_path / "none.csv"])
    with pytest.raises(DataError, match="no such file"):
        read_table([tmp_path / "none.parquet"])
    with pytest.raises(DataError, match="no file matches"):
        read_table([str(tmp_path / "*.tab")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no table"):
        read_table([tmp_path / "empty"])
    with pytest.raises(DataError, match="not a Parquet file"):
        read_table([written(tmp_path, "a,b\n", "t.parquet")])
    with pytest.raises(DataError, match="there is no column 'A'") as caught:
        read_table([one]).column("A")
    assert caught.value.mend == "Did you mean a?"
