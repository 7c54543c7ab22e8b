"""Queries with the pictures that a search returns, nearest and furthest."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from latentlab.plots.grids import Images, _as_colour
from latentlab.plots.style import INK, PALETTE, approx, describe, styled

ZOOM, GAP, DPI = 2, 4, 120  # screen pixels of one picture point, points between two pictures, dots per inch


def _share(same: np.ndarray) -> str:
    return approx(100 * float(same.mean()), "%", 0)


@styled
def retrieval_grid(
    queries: Images, near: Images, far: Images, near_same: np.ndarray, far_same: np.ndarray, row_titles: Sequence[str] = (), *,
    title: str = "",
) -> Figure:  # fmt: skip
    """One row per query: the query, its nearest and its furthest pictures; those of the query's class have a frame.

    queries (m, c, h, w), near (m, k, c, h, w), far (m, l, c, h, w): uint8, or float in [0, 1]. near_same (m, k) and
    far_same (m, l): is the picture of the query's class? Raises ValueError for shapes that do not fit.
    """
    asked = _as_colour(queries)[:, None]  # (m, 1, h, w, 3)
    close, distant = _as_colour(near), _as_colour(far)  # (m, k, h, w, 3), (m, l, h, w, 3)
    same = [np.asarray(near_same, dtype=bool), np.asarray(far_same, dtype=bool)]
    for pictures, marks, what in ((close, same[0], "near"), (distant, same[1], "far")):
        if pictures.ndim != 5 or pictures.shape[:1] + pictures.shape[2:] != asked.shape[:1] + asked.shape[2:]:
            raise ValueError(f"{what} {pictures.shape} and the queries {asked[:, 0].shape} differ in rows or in picture size.")
        if marks.shape != pictures.shape[:2]:
            raise ValueError(f"{what}_same has shape {marks.shape}; expected one mark for each picture, {pictures.shape[:2]}.")
    if row_titles and len(row_titles) != len(asked):
        raise ValueError(f"{len(row_titles)} titles for {len(asked)} queries: expected one each, or none.")
    m, _, h, w, _ = asked.shape
    ground = np.array([250, 250, 248], dtype=np.uint8)  # the figure's own
    wide, high = w + GAP, h + GAP
    starts = [0, wide + 2 * GAP, (1 + close.shape[1]) * wide + 4 * GAP]  # a wider gap between the three groups
    canvas = np.empty((m * high, starts[2] + distant.shape[1] * wide + GAP, 3), dtype=np.uint8)
    canvas[:] = ground
    places = []
    for block, first in zip((asked, close, distant), starts, strict=True):
        for i in range(m):
            for j in range(block.shape[1]):
                x, y = first + j * wide + GAP // 2, i * high + GAP // 2
                canvas[y : y + h, x : x + w] = block[i, j]
                places.append((i, j, x, y) if first else None)
    left, above = 0.2 + 0.085 * max(map(len, row_titles), default=0), 0.3 + 0.3 * bool(title)  # inches
    size = (left + canvas.shape[1] * ZOOM / DPI, above + canvas.shape[0] * ZOOM / DPI)
    fig = Figure(figsize=size, dpi=DPI)
    fig.full_colour = True  # the colours of pictures are compared: no palette
    ax = fig.add_axes((left / size[0], 0, 1 - left / size[0], 1 - above / size[1]))
    ax.imshow(canvas, interpolation="nearest", extent=(0, canvas.shape[1], canvas.shape[0], 0), aspect="auto")
    marked = np.concatenate([same[0].ravel(), same[1].ravel()])
    for (_, _, x, y), mine in zip(filter(None, places), marked, strict=True):
        if mine:
            ax.add_patch(Rectangle((x - 1, y - 1), w + 2, h + 2, fill=False, edgecolor=PALETTE[2], linewidth=2))
    middles = [starts[0] + wide / 2, starts[1] + close.shape[1] * wide / 2, starts[2] + distant.shape[1] * wide / 2]
    ax.set_xticks(middles, ["query", f"{close.shape[1]} nearest", f"{distant.shape[1]} furthest, the furthest first"])
    ax.set_yticks(np.arange(m) * high + high / 2 if row_titles else [], row_titles or [])
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, colors=INK)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    if title:
        fig.suptitle(title, y=1 - 0.06 / size[1], va="top")
    alt = (
        f"{m} queries, each with its {close.shape[1]} nearest and its {distant.shape[1]} furthest pictures. A frame marks the "
        f"query's own class: {_share(same[0])} of the nearest, {_share(same[1])} of the furthest."
    )
    return describe(fig, f"{title + '. ' if title else ''}{alt}")
