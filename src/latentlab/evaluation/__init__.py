"""Measurements: arrays in, numbers out. Nothing here knows a model."""
# ruff: noqa: F401 – these names are imported to be found here

from .anomaly import detection, knn_score, most_anomalous
from .clusters import cluster_agreement, confusion, k_means, silhouette
from .correlation import correlation_matrix, effective_rank, measure_correlation, spectrum
from .intervals import Unresolved, ahead, spread
from .maps import map_quality, neighbour_overlap, pca_map, tsne_map
from .neighbours import knn, knn_leave_one_out, neighbours
from .probe import linear_probe, linear_probe_converged
from .receptive import before, by_pencil, receptive_field
from .reconstruction import explained_components, pca_errors
from .retrieval import distance_from_mean, foretold, occurrences, ratio_to_chance, standing, twins
from .samples import frechet_distance, modes_reached, ring
from .traits import border_colour, stroke_width, traits
