"""How good are samples? By a named distance, and by how many of the modes they reach."""

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, as_features


def frechet_distance(real: Array, fake: Array) -> float:
    """Fréchet distance of two Gaussians with the means and covariances of two sets of features (n, d), (m, d).

    Of features of an Inception network it is the FID (Heusel et al. 2017, eq. 6). ValueError for NaN or a single row.
    """
    a, b = (as_features(x).double() for x in (real, fake))
    if min(len(a), len(b)) < 2:
        raise ValueError(f"{len(a)} and {len(b)} samples: a covariance needs at least two.")
    (m1, c1), (m2, c2) = ((x.mean(0), np.atleast_2d(np.cov(x.numpy(), rowvar=False))) for x in (a, b))
    # d² = |μ1 − μ2|² + tr( C1 + C2 − 2 (C1 C2)^½ )
    root = np.linalg.eigvals(c1 @ c2).real.clip(0)  # (d,): the eigenvalues of C1 C2 are never negative
    return float((m1 - m2).square().sum()) + float(np.trace(c1 + c2)) - 2 * float(np.sqrt(root).sum())


def modes_reached(points: Tensor, centres: Tensor, radius: float) -> tuple[int, float]:
    """How many centres (k, d) have 1 % of an equal share of the points (n, d) within radius; the share near any."""
    distance, nearest = torch.cdist(points, centres).min(1)  # (n,) each
    near = nearest[distance < radius]
    counts = near.bincount(minlength=len(centres))  # (k,)
    return int((counts >= 0.01 * len(points) / len(centres)).sum()), len(near) / len(points)


def ring(modes: int = 8, radius: float = 2.0) -> Tensor:
    """Centres (modes, 2) on a circle: the usual first test of a GAN."""
    angle = torch.arange(modes) * 2 * torch.pi / modes
    return radius * torch.stack([angle.cos(), angle.sin()], 1)
