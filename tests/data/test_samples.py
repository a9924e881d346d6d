"""Sample tables against scikit-learn's own loaders, and curves against their formulas."""

import math

import pytest
import torch
from sklearn import datasets

from pellucid.data.curves import CURVES, curve_table
from pellucid.data.samples import SAMPLES, sample_of, sample_table
from pellucid.errors import DataError


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sample:diabetes", datasets.load_diabetes(scaled=False)),
        ("sample:wine", datasets.load_wine()),
        ("sample:breast-cancer", datasets.load_breast_cancer()),
        ("sample:iris", datasets.load_iris()),
    ],
    ids=list(SAMPLES),
)
def test_a_sample_holds_what_scikit_learn_loads(name: str, theirs: datasets._base.Bunch) -> None:
    table = sample_table(name)
    inputs = [[float(cell) for cell in column] for column in table.columns[:-1]]
    assert torch.tensor(inputs).T.tolist() == torch.tensor(theirs.data.astype(float)).float().tolist()
    target = table.column(sample_of(name).target)
    named = [str(theirs.target_names[number]) for number in theirs.target] if "target_names" in theirs else None
    assert target == (named or [f"{value:g}" for value in theirs.target])
    assert len(set(table.names)) == len(table.names) == theirs.data.shape[1] + 1


def test_a_sample_or_curve_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(DataError, match="no such sample") as caught:
        sample_table("sample:dyabetes")
    assert "sample:diabetes" in caught.value.mend
    with pytest.raises(DataError, match="no such curve"):
        curve_table("curve:circle", 10, 0.1, 0)


def test_a_curve_without_noise_is_its_function_and_the_noise_is_of_its_seed() -> None:
    table = curve_table("curve:sine", 50, 0.0, seed=1)
    for x, y in zip(*table.columns, strict=True):
        assert float(y) == pytest.approx(math.sin(3 * float(x)), abs=1e-7)
    noisy = curve_table("curve:sine", 4000, 0.25, seed=1)
    errors = [float(y) - CURVES["curve:sine"].function(float(x)) for x, y in zip(*noisy.columns, strict=True)]
    assert torch.tensor(errors).std().item() == pytest.approx(0.25, rel=0.05)
    assert curve_table("curve:sine", 4000, 0.25, seed=1) == noisy
    assert curve_table("curve:sine", 4000, 0.25, seed=2) != noisy
