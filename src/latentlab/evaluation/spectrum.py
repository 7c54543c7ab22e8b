"""How many directions a representation uses: scale and rank are two things, and a collapse can be of either."""

import torch
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features


def spectrum(y: Array) -> Tensor:
    """Variances of y (n, d) along its principal directions, largest first: (min(n, d),) float64.

    Raises ValueError for NaN or fewer than two rows.
    """
    rows = as_features(y, "y").double()
    if len(rows) < 2:
        raise ValueError("A spectrum needs at least two rows: one row has no variance.")
    # Y − mean = U S Vᵀ, variances S² / (n − 1)
    return torch.linalg.svdvals(rows - rows.mean(0)) ** 2 / (len(rows) - 1)


def effective_rank(y: Array) -> float:
    """Number of directions that y (n, d) uses evenly: the exponential of the entropy of its spectrum, from 1 to min(n − 1, d).

    Multiplying y by a number changes nothing. A y that never varies has rank 0. Raises ValueError as `spectrum`.
    Source: Roy and Vetterli (2007), with variances in place of singular values.
    """
    variances = spectrum(y)
    if not variances.sum() > 0:
        return 0.0
    # p_i = σ_i² / Σ σ²;  exp(−Σ p log p)
    p = variances / variances.sum()
    return float(torch.special.entr(p).sum().exp())
