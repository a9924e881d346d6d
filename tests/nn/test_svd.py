"""The singular value decomposition by rotations, beside LAPACK's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.nn.svd import principal_components, svd


@settings(max_examples=40)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 1000), rank=st.integers(0, 12))
def test_the_factors_give_the_matrix_back_and_their_columns_stand_at_right_angles(
    rows: int, columns: int, seed: int, rank: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=draw, dtype=torch.float64)
    if rank < min(rows, columns):  # fewer directions than it could have
        matrix = torch.randn(rows, rank, generator=draw, dtype=torch.float64) @ matrix[:rank]
    left, values, right = svd(matrix)
    torch.testing.assert_close(left * values @ right.mT, matrix, atol=1e-10, rtol=0)
    identity = torch.eye(min(rows, columns), dtype=torch.float64)
    torch.testing.assert_close(left.mT @ left, identity, atol=1e-9, rtol=0)
    torch.testing.assert_close(right.mT @ right, identity, atol=1e-9, rtol=0)
    torch.testing.assert_close(values, torch.linalg.svdvals(matrix), atol=1e-10, rtol=1e-9)


def test_a_tall_matrix_of_word_vectors_is_decomposed_as_lapack_does() -> None:
    matrix = torch.randn(300, 64, generator=torch.Generator().manual_seed(1))
    _, values, right = svd(matrix)
    _, expected, theirs = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close((right.mT @ theirs.mT).abs(), torch.eye(64), atol=1e-3, rtol=0)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        svd(torch.tensor([[1.0, float("nan")]]))


def test_principal_components_are_those_of_the_covariance() -> None:
    draw = torch.Generator().manual_seed(3)
    points = torch.randn(200, 5, generator=draw, dtype=torch.float64) * torch.tensor([5.0, 3.0, 1.0, 0.5, 0.1])
    places, shares = principal_components(points, 2)
    spread, directions = torch.linalg.eigh(points.T.cov())
    torch.testing.assert_close(places.abs(), ((points - points.mean(0)) @ directions.flip(1)[:, :2]).abs())
    torch.testing.assert_close(shares, (spread / spread.sum()).flip(0)[:2])
