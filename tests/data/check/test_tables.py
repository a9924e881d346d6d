"""Tables: every kind of fault planted into a clean one is found at its line and column, and nothing else is."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.check.fault import Fault, kinds
from pellucid.data.check.whole import check_files, kind_of

Rows = list[list[str]]
NAMES = ["age", "income", "city", "height", "class"]


def clean_rows(count: int = 60) -> Rows:
    """The names of the columns, and rows without a fault: numbers that scatter, a few cities, three classes."""
    draw = random.Random(1)
    rows = [NAMES]
    for n in range(count):
        age, city = draw.randint(20, 70), draw.choice(("Köln", "上海", "Roma"))
        rows.append([str(age), f"{draw.lognormvariate(10, 1):.2f}", city, f"{draw.gauss(170, 8):.1f}", "abc"[n % 3]])
    return rows


def text_of(rows: Rows, delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in rows)


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def found(path: Path, target: str | None = "class") -> list[Fault]:
    (checked,) = check_files([path], target=target)
    return checked.findings.faults


def only(faults: list[Fault]) -> Fault:
    assert [fault.kind for fault in faults] == [faults[0].kind], faults
    return faults[0]


def changed(line: int, column: str, cell: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[line - 1][NAMES.index(column)] = cell

    return change


def test_a_clean_table_has_no_fault(tmp_path: Path) -> None:
    assert found(written(tmp_path, text_of(clean_rows()))) == []
    assert found(written(tmp_path, text_of(clean_rows(), "\t"), "t.tsv"), None) == []
    assert found(written(tmp_path, text_of(clean_rows()).encode("utf-16")), "class") == []
    assert found(written(tmp_path, text_of(clean_rows()).replace("\n", "\r\n"))) == []


@pytest.mark.parametrize(
    ("change", "kind", "line", "column", "text"),
    [
        (changed(7, "age", ""), "missing-value", 7, "age", ""),
        (changed(9, "city", "n/a"), "missing-value", 9, "city", "n/a"),
        (changed(9, "age", "nan"), "not-finite", 9, "age", "nan"),
        (changed(12, "height", "inf"), "not-finite", 12, "height", "inf"),
        (changed(12, "height", "-Infinity"), "not-finite", 12, "height", "-Infinity"),
        (changed(20, "height", "tall"), "mixed-column", 20, "height", "tall"),
        (changed(20, "height", '"171,5"'), "decimal-comma", 20, "height", "171,5"),
        (changed(31, "age", "999"), "outlier", 31, "age", "999"),
        (changed(31, "height", "-9999"), "outlier", 31, "height", "-9999"),
        (changed(31, "height", "0"), "outlier", 31, "height", "0"),
        (changed(44, "class", "d"), "small-class", 44, "class", "d"),
    ],
)
def test_a_planted_value_is_found_at_its_line_and_column(
    tmp_path: Path, change: Callable[[Rows], None], kind: str, line: int, column: str, text: str
) -> None:
    rows = clean_rows()
    change(rows)
    fault = only(found(written(tmp_path, text_of(rows))))
    assert (fault.kind, fault.line, fault.column, fault.text) == (kind, line, column, text)
    assert fault.file == str(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        (lambda n, row: "7", "constant-column", "7"),
        (lambda n, row: "", "empty-column", ""),
        (lambda n, row: f"K-{n * 7:05}", "identifier-column", "K-00007"),
        (lambda n, row: str(1000 + n), "identifier-column", "1001"),
        (lambda n, row: row[-1], "target-copied", ""),
        (lambda n, row: {"a": "10", "b": "20", "c": "30"}[row[-1]], "target-determined", ""),
        (lambda n, row: str({"a": 10, "b": 20, "c": 30}[row[-1]] + (n * 37 % 100) / 100), "target-determined", ""),
    ],
)
def test_a_planted_column_is_found_by_its_name(
    tmp_path: Path, values: Callable[[int, list[str]], str], kind: str, text: str
) -> None:
    rows = clean_rows()
    rows = [["planted", *row] if n == 0 else [values(n, row), *row] for n, row in enumerate(rows)]
    fault = only(found(written(tmp_path, text_of(rows))))
    assert (fault.kind, fault.column, fault.text) == (kind, "planted", text)


@pytest.mark.parametrize("other", [lambda x: x * 9 / 5 + 32, lambda x: x**3, lambda x: -x])
def test_a_column_that_is_the_measured_target_in_other_units_is_found(
    tmp_path: Path, other: Callable[[float], float]
) -> None:
    rows = clean_rows()
    rows = [[*row, "other" if n == 0 else repr(other(float(row[1])))] for n, row in enumerate(rows)]
    fault = only([f for f in found(written(tmp_path, text_of(rows)), "income") if f.kind != "outlier"])
    assert (fault.kind, fault.column) == ("target-determined", "other")


def test_rows_that_are_there_twice_are_told_from_those_that_contradict_each_other(tmp_path: Path) -> None:
    rows = clean_rows()
    path = written(tmp_path, text_of([*rows, rows[4], [*rows[8][:-1], "a" if rows[8][-1] != "a" else "b"]]))
    twice, contrary = found(path)
    assert (twice.kind, twice.line, twice.facts["first"]) == ("duplicate-row", 62, "5")
    assert (contrary.kind, contrary.line, contrary.column, contrary.facts["first"]) == (
        "contradiction",
        63,
        "class",
        "9",
    )
    assert contrary.facts["other"] == rows[8][-1]


def test_a_class_that_is_rare_beside_another_is_found(tmp_path: Path) -> None:
    rows = clean_rows(200)
    for n, row in enumerate(rows[1:]):
        row[-1] = "rare" if n < 4 else "often"
    fault = only(found(written(tmp_path, text_of(rows))))
    assert (fault.kind, fault.text, fault.line, fault.facts["times"]) == ("class-imbalance", "rare", 2, "49")


def test_a_target_of_one_class_is_found(tmp_path: Path) -> None:
    rows = clean_rows()
    for row in rows[1:]:
        row[-1] = "a"
    assert {fault.kind for fault in found(written(tmp_path, text_of(rows)))} == {"constant-column", "one-class"}


def lines_of(rows: Rows) -> list[str]:
    return text_of(rows).splitlines()


@pytest.mark.parametrize(
    ("line", "planted", "kind"),
    [
        (5, "30,1000,Roma", "column-count"),
        (5, "30,1000,Roma,170,a,b", "column-count"),
        (5, "30;1000;Roma;170;a", "mixed-delimiters"),
        (5, "30\t1000\tRoma\t170\ta", "mixed-delimiters"),
        (5, '30,1000,"Roma,170,a', "unbalanced-quote"),
        (5, "30,1000,\ufeffRoma,170,a", "byte-order-mark-inside"),
        (5, "30,1000,Ro\0ma,170,a", "nul"),
        (5, "30,1000,KÃ¶ln,170,a", "mojibake"),
        (5, "30,1000,Roma\u200b,170,a", "invisible-character"),
        (1, "age,income,,height,class", "unnamed-column"),
        (1, "age,income,age,height,class", "duplicate-column-name"),
        (1, "1,2,3,4,5", "no-header"),
    ],
)
def test_a_planted_line_is_found(tmp_path: Path, line: int, planted: str, kind: str) -> None:
    lines = lines_of(clean_rows())
    lines[line - 1] = planted
    fault = only(found(written(tmp_path, "\n".join(lines) + "\n"), None))
    assert (fault.kind, fault.line) == (kind, line)


def test_rows_below_an_open_quote_are_still_checked(tmp_path: Path) -> None:
    lines = lines_of(clean_rows())
    lines[4] = '30,1000,"Roma,170,a'
    lines[40] = "30,1000"
    kinds = [(fault.kind, fault.line) for fault in found(written(tmp_path, "\n".join(lines)), None)]
    assert kinds == [("unbalanced-quote", 5), ("column-count", 41)]


def test_quoted_cells_with_line_ends_move_no_line_number(tmp_path: Path) -> None:
    lines = lines_of(clean_rows())
    lines[4] = '30,1000,"Ro\nma, ""x""",170,a'
    lines[10] = "30,,Roma,170,a"
    fault = only(found(written(tmp_path, "\n".join(lines)), None))
    assert (fault.kind, fault.line, fault.column) == ("missing-value", 12, "income")


