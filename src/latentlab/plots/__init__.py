"""Figures: arrays in, a Figure with alternative text (`fig.alt`) out. `show(fig)` puts it on the page."""

from latentlab.plots.anomaly import joint_maps, roc_curves, score_histograms
from latentlab.plots.clusters import cluster_maps, cluster_table
from latentlab.plots.curves import accuracy_bars, lines, loss_curves
from latentlab.plots.grids import image_grid, view_grid
from latentlab.plots.maps import map_pair
from latentlab.plots.matrices import matrices
from latentlab.plots.retrieval import retrieval_grid
from latentlab.plots.strips import slider, strips
from latentlab.plots.style import MARKERS, PALETTE, approx, describe, show, styled, use_style

__all__ = [
    "MARKERS",
    "PALETTE",
    "accuracy_bars",
    "approx",
    "cluster_maps",
    "cluster_table",
    "describe",
    "image_grid",
    "joint_maps",
    "lines",
    "loss_curves",
    "map_pair",
    "matrices",
    "retrieval_grid",
    "roc_curves",
    "score_histograms",
    "show",
    "slider",
    "strips",
    "styled",
    "use_style",
    "view_grid",
]
