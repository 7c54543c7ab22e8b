"""Exercises of notebook 03: precision of a search, the score of a lonely point, pairs in order, one step of k-means."""

import torch

from latentlab.evaluation import detection, knn_score

from .kinds import Exercise, normal


def precision(found_labels, query_labels):
    """Mean share of the pictures found that have the query's class; (m, k), (m,) → number."""
    return (found_labels == query_labels[:, None]).double().mean()


def area(home, foreign):
    """Share of pairs (home, foreign) in which the foreign score is larger, ties counting half; (m,), (l,) → number."""
    return detection(home, foreign).auc


def move_centres(y, centres):
    """A step of k-means: each row of y (n, d) joins its nearest centre (k, d), which moves to the mean of its rows."""
    nearest = torch.cdist(y, centres).argmin(1)
    return torch.stack([y[nearest == c].mean(0) for c in range(len(centres))])


def _search(g):
    return torch.randint(3, (20, 5), generator=g), torch.randint(3, (20,), generator=g)


def _scores(g):
    home, foreign = normal(g, 40, 30, dtype=torch.float64)
    return home.round(), (foreign + 1).round()


def _clusters(g):
    (y,) = normal(g, (40, 2), dtype=torch.float64)
    return y, y[:3].clone()


def _nearest(reference, y):
    """Distances of each row of y to all reference rows, smallest first."""
    return torch.cdist(y, reference).sort(1).values


EXERCISES = [
    Exercise("03.a", precision, _search, {
        "this asks whether any of the k is right; take the share of the k":
            lambda f, q: (f == q[:, None]).any(1).double().mean(),
        "this looks at the nearest one only": lambda f, q: (f[:, 0] == q).double().mean(),
        "this counts; divide by all m · k": lambda f, q: (f == q[:, None]).double().sum(),
    }),
    Exercise("03.b", knn_score, lambda g: (*normal(g, (30, 4), (8, 4), dtype=torch.float64), 2), {
        "this is the distance to the k-th alone; take the mean of all k": lambda r, y, k: _nearest(r, y)[:, k - 1],
        "these are squared distances": lambda r, y, k: (_nearest(r, y)[:, :k] ** 2).mean(1),
        "these are the k furthest": lambda r, y, k: _nearest(r, y)[:, -k:].mean(1),
        "this is the distance from the mean: the middle of a ring is empty, too":
            lambda r, y, k: (y - r.mean(0)).norm(dim=1),
    }, tolerance=1e-4),
    Exercise("03.c", area, _scores, {
        "a tie counts one half, not nothing": lambda h, f: (f[None] > h[:, None]).double().mean(),
        "a tie counts one half, not one": lambda h, f: (f[None] >= h[:, None]).double().mean(),
        "it is turned round: the foreign one must be larger": lambda h, f: area(f, h),
    }),
    Exercise("03.d", move_centres, _clusters, {
        "these are sums: divide by the number of rows":
            lambda y, c: torch.stack([y[torch.cdist(y, c).argmin(1) == i].sum(0) for i in range(len(c))]),
        "every row joined the furthest centre":
            lambda y, c: torch.stack([y[torch.cdist(y, c).argmax(1) == i].mean(0) for i in range(len(c))]),
        "the centres did not move": lambda y, c: c,
    }),
]  # fmt: skip
