"""Clusters beside classes: the same map in two colourings, and the table of counts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from latentlab.plots.style import BACKGROUND, INK, MARKERS, PALETTE, approx, describe, listed, styled


@styled
def cluster_maps(
    points: np.ndarray, cluster: Sequence[int], labels: Sequence[int], classes: Sequence[str],
    centres: np.ndarray | None = None, *, title: str = "",
) -> Figure:  # fmt: skip
    """One map twice: coloured by cluster and by class, the centres as numbered discs.

    points (n, 2); cluster (n,) 0 … k − 1; labels (n,) index into classes; centres (k, 2), where the map puts each cluster's.
    Without centres none are drawn. Raises ValueError for lengths that do not fit or more groups than colours.
    """
    spots, group, truth = np.asarray(points), np.asarray(cluster), np.asarray(labels)
    if spots.shape != (len(group), 2) or len(truth) != len(group) or not len(group):
        raise ValueError(f"Points {spots.shape}, {len(group)} clusters and {len(truth)} labels: expected (n, 2), n and n.")
    k = int(group.max()) + 1
    if max(k, len(classes)) > len(PALETTE):
        raise ValueError(f"{k} clusters and {len(classes)} classes, but only {len(PALETTE)} colours can be told apart.")
    if centres is not None and np.shape(centres) != (k, 2):
        raise ValueError(f"Centres of shape {np.shape(centres)} for {k} clusters; expected ({k}, 2).")
    fig = Figure(figsize=(8.2, 4.9), layout="constrained")
    panels = fig.subplots(1, 2)
    order = np.random.default_rng(0).permutation(len(spots))
    size = float(np.clip(9000 / len(spots), 5, 25))
    for ax, marks, names, head in zip(panels, (group, truth), ([str(c + 1) for c in range(k)], classes),
                                      ("coloured by cluster", "coloured by class"), strict=True):  # fmt: skip
        for chunk in np.array_split(order, 6):
            for c in range(len(names)):
                rows = chunk[marks[chunk] == c]
                ax.scatter(*spots[rows].T, s=size, c=PALETTE[c], marker=MARKERS[c], linewidths=0)
        handles = [ax.scatter([], [], s=30, c=PALETTE[c], marker=MARKERS[c], label=n) for c, n in enumerate(names)]
        for c, (x, y) in enumerate(centres if centres is not None else ()):
            ax.scatter(x, y, s=170, c=BACKGROUND, edgecolors=INK, linewidths=1.2, zorder=3)
            ax.annotate(str(c + 1), (x, y), ha="center", va="center", fontsize=8, fontweight="bold", zorder=4)
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=5, fontsize=8, columnspacing=0.8,
                  handletextpad=0.2)  # fmt: skip
        ax.set(title=head, xlabel="first map coordinate (no unit)", xticks=[], yticks=[])
    panels[0].set_ylabel("second map coordinate (no unit)")
    if title:
        fig.suptitle(title)
    discs = f", the {k} centres as numbered discs" if centres is not None else ""
    alt = f"{len(spots)} images in one map, once coloured by {k} clusters, once by {len(classes)} classes{discs}."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")


@styled
def cluster_table(counts: np.ndarray, classes: Sequence[str], *, title: str = "") -> Figure:
    """How many images of each class each cluster holds, as a shaded table; counts (k, classes).

    Raises ValueError if they do not fit the classes.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or table.shape[1] != len(classes) or table.sum() == 0:
        raise ValueError(f"Counts of shape {table.shape} for {len(classes)} classes: expected one column for each class.")
    k = len(table)
    fig = Figure(figsize=(0.5 * len(classes) + 1.2, 0.24 * k + 1.2), layout="constrained")
    ax = fig.add_subplot()
    ax.imshow(table, cmap="Blues", aspect="auto", vmin=0, vmax=1.3 * table.max())
    for i in range(k):
        for j in range(len(classes)):
            if table[i, j]:
                dark = table[i, j] > 0.8 * table.max()
                ax.text(j, i, f"{table[i, j]:,}", ha="center", va="center", fontsize=7, color="white" if dark else INK)
    ax.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
    ax.set_yticks(range(k), [str(i + 1) for i in range(k)])
    ax.set(ylabel="cluster", title=title or "images of each class in each cluster")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    largest = listed(f"{c + 1} {approx(100 * row.max() / max(1, row.sum()), '%', 0)}" for c, row in enumerate(table))
    alt = f"Table of {k} clusters by {len(classes)} classes. Share of each cluster's largest class: {largest}."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")
