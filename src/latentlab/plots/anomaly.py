"""What a detector does: its scores, its ROC curve, and where the strangers lie in a map."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from latentlab.plots.style import FAINT, INK, LINES, MARKERS, PALETTE, approx, describe, listed, styled

Scores = tuple[Sequence[float], Sequence[float]]


def _checked(scores: Mapping[str, Scores]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not 0 < len(scores) <= len(PALETTE):
        raise ValueError(f"{len(scores)} detectors: expected 1 to {len(PALETTE)}.")
    found = {name: tuple(np.asarray(s, dtype=float) for s in pair) for name, pair in scores.items()}
    for name, pair in found.items():
        if any(s.ndim != 1 or not len(s) or not np.isfinite(s).all() for s in pair):
            raise ValueError(f"The scores of {name!r} must be two lists of finite numbers, known images and strangers.")
    return found


@styled
def score_histograms(scores: Mapping[str, Scores], names: tuple[str, str] = ("home", "foreign"), *, title: str = "") -> Figure:
    """One panel per detector: how its score is distributed over known images and over strangers.

    scores: name → (scores of known images (m,), scores of strangers (l,)). Raises ValueError for NaN or an empty list.
    """
    found = _checked(scores)
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
    left panel; the right one shows their errors, down to one image. Raises ValueError for NaN or an empty list.
    """
    found = _checked(scores)
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
    """Known images, a colour and marker per class, and strangers, grey crosses, in the same maps.

    maps: title → points (n, 2); labels (n,) index into classes, of no meaning for strangers; foreign (n,) bool.
    Raises ValueError for points that do not fit the labels, or if there are only strangers or none.
    """
    truth, strange = np.asarray(labels), np.asarray(foreign, dtype=bool)
    if len(classes) > len(PALETTE) or not 0 < strange.sum() < len(strange) or len(truth) != len(strange):
        raise ValueError(f"{strange.sum()} strangers among {len(truth)} images, {len(classes)} classes: expected some, not all.")
    side = 3.2
    fig = Figure(figsize=(side * len(maps) + 0.2, side + 1.1), layout="constrained")
    panels = fig.subplots(1, len(maps), squeeze=False)[0]
    order = np.random.default_rng(0).permutation(np.flatnonzero(~strange))  # no class lies on top of all others
    size = float(np.clip(9000 / len(truth), 5, 25))
    for ax, (name, points) in zip(panels, maps.items(), strict=True):
        spots = np.asarray(points)
        if spots.shape != (len(truth), 2):
            raise ValueError(f"The map {name!r} has shape {spots.shape}; expected ({len(truth)}, 2).")
        ax.scatter(*spots[strange].T, s=size, c=FAINT, marker="x", linewidths=0.7, label="strangers", alpha=0.8)
        for chunk in np.array_split(order, 6):
            for c in range(len(classes)):
                rows = chunk[truth[chunk] == c]
                ax.scatter(*spots[rows].T, s=size, c=PALETTE[c], marker=MARKERS[c], linewidths=0)
        ax.set(title=name, xlabel="first map coordinate (no unit)", xticks=[], yticks=[])
    panels[0].set_ylabel("second map coordinate (no unit)")
    handles = [panels[0].scatter([], [], s=30, c=PALETTE[c], marker=MARKERS[c], label=n) for c, n in enumerate(classes)]
    handles.append(panels[0].scatter([], [], s=30, c=INK, marker="x", linewidths=0.7, label="strangers"))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    if title:
        fig.suptitle(title)
    alt = f"{(~strange).sum()} known images of {len(classes)} classes and {strange.sum()} strangers as points in {listed(maps)}."
    return describe(fig, f"{title + '. ' if title else ''}{alt}")
