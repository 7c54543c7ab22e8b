"""Paths between two pictures: strips of frames, and a slider for a reader's own eyes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from latentlab.plots.grids import image_grid
from latentlab.plots.style import png

Images = np.ndarray | Tensor


def strips(paths: Mapping[str, Images], *, columns: int = 9, title: str = "") -> Figure:
    """One row per path, from its first frame to its last. paths[name] is (steps, c, h, w) float in [0, 1], all of one size.

    Raises ValueError if there is no path, if one has fewer frames than columns, or as `image_grid`.
    """
    if not paths or any(len(frames) < columns for frames in paths.values()):
        raise ValueError(f"Strips of {columns} frames need at least one path, and at least as many frames in each.")
    rows = []
    for frames in paths.values():
        picked = torch.linspace(0, len(frames) - 1, columns).round().long()  # (columns,)
        rows.append(torch.as_tensor(frames)[picked])
    shares = [f"{t:.0%}" for t in np.linspace(0, 1, columns)]
    return image_grid(torch.stack(rows), tuple(paths), shares, title=title)


def slider(paths: Mapping[str, Images]) -> Any:
    """An ipywidgets slider along the paths, to be shown as the last line of a cell. paths[name]: (steps, c, h, w) in [0, 1].

    It is for a running notebook only: a widget leaves nothing in the file that could be compared, so no cell that is tested
    shows one. Raises ValueError if the paths differ in length.
    """
    from ipywidgets import Dropdown, Image, IntSlider, VBox

    lengths = {len(frames) for frames in paths.values()}
    if len(lengths) != 1:
        raise ValueError(f"The paths have {sorted(lengths)} frames: a slider needs paths of one length.")
    steps = lengths.pop()
    which = Dropdown(options=list(paths), description="path")
    place = IntSlider(0, 0, steps - 1, description="frame")
    picture = Image(format="png", width=220)

    def draw(_: object = None) -> None:
        frame = torch.as_tensor(paths[which.value])[place.value]
        picture.value = png(image_grid(frame[None, None]))

    which.observe(draw, "value")
    place.observe(draw, "value")
    draw()
    return VBox([which, place, picture])
