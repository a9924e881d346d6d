"""What columns mean: standardization, one-hots, missing values, and the faults of what stands in cells."""

from pathlib import Path

import pytest
import torch

from pellucid.data.columns import Table, read_table
from pellucid.data.schema import Meaning, Missing, Schema, fitted, usable_rows
from pellucid.errors import DataError, RunError

TABLE = "x,colour,y\n1,red,10\n2,blue,20\n3,red,30\n4,green,60\n"


def table_of(folder: Path, text: str = TABLE) -> Table:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return read_table([path])


def meaning_of(missing: Missing = "refuse", **changes: list[str]) -> Meaning:
    return Meaning("y", "number", missing=missing, **changes)


def test_numbers_are_standardized_by_the_training_rows_alone(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    train = table.rows([0, 1, 2])
    schema = fitted(train, table, meaning_of())
    x = schema.encode(table)
    assert schema.input_names == ["x", "colour=blue", "colour=green", "colour=red"]
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(x[:, 0], (values - 2) / (2 / 3) ** 0.5)
    assert x[:, 1:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert schema.targets(table).tolist() == [10, 20, 30, 60]


def test_a_kept_schema_encodes_as_the_fitted_one(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    schema = fitted(table, table, meaning_of())
    schema.save(tmp_path / "columns.json")
    kept = Schema.load(tmp_path / "columns.json")
    assert kept == schema
    assert torch.equal(kept.encode(table), schema.encode(table))
    (tmp_path / "columns.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        Schema.load(tmp_path / "columns.json")


def test_a_missing_value_is_refused_unless_the_person_says_what_becomes_of_it(tmp_path: Path) -> None:
    table = table_of(tmp_path, "x,colour,y\n1,red,10\n,blue,20\n3,NA,30\n5,red,\n4,blue,1\n")
    with pytest.raises(DataError, match=r"t.csv, line 3: no value in column 'x'; 3 of 5 rows lack one") as caught:
        usable_rows(table, meaning_of())
    assert "--missing drop" in caught.value.mend
    assert usable_rows(table, meaning_of("drop")).column("y") == ["10", "1"]
    kept = usable_rows(table, meaning_of("mean"))
    assert kept.column("y") == ["10", "20", "30", "1"]
    schema = fitted(kept, kept, meaning_of("mean"))
    assert schema.numbers(kept)[1, 0].item() == pytest.approx(8 / 3)
    assert schema.encode(kept)[1, 0].item() == 0
    assert schema.encode(kept)[2, 1:].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_columns_that_tell_nothing_are_left_out_and_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,b,c,d,y\n1,,7,x,1\n2,,7,x,2\n3,,7,x,3\n")
    schema = fitted(table, table, meaning_of(left_out=[]))
    assert schema.input_names == ["a"]
    assert schema.left_out == {"b": "empty", "c": "always 7", "d": "always x"}


def test_numbers_that_name_things_can_be_taken_as_categories(tmp_path: Path) -> None:
    table = table_of(tmp_path, "code,y\n10,1\n9,2\n10,3\n")
    assert fitted(table, table, meaning_of(categorical=["code"])).input_names == ["code=9", "code=10"]


@pytest.mark.parametrize(
    ("text", "fault", "mend"),
    [
        ("x,z\n1,2\n", "there is no column 'y'", "x, z"),
        ("x,y\n1,2\n2,3\nthree,4\n5,6\n", "t.csv, line 4: 'three' in column 'x' is not a number", "--categorical 'x'"),
        ("x,y\n1,2\n2,cat\n", "t.csv, line 3: 'cat' in column 'y' is not a number", "Correct"),
        ("x,y\n1,2\ninf,3\n3,4\n", "t.csv, line 3: inf in column 'x' is not finite", "Correct"),
        ("x,y\n1,2\n1e999,3\n3,4\n", "t.csv, line 3: 1e999 in column 'x' is not finite", "Correct"),
        ('x,y\n"1,5",2\n"2,5",3\n', "t.csv, line 2: '1,5' in column 'x' has a comma", "1234.5"),
        ("x,y\n1,5\n2,5\n", "the target 'y' is 5 in every row", "another --target"),
        ("x,y\n1,\n2,NA\n", "the target 'y' holds no value", "another --target"),
        ("x,y\n7,1\n7,2\n", "no column is left to predict 'y' from", "Leave out fewer"),
        ("x,y\n" + "".join(f"name{i},{i}\n" for i in range(101)), "holds 101 different texts", "--leave-out 'x'"),
    ],
)
def test_what_cannot_stand_in_a_cell_is_told_with_line_and_mend(
    tmp_path: Path, text: str, fault: str, mend: str
) -> None:
    table = table_of(tmp_path, text)
    with pytest.raises(DataError) as caught:
        fitted(usable_rows(table, meaning_of()), table, meaning_of())
    assert fault in str(caught.value)
    assert mend in caught.value.mend


def test_a_category_that_training_did_not_have_is_refused(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    schema = fitted(table, table, meaning_of())
    with pytest.raises(DataError, match="line 2: 'pink' in column 'colour' is none of its categories") as caught:
        schema.encode(table_of(tmp_path, "x,colour\n1,pink\n"))
    assert "blue, green, red" in caught.value.mend


def test_classes_are_numbered_in_their_natural_order(tmp_path: Path) -> None:
    table = table_of(tmp_path, "x,y\n1,10\n2,9\n3,b\n4,a\n")
    meaning = Meaning("y", "category")
    schema = fitted(table, usable_rows(table, meaning), meaning)
    assert schema.target.categories == ("9", "10", "a", "b")
    assert schema.targets(table).tolist() == [1, 0, 3, 2]
