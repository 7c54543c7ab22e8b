"""Measurements: arrays in, numbers out. Nothing here knows a model."""

from latentlab.evaluation.intervals import Difference, Score, Spread, paired_difference, spread, wilson
from latentlab.evaluation.maps import (
    SeedSpread,
    explained_variance,
    map_quality,
    neighbour_overlap,
    pca_map,
    seed_spread,
    tsne_map,
)
from latentlab.evaluation.neighbours import knn, knn_accuracy, knn_leave_one_out, neighbours, vote
from latentlab.evaluation.probe import ProbeResult, linear_probe, linear_probe_converged

__all__ = [
    "Difference",
    "ProbeResult",
    "Score",
    "SeedSpread",
    "Spread",
    "explained_variance",
    "knn",
    "knn_accuracy",
    "knn_leave_one_out",
    "linear_probe",
    "linear_probe_converged",
    "map_quality",
    "neighbour_overlap",
    "neighbours",
    "paired_difference",
    "pca_map",
    "seed_spread",
    "spread",
    "tsne_map",
    "vote",
    "wilson",
]
