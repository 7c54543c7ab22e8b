"""Correlation between the coordinates of a representation, and three popular measures of it."""

from dataclasses import dataclass

import numpy as np

from latentlab.evaluation.arrays import Array, as_features


@dataclass(frozen=True)
class Correlation:
    """Measures of one Pearson matrix R of d coordinates, from n samples."""

    dim: int
    norm: float  # Frobenius: √d if nothing is correlated, d if everything is
    log_determinant: float  # 0 if nothing is correlated; −inf if one coordinate is a mixture of the others
    mean_absolute: float  # mean |r| off the diagonal; 0 for a single coordinate
    mean_square: float  # mean r² off the diagonal


def correlation_matrix(y: Array) -> np.ndarray:
    """Pearson correlations between the coordinates of y (n, d) → (d, d) float64, symmetric, ones on the diagonal.

    Raises ValueError for fewer than two samples, NaN, or a coordinate that never varies: it has no correlation.
    """
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
    """All measures of the Pearson matrix of y (n, d). Raises as `correlation_matrix`.

    The determinant of n ≤ d samples is zero whatever the coordinates are; it is taken from the eigenvalues, of which rounding
    makes some negative that should be zero.
    """
    matrix = correlation_matrix(y)
    n, d = len(y), len(matrix)
    values = np.linalg.eigvalsh(matrix)  # (d,)
    singular = n <= d or values[0] <= d * 1e-14 * values[-1]
    off = matrix[~np.eye(d, dtype=bool)]
    # ‖R‖² = d + d (d − 1) · mean r²
    return Correlation(
        dim=d,
        norm=float(np.linalg.norm(matrix)),
        log_determinant=float("-inf") if singular else float(np.log(values).sum()),
        mean_absolute=float(np.abs(off).mean()) if d > 1 else 0.0,
        mean_square=float((off**2).mean()) if d > 1 else 0.0,
    )


def structure_error(reconstructions: Array, originals: Array) -> float:
    """How much of the originals' correlation structure is lost: ‖R(reconstructions) − R(originals)‖ / ‖R(originals) − I‖.

    Both (n, p) or images (n, c, h, w). 0 is perfect, 1 is what uncorrelated pixels would get. Pixels that hardly vary in the
    originals (spread under 0.02) are left out; one that stays still in the reconstructions correlates with nothing there.
    Raises ValueError if the shapes differ or fewer than two pixels vary.
    """
    one, two = as_features(reconstructions, "reconstructions").double(), as_features(originals, "originals").double()
    if one.shape != two.shape:
        raise ValueError(f"Reconstructions {tuple(one.shape)} and originals {tuple(two.shape)} must have one shape.")
    varies = two.std(0) > 0.02  # (p,)
    if int(varies.sum()) < 2:
        raise ValueError("Fewer than two pixels vary in the originals; there is no correlation between pixels to compare.")
    one, theirs = one[:, varies], correlation_matrix(two[:, varies])
    moves = (one.std(0) > 1e-3).numpy()
    mine = np.eye(len(theirs))
    if moves.any():
        mine[np.ix_(moves, moves)] = correlation_matrix(one[:, moves])
    return float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs - np.eye(len(theirs))))
