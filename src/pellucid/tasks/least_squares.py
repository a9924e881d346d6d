"""Linear regression in closed form: where both partial derivatives of the squared error are zero.

Side by side with what gradient descent finds it tells whether the descent has arrived, and its standard errors tell
which coefficients could as well be zero.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

DEPENDENT = 1e-9  # a column of which less than this share is not made of the columns before it adds nothing
TINY = 1e-300  # for Lentz' method, where a zero would be divided by
CLOSE = 1e-15


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """What the closed form found; the first entry of each tensor is the intercept's.

    A column that is a sum of multiples of earlier ones (the last place of every one-hot is) has no coefficient of its
    own: it is 0 and its standard error not a number.
    """

    coefficients: Float[Tensor, " column"]
    standard_errors: Float[Tensor, " column"]
    degrees: int  # of freedom: rows minus coefficients
    residual_deviation: float

    @property
    def t_values(self) -> Tensor:
        """How many standard errors a coefficient is away from 0."""
        return self.coefficients / self.standard_errors

    @property
    def p_values(self) -> list[float]:
        """How probable so large a t is, either way, were the true coefficient 0."""
        return [two_sided(t, self.degrees) for t in self.t_values.tolist()]

    def predict(self, x: Float[Tensor, "row input"]) -> Float[Tensor, " row"]:
        return x @ self.coefficients[1:] + self.coefficients[0]


def least_squares(x: Float[Tensor, "row input"], y: Float[Tensor, " row"]) -> LeastSquares:
    """The b and w that make sum_i (y_i - b - w x_i)^2 least, in float64.

        dL/db = -2 sum_i (y_i - b - w x_i) = 0,    dL/dw = -2 sum_i x_i (y_i - b - w x_i) = 0
        with X = [1 x]:  X^T X (b, w) = X^T y,  and X = Q R:  R (b, w) = Q^T y
        standard errors: s sqrt(diag((X^T X)^-1)),  s^2 = sum of squared residuals / (rows - coefficients)

    Solved by QR, which does not square the condition of X as the product X^T X does.
    Source: Gauss, 1809; Golub & Van Loan, "Matrix Computations", chapter 5.
    """
    x, y = x.double(), y.double()
    # Each column of length 1 and about its mean: columns in all units are then treated alike.
    means, lengths = x.mean(dim=0), (x - x.mean(dim=0)).norm(dim=0)
    scaled = (x - means) / lengths.clamp(min=TINY)
    own = _independent(scaled)
    q, r = torch.linalg.qr(scaled[:, own])
    rows, count = len(y), len(own)
    weights = torch.linalg.solve_triangular(r, (q.T @ (y - y.mean()))[:, None], upper=True)[:, 0]
    degrees = rows - count - 1
    residuals = y - y.mean() - scaled[:, own] @ weights
    deviation = math.sqrt(float(residuals @ residuals) / degrees) if degrees > 0 else math.nan
    inverse = torch.linalg.solve_triangular(r, torch.eye(count, dtype=torch.float64), upper=True)
    coefficients = torch.zeros(x.size(1) + 1, dtype=torch.float64)
    errors = torch.full_like(coefficients, math.nan)
    places = torch.tensor(own, dtype=torch.long) + 1
    coefficients[places] = weights / lengths[own]
    coefficients[0] = y.mean() - means @ coefficients[1:]
    errors[places] = deviation * inverse.norm(dim=1) / lengths[own]
    # The intercept is mean(y) - mean(x) w, and the two are independent.
    errors[0] = deviation * math.sqrt(1 / rows + float((inverse.T @ (means / lengths)[own]).square().sum()))
    return LeastSquares(coefficients, errors, degrees, deviation)


def _independent(scaled: Tensor) -> list[int]:
    """The columns that are not made of those before them."""
    own: list[int] = []
    basis = scaled[:, :0]
    for place in range(scaled.size(1)):
        rest = scaled[:, place]
        for _ in range(2):  # twice is enough (Kahan; Parlett, 1980)
            rest = rest - basis @ (basis.T @ rest)
        length = rest.norm()
        if length > DEPENDENT and len(own) < len(scaled) - 1:
            own.append(place)
            basis = torch.cat([basis, (rest / length)[:, None]], dim=1)
    return own


def two_sided(t: float, degrees: float) -> float:
    """P(|T| >= |t|) of Student's distribution: I_z(degrees / 2, 1 / 2) with z = degrees / (degrees + t^2)."""
    if math.isnan(t) or degrees < 1:
        return math.nan
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction.

    Source: Abramowitz & Stegun, 26.5.8; Lentz, 1976, evaluates it from the front.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, the other tail's does not
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    d = 1 / _away(1 - (a + b) * x / (a + 1))
    c, fraction = 1.0, d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            fraction *= c * d
        if abs(c * d - 1) < CLOSE:
            break
    return front * fraction / a


def _away(value: float) -> float:
    return value if abs(value) > TINY else TINY
