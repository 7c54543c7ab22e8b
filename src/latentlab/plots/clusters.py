"""Clusters beside classes: a map with its clusters and one small map a class, and the table of counts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure

from latentlab.plots.style import BACKGROUND, INK, MARKERS, PALETTE, approx, describe, listed, styled

GREY = "#C9C9C4"


def class_panels(place: SubFigure, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    """One small map a class: its points in blue, all others in grey. points (n, 2), labels (n,), −1 for none of the classes."""
    panels = place.subplots(2, -(-len(classes) // 2)).flat
    for c, ax in enumerate(panels):
        ax.set_axis_off()
        if c < len(classes):
            ax.scatter(*points.T, s=3, c=GREY, linewidths=0)
            ax.scatter(*points[labels == c].T, s=7, c=PALETTE[0], linewidths=0)
            ax.set_title(classes[c], fontsize=9)


@styled
def cluster_maps(
    points: np.ndarray, cluster: Sequence[int], labels: Sequence[int], classes: Sequence[str], centres: np.ndarray, *,
    title: str = "",
) -> Figure:  # fmt: skip
    """A map with its clusters in colours and their centres as numbered discs, and beside it one small map a class.

    points (n, 2); cluster (n,) 0 … k − 1; labels (n,) index into classes; centres (k, 2), where the map puts each cluster's.
    Raises ValueError for lengths that do not fit.
    """
    spots, group, truth = np.asarray(points), np.asarray(cluster), np.asarray(labels)
    if spots.shape != (len(truth), 2) or len(group) != len(truth) or np.shape(centres) != (group.max() + 1, 2):
        raise ValueError(f"Points {spots.shape}, {len(group)} clusters, {len(truth)} labels, {len(centres)} centres: no fit.")
    fig = Figure(figsize=(8.6, 3.5), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.5))
    ax = left.subplots()
    for c, (x, y) in enumerate(centres):
        ax.scatter(*spots[group == c].T, s=8, c=PALETTE[c % len(PALETTE)], marker=MARKERS[c % len(MARKERS)], linewidths=0)
        ax.scatter(x, y, s=170, c=BACKGROUND, edgecolors=INK, linewidths=1.2, zorder=3)
        ax.annotate(str(c + 1), (x, y), ha="center", va="center", fontsize=8, fontweight="bold", zorder=4)
    ax.set(title="clusters", xticks=[], yticks=[])
    class_panels(right, spots, truth, classes)
    if title:
        fig.suptitle(title)
    alt = f"{len(spots)} images in a map with the centres of {len(centres)} clusters, and {len(classes)} small maps, one a class."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")


@styled
def cluster_table(counts: np.ndarray, classes: Sequence[str], *, title: str = "") -> Figure:
    """How many images of each class each cluster holds, as a shaded table; counts (k, classes), rows by their largest class.

    Raises ValueError if they do not fit the classes.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or table.shape[1] != len(classes) or table.sum() == 0:
        raise ValueError(f"Counts of shape {table.shape} for {len(classes)} classes: expected one column for each class.")
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
    ax.set(ylabel="cluster", title=title or "images of each class in each cluster")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    largest = listed(approx(100 * share, "%", 0) for share in sorted(counts.max(1) / np.maximum(1, counts.sum(1))))
    alt = f"Table of {len(table)} clusters by {len(classes)} classes. Share of a cluster's largest class, rising: {largest}."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")
