"""Nearest and furthest neighbours by exact search (scikit-learn's), and the classifier that needs no training: k-NN."""

import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels, check_same_width
from latentlab.evaluation.intervals import Score, score

METRICS = ("cosine", "euclidean")


def _check_k(k: int, available: int) -> None:
    if not 1 <= k <= available:
        raise ValueError(f"k = {k} neighbours asked for, but the base offers {available}. Choose 1 ≤ k ≤ {available}.")


def unit_rows(rows: Tensor) -> Tensor:
    """Rows (n, d) of length 1; a zero vector, which has no direction, stays zero."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (n, 1)
    return rows / torch.where(lengths > 1e-12, lengths, torch.inf)


def neighbours(
    queries: Array,
    base: Array,
    k: int,
    *,
    metric: str = "cosine",
    largest: bool = False,
    exclude_self: bool = False,
    block: int = 8192,
) -> tuple[Tensor, Tensor]:
    """The k nearest (or, with `largest`, furthest) rows of `base` for every query: exact search, bounded memory.

    queries (m, d), base (n, d) → distances (m, k) float32, indices (m, k) int64, best first; equals in order of index.
    metric "cosine": 1 − cos of the angle, in [0, 2]; a zero vector is at distance 1 from everything. "euclidean": |q − x|.
    exclude_self: queries and base are the same rows, and row i is not a neighbour of itself (leave one out).
    block: queries handed to scikit-learn at once; its table of distances is far smaller still and never (m, n).
    Raises ValueError for NaN, unequal dimensions, an unknown metric, or k larger than the base.
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}.")
    q, x = as_features(queries, "queries"), as_features(base, "base")
    check_same_width(q, x, ("queries", "base"))
    if exclude_self and len(q) != len(x):
        raise ValueError(f"exclude_self needs queries and base to be the same rows; there are {len(q)} and {len(x)}.")
    _check_k(k, len(x) - int(exclude_self))
    if metric == "cosine":  # between vectors of length 1:  |q − x|² = 2 (1 − cos),  so both metrics have one order
        q, x = unit_rows(q), unit_rows(x)
        places, asked = _upright(x, q)
    else:
        places, asked = x, q
    if largest:
        places, asked = _opposite(places, asked)
    index = NearestNeighbors(n_neighbors=k + exclude_self, algorithm="brute").fit(places.numpy())
    found = []
    for start in range(0, len(q), block):
        part = slice(start, start + block)
        near = torch.from_numpy(index.kneighbors(asked[part].numpy(), return_distance=False)).long()  # (b, k or k + 1)
        own = torch.arange(start, start + len(near)) if exclude_self else None
        found.append(_ordered(q[part], x, near, k, metric, largest, own))
    return torch.cat([d for d, _ in found]), torch.cat([i for _, i in found])


def _upright(x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """A zero row of the base gets a coordinate of its own, at right angles to every query; other rows stay as they are."""
    zero = torch.linalg.vector_norm(x, dim=1) < 0.5  # (n,), among unit rows
    if not zero.any():
        return x, q
    return torch.cat([x, zero[:, None].float()], dim=1), F.pad(q, (0, 1))  # (n, d + 1), (m, d + 1)


def _opposite(x: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Base (n, d) and queries (m, d) → (n, d + 1), (m, d + 1), among which the furthest of before are the nearest.

    If all points lay on one sphere, the furthest would lie beside the mirror image −q. A coordinate t more puts them on one.
    """
    centre = F.pad(x.mean(0), (0, 1))  # (d + 1,)
    places, asked = F.pad(x, (0, 1)).sub_(centre), F.pad(q, (0, 1)).sub_(centre).neg_()  # (n, d + 1), (m, d + 1)
    # with  t² = 2 (R² − |x|²)  and  R = max |x|:   |(−q, 0) − (x, t)|² = 2 |q|² + 2 R² − |q − x|²
    norms = torch.linalg.vector_norm(places, dim=1).square()  # (n,)
    places[:, -1] = (2 * (norms.max() - norms)).sqrt()
    return places, asked


def _ordered(q: Tensor, x: Tensor, found: Tensor, k: int, metric: str, largest: bool, own: Tensor | None):
    """Distances and indices (b, k) of the rows found, computed once more from the rows themselves: without cancellation."""
    found = found.sort(dim=1).values  # by index first, then stably by distance: equals stay in order of index
    if metric == "cosine":
        distances = torch.stack([1 - (q * x[column]).sum(1) for column in found.T], dim=1)  # (b, k)
    else:
        distances = torch.stack([(q - x[column]).square().sum(1).sqrt() for column in found.T], dim=1)  # (b, k)
    distances, order = distances.sort(dim=1, descending=largest, stable=True)
    found = found.gather(1, order)
    if own is not None:
        other = found != own[:, None]  # (b, k + 1)
        other[other.all(1), -1] = False  # its twins hid the row itself: the last one goes
        distances, found = distances[other].view(-1, k), found[other].view(-1, k)
    return distances, found


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
