"""Nearest and furthest neighbours by exact search, and the classifier that needs no training: k-NN."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Array, as_features, as_labels, as_pair
from .intervals import Score, score

BLOCK = 2**22  # distances held at once: 16 MB
SPARE = 8  # candidates more than asked for, so that rounding in the search costs none


def unit_rows(rows: Tensor) -> Tensor:
    """Rows (n, d) of length 1; a zero vector, which has no direction, stays zero."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)  # (n, 1)
    return rows / torch.where(lengths > 1e-12, lengths, torch.inf)


def neighbours(
    queries: Array, base: Array, k: int, *, metric: str = "cosine", largest: bool = False, exclude_self: bool = False
) -> tuple[Tensor, Tensor]:
    """The k nearest (or, with `largest`, furthest) rows of `base` for every query: exact search, bounded memory.

    queries (m, d), base (n, d) → distances (m, k) float32, indices (m, k) int64, best first; equals in order of index.
    metric "cosine": 1 − cos of the angle, in [0, 2], 1 for a zero vector. "euclidean": |q − x|.
    exclude_self: queries and base are the same rows, and row i is not a neighbour of itself (leave one out).
    Raises ValueError for NaN, unequal dimensions, an unknown metric, or k larger than the base.
    Plain blocks of distances, not scikit-learn's NearestNeighbors: that knows no furthest rows (see `benchmarks`).
    """
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric {metric!r} is unknown; choose cosine or euclidean.")
    q, x = as_pair(queries, base, ("queries", "base"))
    if exclude_self and len(q) != len(x):
        raise ValueError(f"exclude_self needs the same rows as queries and as base; there are {len(q)} and {len(x)}.")
    most = len(x) - int(exclude_self)
    if not 1 <= k <= most:
        raise ValueError(f"k = {k} neighbours asked for, but the base offers {most}. Choose 1 ≤ k ≤ {most}.")
    if metric == "cosine":
        q, x, offset = unit_rows(q), unit_rows(x), torch.zeros(len(x))
    else:
        centre = x.mean(0)  # (d,): far from the origin small distances would drown in rounding
        q, x = q - centre, x - centre
        offset = x.square().sum(1) / 2  # (n,)
    found, step = [], max(1, BLOCK // len(x))
    for start in range(0, len(q), step):
        part = q[start : start + step]
        # −cos, or |x|²/2 − q·x = (|q − x|² − |q|²) / 2: in the order of the distances
        place = torch.addmm(offset, part, x.T, alpha=-1)  # (b, n)
        if exclude_self:
            place.diagonal(start)[: len(part)] = -torch.inf if largest else torch.inf
        # Candidates in order of index, then stably by distance: equals stay in order of index.
        columns = place.topk(min(k + SPARE, most), largest=largest).indices.sort(dim=1).values.T  # (k + spare, b)
        if metric == "cosine":  # from the rows themselves: without cancellation
            exact = torch.stack([1 - (part * x[column]).sum(1) for column in columns], dim=1)  # (b, k + spare)
        else:
            exact = torch.stack([(part - x[column]).square().sum(1).sqrt() for column in columns], dim=1)
        distances, order = exact.sort(dim=1, descending=largest, stable=True)
        found.append((distances[:, :k], columns.T.gather(1, order)[:, :k]))  # (b, k) each
    return torch.cat([d for d, _ in found]), torch.cat([i for _, i in found])


def vote(neighbour_labels: Tensor) -> Tensor:
    """Majority vote over labels (m, k), nearest first → (m,). Of equal votes the class with the nearest member wins."""
    classes, index = neighbour_labels.unique(return_inverse=True)  # (c,), (m, k)
    k = index.shape[1]
    votes = F.one_hot(index)  # (m, k, c)
    nearest = (votes * torch.arange(k, 0, -1)[:, None]).amax(1)  # (m, c): k for the nearest, 1 for the furthest
    return classes[(votes.sum(1) * (k + 1) + nearest).argmax(1)]


def knn(
    train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, k: int = 20, metric: str = "cosine"
) -> Score:
    """k-nearest-neighbour classifier, of features (n, d), (m, d) and labels (n,), (m,). Raises as `neighbours` does."""
    train, test = as_pair(train_y, test_y, ("train_y", "test_y"))
    labels = as_labels(train_labels, len(train), "train_labels")
    truth = as_labels(test_labels, len(test), "test_labels")
    return score(vote(labels[neighbours(test, train, k, metric=metric)[1]]), truth)


def knn_leave_one_out(y: Array, labels: Array, k: int = 10) -> Score:
    """k-NN (Euclidean) of every row of y (n, d) among all other rows. Raises ValueError as `neighbours` does."""
    rows = as_features(y, "y")
    truth = as_labels(labels, len(rows))
    return score(vote(truth[neighbours(rows, rows, k, metric="euclidean", exclude_self=True)[1]]), truth)
