"""Reference points for a reconstruction error: the mean image, and the best linear code of every size."""

from collections.abc import Sequence

import numpy as np

from latentlab.evaluation.arrays import Array, as_features, check_same_width


def pca_errors(train: Array, test: Array, dims: Sequence[int], *, block: int = 5000) -> dict[int, float]:
    """Mean squared error per pixel on `test` of the best linear code of each size, fitted on `train`; d = 0 is the mean image.

    train (n, p), test (m, p), or images. PCA minimises this error on the training set among all affine codes of d numbers
    (Eckart and Young 1936). Computed in float64 from the p × p covariance, in blocks, so that 60,000 images fit in memory.
    Raises ValueError for a size below 0 or above p.
    """
    rows, others = as_features(train, "train"), as_features(test, "test")
    check_same_width(rows, others, ("train", "test"))
    p = rows.shape[1]
    if not dims or min(dims) < 0 or max(dims) > p:
        raise ValueError(f"PCA with {list(dims)} components: choose sizes from 0 to {p}, the number of pixels.")
    mean = rows.double().mean(0)
    # C = (1/n) Σ (x − x̄)(x − x̄)ᵀ; its eigenvectors in order of falling eigenvalue are the components
    covariance = sum(c.T @ c for c in (part.double() - mean for part in rows.split(block))) / len(rows)  # (p, p)
    vectors = np.linalg.eigh(covariance.numpy())[1][:, ::-1]  # (p, p)
    energy, total = np.zeros(p), 0.0
    for part in others.split(block):
        centred = (part.double() - mean).numpy()
        energy += ((centred @ vectors) ** 2).sum(0)  # (p,)
        total += float((centred**2).sum())
    # error(d) = (total − Σ_{k ≤ d} energy_k) / (m p)
    kept = np.concatenate([[0.0], np.cumsum(energy)])
    return {d: float(max(0.0, total - kept[d]) / (len(others) * p)) for d in dims}


Axes = tuple[np.ndarray, np.ndarray]


def principal_axes(images: Array) -> Axes:
    """Variances (p,) along the principal directions, and these as columns (p, p), in order of rising variance; images (n, p)."""
    rows = as_features(images, "images").double().numpy()
    centred = rows - rows.mean(0)
    return tuple(np.linalg.eigh(centred.T @ centred / len(centred)))


def explained_components(reconstructions: Array, originals: Array, axes: Axes, level: float = 0.5) -> int:
    """How many principal components of the originals a reconstruction gets right, each with R² above `level`.

    Both (n, p) or images; axes: the `principal_axes` of the originals. R² of component k is 1 − mean (error along k)² / variance
    along k. Raises ValueError if the shapes differ.
    """
    one, two = as_features(reconstructions, "reconstructions").double(), as_features(originals, "originals").double()
    if one.shape != two.shape:
        raise ValueError(f"Reconstructions {tuple(one.shape)} and originals {tuple(two.shape)} must have one shape.")
    variance, vectors = axes  # (p,), (p, p)
    error = (((two - one).numpy() @ vectors) ** 2).mean(0)  # (p,)
    varies = variance > 1e-8 * variance.max()
    return int((1 - error[varies] / variance[varies] > level).sum())
