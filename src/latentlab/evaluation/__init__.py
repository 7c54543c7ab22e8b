"""Measurements: arrays in, numbers out. Nothing here knows a model."""

from latentlab.evaluation.anomaly import Detection, detection, knn_score, most_anomalous
from latentlab.evaluation.clusters import Clustering, cluster_agreement, confusion, k_means, silhouette
from latentlab.evaluation.correlation import Correlation, correlation_matrix, measure_correlation
from latentlab.evaluation.intervals import (
    Score,
    Spread,
    Unresolved,
    ahead,
    spread,
    wilson,
)
from latentlab.evaluation.maps import (
    map_quality,
    neighbour_overlap,
    pca_map,
    tsne_map,
)
from latentlab.evaluation.neighbours import knn, knn_accuracy, knn_leave_one_out, neighbours, vote
from latentlab.evaluation.probe import ProbeResult, linear_probe, linear_probe_converged
from latentlab.evaluation.receptive import before, by_pencil, receptive_field
from latentlab.evaluation.reconstruction import explained_components, pca_errors
from latentlab.evaluation.retrieval import (
    distance_from_mean,
    foretold,
    occurrences,
    precision,
    ratio_to_chance,
    standing,
    twins,
)
from latentlab.evaluation.samples import frechet_distance, modes_reached, ring
from latentlab.evaluation.spectrum import effective_rank, spectrum
from latentlab.evaluation.traits import border_colour, stroke_width, traits

__all__ = [
    "Clustering",
    "Correlation",
    "Detection",
    "ProbeResult",
    "Score",
    "Spread",
    "Unresolved",
    "ahead",
    "before",
    "border_colour",
    "by_pencil",
    "cluster_agreement",
    "confusion",
    "correlation_matrix",
    "detection",
    "distance_from_mean",
    "effective_rank",
    "explained_components",
    "foretold",
    "frechet_distance",
    "k_means",
    "knn",
    "knn_accuracy",
    "knn_leave_one_out",
    "knn_score",
    "linear_probe",
    "linear_probe_converged",
    "map_quality",
    "measure_correlation",
    "most_anomalous",
    "modes_reached",
    "neighbour_overlap",
    "neighbours",
    "occurrences",
    "pca_errors",
    "pca_map",
    "precision",
    "ratio_to_chance",
    "receptive_field",
    "ring",
    "silhouette",
    "spectrum",
    "spread",
    "standing",
    "stroke_width",
    "traits",
    "tsne_map",
    "twins",
    "vote",
    "wilson",
]
