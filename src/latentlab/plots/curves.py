"""Numbers over training, numbers side by side, and scores of a detector: curves, bars, histograms."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import auc, roc_curve

from .style import BACKGROUND, FAINT, INK, LINES, MARKERS, PALETTE, approx, describe, listed, styled

History = Mapping[str, Mapping[str, Sequence[float]]]
Row = tuple[str, float, float, float]
Scores = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running mean (n,) → (n,) over at most `window` values; at the ends over as many as there are."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - window // 2, 0), np.minimum(at + (window - 1) // 2 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _places(history: History, against: str) -> tuple[np.ndarray, np.ndarray, str]:
    train, test = (np.asarray(history[part]["samples"], dtype=float) for part in ("train", "test"))
    if against == "samples":
        return train / 1000, test / 1000, "training samples seen (thousands)"
    if against != "epoch":
        raise ValueError(f"against={against!r}: choose 'samples' or 'epoch'.")
    epochs = np.asarray(history["test"]["epoch"], dtype=float)
    return train * epochs[-1] / test[-1], epochs, "training time (epochs)"


@styled
def loss_curves(history: History, terms: Sequence[str], *, against: str = "samples") -> Figure:
    """One panel per loss term: every training batch (faint), its running mean, the test set once per epoch (markers).

    history: {"train": {"samples": (n,), "<term>": (n,)}, "test": {"samples": (e,), "epoch": (e,), "<term>": (e,)}}.
    against: "samples" or "epoch". An axis is logarithmic where values span more than a factor of 20.
    Raises ValueError for an empty history, an unknown term, or NaN.
    """
    train, test = history["train"], history["test"]
    missing = [name for name in terms if name not in train or name not in test]
    if missing or not terms or not len(train["samples"]) or not len(test["samples"]):
        raise ValueError(f"The history lacks {listed(missing) or 'batches or epochs'}; it has {listed(train)}.")
    x_train, x_test, x_label = _places(history, against)
    columns = len(terms) if len(terms) <= 3 else 2
    rows = -(-len(terms) // columns)
    fig = Figure(figsize=(3.3 * columns + 0.6, 2.5 * rows + 0.9), layout="constrained")
    said = []
    for number, name in enumerate(terms):
        raw, checked = np.asarray(train[name], dtype=float), np.asarray(test[name], dtype=float)
        if not (np.isfinite(raw).all() and np.isfinite(checked).all()):
            raise ValueError(f"The term {name!r} is not finite somewhere in this history: the training diverged.")
        mean = smooth(raw, max(1, len(raw) // 40))
        values = np.concatenate([mean, checked])
        wide = values.min() > 0 and values.max() > 20 * values.min()
        ax = fig.add_subplot(rows, columns, number + 1)
        thin, edge = slice(None, None, max(1, len(raw) // 2000)), {"markeredgecolor": INK, "markeredgewidth": 0.5}
        ax.plot(x_train[thin], raw[thin], color=PALETTE[0], alpha=0.3, linewidth=0.6, label="training, every batch")
        ax.plot(x_train[thin], mean[thin], color=PALETTE[0], label="training, running mean")
        ax.plot(x_test, checked, "o", color=PALETTE[1], markersize=5, label="test set, every epoch", **edge)
        ax.set(title=name, ylabel="value (no unit)", yscale="log" if wide else "linear")
        if number + columns >= len(terms):
            ax.set_xlabel(x_label)
        first, last, tested = (approx(v, digits=None) for v in (mean[0], mean[-1], checked[-1]))
        said.append(f"{name} from {first} to {last}, on the test set {tested}")
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    panels = f"Loss curves, {len(terms)} panel{'s' if len(terms) > 1 else ''} against {x_label}."
    return describe(fig, f"{panels} From the first to the last batch: {'; '.join(said)}.")


def _winner(rows: Sequence[Row]) -> str:
    """The best row, if its interval is clear of the next one's by more than their widths: else nothing is claimed."""
    best, *others = sorted(rows, key=lambda row: -row[1])
    if not others:
        return ""
    gap = best[2] - max(row[3] for row in others)
    width = (best[3] - best[2]) + max(row[3] - row[2] for row in others)
    return f" Highest: {best[0]}." if gap > width else ""


@styled
def accuracy_bars(rows: Sequence[Row], reference: Mapping[str, float], *, label: str = "accuracy (%)") -> Figure:
    """Horizontal bars with intervals. rows: (name, accuracy, low, high), all in percent, drawn from top to bottom.

    reference: names and values of dashed lines, e.g. {"report": 72.42}. Raises ValueError for no rows, or NaN.
    """
    if not rows or not np.isfinite([row[1:] for row in rows]).all():
        raise ValueError("Accuracy bars need at least one row (name, accuracy, low, high) of finite percentages.")
    fig = Figure(figsize=(7.2, 0.42 * len(rows) + 1.3 + 0.3 * bool(reference)), layout="constrained")
    ax = fig.add_subplot()
    box = {"boxstyle": "round,pad=0.1", "fc": BACKGROUND, "ec": "none"}
    for i, (_, value, low, high) in enumerate(rows):
        ax.barh(i, value, height=0.62, color=PALETTE[0], alpha=0.85)
        error = [[max(0, value - low)], [max(0, high - value)]]
        ax.errorbar(value, i, xerr=error, color=INK, capsize=3, linewidth=1.2)
        ax.annotate(f"{value:.1f}", (high, i), (5, 0), textcoords="offset points", va="center", weight="bold", bbox=box)
    for i, (name, value) in enumerate(reference.items()):
        ax.axvline(value, color=PALETTE[1 + i], linestyle=LINES[1 + i % 3], label=f"{name}: {value:.4g}", zorder=1.5)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    furthest = max([*(row[3] for row in rows), *reference.values()])
    ax.set(xlabel=f"{label}, with 95 % intervals", xlim=(0, 1.09 * furthest))
    ax.set_xticks([tick for tick in range(0, 101, 20) if tick <= ax.get_xlim()[1]])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    dashed = ""
    if reference:
        fig.legend(loc="outside lower center", ncols=len(reference))
        dashed = f" Dashed: {listed(f'{name} {value:.4g}' for name, value in reference.items())}."
    values = listed(f"{name} {approx(value, '%')}" for name, value, *_ in rows)
    what = label.split(" (")[0].capitalize()
    return describe(fig, f"{what}, horizontal bars: {values}.{_winner(rows)}{dashed}")


