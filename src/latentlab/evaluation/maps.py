"""Two-dimensional maps of a representation, and the numbers without which a map should not be believed."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import silhouette_score

from latentlab.evaluation.arrays import Array, as_features, as_labels
from latentlab.evaluation.neighbours import knn_leave_one_out, neighbours

LARGEST = 5000  # rows: trustworthiness and t-SNE need tables of n × n


def _check_size(n: int, what: str, smallest: int = 1) -> None:
    if n > LARGEST:
        raise ValueError(f"{what} of {n} rows needs tables of {n} × {n}. Take a random subset of at most {LARGEST} rows.")
    if n < smallest:
        raise ValueError(f"{what} needs at least {smallest} rows for these settings; there are {n}.")


def pca_map(y: Array, dim: int = 2) -> np.ndarray:
    """The first `dim` principal components of y (n, d) → points (n, dim) float32. Deterministic, signs included.

    Raises ValueError for NaN, or if n or d is smaller than dim.
    """
    rows = as_features(y, "y").numpy()
    if min(rows.shape) < dim:
        raise ValueError(f"{dim} principal components need at least {dim} rows and dimensions; y is {rows.shape}.")
    return PCA(dim, svd_solver="full").fit_transform(rows.astype(np.float64)).astype(np.float32)  # (n, d) → (n, dim)


def tsne_map(y: Array, *, seed: int, perplexity: float = 30, init: str = "pca", iterations: int = 1000) -> np.ndarray:
    """t-SNE of y (n, d) → points (n, 2) float32. Same seed, same machine: same points.

    init "pca" starts from the principal components and keeps the large-scale layout; the seed then changes little.
    init "random" starts from the seed alone: use it to ask how much of the picture is chance.
    About 3 to 10 seconds for 2,000 rows. Raises ValueError for NaN, more than 5,000 rows, or fewer than 3 · perplexity + 1.
    Source: van der Maaten & Hinton (2008); the start, Kobak & Linderman (2021).
    """
    rows = as_features(y, "y").numpy()
    _check_size(len(rows), "t-SNE", smallest=int(3 * perplexity) + 1)
    if init not in ("pca", "random"):
        raise ValueError(f"init {init!r} is unknown; choose 'pca' or 'random'.")
    tsne = TSNE(2, perplexity=perplexity, init=init, random_state=seed, max_iter=iterations)
    return tsne.fit_transform(rows)  # (n, d) → (n, 2)


def map_quality(points: Array, y: Array, labels: Array, k: int = 10) -> dict[str, float]:
    """What a map keeps of the representation it was made of. points (n, 2), y (n, d), labels (n,).

    "knn_map", "knn_full"   accuracy of the k nearest other rows in the map, and in y itself (leave one out), in [0, 1]
    "trustworthiness"       in [0, 1]: are a point's neighbours in the map its neighbours in y?  1: all of them
    "silhouette_map", "silhouette_full"   in [−1, 1]: distance to the own class against the nearest other class
    Distances are Euclidean throughout. Raises ValueError for NaN, unequal lengths, one class, more than 5,000 rows, or k ≥ n/2.
    Sources: trustworthiness, Venna & Kaski (2001); silhouette, Rousseeuw (1987).
    """
    spots, rows = as_features(points, "points"), as_features(y, "y")
    if len(spots) != len(rows):
        raise ValueError(f"The map has {len(spots)} points but y has {len(rows)} rows: they must be the same samples.")
    truth = as_labels(labels, len(rows))
    _check_size(len(rows), "map_quality", smallest=2 * k + 1)
    if not 1 < len(truth.unique()) < len(rows):
        raise ValueError("map_quality compares classes: expected at least two, and more samples than classes.")
    return {
        "knn_map": knn_leave_one_out(spots, truth, k).accuracy,
        "knn_full": knn_leave_one_out(rows, truth, k).accuracy,
        "trustworthiness": float(trustworthiness(rows.numpy(), spots.numpy(), n_neighbors=k)),
        "silhouette_map": float(silhouette_score(spots.numpy(), truth.numpy())),
        "silhouette_full": float(silhouette_score(rows.numpy(), truth.numpy())),
    }


def neighbour_overlap(first: Array, second: Array, k: int = 10) -> float:
    """Mean share of a row's k nearest other rows that two maps of the same samples, (n, d1) and (n, d2), have in common."""
    one, two = as_features(first, "first"), as_features(second, "second")
    if len(one) != len(two):
        raise ValueError(f"The maps have {len(one)} and {len(two)} points: they must be of the same samples.")
    near_one = neighbours(one, one, k, metric="euclidean", exclude_self=True)[1]  # (n, k)
    near_two = neighbours(two, two, k, metric="euclidean", exclude_self=True)[1]  # (n, k)
    return float((near_one[:, :, None] == near_two[:, None, :]).any(2).float().mean())  # (n, k, k) → (n, k) → ()
