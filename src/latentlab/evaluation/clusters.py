"""Clusters found without labels, and how well they match the classes."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels

ROWS = 5000  # a silhouette needs all pairwise distances: of more rows a random sample of so many is taken


@dataclass(frozen=True)
class Clustering:
    """k-means: which cluster each row is in (n,) int64, and the centres (k, d)."""

    cluster: Tensor
    centres: Tensor


def k_means(y: Array, k: int = 10, *, seed: int = 0, starts: int = 5) -> Clustering:
    """k clusters of the rows of y (n, d) by k-means; the best of `starts` beginnings. Same seed, same clusters.

    Clusters are numbered by falling size. Raises ValueError for NaN, k < 2, or fewer different rows than clusters.
    Source: Lloyd (1982), started by k-means++, Arthur & Vassilvitskii (2007).
    """
    rows = as_features(y, "y").numpy()
    if not 2 <= k <= len(rows):
        raise ValueError(f"{k} clusters of {len(rows)} rows: choose 2 ≤ k ≤ {len(rows)}.")
    with warnings.catch_warnings():  # scikit-learn only warns of too few clusters
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(k, n_init=starts, random_state=seed).fit(rows)
    formed = len(np.unique(fitted.labels_))
    if formed < k:
        raise ValueError(f"Only {formed} rows are different: they cannot form {k} clusters. Has the representation collapsed?")
    order = np.argsort(-np.bincount(fitted.labels_, minlength=k), kind="stable")  # largest first
    return Clustering(torch.from_numpy(np.argsort(order)[fitted.labels_]), torch.from_numpy(fitted.cluster_centers_[order]))


def confusion(cluster: Array, labels: Array) -> Tensor:
    """How many rows of each cluster are of each class; (clusters, classes) int64, in ascending order of their numbers."""
    group, truth = _both(cluster, labels)
    groups, row = group.unique(return_inverse=True)
    classes, column = truth.unique(return_inverse=True)
    counts = torch.bincount(row * len(classes) + column, minlength=len(groups) * len(classes))
    return counts.view(len(groups), len(classes))


def cluster_agreement(cluster: Array, labels: Array) -> dict[str, float]:
    """How well clusters (n,) match classes (n,), whatever their numbers.

    "nmi"       mutual information by the mean of both entropies, in [0, 1]; 0 for independent, 1 for the same partition
    "ari"       share of pairs on which both agree, corrected for chance: 0 for random clusters, 1 for the same partition
    "matched"   accuracy in [0, 1] if every cluster is named after one class, each class once, in the best way
    Raises ValueError for a single class or lengths that do not fit.
    Sources: Strehl & Ghosh (2002); Hubert & Arabie (1985); best naming by Kuhn (1955).
    """
    group, truth = _both(cluster, labels)
    if len(truth.unique()) < 2:
        raise ValueError(f"All {len(truth)} rows are of class {int(truth[0])}: clusters are compared with two classes or more.")
    table = confusion(group, truth)  # (clusters, classes)
    named = linear_sum_assignment(-table.numpy())
    return {
        "nmi": float(normalized_mutual_info_score(truth.numpy(), group.numpy())),
        "ari": float(adjusted_rand_score(truth.numpy(), group.numpy())),
        "matched": float(table[named].sum() / len(truth)),
    }


def silhouette(y: Array, groups: Array, *, seed: int = 0) -> float:
    """Mean silhouette in [−1, 1] of the groups (n,) in y (n, d): 1 tight and far apart, 0 overlapping, < 0 mixed up.

    For k-means' own clusters it asks whether there are clusters at all; for the classes, whether *they* are the clusters.
    Values of two representations compare only roughly: it depends on the number of dimensions.
    Raises ValueError for NaN, a single group, or only groups of one. Source: Rousseeuw (1987).
    """
    rows = as_features(y, "y")
    group = as_labels(groups, len(rows), "groups")
    if not 1 < len(group.unique()) < len(rows):
        raise ValueError(f"{len(group.unique())} groups of {len(rows)} rows: a silhouette needs two or more, fewer than rows.")
    sample = ROWS if len(rows) > ROWS else None
    return float(silhouette_score(rows.numpy(), group.numpy(), sample_size=sample, random_state=seed))


def _both(cluster: Array, labels: Array) -> tuple[Tensor, Tensor]:
    n = len(torch.as_tensor(cluster))
    return as_labels(cluster, n, "cluster"), as_labels(labels, n)
