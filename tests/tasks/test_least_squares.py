"""The closed form against scikit-learn, NumPy, SciPy, and its own definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression

from pellucid.tasks.fit import scores
from pellucid.tasks.least_squares import incomplete_beta, least_squares, two_sided


def example(rows: int = 80, inputs: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(rows, inputs, dtype=torch.float64) * torch.tensor([1.0, 100.0, 0.01, 5.0])[:inputs] + 30
    return x, x @ torch.arange(1.0, inputs + 1).double() + 7 + torch.randn(rows).double()


def test_coefficients_equal_scikit_learns() -> None:
    x, y = example()
    found, theirs = least_squares(x, y), LinearRegression().fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(found.coefficients[1:].numpy(), theirs.coef_, rtol=1e-9)
    assert found.coefficients[0].item() == pytest.approx(theirs.intercept_, rel=1e-9)
    assert scores(found.predict(x), y)["r2"] == pytest.approx(theirs.score(x.numpy(), y.numpy()), abs=1e-12)


def test_both_partial_derivatives_are_zero_there() -> None:
    x, y = example()
    found = least_squares(x, y)
    weights, intercept = found.coefficients[1:].clone().requires_grad_(), found.coefficients[0].clone().requires_grad_()
    (y - intercept - x @ weights).square().mean().backward()
    assert intercept.grad is not None
    assert weights.grad is not None
    assert intercept.grad.abs().item() < 1e-9
    assert (weights.grad / x.norm(dim=0)).abs().max().item() < 1e-9


def test_standard_errors_equal_those_of_the_normal_equations() -> None:
    x, y = example()
    found = least_squares(x, y)
    design = np.column_stack([np.ones(len(x)), x.numpy()])
    inverse = np.linalg.inv(design.T @ design)
    residuals = y.numpy() - design @ (inverse @ design.T @ y.numpy())
    variance = residuals @ residuals / (len(x) - design.shape[1])
    np.testing.assert_allclose(found.standard_errors.numpy(), np.sqrt(variance * np.diag(inverse)), rtol=1e-6)
    assert found.degrees == len(x) - 5
    t = found.coefficients.numpy() / found.standard_errors.numpy()
    np.testing.assert_allclose(found.p_values, 2 * stats.t.sf(np.abs(t), found.degrees), rtol=1e-6, atol=1e-300)


def test_simple_regression_has_scipys_slope_and_its_standard_errors() -> None:
    x, y = example(inputs=1)
    found, theirs = least_squares(x, y), stats.linregress(x[:, 0].numpy(), y.numpy())
    assert found.coefficients.tolist() == pytest.approx([theirs.intercept, theirs.slope])
    assert found.standard_errors.tolist() == pytest.approx([theirs.intercept_stderr, theirs.stderr])
    assert found.p_values[1] == pytest.approx(theirs.pvalue, rel=1e-6)


def test_a_column_made_of_others_has_no_coefficient_and_changes_no_prediction() -> None:
    x, y = example()
    one_hot = torch.eye(3, dtype=torch.float64)[torch.arange(len(x)) % 3]
    wide = torch.cat([x, one_hot, x[:, :1] * 2 - x[:, 1:2]], dim=1)
    found = least_squares(wide, y)
    assert torch.isnan(found.standard_errors).tolist() == [*[False] * 7, True, True]
    assert found.coefficients[7:].tolist() == [0, 0]
    theirs = LinearRegression().fit(wide.numpy(), y.numpy()).predict(wide.numpy())
    np.testing.assert_allclose(found.predict(wide).numpy(), theirs, rtol=1e-9)


def test_more_columns_than_rows_leaves_errors_unknown_and_does_not_break() -> None:
    x = torch.randn(3, 6, dtype=torch.float64)
    y = torch.randn(3, dtype=torch.float64)
    found = least_squares(x, y)
    torch.testing.assert_close(found.predict(x), y)
    assert torch.isnan(found.standard_errors).all()


@given(st.floats(0.1, 200), st.floats(0.1, 200), st.floats(0, 1))
def test_the_incomplete_beta_function_equals_scipys(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)


def test_students_tails_are_known_at_the_ends() -> None:
    assert two_sided(0.0, 5) == 1
    assert two_sided(12.706204736, 1) == pytest.approx(0.05)
    assert two_sided(-1.959963985, 10**7) == pytest.approx(0.05, rel=1e-5)
