"""The rows of a review: worst first, near matches with what differs, and a table that a spreadsheet opens safely."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.integrity import Breach
from pellucid.data.localization import Unit
from pellucid.data.pairs import Pair
from pellucid.generate.filling import review
from pellucid.generate.filling.entry import Entry, Found
from pellucid.generate.filling.review import COLUMNS, differing, guarded, matches_of, rows_of, table_of, unguarded

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
GRAVE, REMARK = Breach("placeholder-missing", "%s", "", grave=True), Breach("punctuation", ".", "", grave=False)


def entry(number: int, found: Found, source: str = "Open the file", comment: str = "") -> Entry:
    return Entry(Unit(number, f"key{number}", number, source, "", "untranslated", comment=comment), found)


def read(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


def test_the_worst_comes_first() -> None:
    entries = [
        entry(0, Found("copied", "%d")),
        entry(1, Found("model", "开", 0.9)),
        entry(2, Found("memory", "开")),
        entry(3, Found("model", "开", 0.2)),
        entry(4, Found("existing", "开")),
        entry(5, Found("model", "开", 0.8, (REMARK,))),
        entry(6, Found("refused", "", 0.9, (GRAVE,), "开")),
        entry(7, Found("existing", "开", breaches=(GRAVE,))),
    ]
    assert [row.entry.unit.number for row in rows_of(entries)] == [6, 7, 5, 3, 4, 1, 2, 0]


def test_a_near_match_is_looked_for_once_a_source_and_is_the_source_itself_where_the_memory_had_it() -> None:
    asked: list[str] = []

    def nearest(source: str) -> tuple[Pair, float]:
        asked.append(source)
        return Pair("Open the folder", "打开文件夹"), 0.75

    entries = [
        entry(0, Found("model", "开", 0.5)),
        entry(1, Found("model", "开", 0.5)),
        entry(2, Found("memory", "开")),
    ]
    rows = rows_of(entries, matches_of(entries, nearest))
    assert asked == ["Open the file"]
    assert rows[0].match is not None
    assert (rows[0].match.target, rows[0].match.similarity) == ("打开文件夹", 0.75)
    assert [piece for piece, differs in rows[0].pieces if differs] == ["folder"]
    assert rows[2].match is not None
    assert (rows[2].match.source, rows[2].match.similarity) == ("Open the file", 1.0)


def test_no_near_match_is_looked_for_of_a_text_so_long_that_it_would_take_its_time() -> None:
    def nearest(source: str) -> tuple[Pair, float]:
        pytest.fail("asked")

    assert matches_of([entry(0, Found("model", "开", 0.5), "word " * review.LONGEST)], nearest) == {}


def test_the_search_for_near_matches_can_be_stopped() -> None:
    entries = [entry(0, Found("model", "开", 0.5))]
    assert matches_of(entries, lambda source: None, should_stop=lambda: True) is None


@given(TEXTS, TEXTS)
def test_the_pieces_of_a_match_put_together_are_the_match(text: str, beside: str) -> None:
    assert "".join(piece for piece, _ in differing(text, beside)) == text


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5))
def test_the_table_gives_back_every_text_through_csv(texts: list[tuple[str, str, str]]) -> None:
    entries = [
        entry(n, Found("memory", target, others=(target,)), source, comment)
        for n, (source, target, comment) in enumerate(texts)
    ]
    rows = sorted(read(table_of(rows_of(entries), "en")), key=lambda row: int(row["line"]))
    assert [(unguarded(r["source"]), unguarded(r["proposal"]), unguarded(r["comment"])) for r in rows] == texts


@pytest.mark.parametrize("cell", ["=1+2", "+1", "-1", "@A1", "\tx", "\r=1", "'=1", "=HYPERLINK(0)"])
def test_a_cell_that_a_spreadsheet_might_run_is_guarded(cell: str) -> None:
    [row] = read(table_of(rows_of([entry(0, Found("model", cell, 0.5), cell)]), "en"))
    assert row["source"] == row["proposal"] == "'" + cell
    assert unguarded(row["source"]) == cell


@pytest.mark.parametrize("cell", ["a=b", "'quoted'", "it's", "", "保存"])
def test_other_cells_are_as_they_are(cell: str) -> None:
    assert guarded(cell) == unguarded(cell) == cell


def test_the_table_begins_with_a_mark_and_says_what_checks_found_in_the_readers_language() -> None:
    table = table_of(rows_of([entry(0, Found("refused", "", 0.1, (GRAVE,), "打开"))]), "zh")
    assert table.startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode())
    [row] = read(table)
    assert row["checks"] == GRAVE.said("zh") != GRAVE.said("en")
    assert (row["state"], row["kinds"], row["attempt"]) == ("refused", "placeholder-missing", "打开")
