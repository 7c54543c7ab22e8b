"""Clusters found without labels, and how well they match the classes."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

from .arrays import Array, as_features, as_labels

ROWS = 5000  # a silhouette needs all pairwise distances: of more rows a random sample of so many is taken


class Clustering(NamedTuple):
    """k-means: which cluster each row is in (n,) int64, and the centres (k, d)."""

    cluster: Tensor
    centres: Tensor


def k_means(y: Array, k: int, *, seed: int = 0) -> Clustering:
    """k clusters of the rows of y (n, d) by k-means; the best of five beginnings. Same seed, same clusters.

    Clusters are numbered by falling size. Raises ValueError for NaN, k < 2, or fewer different rows than clusters.
    Source: Lloyd (1982), started by k-means++, Arthur & Vassilvitskii (2007).
    """
    rows = as_features(y, "y").numpy()
    if not 2 <= k <= len(rows):
        raise ValueError(f"{k} clusters of {len(rows)} rows: choose 2 ≤ k ≤ {len(rows)}.")
    with warnings.catch_warnings():  # scikit-learn only warns of too few clusters
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(k, n_init=5, random_state=seed).fit(rows)
    sizes = np.bincount(fitted.labels_, minlength=k)
    if not sizes.all():
        raise ValueError(f"Only {sum(sizes > 0)} rows are different: too few for {k} clusters. Did the codes collapse?")
    order = np.argsort(-sizes, kind="stable")  # largest first
    place = np.argsort(order)[fitted.labels_]
    return Clustering(torch.from_numpy(place), torch.from_numpy(fitted.cluster_centers_[order]))


def confusion(cluster: Array, labels: Array) -> Tensor:
    """How many rows of each cluster are of each class; (clusters, classes) int64, both in ascending order."""
    group = as_labels(cluster, len(cluster), "cluster")
    return torch.from_numpy(contingency_matrix(group.numpy(), as_labels(labels, len(group)).numpy()))


def cluster_agreement(cluster: Array, labels: Array) -> dict[str, float]:
    """How well clusters (n,) match classes (n,), whatever their numbers.

    "nmi"      mutual information by the mean of both entropies: 0 for independent, 1 for the same partition
    "ari"      share of pairs on which both agree, corrected for chance: 0 for random clusters, 1 for the same partition
    "matched"  accuracy in [0, 1] if every cluster is named after one class, each class once, in the best way
    Raises ValueError for a single class or lengths that do not fit.
    Sources: Strehl & Ghosh (2002); Hubert & Arabie (1985); best naming by Kuhn (1955).
    """
    table = confusion(cluster, labels)  # (clusters, classes)
    group, truth = np.asarray(cluster), np.asarray(labels)
    if table.shape[1] < 2:
        raise ValueError(f"All {len(truth)} rows are of class {truth[0]}: compare clusters with two classes or more.")
    return {
        "nmi": float(normalized_mutual_info_score(truth, group)),
        "ari": float(adjusted_rand_score(truth, group)),
        "matched": float(table[linear_sum_assignment(table.numpy(), maximize=True)].sum() / len(truth)),
    }


def silhouette(y: Array, groups: Array, *, seed: int = 0) -> float:
    """Mean silhouette in [−1, 1] of the groups (n,) in y (n, d): 1 tight and far apart, 0 overlapping, < 0 mixed up.

    Of k-means' own clusters it says whether there are any; of classes, whether they are the clusters. It depends on d.
    Raises ValueError for NaN, a single group, or only groups of one. Source: Rousseeuw (1987).
    """
    rows = as_features(y, "y")
    group = as_labels(groups, len(rows), "groups")
    if not 1 < len(group.unique()) < len(rows):
        raise ValueError(f"{len(group.unique())} groups of {len(rows)} rows: expected 2 or more, and fewer than rows.")
    sample = ROWS if len(rows) > ROWS else None
    return float(silhouette_score(rows.numpy(), group.numpy(), sample_size=sample, random_state=seed))
