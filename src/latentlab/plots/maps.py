"""Two-dimensional maps of a representation: with the numbers that say what they are worth, and by class."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure

from .style import BACKGROUND, INK, MARKERS, PALETTE, approx, describe, listed, styled

GREY = "#C9C9C4"
# what evaluation.map_quality calls its numbers: words, factor, unit, digits
NAMES = {
    "knn_map": ("class told by neighbours in the map", 100, "%", 1),
    "knn_full": ("by neighbours in all dimensions", 100, "%", 1),
    "trustworthiness": ("trustworthiness", 1, "", 2),
}


def _known(numbers: Mapping[str, float]) -> list[str]:
    """The numbers in words, in the order of NAMES; others are not shown."""
    known = ((numbers[name], *words) for name, words in NAMES.items() if name in numbers)
    return [f"{words} {approx(factor * value, unit, digits)}" for value, words, factor, unit, digits in known]


def _clearest(numbers: Mapping[str, Mapping[str, float]]) -> str:
    """The map whose neighbours know the class best, if it leads by ten points or more: else nothing is claimed."""
    accuracy = sorted((values["knn_map"], name) for name, values in numbers.items() if "knn_map" in values)
    clear = len(accuracy) > 1 and accuracy[-1][0] - accuracy[-2][0] >= 0.1
    return f" Classes are easiest to tell apart in {accuracy[-1][1]}." if clear else ""


@styled
def map_pair(
    maps: Mapping[str, np.ndarray], labels: Sequence[int], classes: Sequence[str],
    numbers: Mapping[str, Mapping[str, float]],
) -> Figure:  # fmt: skip
    """Scatter plots of the same samples side by side, one colour and marker per class, one legend for all.

    maps: title → points (n, 2). labels (n,) index into `classes`. numbers: title → the numbers of `map_quality`, to be
    written under the map. Raises ValueError for more classes than colours, or points that do not fit the labels.
    """
    truth = np.asarray(labels)
    if len(classes) > len(PALETTE):
        raise ValueError(f"{len(classes)} classes, but only {len(PALETTE)} colours can be told apart: show fewer.")
    if not 0 <= truth.min() <= truth.max() < len(classes):
        raise ValueError(f"Labels reach from {truth.min()} to {truth.max()}, but there are {len(classes)} classes.")
    for name, points in maps.items():
        if np.shape(points) != (len(truth), 2):
            raise ValueError(f"The map {name!r} has shape {np.shape(points)}; expected ({len(truth)}, 2).")
    # All places in inches from the lower edge: legend, numbers, axis label, map, title.
    legend = 0.15 + 0.23 * -(-len(classes) // 5)
    foot = legend + 0.35 + 0.19 * max((len(_known(values)) for values in numbers.values()), default=0)
    side, left, height = 3.9, 0.4, foot + 4.2
    width = (side + left) * len(maps) + 0.1
    fig = Figure(figsize=(width, height))
    order = np.random.default_rng(0).permutation(len(truth))  # no class lies on top of all others
    size = float(np.clip(14000 / len(truth), 9, 30))
    for i, (name, points) in enumerate(maps.items()):
        ax = fig.add_axes(((left + i * (side + left)) / width, foot / height, side / width, side / height))
        spots = np.asarray(points)
        for chunk in np.array_split(order, 6):  # classes take turns in being drawn last
            for c in range(len(classes)):
                x, y = spots[chunk[truth[chunk] == c]].T
                style = {"c": PALETTE[c], "marker": MARKERS[c], "edgecolors": BACKGROUND, "linewidths": 0.3}
                ax.scatter(x, y, s=size, alpha=0.85, **style)
        middle, half = (spots.max(0) + spots.min(0)) / 2, 0.53 * float((spots.max(0) - spots.min(0)).max()) or 1.0
        (x0, y0), (x1, y1) = middle - half, middle + half
        below = "\n".join(["first map coordinate (no unit)", *_known(numbers.get(name, {}))])
        ax.set(title=name, xlabel=below, ylabel="second map coordinate (no unit)")
        ax.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal", xticks=[], yticks=[])
    for c, name in enumerate(classes):
        fig.axes[0].scatter([], [], s=36, c=PALETTE[c], marker=MARKERS[c], label=name)
    fig.legend(loc="lower center", ncols=5, borderaxespad=0.2)
    shown = [classes[c] for c in np.unique(truth)]
    said = " ".join(f"{name}: {'; '.join(_known(values))}." for name, values in numbers.items())
    alt = f"{len(truth)} images of {len(shown)} classes ({listed(shown)}) as points in {listed(maps)}. {said}"
    return describe(fig, f"{alt.strip()}{_clearest(numbers)}")


def _class_panels(place: SubFigure, points: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> None:
    """One small map a class: its points in blue, all others in grey. points (n, 2), labels (n,), −1 for no class."""
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
    title: str,
) -> Figure:  # fmt: skip
    """A map with its clusters in colours and their centres as numbered discs, and beside it one small map a class.

    points (n, 2); cluster (n,) 0 … k − 1; labels (n,) index into classes; centres (k, 2), as mapped.
    Raises ValueError for lengths that do not fit.
    """
    spots, group, truth = np.asarray(points), np.asarray(cluster), np.asarray(labels)
    if spots.shape != (len(truth), 2) or len(group) != len(truth) or np.shape(centres) != (group.max() + 1, 2):
        sizes = f"Points {spots.shape}, {len(group)} clusters, {len(truth)} labels, {len(centres)} centres"
        raise ValueError(f"{sizes}: no fit.")
    fig = Figure(figsize=(8.6, 3.5), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=(1, 1.5))
    ax = left.subplots()
    for c, (x, y) in enumerate(centres):
        ax.scatter(*spots[group == c].T, s=8, linewidths=0, c=PALETTE[c % 10], marker=MARKERS[c % 10])  # ten each
        ax.scatter(x, y, s=170, c=BACKGROUND, edgecolors=INK, linewidths=1.2, zorder=3)
        ax.annotate(str(c + 1), (x, y), ha="center", va="center", fontsize=8, fontweight="bold", zorder=4)
    ax.set(title="clusters", xticks=[], yticks=[])
    _class_panels(right, spots, truth, classes)
    said = f"{len(spots)} images in a map with the centres of {len(centres)} clusters"
    return describe(fig, f"{said}, and {len(classes)} small maps, one a class.", title)


@styled
def joint_maps(
    maps: Mapping[str, np.ndarray], labels: Sequence[int], classes: Sequence[str], foreign: Sequence[bool], *,
    title: str,
) -> Figure:  # fmt: skip
    """Maps of known images and strangers; beside them, of the last map, one small map for each class of the known.

    maps: title → points (n, 2); labels (n,) index into classes, of no meaning for strangers; foreign (n,) bool.
    Raises ValueError for points that do not fit the labels, or if there are only strangers or none.
    """
    strange = np.asarray(foreign, dtype=bool)
    truth = np.where(strange, -1, np.asarray(labels))
    n, away = len(truth), int(strange.sum())
    if not 0 < away < n or any(np.shape(points) != (n, 2) for points in maps.values()):
        raise ValueError(f"{away} strangers among {n} images: expected some, not all, and a point for each.")
    fig = Figure(figsize=(2.6 * len(maps) + 5.4, 3.4), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=(2.6 * len(maps), 5.4))
    for ax, (name, points) in zip(left.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        ax.scatter(*np.asarray(points)[~strange].T, s=6, c=PALETTE[0], linewidths=0, label="home", alpha=0.7)
        ax.scatter(*np.asarray(points)[strange].T, s=14, c=PALETTE[1], marker="x", linewidths=0.8, label="foreign")
        ax.set(title=name, xticks=[], yticks=[])
    left.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    _class_panels(right, np.asarray(points), truth, classes)
    said = f"{n - away} known images of {len(classes)} classes and {away} strangers as points in {listed(maps)}"
    return describe(fig, f"{said}; then one small map a class.", title)
