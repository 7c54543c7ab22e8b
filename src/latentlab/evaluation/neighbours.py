"""Nearest and furthest neighbours by exact search, and the classifier that needs no training: k-NN."""

import torch
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels, check_same_width
from latentlab.evaluation.intervals import Score, score

METRICS = ("cosine", "euclidean")
BLOCK = 2**22  # distances held at once: 16 MB
SPARE = 8  # candidates more than asked for, so that rounding in the search costs none


def _check_k(k: int, available: int) -> None:
    if not 1 <= k <= available:
        raise ValueError(f"k = {k} neighbours asked for, but the base offers {available}. Choose 1 ≤ k ≤ {available}.")


def unit_rows(rows: Tensor) -> Tensor:
    """Rows (n, d) of length 1; a zero vector, which has no direction, stays zero."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (n, 1)
    return rows / torch.where(lengths > 1e-12, lengths, torch.inf)


def neighbours(
    queries: Array, base: Array, k: int, *, metric: str = "cosine", largest: bool = False, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """The k nearest (or, with `largest`, furthest) rows of `base` for every query: exact search, bounded memory.

    queries (m, d), base (n, d) → distances (m, k) float32, indices (m, k) int64, best first; equals in order of index.
    metric "cosine": 1 − cos of the angle, in [0, 2]; a zero vector is at distance 1 from everything. "euclidean": |q − x|.
    exclude_self: queries and base are the same rows, and row i is not a neighbour of itself (leave one out).
    Raises ValueError for NaN, unequal dimensions, an unknown metric, or k larger than the base.

    Plain blocks of distances, not scikit-learn's NearestNeighbors: that knows no furthest rows (see `benchmarks`).
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}.")
    q, x = as_features(queries, "queries"), as_features(base, "base")
    check_same_width(q, x, ("queries", "base"))
    if exclude_self and len(q) != len(x):
        raise ValueError(f"exclude_self needs queries and base to be the same rows; there are {len(q)} and {len(x)}.")
    _check_k(k, len(x) - int(exclude_self))
    if metric == "cosine":
        q, x, offset = unit_rows(q), unit_rows(x), torch.zeros(len(x))
    else:
        centre = x.mean(0)  # (d,): far from the origin small distances would drown in rounding
        q, x = q - centre, x - centre
        offset = x.square().sum(1) / 2  # (n,)
    candidates, step = min(k + SPARE, len(x) - int(exclude_self)), max(1, BLOCK // len(x))
    found = []
    for start in range(0, len(q), step):
        part = q[start : start + step]
        # −cos, or |x|²/2 − q·x = (|q − x|² − |q|²) / 2: in the order of the distances
        place = torch.addmm(offset, part, x.T, alpha=-1)  # (b, n)
        if exclude_self:
            place.diagonal(start)[: len(part)] = -torch.inf if largest else torch.inf
        found.append(_ordered(part, x, place.topk(candidates, largest=largest).indices, k, metric, largest))
    return torch.cat([d for d, _ in found]), torch.cat([i for _, i in found])


def _ordered(q: Tensor, x: Tensor, found: Tensor, k: int, metric: str, largest: bool) -> tuple[Tensor, Tensor]:
    """Distances and indices (b, k) of the best candidates (b, k + spare), computed from the rows: without cancellation."""
    found = found.sort(dim=1).values  # by index first, then stably by distance: equals stay in order of index
    if metric == "cosine":
        distances = torch.stack([1 - (q * x[column]).sum(1) for column in found.T], dim=1)  # (b, k + spare)
    else:
        distances = torch.stack([(q - x[column]).square().sum(1).sqrt() for column in found.T], dim=1)
    distances, order = distances.sort(dim=1, descending=largest, stable=True)
    return distances[:, :k], found.gather(1, order)[:, :k]  # (b, k) each


def vote(neighbour_labels: Tensor) -> Tensor:
    """Majority vote over labels (m, k), nearest first → (m,). Among equal votes the class with the nearest member wins."""
    classes, index = neighbour_labels.unique(return_inverse=True)  # (c,), (m, k)
    m, k = index.shape
    nearness = torch.arange(k, 0, -1).expand(m, k)  # k for the nearest, 1 for the furthest
    counts = torch.zeros(m, len(classes), dtype=torch.int64).scatter_add_(1, index, torch.ones_like(index))
    best = torch.zeros(m, len(classes), dtype=torch.int64).scatter_reduce_(1, index, nearness, "amax")
    return classes[(counts * (k + 1) + best).argmax(1)]


def knn(train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, k: int = 20, metric: str = "cosine") -> Score:
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
