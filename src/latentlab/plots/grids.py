"""Pictures in rows and columns."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from latentlab.plots.style import describe, listed, styled

Images = np.ndarray | Tensor
GAP = 0.08  # between pictures, in picture widths


def _as_colour(images: Images) -> np.ndarray:
    """(…, c, h, w) uint8, or float in [0, 1], grey or colour → (…, h, w, 3) uint8. Raises ValueError for anything else."""
    array = torch.as_tensor(images).detach().cpu()
    if array.ndim < 3 or array.shape[-3] not in (1, 3) or array.numel() == 0:
        raise ValueError(f"Images of shape {tuple(array.shape)}: expected (…, c, h, w) with one or three channels.")
    if array.is_floating_point():
        if not -1e-3 <= float(array.min()) <= float(array.max()) <= 1 + 1e-3:  # NaN fails, too
            low, high = float(array.min()), float(array.max())
            raise ValueError(f"Float images must lie in [0, 1]; these reach from {low:.3g} to {high:.3g}.")
        array = (array.clamp(0, 1) * 255).round()
    array = array.to(torch.uint8).movedim(-3, -1)  # (…, h, w, c)
    return array.expand(*array.shape[:-1], 3).numpy()  # (…, h, w, 3)


def _draw(columns: Sequence[np.ndarray], row_titles: Sequence[str], column_titles: Sequence[str], title: str) -> Figure:
    """columns: arrays (rows, h, w, 3), one per column, each column with its own picture size."""
    rows, wide = len(columns[0]), len(columns)
    for titles, n, what in ((row_titles, rows, "rows"), (column_titles, wide, "columns")):
        if titles and len(titles) != n:
            raise ValueError(f"{len(titles)} titles for {n} {what}: expected one each, or none.")
    cell = 0.82
    left = 0.2 + 0.1 * max(map(len, row_titles), default=0)  # inches, for the longest title
    above = 0.1 + 0.25 * bool(column_titles) + 0.3 * bool(title)
    width, height = left + cell * wide + 0.1, above + cell * rows + 0.1
    fig = Figure(figsize=(width, height))
    fig.full_colour = any((column != column[..., :1]).any() for column in columns)  # no palette for coloured pictures
    ax = fig.add_axes((left / width, 0.1 / height, cell * wide / width, cell * rows / height))
    half = (1 - GAP) / 2
    for i, column in enumerate(columns):
        for j, picture in enumerate(column):
            ax.imshow(picture, extent=(i - half, i + half, j + half, j - half), interpolation="nearest")
    ax.set(xlim=(-0.5, wide - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
    ax.set_xticks(range(wide) if column_titles else [], column_titles or [])
    ax.set_yticks(range(rows) if row_titles else [], row_titles or [])
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    if title:
        fig.suptitle(title, y=1 - 0.08 / height, va="top")
    return fig


def _words(titles: Sequence[str], what: str) -> str:
    return f" {what}: {', '.join(titles).rstrip('.')}." if titles else ""


@styled
def image_grid(images: Images, row_titles: Sequence[str] = (), column_titles: Sequence[str] = (), *, title: str = "") -> Figure:
    """Pictures in a table. images (rows, columns, c, h, w) uint8, or float in [0, 1]; c is 1 or 3.

    Raises ValueError for other shapes or values, or titles that do not fit.
    """
    pictures = _as_colour(images)  # (rows, columns, h, w, 3)
    if pictures.ndim != 5:
        raise ValueError(f"Images of shape {tuple(images.shape)}: expected (rows, columns, c, h, w).")
    rows, columns, h, w, _ = pictures.shape
    fig = _draw(list(pictures.swapaxes(0, 1)), row_titles, column_titles, title)
    head = f"{title + '. ' if title else ''}{rows} rows of {columns} pictures, {h} × {w} pixels each."
    return describe(fig, f"{head}{_words(row_titles, 'Rows')}{_words(column_titles, 'Columns')}")


@styled
def view_grid(originals: Images, views: Images, row_titles: Sequence[str] = (), *, title: str = "") -> Figure:
    """Every image beside its views. originals (n, c, h, w) uint8; views (n, k, c, s, s) float in [0, 1] or uint8, any size s.

    Raises ValueError for other shapes or values, or titles that do not fit.
    """
    images, others = _as_colour(originals), _as_colour(views)  # (n, h, w, 3), (n, k, s, s, 3)
    if images.ndim != 4 or others.ndim != 5 or len(images) != len(others):
        raise ValueError(
            f"Originals {tuple(originals.shape)} and views {tuple(views.shape)}: expected (n, c, h, w) and (n, k, c, s, s)."
        )
    n, k, s, t, _ = others.shape
    names = ["image", *(f"view {i + 1}" for i in range(k))]
    fig = _draw([images, *others.swapaxes(0, 1)], row_titles, names, title)
    size = f"{images.shape[1]} × {images.shape[2]}"
    shown = f" ({listed(row_titles)})" if row_titles else ""
    alt = f"{n} images of {size} pixels{shown}, each in a row with {k} random views of {s} × {t} pixels."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")