@pytest.mark.parametrize(
    ("encoding", "city", "kind", "named"),
    [
        ("cp1252", "Köln", "wrong-encoding", "Windows-1252"),
        ("gb18030", "上海浦东", "wrong-encoding", "GB18030"),
        ("utf-16-le", "Roma", "no-byte-order-mark", "UTF-16-LE"),
        ("utf-16-be", "Roma", "no-byte-order-mark", "UTF-16-BE"),
    ],
)
def test_another_encoding_is_found_once_and_named(
    tmp_path: Path, encoding: str, city: str, kind: str, named: str
) -> None:
    rows = clean_rows()
    for row in rows[1:]:
        row[2] = city if row[2] == "Roma" else "Wien"
    fault = only(found(written(tmp_path, text_of(rows).encode(encoding)), None))
    assert (fault.kind, fault.facts["encoding"]) == (kind, named)


def test_a_line_in_another_encoding_among_utf8_is_found(tmp_path: Path) -> None:
    lines = [line.encode() for line in lines_of(clean_rows())]
    lines[4] = "30,1000,Tromsø,170,a".encode("cp1252")
    fault = only(found(written(tmp_path, b"\n".join(lines)), None))
    assert (fault.kind, fault.line) == ("mixed-encodings", 5)
    assert "Tromsø" in fault.text


