"""Two-dimensional maps of a representation, side by side, with the numbers that say what they are worth."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentlab.plots.style import BACKGROUND, MARKERS, PALETTE, approx, describe, listed, styled

# what evaluation.map_quality calls its numbers: words, factor, unit, digits
NAMES = {
    "knn_map": ("class told by neighbours in the map", 100, "%", 1),
    "knn_full": ("by neighbours in all dimensions", 100, "%", 1),
    "trustworthiness": ("trustworthiness", 1, "", 2),
    "silhouette_map": ("silhouette", 1, "", 2),
}


def _known(numbers: Mapping[str, float]) -> list[str]:
    """The numbers in words, in the order of NAMES; others are not shown."""
    return [
        f"{words} {approx(factor * numbers[name], unit, digits)}"
        for name, (words, factor, unit, digits) in NAMES.items()
        if name in numbers
    ]


def _clearest(numbers: Mapping[str, Mapping[str, float]]) -> str:
    """The map whose neighbours know the class best, if it leads by ten points or more: else nothing is claimed."""
    accuracy = sorted(((values["knn_map"], title) for title, values in numbers.items() if "knn_map" in values), reverse=True)
    if len(accuracy) < 2 or accuracy[0][0] - accuracy[1][0] < 0.1:
        return ""
    return f" Classes are easiest to tell apart in {accuracy[0][1]}."


@styled
def map_pair(
    maps: Mapping[str, np.ndarray],
    labels: Sequence[int],
    classes: Sequence[str],
    numbers: Mapping[str, Mapping[str, float]] | None = None,
    *,
    title: str = "",
) -> Figure:
    """Scatter plots of the same samples side by side, one colour and marker per class, one legend for all.

    maps: title → points (n, 2). labels (n,) index into `classes`. numbers: title → the numbers of `evaluation.map_quality`,
    written under the map. Raises ValueError for more classes than colours, or points that do not fit the labels.
    """
    truth, numbers = np.asarray(labels), numbers or {}
    if len(classes) > len(PALETTE):
        raise ValueError(f"{len(classes)} classes, but only {len(PALETTE)} colours can be told apart. Show fewer classes.")
    if len(truth) and not 0 <= truth.min() <= truth.max() < len(classes):
        raise ValueError(f"Labels reach from {truth.min()} to {truth.max()}, but there are {len(classes)} classes.")
    if not maps or not len(truth):
        raise ValueError("There is nothing to draw: expected at least one map and one labelled point.")
    for name, points in maps.items():
        if np.shape(points) != (len(truth), 2):
            raise ValueError(f"The map {name!r} has shape {np.shape(points)}; expected ({len(truth)}, 2).")
    # All places in inches from the lower edge: legend, numbers, axis label, map, title.
    legend = 0.15 + 0.23 * -(-len(classes) // 5)
    foot = legend + 0.35 + 0.19 * max((len(_known(values)) for values in numbers.values()), default=0)
    side, left, height = 3.9, 0.4, foot + 4.2 + 0.3 * bool(title)
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
                ax.scatter(x, y, s=size, c=PALETTE[c], marker=MARKERS[c], linewidths=0.3, edgecolors=BACKGROUND, alpha=0.85)
        ax.set(title=name, xlabel="first map coordinate (no unit)", ylabel="second map coordinate (no unit)")
        middle, half = (spots.max(0) + spots.min(0)) / 2, 0.53 * float((spots.max(0) - spots.min(0)).max()) or 1.0
        ax.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
        ax.set(xticks=[], yticks=[])
        below = "\n".join(_known(numbers.get(name, {})))
        if below:
            ax.set_xlabel(f"first map coordinate (no unit)\n{below}")
    handles = [
        fig.axes[0].scatter([], [], s=36, c=PALETTE[c], marker=MARKERS[c], label=classes[c]) for c in range(len(classes))
    ]
    fig.legend(handles=handles, loc="lower center", ncols=5, borderaxespad=0.2)
    if title:
        fig.suptitle(title, y=1 - 0.08 / height, va="top")
    shown = [classes[c] for c in np.unique(truth)]
    said = " ".join(f"{name}: {'; '.join(_known(values))}." for name, values in numbers.items())
    alt = f"{len(truth)} images of {len(shown)} classes ({listed(shown)}) as points in {listed(maps)}. {said}"
    return describe(fig, f"{title + '. ' if title else ''}{alt.strip()}{_clearest(numbers)}")
