"""How much the coordinates of a representation repeat each other: correlations, spectrum, rank."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, as_features, as_pair


class Correlation(NamedTuple):
    """Measures of one Pearson matrix R of d coordinates, from n samples."""

    dim: int
    norm: float  # Frobenius: √d if nothing is correlated, d if everything is
    log_determinant: float  # 0 if nothing is correlated; −inf if one coordinate is a mixture of the others
    mean_absolute: float  # mean |r| off the diagonal; 0 for a single coordinate
    mean_square: float  # mean r² off the diagonal


def correlation_matrix(y: Array) -> np.ndarray:
    """Pearson correlations of y's (n, d) coordinates: (d, d) float64. ValueError for NaN, n < 2, one that is still."""
    rows = as_features(y, "y").double().numpy()
    if len(rows) < 2:
        raise ValueError(f"A correlation needs at least two samples, there is {len(rows)}.")
    centred = rows - rows.mean(0)
    spread = np.sqrt((centred**2).mean(0))  # (d,)
    still = np.flatnonzero(spread <= 1e-7 * np.maximum(1e-30, np.abs(rows).max(0)))
    if len(still):
        raise ValueError(f"{len(still)} of {rows.shape[1]} coordinates never vary (first: {still[0]}); leave them out.")
    scaled = centred / spread
    # R_jk = (1/n) Σ_i ŷ_ij ŷ_ik, ŷ centred and scaled to spread 1
    matrix = scaled.T @ scaled / len(rows)  # (d, d)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    return matrix


def measure_correlation(y: Array) -> Correlation:
    """All measures of the Pearson matrix of y (n, d). Raises as `correlation_matrix`."""
    matrix = correlation_matrix(y)
    n, d = len(y), len(matrix)
    values = np.linalg.eigvalsh(matrix)  # (d,)
    # n ≤ d samples have determinant zero whatever the coordinates; rounding makes some eigenvalues negative.
    singular = n <= d or values[0] <= d * 1e-14 * values[-1]
    off = matrix[~np.eye(d, dtype=bool)] if d > 1 else np.zeros(1)
    return Correlation(
        dim=d,
        norm=float(np.linalg.norm(matrix)),  # ‖R‖² = d + d (d − 1) · mean r²
        log_determinant=float("-inf") if singular else float(np.log(values).sum()),
        mean_absolute=float(np.abs(off).mean()),
        mean_square=float((off**2).mean()),
    )


def structure_error(reconstructions: Array, originals: Array) -> float:
    """How much of the originals' correlations is lost: ‖R(reconstructions) − R(originals)‖ / ‖R(originals) − I‖.

    Both (n, p) or images (n, c, h, w). 0 is perfect, 1 is what uncorrelated pixels would get. Pixels that hardly vary
    in the originals (spread under 0.02) are left out; one that is still in the reconstructions correlates with nothing.
    Raises ValueError if the sizes differ or fewer than two pixels vary.
    """
    one, two = (x.double() for x in as_pair(reconstructions, originals, ("reconstructions", "originals")))
    varies = two.std(0) > 0.02  # (p,)
    if int(varies.sum()) < 2:
        raise ValueError("Fewer than two pixels vary in the originals: there is no correlation to compare.")
    one, theirs = one[:, varies], correlation_matrix(two[:, varies])
    moves = (one.std(0) > 1e-3).numpy()
    mine = np.eye(len(theirs))
    if moves.any():
        mine[np.ix_(moves, moves)] = correlation_matrix(one[:, moves])
    return float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs - np.eye(len(theirs))))


def spectrum(y: Array) -> Tensor:
    """Variances of y (n, d) along its principal directions, largest first: (min(n, d),) float64. ValueError: n = 1."""
    rows = as_features(y, "y").double()
    if len(rows) < 2:
        raise ValueError("A spectrum needs at least two rows: one row has no variance.")
    # Y − mean = U S Vᵀ, variances S² / (n − 1)
    return torch.linalg.svdvals(rows - rows.mean(0)) ** 2 / (len(rows) - 1)


def effective_rank(y: Array) -> float:
    """Number of directions that y (n, d) uses evenly: the exponential of its spectrum's entropy, 1 to min(n − 1, d).

    It ignores the scale: a collapse can be of either. A y that never varies has rank 0. Raises as `spectrum`.
    Source: Roy and Vetterli (2007), with variances in place of singular values.
    """
    variances = spectrum(y)
    # p_i = σ_i² / Σ σ²;  exp(−Σ p log p)
    p = variances / variances.sum()
    return float(torch.special.entr(p).sum().exp()) if variances.sum() > 0 else 0.0
