"""Reference points for a reconstruction: the mean image, the best linear codes, the principal components."""

from collections.abc import Sequence

import numpy as np

from .arrays import Array, as_features, as_pair

Axes = tuple[np.ndarray, np.ndarray]


def pca_errors(train: Array, test: Array, dims: Sequence[int], *, block: int = 5000) -> dict[int, float]:
    """Mean squared error per pixel on `test` of the best linear code of each size, fitted on `train`; 0: mean image.

    train (n, p), test (m, p), or images. PCA minimises this error on the training set among affine codes of d numbers
    (Eckart and Young 1936). In float64 from the p × p covariance, in blocks, so that 60,000 images fit in memory.
    Raises ValueError for a size below 0 or above p.
    """
    rows, others = as_pair(train, test, ("train", "test"))
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


def principal_axes(images: Array) -> Axes:
    """Variances (p,) along the principal directions of images (n, p), rising, and these as columns (p, p)."""
    rows = as_features(images, "images").double().numpy()
    centred = rows - rows.mean(0)
    return tuple(np.linalg.eigh(centred.T @ centred / len(centred)))


def explained_components(reconstructions: Array, originals: Array, axes: Axes) -> int:
    """How many principal components of the originals a reconstruction gets right, each with R² above ½.

    Both (n, p) or images; axes: the `principal_axes` of the originals. R² of component k is 1 − mean (error along k)² /
    variance along k. Raises ValueError if the widths differ.
    """
    one, two = (x.double() for x in as_pair(reconstructions, originals, ("reconstructions", "originals")))
    variance, vectors = axes  # (p,), (p, p)
    error = (((two - one).numpy() @ vectors) ** 2).mean(0)  # (p,)
    varies = variance > 1e-8 * variance.max()
    return int((1 - error[varies] / variance[varies] > 0.5).sum())
