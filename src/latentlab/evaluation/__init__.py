"""Measurements: arrays in, numbers out. Nothing here knows a model."""

from latentlab.evaluation.intervals import Difference, Score, Spread, paired_difference, spread, wilson
from latentlab.evaluation.neighbours import knn, knn_accuracy, knn_leave_one_out, neighbours
from latentlab.evaluation.probe import ProbeResult, linear_probe, linear_probe_converged

__all__ = [
    "Difference",
    "ProbeResult",
    "Score",
    "Spread",
    "knn",
    "knn_accuracy",
    "knn_leave_one_out",
    "linear_probe",
    "linear_probe_converged",
    "neighbours",
    "paired_difference",
    "spread",
    "wilson",
]
