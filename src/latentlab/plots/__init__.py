"""Figures: arrays in, a Figure with alternative text (`fig.alt`) out. `show(fig)` puts it on the page."""

from latentlab.plots.curves import accuracy_bars, lines, loss_curves
from latentlab.plots.grids import image_grid, view_grid
from latentlab.plots.maps import map_pair
from latentlab.plots.style import MARKERS, PALETTE, approx, describe, show, styled, use_style

__all__ = [
    "MARKERS",
    "PALETTE",
    "accuracy_bars",
    "approx",
    "describe",
    "image_grid",
    "lines",
    "loss_curves",
    "map_pair",
    "show",
    "styled",
    "use_style",
    "view_grid",
]
