"""Nearest and furthest neighbours by exact search in blocks, and the classifier that needs no training: k-NN."""

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels, check_same_width
from latentlab.evaluation.intervals import Score, score

METRICS = ("cosine", "euclidean")


def _check_k(k: int, available: int) -> None:
    if not 1 <= k <= available:
        raise ValueError(f"k = {k} neighbours asked for, but the base offers {available}. Choose 1 ≤ k ≤ {available}.")


def _squared_distances(q: Tensor, base: Tensor, base_norms: Tensor) -> Tensor:
    """(b, n) squared Euclidean distances up to rounding, by one matrix product."""
    # |q − x|² = |q|² − 2 q·x + |x|²
    return torch.addmm(base_norms[None, :], q, base.T, alpha=-2) + q.square().sum(1, keepdim=True)  # (b, d), (n, d) → (b, n)


def neighbours(
    queries: Array,
    base: Array,
    k: int,
    *,
    metric: str = "cosine",
    largest: bool = False,
    exclude_self: bool = False,
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The k nearest (or, with `largest`, furthest) rows of `base` for every query: exact search, bounded memory.

    queries (m, d), base (n, d) → distances (m, k) float32, indices (m, k) int64, best first; equals in order of index.
    metric "cosine": 1 − cos of the angle, in [0, 2]; a zero vector is at distance 1 from everything. "euclidean": |q − x|.
    exclude_self: queries and base are the same rows, and row i is not a neighbour of itself (leave one out).
    block: queries handled at once; the default keeps the distance table under about 64 MB.
    Raises ValueError for NaN, unequal dimensions, an unknown metric, or k larger than the base.
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}.")
    q, x = as_features(queries, "queries"), as_features(base, "base")
    check_same_width(q, x, ("queries", "base"))
    if exclude_self and len(q) != len(x):
        raise ValueError(f"exclude_self needs queries and base to be the same rows; there are {len(q)} and {len(x)}.")
    _check_k(k, len(x) - int(exclude_self))
    if metric == "cosine":
        q, x = F.normalize(q, dim=1), F.normalize(x, dim=1)
    else:  # Distances do not change when both are moved, and small coordinates round less.
        q, x = q - x.mean(0), x - x.mean(0)
    norms = x.square().sum(1)  # (n,)
    block = block or max(1, 16_000_000 // len(x))
    found = [
        _block(q[i : i + block], x, norms, k, metric, largest, i if exclude_self else None) for i in range(0, len(q), block)
    ]
    return torch.cat([d for d, _ in found]), torch.cat([i for _, i in found])


def _block(q: Tensor, x: Tensor, norms: Tensor, k: int, metric: str, largest: bool, first_row: int | None):
    table = 1 - q @ x.T if metric == "cosine" else _squared_distances(q, x, norms)  # (b, n)
    if first_row is not None:
        rows = torch.arange(len(q))
        table[rows, first_row + rows] = -torch.inf if largest else torch.inf
    distances, indices = table.topk(k, dim=1, largest=largest)  # (b, k)
    if metric == "euclidean":  # The winners once more, without the cancellation of the product formula.
        distances = torch.stack([(q - x[column]).square().sum(1).sqrt() for column in indices.T], dim=1)  # (b, k)
    # Order by distance and, among equals, by index: sort by index first, then stably by distance.
    indices, order = indices.sort(dim=1)
    distances, order = distances.gather(1, order).sort(dim=1, descending=largest, stable=True)
    return distances, indices.gather(1, order)


def vote(neighbour_labels: Tensor) -> Tensor:
    """Majority vote over labels (m, k), nearest first → (m,). Among equal votes the class with the nearest member wins."""
    classes, index = neighbour_labels.unique(return_inverse=True)  # (c,), (m, k)
    m, k = index.shape
    nearness = torch.arange(k, 0, -1).expand(m, k)  # k for the nearest, 1 for the furthest
    counts = torch.zeros(m, len(classes), dtype=torch.int64).scatter_add_(1, index, torch.ones_like(index))
    best = torch.zeros(m, len(classes), dtype=torch.int64).scatter_reduce_(1, index, nearness, "amax")
    return classes[(counts * (k + 1) + best).argmax(1)]


def knn(
    train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, k: int = 20, metric: str = "cosine"
) -> Score:
    """k-nearest-neighbour classifier: accuracy on the test rows, its interval and the predictions.

    train_y (n, d), train_labels (n,), test_y (m, d), test_labels (m,). Raises ValueError as `neighbours` does.
    """
    train, test = as_features(train_y, "train_y"), as_features(test_y, "test_y")
    labels = as_labels(train_labels, len(train), "train_labels")
    truth = as_labels(test_labels, len(test), "test_labels")
    check_same_width(train, test, ("train_y", "test_y"))
    predictions = vote(labels[neighbours(test, train, k, metric=metric)[1]])
    return Score(*score(predictions, truth), predictions)


def knn_accuracy(
    train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, k: int = 20, metric: str = "cosine"
) -> float:
    """Accuracy in [0, 1] of the k-nearest-neighbour classifier: `knn(...)` without interval and predictions."""
    return knn(train_y, train_labels, test_y, test_labels, k, metric).accuracy


def knn_leave_one_out(y: Array, labels: Array, k: int = 10, metric: str = "euclidean") -> Score:
    """k-NN accuracy of every row of y (n, d) among all other rows. Raises ValueError as `neighbours` does."""
    rows = as_features(y, "y")
    truth = as_labels(labels, len(rows))
    predictions = vote(truth[neighbours(rows, rows, k, metric=metric, exclude_self=True)[1]])
    return Score(*score(predictions, truth), predictions)
