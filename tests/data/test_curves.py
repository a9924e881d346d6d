"""The diabetes table against scikit-learn's own loader, and curves against their formulas."""

import math

import pytest
import torch
from sklearn import datasets

from pellucid.data.curves import CURVES, curve_table
from pellucid.data.diabetes import diabetes_table
from pellucid.errors import DataError


def test_the_diabetes_table_holds_what_scikit_learn_loads() -> None:
    table, theirs = diabetes_table(), datasets.load_diabetes(scaled=False)
    inputs = [[float(cell) for cell in column] for column in table.columns[:-1]]
    assert torch.tensor(inputs, dtype=torch.float64).T.tolist() == theirs.data.tolist()
    assert [float(cell) for cell in table.column("progression")] == theirs.target.tolist()
    assert table.names[:-1] == theirs.feature_names


def test_a_curve_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(DataError, match="no such curve") as caught:
        curve_table("curve:circle", 10, 0.1, 0)
    assert "curve:sine" in caught.value.mend


def test_a_curve_without_noise_is_its_function_and_the_noise_is_of_its_seed() -> None:
    table = curve_table("curve:sine", 50, 0.0, seed=1)
    for x, y in zip(*table.columns, strict=True):
        assert float(y) == pytest.approx(math.sin(3 * float(x)), abs=1e-7)
    noisy = curve_table("curve:sine", 4000, 0.25, seed=1)
    errors = [float(y) - CURVES["curve:sine"].function(float(x)) for x, y in zip(*noisy.columns, strict=True)]
    assert torch.tensor(errors).std().item() == pytest.approx(0.25, rel=0.05)
    assert curve_table("curve:sine", 4000, 0.25, seed=1) == noisy
    assert curve_table("curve:sine", 4000, 0.25, seed=2) != noisy
