"""Two-dimensional maps of a representation, and the numbers without which a map should not be believed."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

from .arrays import Array, as_features, as_labels
from .neighbours import knn_leave_one_out, neighbours

LARGEST = 5000  # rows: trustworthiness and t-SNE need tables of n × n
PERPLEXITY = 30


def _check_size(n: int, what: str, smallest: int) -> None:
    if not smallest <= n <= LARGEST:
        raise ValueError(
            f"{what} of {n} rows: give at least {smallest} and at most {LARGEST} (it needs tables of n × n)."
        )


def pca_map(y: Array) -> np.ndarray:
    """The first two principal components of y (n, d) → points (n, 2) float32, with fixed signs. ValueError as PCA."""
    rows = as_features(y, "y").double().numpy()
    return PCA(2, svd_solver="full").fit_transform(rows).astype(np.float32)  # (n, d) → (n, 2)


def tsne_map(y: Array, *, seed: int, iterations: int = 1000) -> np.ndarray:
    """t-SNE of y (n, d) → points (n, 2) float32. Same seed, same machine: same points.

    It starts from the principal components, which keeps the large-scale layout; the seed then changes little.
    About 3 to 10 seconds for 2,000 rows. Raises ValueError for NaN, more than 5,000 rows, or fewer than 91.
    Source: van der Maaten & Hinton (2008); the start, Kobak & Linderman (2021).
    """
    rows = as_features(y, "y").numpy()
    _check_size(len(rows), "t-SNE", smallest=3 * PERPLEXITY + 1)
    tsne = TSNE(2, perplexity=PERPLEXITY, init="pca", random_state=seed, max_iter=iterations)
    return tsne.fit_transform(rows)  # (n, d) → (n, 2)


def map_quality(points: Array, y: Array, labels: Array, k: int = 10) -> dict[str, float]:
    """What a map keeps of the representation it was made of. points (n, 2), y (n, d), labels (n,).

    "knn_map", "knn_full"  accuracy of the k nearest other rows in the map, and in y itself (leave one out), in [0, 1]
    "trustworthiness"      in [0, 1]: are a point's neighbours in the map its neighbours in y?  1: all of them
    Distances are Euclidean throughout. Raises ValueError for NaN, unequal lengths, more than 5,000 rows, or k ≥ n/2.
    Source: trustworthiness, Venna & Kaski (2001).
    """
    spots, rows = as_features(points, "points"), as_features(y, "y")
    if len(spots) != len(rows):
        raise ValueError(f"The map has {len(spots)} points but y has {len(rows)} rows: they must be the same samples.")
    truth = as_labels(labels, len(rows))
    _check_size(len(rows), "map_quality", smallest=2 * k + 1)
    return {
        "knn_map": knn_leave_one_out(spots, truth, k).accuracy,
        "knn_full": knn_leave_one_out(rows, truth, k).accuracy,
        "trustworthiness": float(trustworthiness(rows.numpy(), spots.numpy(), n_neighbors=k)),
    }


def neighbour_overlap(first: Array, second: Array, k: int = 10) -> float:
    """Mean share of a row's k nearest other rows that two maps of the same samples, (n, d1) and (n, d2), share."""
    if len(first) != len(second):
        raise ValueError(f"The maps have {len(first)} and {len(second)} points: they must be of the same samples.")
    one, two = (neighbours(m, m, k, metric="euclidean", exclude_self=True)[1] for m in (first, second))  # (n, k) twice
    return float((one[:, :, None] == two[:, None, :]).any(2).float().mean())  # (n, k, k) → (n, k) → ()