def test_a_compressed_table_cut_short_is_found(tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(text_of(clean_rows(2000)).encode())
    faults = found(written(tmp_path, packed[: len(packed) // 2], "t.csv.gz"), None)
    assert faults[0].kind == "damaged-file" or faults[-1].kind == "damaged-file"


def test_a_file_without_anything_or_without_rows_is_found(tmp_path: Path) -> None:
    assert only(found(written(tmp_path, "\n \n"), None)).kind == "empty-file"
    assert only(found(written(tmp_path, "a,b\n"), None)).kind == "no-rows"


def test_the_faults_of_parquet_have_a_row(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    x = [float(n * 37 % 100) for n in range(50)]
    pyarrow.parquet.write_table(arrow.table({"x": [*x[:20], None, *x[21:]], "y": [*map(str, "ab" * 25)]}), path)
    fault = next(fault for fault in found(path, "y") if fault.kind == "missing-value")
    assert (fault.row, fault.line, fault.column) == (21, None, "x")
    path.write_bytes(path.read_bytes()[:-20])
    assert only(found(path, None)).kind == "damaged-file"


def test_tables_of_a_folder_with_other_columns_are_found(tmp_path: Path) -> None:
    written(tmp_path, text_of(clean_rows()), "a.csv")
    written(tmp_path, text_of([["age", "weight"], *([str(n % 50), str(n % 7)] for n in range(19))]), "b.csv")
    fault = only(found(tmp_path, None))
    assert (fault.kind, fault.file, fault.text) == (
        "other-columns",
        str(tmp_path / "b.csv"),
        "city, class, height, income, weight",
    )


@given(
    line=st.integers(2, 61),
    column=st.sampled_from(["age", "income", "height"]),
    cell=st.sampled_from(["", "?", "about 5", "inf", "NaN", "1.234,5", "None of it"]),
)
def test_a_cell_that_is_no_number_is_found_wherever_it_stands(
    tmp_path_factory: pytest.TempPathFactory, line: int, column: str, cell: str
) -> None:
    rows = clean_rows()
    rows[line - 1][NAMES.index(column)] = f'"{cell}"' if "," in cell else cell
    fault = only(found(written(tmp_path_factory.mktemp("t"), text_of(rows))))
    assert (fault.line, fault.column) == (line, column)


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=5), max_size=4), max_size=8
    )
)
def test_whatever_a_table_holds_it_is_checked_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows
) -> None:
    path = written(tmp_path_factory.mktemp("t"), text_of(rows))
    for fault in found(path, None):
        assert fault.kind in kinds()
        assert fault.said("en")
        assert fault.mend("zh")


def test_numbers_near_the_largest_there_are_overflow_nothing(tmp_path: Path) -> None:
    rows = [["x", "y"], *([f"{n * 37 % 61}.25", f"{n * 23 % 61}.5"] for n in range(60))]
    rows[9][0], rows[19][1] = "1.7e308", "-1.7e308"
    faults = found(written(tmp_path, text_of(rows)), "y")
    assert [(fault.kind, fault.line, fault.column) for fault in faults] == [("outlier", 10, "x"), ("outlier", 20, "y")]


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_a_column_in_units_of_any_size_is_found(tmp_path: Path, factor: float) -> None:
    rows = [["x", "y"], *([repr((n * 37 % 50) * factor), f"{n * 37 % 50}.5"] for n in range(60))]
    assert "target-determined" in [fault.kind for fault in found(written(tmp_path, text_of(rows)), "y")]


@pytest.mark.parametrize("cell", ["²", "+-5"])
def test_what_only_looks_like_a_whole_number_is_told_as_none(tmp_path: Path, cell: str) -> None:
    rows = [["x", "y"], *([str(n), str(n * n % 7)] for n in range(30)), [cell, "3"]]
    fault = only(found(written(tmp_path, text_of(rows)), None))
    assert (fault.kind, fault.line, fault.text) == ("mixed-column", 32, cell)


def test_a_cell_longer_than_csv_reads_is_no_error(tmp_path: Path) -> None:
    rows = [["a", "b", "c"], *([str(n * n % 7), "x", "y"] for n in range(9)), ["x" * 100_000, "y" * 100_000]]
    assert "column-count" in [fault.kind for fault in found(written(tmp_path, text_of(rows)), None)]


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_they_are_checked_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = written(tmp_path_factory.mktemp("t"), content)
    for fault in found(path, None):
        assert fault.said("zh")


@pytest.mark.parametrize("sample", ["wine", "breast-cancer", "diabetes"])
def test_samples_have_no_fault(sample: str) -> None:
    (checked,) = check_files([f"sample:{sample}"])
    assert checked.findings.faults == []


def test_a_table_of_two_languages_is_of_pairs(tmp_path: Path) -> None:
    assert kind_of(str(written(tmp_path, "en\tzh\nSave\t保存\n", "x.tsv"))) == "pairs"
    assert kind_of(str(written(tmp_path, "Save\t保存\n", "app.en-zh.tsv"))) == "pairs"
    assert kind_of(str(written(tmp_path, "a\tb\n1\t2\n", "y.tsv"))) == "table"
    assert kind_of(str(written(tmp_path, "a\tb\n1\t2\n", "y.tsv")), True) == "pairs"
