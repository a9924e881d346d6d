"""The singular value decomposition by rotations alone, and the directions of largest spread that it gives (PCA).

Written out so that every step of it can be followed; `torch.linalg.svd` finds the same, and a test compares them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

SWEEPS = 40  # at most; a matrix of any size needs about ten until nothing turns any more
ENOUGH = 1e-12  # cosine between two columns that counts as a right angle, in float64


def svd(
    matrix: Float[Tensor, "row column"],
) -> tuple[Float[Tensor, "row rank"], Float[Tensor, " rank"], Float[Tensor, "column rank"]]:
    """U, the singular values from the largest down, and V, with matrix = U diag(s) V^T.

        two columns a, b turn into  a cos t + b sin t,  b cos t - a sin t
        with  tan 2t = 2 a.b / (a.a - b.b),  |t| <= 45 degrees, after which they stand at a right angle

    Every pair of columns is turned, again and again, until all stand at right angles: then their lengths are the
    singular values. Pairs that share no column are turned at once. A tall matrix is made square by QR before.
    Computed in float64. Shapes: rank = min(rows, columns). Raises ValueError for a matrix that holds no finite number
    somewhere. Source: Hestenes, "Inversion of matrices by biorthogonalization", 1958 (one-sided Jacobi).
    """
    if not bool(torch.isfinite(matrix).all()):
        raise ValueError("a matrix with numbers that are not finite has no decomposition")
    rows, columns = matrix.shape
    if rows < columns:
        left, values, right = svd(matrix.mT)
        return right, values, left
    basis, square = torch.linalg.qr(matrix.double())
    turned, right = _right_angles(square)
    values, order = turned.norm(dim=0).sort(descending=True)
    lengths = torch.where(values > 0, values, 1.0)
    left = _completed(turned[:, order] / lengths, values > values[:1] * columns * torch.finfo(torch.float64).eps)
    return (basis @ left).to(matrix.dtype), values.to(matrix.dtype), right[:, order].to(matrix.dtype)


def principal_components(
    points: Float[Tensor, "point dimension"], count: int = 2
) -> tuple[Float[Tensor, "point count"], Float[Tensor, " count"]]:
    """The points seen along the directions in which they spread most, and each one's share of the whole spread.

        x - mean = U diag(s) V^T,    coordinates = U diag(s),    share_i = s_i^2 / sum_k s_k^2

    The sign of a direction is chosen so that its largest component is positive.
    Source: Pearson, "On lines and planes of closest fit", 1901.
    """
    left, values, right = svd(points - points.mean(0))
    peaks = right.gather(0, right.abs().argmax(0, keepdim=True)).sign()
    spread = values.square()
    shares = spread / spread.sum().clamp(min=torch.finfo(spread.dtype).tiny)
    return (left * values * peaks)[:, :count], shares[:count]


def _right_angles(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix with its columns turned to right angles, and the rotation that does it."""
    turned, rotation = matrix.clone(), torch.eye(matrix.size(1), dtype=matrix.dtype)
    for _ in range(SWEEPS):
        largest = 0.0
        for first, second in _rounds(matrix.size(1)):
            a, b = turned[:, first], turned[:, second]
            along, aa, bb = (a * b).sum(0), a.square().sum(0), b.square().sum(0)
            cosine = along.abs() / (aa * bb).sqrt().clamp(min=torch.finfo(matrix.dtype).tiny)
            largest = max(largest, float(cosine.max()))
            angle = torch.where(cosine > ENOUGH, 0.5 * torch.atan(2 * along / (aa - bb)), 0.0)
            cos, sin = angle.cos(), angle.sin()
            for columns in (turned, rotation):
                x, y = columns[:, first], columns[:, second]
                columns[:, first], columns[:, second] = x * cos + y * sin, y * cos - x * sin
        if largest <= ENOUGH:
            break
    return turned, rotation


def _rounds(columns: int) -> list[tuple[Tensor, Tensor]]:
    """All pairs of columns, as rounds in which no column comes twice: everyone plays everyone, as in a tournament."""
    players = list(range(columns + columns % 2))
    rounds = []
    for _ in range(len(players) - 1):
        half = len(players) // 2
        pairs = [(a, b) for a, b in zip(players[:half], reversed(players[half:]), strict=True) if max(a, b) < columns]
        if pairs:
            rounds.append((torch.tensor([a for a, _ in pairs]), torch.tensor([b for _, b in pairs])))
        players = [players[0], players[-1], *players[1:-1]]
    return rounds


def _completed(left: Tensor, certain: Tensor) -> Tensor:
    """Columns of length zero have no direction: put any there that stand at right angles to the rest."""
    if bool(certain.all()):
        return left
    known = left[:, certain]
    whole, _ = torch.linalg.qr(torch.cat([known, torch.eye(len(left), dtype=left.dtype)], dim=1))
    return torch.cat([known, whole[:, known.size(1) : left.size(1)]], dim=1)
