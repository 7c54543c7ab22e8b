"""Rows and columns: of pictures (views, what a search returns, paths and a slider along them) and of numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from .style import INK, PALETTE, approx, describe, listed, png, styled

Images = np.ndarray | Tensor


def _as_colour(images: Images) -> np.ndarray:
    """(…, c, h, w) uint8, or float in [0, 1], grey or colour → (…, h, w, 3) uint8. ValueError for anything else."""
    array = torch.as_tensor(images).detach().cpu()
    if array.ndim < 3 or array.shape[-3] not in (1, 3) or array.numel() == 0:
        raise ValueError(f"Images of shape {tuple(array.shape)}: expected (…, c, h, w) with one or three channels.")
    if array.is_floating_point():
        low, high = float(array.min()), float(array.max())
        if not -1e-3 <= low <= high <= 1 + 1e-3:  # NaN fails, too
            raise ValueError(f"Float images must lie in [0, 1]; these reach from {low:.3g} to {high:.3g}.")
        array = (array.clamp(0, 1) * 255).round()
    array = array.to(torch.uint8).movedim(-3, -1)  # (…, h, w, c)
    return array.expand(*array.shape[:-1], 3).numpy()  # (…, h, w, 3)


def _label(ax: Axes, rows: Sequence[float], row_titles: Sequence[str], columns: Sequence[float], titles: Sequence[str]):
    """Titles at the left and above, and nothing else of an axis. ValueError if they are not one each, or none."""
    for places, given, what in ((rows, row_titles, "rows"), (columns, titles, "columns")):
        if given and len(given) != len(places):
            raise ValueError(f"{len(given)} titles for {len(places)} {what}: expected one each, or none.")
    ax.set_xticks(columns if titles else [], titles or [])
    ax.set_yticks(rows if row_titles else [], row_titles or [])
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


def _draw(columns: Sequence[np.ndarray], row_titles: Sequence[str], column_titles: Sequence[str], title: str) -> Figure:
    """columns: arrays (rows, h, w, 3), one per column, each column with its own picture size; room for a title."""
    rows, wide, cell = len(columns[0]), len(columns), 0.82
    left = 0.2 + 0.1 * max(map(len, row_titles), default=0)  # inches, for the longest title
    above = 0.1 + 0.25 * bool(column_titles) + 0.3 * bool(title)
    width, height = left + cell * wide + 0.1, above + cell * rows + 0.1
    fig = Figure(figsize=(width, height))
    fig.full_colour = any((column != column[..., :1]).any() for column in columns)  # no palette for coloured pictures
    ax = fig.add_axes((left / width, 0.1 / height, cell * wide / width, cell * rows / height))
    half = 0.46  # of a picture: 0.08 picture widths between two
    for i, column in enumerate(columns):
        for j, picture in enumerate(column):
            ax.imshow(picture, extent=(i - half, i + half, j + half, j - half), interpolation="nearest")
    ax.set(xlim=(-0.5, wide - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
    _label(ax, range(rows), row_titles, range(wide), column_titles)
    return fig


@styled
def image_grid(
    images: Images, row_titles: Sequence[str] = (), column_titles: Sequence[str] = (), *, title: str = ""
) -> Figure:
    """Pictures in a table: images (rows, columns, c, h, w) uint8, or float in [0, 1]; c is 1 or 3. Else ValueError."""
    pictures = _as_colour(images)  # (rows, columns, h, w, 3)
    if pictures.ndim != 5:
        raise ValueError(f"Images of shape {tuple(images.shape)}: expected (rows, columns, c, h, w).")
    rows, columns, h, w, _ = pictures.shape
    fig = _draw(list(pictures.swapaxes(0, 1)), row_titles, column_titles, title)
    alt = f"{rows} rows of {columns} pictures, {h} × {w} pixels each."
    for what, titles in (("Rows", row_titles), ("Columns", column_titles)):
        alt += f" {what}: {', '.join(titles).rstrip('.')}." if titles else ""
    return describe(fig, alt, title, y=1 - 0.08 / fig.get_figheight(), va="top")


@styled
def view_grid(originals: Images, views: Images) -> Figure:
    """Every image (n, c, h, w) beside its views (n, k, c, s, s), uint8 or float in [0, 1]. ValueError for a misfit."""
    images, others = _as_colour(originals), _as_colour(views)  # (n, h, w, 3), (n, k, s, s, 3)
    if images.ndim != 4 or others.ndim != 5 or len(images) != len(others):
        shapes = f"Originals {tuple(originals.shape)} and views {tuple(views.shape)}"
        raise ValueError(f"{shapes}: expected (n, c, h, w) and (n, k, c, s, s).")
    n, k, s, t, _ = others.shape
    names = ["image", *(f"view {i + 1}" for i in range(k))]
    fig = _draw([images, *others.swapaxes(0, 1)], (), names, "")
    size = f"{images.shape[1]} × {images.shape[2]} pixels"
    return describe(fig, f"{n} images of {size}, each in a row with {k} random views of {s} × {t} pixels.")


@styled
def retrieval_grid(
    queries: Images, near: Images, far: Images, near_same: np.ndarray, far_same: np.ndarray, row_titles: Sequence[str],
    *, title: str,
) -> Figure:  # fmt: skip
    """One row per query: the query, its nearest and its furthest pictures; those of the query's class have a frame.

    queries (m, c, h, w), near (m, k, c, h, w), far (m, l, c, h, w): uint8, or float in [0, 1]. near_same (m, k) and
    far_same (m, l): is the picture of the query's class? Raises ValueError for shapes that do not fit.
    """
    asked, blocks = _as_colour(queries), [_as_colour(near), _as_colour(far)]  # (m, h, w, 3), (m, k, h, w, 3) twice
    same = [np.asarray(near_same, dtype=bool), np.asarray(far_same, dtype=bool)]
    for pictures, marks, what in zip(blocks, same, ("near", "far"), strict=True):
        if pictures.ndim != 5 or (len(pictures), *pictures.shape[2:]) != asked.shape:
            raise ValueError(f"{what} {pictures.shape} and queries {asked.shape} differ in rows or in picture size.")
        if marks.shape != pictures.shape[:2]:
            raise ValueError(f"{what}_same has shape {marks.shape}; expected one mark for each picture.")
    zoom, gap, dpi = 2, 4, 120  # screen pixels of one picture point, points between two pictures, dots per inch
    m, h, w, _ = asked.shape
    wide, high, close, distant = w + gap, h + gap, near.shape[1], far.shape[1]
    starts = [0, wide + 2 * gap, (1 + close) * wide + 4 * gap]  # a wider gap between the three groups
    canvas = np.empty((m * high, starts[2] + distant * wide + gap, 3), dtype=np.uint8)
    canvas[:] = (250, 250, 248)  # the figure's own ground
    left, above = 0.2 + 0.085 * max(map(len, row_titles)), 0.6  # inches
    size = (left + canvas.shape[1] * zoom / dpi, above + canvas.shape[0] * zoom / dpi)
    fig = Figure(figsize=size, dpi=dpi)
    fig.full_colour = True  # the colours of pictures are compared: no palette
    ax = fig.add_axes((left / size[0], 0, 1 - left / size[0], 1 - above / size[1]))
    marked = [np.zeros((m, 1), dtype=bool), *same]
    for block, first, marks in zip((asked[:, None], *blocks), starts, marked, strict=True):
        for i, j in np.ndindex(marks.shape):
            x, y = first + j * wide + gap // 2, i * high + gap // 2
            canvas[y : y + h, x : x + w] = block[i, j]
            if marks[i, j]:
                ax.add_patch(Rectangle((x - 1, y - 1), w + 2, h + 2, fill=False, edgecolor=PALETTE[2], linewidth=2))
    ax.imshow(canvas, interpolation="nearest", extent=(0, canvas.shape[1], canvas.shape[0], 0), aspect="auto")
    middles = [first + n * wide / 2 for first, n in zip(starts, (1, close, distant), strict=True)]
    above_groups = ["query", f"{close} nearest", f"{distant} furthest, the furthest first"]
    _label(ax, np.arange(m) * high + high / 2, row_titles, middles, above_groups)
    framed = [approx(100 * float(marks.mean()), "%", 0) for marks in same]
    alt = f"{m} queries, each with its {close} nearest and its {distant} furthest pictures. A frame marks the query's"
    alt += f" own class: {framed[0]} of the nearest, {framed[1]} of the furthest."
    return describe(fig, alt, title, y=1 - 0.06 / size[1], va="top")


def strips(paths: Mapping[str, Images], *, columns: int) -> Figure:
    """One row of `columns` frames per path (steps, c, h, w) in [0, 1], first to last. ValueError for fewer frames."""
    if not paths or any(len(frames) < columns for frames in paths.values()):
        raise ValueError(f"Strips of {columns} frames need at least one path, and at least as many frames in each.")
    picked = [torch.linspace(0, len(frames) - 1, columns).round().long() for frames in paths.values()]  # (columns,)
    rows = [torch.as_tensor(frames)[places] for frames, places in zip(paths.values(), picked, strict=True)]
    return image_grid(torch.stack(rows), tuple(paths), [f"{t:.0%}" for t in np.linspace(0, 1, columns)])


def slider(paths: Mapping[str, Images]) -> Any:
    """An ipywidgets slider along the paths, to be shown as the last line of a cell. paths[name]: (steps, c, h, w).

    For a running notebook only: a widget leaves nothing to compare in the file. ValueError if lengths differ.
    """
    from ipywidgets import Dropdown, Image, IntSlider, VBox

    lengths = {len(frames) for frames in paths.values()}
    if len(lengths) != 1:
        raise ValueError(f"The paths have {sorted(lengths)} frames: a slider needs paths of one length.")
    which = Dropdown(options=list(paths), description="path")
    place = IntSlider(0, 0, lengths.pop() - 1, description="frame")
    picture = Image(format="png", width=220)

    def draw(_: object = None) -> None:
        frame = torch.as_tensor(paths[which.value])[place.value]
        picture.value = png(image_grid(frame[None, None]))

    which.observe(draw, "value")
    place.observe(draw, "value")
    draw()
    return VBox([which, place, picture])


@styled
def matrices(tables: Mapping[str, np.ndarray], *, label: str = "correlation r") -> Figure:
    """One coloured square per matrix (d, d) of numbers in [−1, 1], each with its own d. ValueError for others."""
    for name, table in tables.items():
        table = np.asarray(table)
        if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.abs(table).max() <= 1 + 1e-6:
            raise ValueError(f"{name!r} has shape {table.shape}: expected a square matrix of numbers from −1 to 1.")
    fig = Figure(figsize=(2.3 * len(tables) + 0.9, 2.7), layout="constrained")
    said = []
    axes = np.atleast_1d(fig.subplots(1, len(tables)))
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        drawn = ax.imshow(table, cmap="PuOr", vmin=-1, vmax=1, interpolation="nearest")
        d = len(table)
        ax.set(title=name, xticks=[0, d - 1], yticks=[0, d - 1], xticklabels=[1, d], yticklabels=[1, d])
        ax.grid(visible=False)
        off = np.abs(np.asarray(table)[~np.eye(d, dtype=bool)])
        said.append(f"{name}: {d} × {d}, mean size off the diagonal {approx(off.mean() if d > 1 else 0.0, digits=2)}")
    fig.colorbar(drawn, ax=list(axes), label=label, shrink=0.85, ticks=[-1, 0, 1])
    return describe(fig, f"Matrices of {label}, coloured from −1 to 1. {'; '.join(said)}.")


@styled
def cluster_table(counts: np.ndarray, classes: Sequence[str], *, title: str) -> Figure:
    """How many images of each class each cluster holds: counts (k, classes), else ValueError. Rows by largest class."""
    table = np.asarray(counts)
    if table.ndim != 2 or table.shape[1] != len(classes) or table.sum() == 0:
        raise ValueError(f"Counts {table.shape} for {len(classes)} classes: expected one column for each class.")
    order = np.argsort(table.argmax(1), kind="stable")
    table = table[order]
    fig = Figure(figsize=(0.5 * len(classes) + 1.2, 0.24 * len(table) + 1.2), layout="constrained")
    ax = fig.add_subplot()
    ax.imshow(table, cmap="Blues", aspect="auto", vmin=0, vmax=1.3 * table.max())
    for (i, j), count in np.ndenumerate(table):
        if count:
            ink = "white" if count > 0.8 * table.max() else INK
            ax.text(j, i, f"{count:,}", ha="center", va="center", fontsize=7, color=ink)
    ax.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    ax.set_yticks(range(len(table)), [str(c + 1) for c in order])
    ax.set(ylabel="cluster", title=title)
    ax.grid(visible=False)
    ax.tick_params(length=0)
    largest = listed(approx(100 * share, "%", 0) for share in sorted(table.max(1) / np.maximum(1, table.sum(1))))
    said = f"{title}. Table of {len(table)} clusters by {len(classes)} classes."
    return describe(fig, f"{said} Share of a cluster's largest class, rising: {largest}.")
