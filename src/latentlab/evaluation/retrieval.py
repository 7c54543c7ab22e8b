"""What a search returns: how often it is right, which images it always returns, and where given images stand in its order."""

import numpy as np
import torch
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels, check_same_width
from latentlab.evaluation.neighbours import neighbours, unit_rows


def as_found(found: Array, n: int) -> Tensor:
    """Indices (m, k) of a search among n rows as int64. Raises ValueError for another shape or an index outside the base."""
    indices = torch.as_tensor(found).detach().to("cpu")
    if indices.ndim != 2 or indices.numel() == 0 or indices.is_floating_point():
        raise ValueError(f"Found indices of shape {tuple(indices.shape)}: expected whole numbers (m, k), one row per query.")
    if not 0 <= int(indices.min()) <= int(indices.max()) < n:
        raise ValueError(f"Found indices reach from {int(indices.min())} to {int(indices.max())}; the base has {n} rows.")
    return indices.to(torch.int64)


def precision(found: Array, base_labels: Array, query_labels: Array) -> Tensor:
    """precision@k of every query: the share of the k images found that are of its class; (m,) float64 in [0, 1].

    found (m, k) indices into the base, base_labels (n,), query_labels (m,). The mean over queries is the usual number.
    Raises ValueError for indices outside the base or labels that do not fit.
    """
    base = as_labels(base_labels, len(torch.as_tensor(base_labels)), "base_labels")
    indices = as_found(found, len(base))
    truth = as_labels(query_labels, len(indices), "query_labels")
    return (base[indices] == truth[:, None]).double().mean(1)  # (m, k) → (m,)


def occurrences(found: Array, n: int) -> Tensor:
    """In how many of the m lists found (m, k) each of the n base rows stands; (n,) int64. A hub stands in many."""
    return torch.bincount(as_found(found, n).flatten(), minlength=n)


def foretold(found_labels: Array, query_labels: Array) -> float:
    """How much oftener one guesses the class of a found image rightly when the query's class is known; a share in [−1, 1].

    found_labels (m, k), query_labels (m,). The best guesses are learned on the even queries and tried on the odd ones.
    """
    found, asked = torch.as_tensor(found_labels), torch.as_tensor(query_labels)
    told = torch.stack([found[::2][asked[::2] == c].flatten().bincount(minlength=10) for c in range(int(asked.max()) + 1)])
    right = found[1::2] == told.argmax(1)[asked[1::2]][:, None]  # (m / 2, k)
    blind = found[1::2] == told.sum(0).argmax()
    return float(right.double().mean() - blind.double().mean())


def standing(queries: Array, base: Array, targets: Array) -> Tensor:
    """Where one given base row stands in each query's order: 0 is nearest of all, 1 furthest; (m,) float64.

    queries (m, d), base (n, d), targets (m,) indices: the share of the other rows that are strictly nearer (Euclidean).
    Raises ValueError for NaN, unequal dimensions, fewer than two base rows, or targets that do not fit.
    """
    q, x = as_features(queries, "queries"), as_features(base, "base")
    check_same_width(q, x, ("queries", "base"))
    if len(x) < 2:
        raise ValueError("An order needs at least two base rows; there is one.")
    given = as_labels(targets, len(q), "targets")
    indices = as_found(given[:, None], len(x))[:, 0]
    nearer = torch.empty(len(q), dtype=torch.float64)
    for part in torch.arange(len(q)).split(max(1, 4_000_000 // len(x))):  # at most 32 MB of distances at once
        # |q − x|² − |q|² = |x|² − 2 q·x orders as |q − x| does
        table = x.double().square().sum(1)[None] - 2 * q[part].double() @ x.double().T  # (b, n)
        own = table.gather(1, indices[part, None])  # (b, 1)
        nearer[part] = (table < own).sum(1).double() / (len(x) - 1)
    return nearer


def distance_from_mean(y: Array) -> Tensor:
    """Percentile in [0, 1] of every row's distance from the mean row of y (n, d): 1 is the outermost; (n,) float64."""
    rows = as_features(y, "y").double()
    away = (rows - rows.mean(0)).norm(dim=1)  # (n,)
    return away.argsort().argsort().double() / max(1, len(rows) - 1)


def twins(queries: Array, base: Array, *, correlation: float = 0.95) -> tuple[Tensor, Tensor, Tensor]:
    """Near-duplicates: queries whose most correlated base image is correlated by `correlation` or more, pixel by pixel.

    queries (m, …), base (n, …), e.g. uint8 images of one size → (query indices (t,), base indices (t,), correlations (t,)).
    Correlation ignores brightness and contrast, so a flat image has none with any other. Raises ValueError as `neighbours`.
    """
    if not 0 < correlation <= 1:
        raise ValueError(f"correlation = {correlation}: expected a number in (0, 1].")
    q, x = as_features(queries, "queries"), as_features(base, "base")
    q, x = (rows - rows.mean(1, keepdim=True) for rows in (q, x))
    # corr(a, b) = cos of the angle between a − mean(a) and b − mean(b)
    distances, nearest = neighbours(unit_rows(q), unit_rows(x), 1, metric="cosine")  # (m, 1) each
    close = torch.nonzero(1 - distances[:, 0] >= correlation).squeeze(1)  # (t,)
    return close, nearest[close, 0], 1 - distances[close, 0]


def ratio_to_chance(
    values: Array, found: Array, query_values: Array | None = None, *, classes: tuple[Array, Array] | None = None, seed: int = 0
) -> float:
    """How alike is a trait of the images found to the query's? Mean difference to them by that to random base images.

    values (n,) or (n, c) of the base, query_values (m,) or (m, c) of the queries (the base's own if absent), found (m, k).
    0: the trait is shared exactly. 1: no more alike than random images. With `classes`, labels (n,) and (m,), only images of
    another class than the query's count, on both sides. Raises ValueError if nothing differs at all.
    """
    trait = torch.as_tensor(np.asarray(values), dtype=torch.float64).reshape(len(values), -1)  # (n, c)
    own = trait if query_values is None else torch.as_tensor(np.asarray(query_values), dtype=torch.float64)
    own = own.reshape(len(own), -1)  # (m, c)
    indices = as_found(found, len(trait))
    if len(own) != len(indices) or own.shape[1] != trait.shape[1]:
        wanted = f"({len(indices)}, {trait.shape[1]})"
        raise ValueError(f"Traits of shape {tuple(own.shape)} for {len(indices)} queries: expected {wanted}.")
    strangers = torch.randint(len(trait), indices.shape, generator=torch.Generator().manual_seed(seed))
    apart = []
    for rows in (indices, strangers):
        difference = (trait[rows] - own[:, None]).norm(dim=2)  # (m, k, c) → (m, k)
        apart.append((difference if classes is None else difference[classes[0][rows] != classes[1][:, None]]).mean())
    if not apart[1] > 0:
        raise ValueError("This trait is the same for all images: nothing can be more alike than that.")
    return float(apart[0] / apart[1])
