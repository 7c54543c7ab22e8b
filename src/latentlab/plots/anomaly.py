"""What a detector does: its scores, its ROC curve, and where the strangers lie in a map."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from latentlab.plots.clusters import class_panels
from latentlab.plots.style import FAINT, LINES, PALETTE, approx, describe, listed, styled

Scores = tuple[Sequence[float], Sequence[float]]


@styled
def score_histograms(scores: Mapping[str, Scores], names: tuple[str, str] = ("home", "foreign"), *, title: str = "") -> Figure:
    """One panel per detector: how its score is distributed over known images and over strangers.

    scores: name → (scores of known images (m,), scores of strangers (l,)).
    """
    found = {name: [np.asarray(part, dtype=float) for part in pair] for name, pair in scores.items()}
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    fig = Figure(figsize=(3.1 * columns + 0.4, 2.3 * rows + 0.7), layout="constrained")
    said = []
    for i, (panel, (home, away)) in enumerate(found.items()):
        ax = fig.add_subplot(rows, columns, i + 1)
        bins = np.linspace(min(home.min(), away.min()), max(home.max(), away.max()), 61)
        for values, colour, name, style in ((home, PALETTE[0], names[0], "-"), (away, PALETTE[1], names[1], "--")):
            share = np.histogram(values, bins)[0] / len(values)
            ax.stairs(100 * share, bins, color=colour, fill=True, alpha=0.25)
            ax.stairs(100 * share, bins, color=colour, linestyle=style, label=name)
        ax.set(title=panel, xlabel="anomaly score (no unit)")
        if i % columns == 0:
            ax.set_ylabel("images (%)")
        highest, lowest = approx(home.max(), digits=None), approx(away.min(), digits=None)
        said.append(f"{panel}: {names[0]} up to {highest}, {names[1]} from {lowest}")
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    if title:
        fig.suptitle(title)
    return describe(fig, f"{title or 'Histograms of anomaly scores'}. {'; '.join(said)}.")


@styled
def roc_curves(scores: Mapping[str, Scores], *, title: str = "") -> Figure:
    """ROC curves of several detectors, twice: as usual, and with both kinds of error on logarithmic axes.

    scores: name → (scores of known images (m,), scores of strangers (l,)). Near-perfect detectors cannot be told apart in the
    left panel; the right one shows their errors, down to one image.
    """
    found = {name: [np.asarray(part, dtype=float) for part in pair] for name, pair in scores.items()}
    fig = Figure(figsize=(8.2, 4.3), layout="constrained")
    usual, errors = fig.subplots(1, 2)
    smallest, said = 1.0, []
    for i, (name, (home, away)) in enumerate(found.items()):
        truth = np.r_[np.zeros(len(home)), np.ones(len(away))]
        false_alarms, caught, _ = roc_curve(truth, np.r_[home, away])
        style = {"color": PALETTE[i], "linestyle": LINES[i % len(LINES)], "label": name}
        usual.plot(100 * false_alarms, 100 * caught, **style)
        floor_home, floor_away = 50 / len(home), 50 / len(away)  # half an image in percent: where "none" is drawn
        errors.plot(np.maximum(100 * false_alarms, floor_home), np.maximum(100 * (1 - caught), floor_away), **style)
        smallest = min(smallest, floor_home, floor_away)
        said.append(f"{name} {approx(float(np.trapezoid(caught, false_alarms)), digits=6)}")
    usual.plot([0, 100], [0, 100], color=FAINT, linestyle=":", linewidth=1)
    usual.set(xlabel="false alarms among known images (%)", ylabel="strangers caught (%)", title="as usual")
    errors.set(xscale="log", yscale="log", xlim=(0.8 * smallest, 120), ylim=(0.8 * smallest, 120), title="the errors, enlarged")
    errors.set(xlabel="false alarms among known images (%)", ylabel="strangers missed (%)")
    fig.legend(*usual.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(found)))
    if title:
        fig.suptitle(title)
    return describe(fig, f"{title or 'ROC curves'}, twice: as usual and as errors on logarithmic axes. Areas: {listed(said)}.")


@styled
def joint_maps(
    maps: Mapping[str, np.ndarray], labels: Sequence[int], classes: Sequence[str], foreign: Sequence[bool], *, title: str = ""
) -> Figure:
    """Maps of known images and strangers; beside them, of the last map, one small map for each class of the known.

    maps: title → points (n, 2); labels (n,) index into classes, of no meaning for strangers; foreign (n,) bool.
    Raises ValueError for points that do not fit the labels, or if there are only strangers or none.
    """
    strange = np.asarray(foreign, dtype=bool)
    truth = np.where(strange, -1, np.asarray(labels))
    if not 0 < strange.sum() < len(strange) or any(np.shape(points) != (len(truth), 2) for points in maps.values()):
        raise ValueError(f"{strange.sum()} strangers among {len(truth)} images: expected some, not all, and a point for each.")
    fig = Figure(figsize=(2.6 * len(maps) + 5.4, 3.4), layout="constrained")
    left, right = fig.subfigures(1, 2, width_ratios=(2.6 * len(maps), 5.4))
    for ax, (name, points) in zip(left.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        ax.scatter(*np.asarray(points)[~strange].T, s=6, c=PALETTE[0], linewidths=0, label="home", alpha=0.7)
        ax.scatter(*np.asarray(points)[strange].T, s=14, c=PALETTE[1], marker="x", linewidths=0.8, label="foreign")
        ax.set(title=name, xticks=[], yticks=[])
    left.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    class_panels(right, np.asarray(list(maps.values())[-1]), truth, classes)
    if title:
        fig.suptitle(title)
    alt = f"{(~strange).sum()} known images of {len(classes)} classes and {strange.sum()} strangers as points in {listed(maps)}"
    return describe(fig, f"{title + '. ' if title else ''}{alt}; then one small map a class.")
