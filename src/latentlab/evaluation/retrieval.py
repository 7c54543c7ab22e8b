"""What a search returns: which images it always returns, how they are like the query, and where given images stand."""

import numpy as np
import torch
from torch import Tensor

from .arrays import Array, as_features, as_labels, as_pair
from .neighbours import neighbours, unit_rows

TWIN = 0.95  # correlation of two pictures, pixel by pixel, from which on they count as near-duplicates


def as_found(found: Array, n: int) -> Tensor:
    """Indices (m, k) of a search among n rows as int64. Raises ValueError for another shape or a missing row."""
    indices = torch.as_tensor(found).detach().to("cpu")
    if indices.ndim != 2 or indices.numel() == 0 or indices.is_floating_point():
        raise ValueError(f"Indices of shape {tuple(indices.shape)}: expected whole numbers (m, k), one row per query.")
    low, high = int(indices.min()), int(indices.max())
    if not 0 <= low <= high < n:
        raise ValueError(f"Found indices reach from {low} to {high}; the base has {n} rows.")
    return indices.to(torch.int64)


def occurrences(found: Array, n: int) -> Tensor:
    """In how many of the m lists found (m, k) each of the n base rows stands; (n,) int64. A hub stands in many."""
    return torch.bincount(as_found(found, n).flatten(), minlength=n)


def foretold(found_labels: Array, query_labels: Array) -> float:
    """How much oftener one guesses the class of a found image rightly when the query's class is known; in [−1, 1].

    found_labels (m, k), query_labels (m,). The best guesses are learned on the even queries and tried on the odd ones.
    """
    found, asked = torch.as_tensor(found_labels), torch.as_tensor(query_labels)
    classes = range(int(max(found.max(), asked.max())) + 1)
    own = [found[::2][asked[::2] == c].flatten().bincount(minlength=len(classes)) for c in classes]
    told = torch.stack(own)  # (classes, classes): what is found for each class of query
    right = found[1::2] == told.argmax(1)[asked[1::2]][:, None]  # (m / 2, k)
    return float(right.double().mean() - (found[1::2] == told.sum(0).argmax()).double().mean())


def standing(queries: Array, base: Array, targets: Array) -> Tensor:
    """Where one given base row stands in each query's order: 0 is nearest of all, 1 furthest; (m,) float64.

    queries (m, d), base (n, d), targets (m,) indices: the share of the other rows that are strictly nearer (Euclidean).
    Raises ValueError for NaN, unequal dimensions, fewer than two base rows, or targets that do not fit.
    """
    q, x = as_pair(queries, base, ("queries", "base"))
    if len(x) < 2:
        raise ValueError("An order needs at least two base rows; there is one.")
    indices = as_found(as_labels(targets, len(q), "targets")[:, None], len(x))  # (m, 1)
    nearer = torch.empty(len(q), dtype=torch.float64)
    for part in torch.arange(len(q)).split(max(1, 4_000_000 // len(x))):  # at most 32 MB of distances at once
        # |q − x|² − |q|² = |x|² − 2 q·x orders as |q − x| does
        table = x.double().square().sum(1)[None] - 2 * q[part].double() @ x.double().T  # (b, n)
        own = table.gather(1, indices[part])  # (b, 1)
        nearer[part] = (table < own).sum(1).double() / (len(x) - 1)
    return nearer


def distance_from_mean(y: Array) -> Tensor:
    """Percentile in [0, 1] of every row's distance from the mean row of y (n, d): 1 is the outermost; (n,) float64."""
    rows = as_features(y, "y").double()
    away = (rows - rows.mean(0)).norm(dim=1)  # (n,)
    return away.argsort().argsort().double() / max(1, len(rows) - 1)


def twins(queries: Array, base: Array) -> tuple[Tensor, Tensor, Tensor]:
    """Near-duplicates: queries whose most correlated base image is correlated by 0.95 or more, pixel by pixel.

    queries (m, …), base (n, …), images of one size → (query indices (t,), base indices (t,), correlations (t,)).
    Correlation ignores brightness and contrast: a flat image has none with any other. ValueError as in `neighbours`.
    """
    q, x = as_features(queries, "queries"), as_features(base, "base")
    # corr(a, b) = cos of the angle between a − mean(a) and b − mean(b)
    q, x = (unit_rows(rows - rows.mean(1, keepdim=True)) for rows in (q, x))
    distances, nearest = neighbours(q, x, 1, metric="cosine")  # (m, 1) each
    close = torch.nonzero(1 - distances[:, 0] >= TWIN).squeeze(1)  # (t,)
    return close, nearest[close, 0], 1 - distances[close, 0]


def ratio_to_chance(
    values: Array, found: Array, query_values: Array, *, classes: tuple[Array, Array] | None = None
) -> float:
    """How alike is a trait of the images found to the query's? Mean difference to them by that to random base images.

    values (n,) or (n, c) of the base, query_values (m,) or (m, c), found (m, k). 0: the trait is shared exactly.
    1: no more alike than random images. With `classes`, labels (n,) and (m,), only images of another class than the
    query's count, on both sides. Raises ValueError if nothing differs at all.
    """
    trait, own = (torch.as_tensor(np.asarray(v), dtype=torch.float64) for v in (values, query_values))
    trait, own = trait.reshape(len(trait), -1), own.reshape(len(own), -1)  # (n, c), (m, c)
    indices = as_found(found, len(trait))
    wanted = (len(indices), trait.shape[1])
    if own.shape != wanted:
        raise ValueError(f"Traits of shape {tuple(own.shape)} for {len(indices)} queries: expected {wanted}.")
    strangers = torch.randint(len(trait), indices.shape, generator=torch.Generator().manual_seed(0))
    apart = []
    for rows in (indices, strangers):
        difference = (trait[rows] - own[:, None]).norm(dim=2)  # (m, k, c) → (m, k)
        counted = difference if classes is None else difference[classes[0][rows] != classes[1][:, None]]
        apart.append(counted.mean())
    if not apart[1] > 0:
        raise ValueError("This trait is the same for all images: nothing can be more alike than that.")
    return float(apart[0] / apart[1])