@styled
def lines(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x: str, y: str, title: str) -> Figure:
    """One line per name, series[name] = (xs, ys); x, y: axis labels with units. ValueError for misfits or too many."""
    if not 0 < len(series) <= len(PALETTE):
        raise ValueError(f"{len(series)} lines: expected 1 to {len(PALETTE)}. Draw the others in a second figure.")
    fig = Figure(figsize=(7.2, 3.8), layout="constrained")
    ax = fig.add_subplot()
    said = []
    for i, (name, (xs, ys)) in enumerate(series.items()):
        if len(xs) != len(ys) or not len(xs):
            raise ValueError(f"The line {name!r} has {len(xs)} places for {len(ys)} values: expected as many.")
        style = {"marker": MARKERS[i] if len(xs) <= 40 else "", "linestyle": LINES[i % len(LINES)], "color": PALETTE[i]}
        ax.plot(xs, ys, markersize=5, label=name, **style)
        said.append(f"{name} from {approx(ys[0], digits=None)} to {approx(ys[-1], digits=None)}")
    ax.set(xlabel=x, ylabel=y, title=title)
    if len(series) > 1:
        fig.legend(loc="outside lower center", ncols=min(len(series), 4))
    return describe(fig, f"{title}. Lines of {y} against {x}: {'; '.join(said)}.")


@styled
def score_histograms(scores: Scores, names: tuple[str, str]) -> Figure:
    """One panel per detector: its scores of known images (m,) and of strangers (l,), called by `names`."""
    columns = min(3, len(scores))
    rows = -(-len(scores) // columns)
    fig = Figure(figsize=(3.1 * columns + 0.4, 2.3 * rows + 0.7), layout="constrained")
    said = []
    for i, (panel, pair) in enumerate(scores.items()):
        home, away = (np.asarray(part, dtype=float) for part in pair)
        ax = fig.add_subplot(rows, columns, i + 1)
        bins = np.linspace(min(home.min(), away.min()), max(home.max(), away.max()), 61)
        for values, colour, name, style in ((home, PALETTE[0], names[0], "-"), (away, PALETTE[1], names[1], "--")):
            share = np.histogram(values, bins)[0] / len(values)
            ax.stairs(100 * share, bins, color=colour, fill=True, alpha=0.25)
            ax.stairs(100 * share, bins, color=colour, linestyle=style, label=name)
        ax.set(title=panel, xlabel="anomaly score (no unit)", ylabel="" if i % columns else "images (%)")
        highest, lowest = approx(home.max(), digits=None), approx(away.min(), digits=None)
        said.append(f"{panel}: {names[0]} up to {highest}, {names[1]} from {lowest}")
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return describe(fig, f"Histograms of anomaly scores. {'; '.join(said)}.")


@styled
def roc_curves(scores: Scores) -> Figure:
    """ROC curves of several detectors, twice: as usual, and with both kinds of error on logarithmic axes.

    scores: name → (scores of known images (m,), of strangers (l,)). Near-perfect detectors cannot be told apart in the
    left panel; the right one shows their errors, down to one image.
    """
    fig = Figure(figsize=(8.2, 4.3), layout="constrained")
    usual, errors = fig.subplots(1, 2)
    smallest, said = 1.0, []
    for i, (name, (home, away)) in enumerate(scores.items()):
        truth = np.r_[np.zeros(len(home)), np.ones(len(away))]
        false_alarms, caught, _ = roc_curve(truth, np.r_[home, away])
        style = {"color": PALETTE[i], "linestyle": LINES[i % len(LINES)], "label": name}
        usual.plot(100 * false_alarms, 100 * caught, **style)
        floor_home, floor_away = 50 / len(home), 50 / len(away)  # half an image in percent: where "none" is drawn
        errors.plot(np.maximum(100 * false_alarms, floor_home), np.maximum(100 * (1 - caught), floor_away), **style)
        smallest = min(smallest, floor_home, floor_away)
        said.append(f"{name} {approx(auc(false_alarms, caught), digits=6)}")
    usual.plot([0, 100], [0, 100], color=FAINT, linestyle=":", linewidth=1)
    usual.set(xlabel="false alarms among known images (%)", ylabel="strangers caught (%)", title="as usual")
    limits = (0.8 * smallest, 120)
    errors.set(xscale="log", yscale="log", xlim=limits, ylim=limits, title="the errors, enlarged")
    errors.set(xlabel="false alarms among known images (%)", ylabel="strangers missed (%)")
    fig.legend(*usual.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(scores)))
    return describe(fig, f"ROC curves, twice: as usual and as errors on logarithmic axes. Areas: {listed(said)}.")
