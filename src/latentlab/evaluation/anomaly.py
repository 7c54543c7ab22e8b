"""Anomaly detection: a score for every image, and exactly how well it keeps strangers apart from the known."""

from typing import NamedTuple

import torch
from torch import Tensor

from .arrays import Array, as_pair
from .neighbours import neighbours


class Detection(NamedTuple):
    """How a score orders pairs of one inlier and one outlier. With none inverted or tied a threshold separates all."""

    auc: float  # share of pairs in which the outlier has the larger score, a tie counting one half
    inverted: int  # pairs in which the inlier has the larger score
    tied: int  # pairs with equal scores


def knn_score(reference: Array, y: Array, k: int = 2) -> Tensor:
    """How far out is each row of y (m, d)? Mean Euclidean distance to its k nearest of reference (n, d); (m,) float64.

    Raises ValueError for NaN, unequal dimensions, or fewer than k reference rows.
    Sources: Ramaswamy, Rastogi & Shim (2000); on deep representations, Bergman, Cohen & Hoshen (2020).
    """
    known, rows = as_pair(reference, y, ("reference", "y"))
    nearest = neighbours(rows, known, k, metric="euclidean")[1]  # (m, k)
    # score(y) = (1/k) Σⱼ |y − y_(j)|, in double precision: two scores are tied only if they are equal
    apart = [(rows.double() - known[column].double()).norm(dim=1) for column in nearest.T]  # k times (m,)
    return torch.stack(apart).mean(0)


def detection(inliers: Array, outliers: Array) -> Detection:
    """Count the pairs that a score puts in the wrong order. inliers (m,), outliers (l,): larger means more anomalous.

    AUC = 1 − (inverted + tied / 2) / (m·l), counted in whole numbers; the same as the area under the ROC curve.
    Raises ValueError for NaN or if either group is empty. Source: Hanley & McNeil (1982).
    """
    known, strange = _scores(inliers, "inliers").sort().values, _scores(outliers, "outliers")
    below = torch.searchsorted(known, strange, side="left")  # inliers strictly below each outlier
    not_above = torch.searchsorted(known, strange, side="right")
    inverted, tied = int((len(known) - not_above).sum()), int((not_above - below).sum())
    return Detection(1 - (inverted + tied / 2) / (len(known) * len(strange)), inverted, tied)


def most_anomalous(scores: Array, n: int) -> Tensor:
    """Indices (n,) of the n largest scores (m,), largest first; equals in order of index. ValueError if m < n."""
    values = _scores(scores, "scores")
    if not 1 <= n <= len(values):
        raise ValueError(f"The {n} most anomalous of {len(values)} scores: choose 1 ≤ n ≤ {len(values)}.")
    return values.argsort(descending=True, stable=True)[:n]


def _scores(scores: Array, name: str) -> Tensor:
    values = torch.as_tensor(scores).detach().to("cpu", torch.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} has shape {tuple(values.shape)}; expected scores, (m,), one an image, at least one.")
    if not torch.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinity; such a score cannot be ordered. Look at the representations.")
    return values
