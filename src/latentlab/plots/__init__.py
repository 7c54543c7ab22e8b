"""Figures: arrays in, a Figure with alternative text (`fig.alt`) out. `show(fig)` puts it on the page."""
# ruff: noqa: F401 – these names are imported to be found here

from .curves import accuracy_bars, lines, loss_curves, roc_curves, score_histograms
from .grids import cluster_table, image_grid, matrices, retrieval_grid, slider, strips, view_grid
from .maps import cluster_maps, joint_maps, map_pair
from .style import MARKERS, PALETTE, approx, describe, show, use_style
