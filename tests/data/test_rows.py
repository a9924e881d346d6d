"""Sides: no row is on two, none is lost, and the order of the file does not matter."""

import random

from pellucid.data.columns import Table
from pellucid.data.rows import split_rows


def table_of(values: list[str]) -> Table:
    return Table(["x"], [values], [f"t.csv, line {i}" for i in range(len(values))])


def test_each_row_is_on_one_side_and_the_shares_are_as_asked() -> None:
    sides = split_rows(table_of([str(i) for i in range(200)]), seed=1, held_out=0.2)
    assert sorted(sides.train + sides.dev + sides.test) == list(range(200))
    assert (len(sides.dev), len(sides.test)) == (40, 40)


def test_shuffling_the_file_changes_no_rows_side_and_another_seed_does() -> None:
    values = [str(i) for i in range(100)]
    shuffled = random.Random(3).sample(values, 100)
    dev = {values[i] for i in split_rows(table_of(values), seed=1).dev}
    assert {shuffled[i] for i in split_rows(table_of(shuffled), seed=1).dev} == dev
    assert {values[i] for i in split_rows(table_of(values), seed=2).dev} != dev


def test_equal_rows_are_on_one_side() -> None:
    values = [str(i % 10) for i in range(100)]
    sides = split_rows(table_of(values), seed=1)
    on = [{values[i] for i in side} for side in (sides.train, sides.dev, sides.test)]
    assert not on[0] & on[1]
    assert not (on[0] | on[1]) & on[2]
    assert all(on)


def test_each_stratum_is_on_each_side() -> None:
    values = [str(i) for i in range(110)]
    strata = ["rare" if i < 10 else "common" for i in range(110)]
    sides = split_rows(table_of(values), seed=1, held_out=0.2, strata=strata)
    assert [sum(i < 10 for i in side) for side in (sides.train, sides.dev, sides.test)] == [6, 2, 2]
