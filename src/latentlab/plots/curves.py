"""Numbers over training and numbers side by side: loss curves, accuracy bars, lines."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentlab.plots.style import INK, LINES, MARKERS, PALETTE, approx, describe, listed, styled

History = Mapping[str, Mapping[str, Sequence[float]]]
PLACES = ("samples", "epoch")  # entries of a history that say where, not how much


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running mean (n,) → (n,) over at most `window` values; at the ends over as many as there are."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - window // 2, 0), np.minimum(at + (window - 1) // 2 + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _change(first: float, last: float) -> str:
    """Words for a change, safe against noise: within a quarter it is no change."""
    if not (first > 0 and last > 0):
        return f"goes from {approx(first, digits=None)} to {approx(last, digits=None)}"
    if last < 0.8 * first:
        return f"falls by a factor of {approx(first / last)}"
    if last > 1.25 * first:
        return f"rises by a factor of {approx(last / first)}"
    return f"stays near {approx(last, digits=None)}"


def _wide(*series: np.ndarray) -> bool:
    """Do positive values span more than a factor of 20, so that a logarithmic axis shows more?"""
    values = np.concatenate(series)
    return bool(values.min() > 0 and values.max() > 20 * values.min())


def _places(history: History, against: str) -> tuple[np.ndarray, np.ndarray, str]:
    train, test = (np.asarray(history[part]["samples"], dtype=float) for part in ("train", "test"))
    if against == "samples":
        return train / 1000, test / 1000, "training samples seen (thousands)"
    if against != "epoch":
        raise ValueError(f"against={against!r}: choose 'samples' or 'epoch'.")
    epochs = np.asarray(history["test"]["epoch"], dtype=float)
    return train * epochs[-1] / test[-1], epochs, "training time (epochs)"


@styled
def loss_curves(history: History, terms: Sequence[str] | None = None, *, against: str = "samples", title: str = "") -> Figure:
    """One panel per loss term: every training batch (faint), its running mean (line), the test set once per epoch (markers).

    history: {"train": {"samples": (n,), "<term>": (n,), …}, "test": {"samples": (e,), "epoch": (e,), "<term>": (e,), …}}.
    against: "samples" or "epoch". An axis is logarithmic where values span more than a factor of 20.
    Raises ValueError for an empty history, an unknown term, or NaN.
    """
    train, test = history["train"], history["test"]
    terms = list(terms or (name for name in train if name not in PLACES))
    missing = [name for name in terms if name not in train or name not in test]
    if missing or not terms or not len(train["samples"]) or not len(test["samples"]):
        raise ValueError(f"The history lacks {listed(missing) or 'batches or epochs'}; it has {listed(train)}. Train first.")
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
        ax = fig.add_subplot(rows, columns, number + 1)
        thin = slice(None, None, max(1, len(raw) // 2000))
        ax.plot(x_train[thin], raw[thin], color=PALETTE[0], alpha=0.3, linewidth=0.6, label="training, every batch")
        ax.plot(x_train[thin], mean[thin], color=PALETTE[0], label="training, running mean")
        ax.plot(x_test, checked, "o", color=PALETTE[1], markersize=5, markeredgecolor=INK, markeredgewidth=0.5,
                label="test set, every epoch")  # fmt: skip
        ax.set(title=name, ylabel="value (no unit)", yscale="log" if _wide(mean, checked) else "linear")
        if number + columns >= len(terms):
            ax.set_xlabel(x_label)
        said.append(f"{name} {_change(mean[0], mean[-1])}, at the end on the test set {approx(checked[-1], digits=None)}")
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    if title:
        fig.suptitle(title)
    panels = f"Loss curves, {len(terms)} panel{'s' if len(terms) > 1 else ''} against {x_label}."
    return describe(fig, f"{title + '. ' if title else ''}{panels} Over training, {'; '.join(said)}.")


Row = tuple[str, float, float, float]


def _winner(rows: Sequence[Row]) -> str:
    """The best row, if its interval is clear of the next one's by more than their widths: else nothing is claimed."""
    best, *others = sorted(rows, key=lambda row: -row[1])
    if not others or not np.isfinite([row[2:] for row in rows]).all():
        return ""
    gap = best[2] - max(row[3] for row in others)
    width = (best[3] - best[2]) + max(row[3] - row[2] for row in others)
    return f" Highest: {best[0]}." if gap > width else ""


@styled
def accuracy_bars(
    rows: Sequence[Row], reference: Mapping[str, float] | tuple[str, float] | None = None, *, title: str = "",
    label: str = "accuracy (%)",
) -> Figure:  # fmt: skip
    """Horizontal bars with intervals. rows: (name, accuracy, low, high), all in percent, drawn from top to bottom.

    low and high NaN: a single value, without an interval. reference: names and values of dashed lines, e.g. {"report": 72.42}.
    Raises ValueError for no rows, or an accuracy that is NaN.
    """
    if not rows or not np.isfinite([row[1] for row in rows]).all():
        raise ValueError("Accuracy bars need at least one row (name, accuracy, low, high) of finite percentages.")
    known = [row if np.isfinite(row[3] - row[2]) else (row[0], row[1], row[1], row[1]) for row in rows]
    references = dict([reference] if isinstance(reference, tuple) else reference or {})
    fig = Figure(figsize=(7.2, 0.42 * len(rows) + 1.3 + 0.3 * bool(references)), layout="constrained")
    ax = fig.add_subplot()
    for i, (_, value, low, high) in enumerate(known):
        ax.barh(i, value, height=0.62, color=PALETTE[0], alpha=0.85)
        if high > low:
            ax.errorbar(value, i, xerr=[[max(0, value - low)], [max(0, high - value)]], color=INK, capsize=3, linewidth=1.2)
        ax.annotate(f"{value:.1f}", (high, i), xytext=(5, 0), textcoords="offset points", va="center", fontweight="bold",
                    bbox={"boxstyle": "round,pad=0.1", "fc": "#FAFAF8", "ec": "none"})  # fmt: skip
    for i, (name, value) in enumerate(references.items()):
        ax.axvline(value, color=PALETTE[1 + i], linestyle=LINES[1 + i % 3], label=f"{name}: {value:.4g}", zorder=1.5)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set(xlabel=f"{label}, with 95 % intervals", xlim=(0, 1.09 * max([*(row[3] for row in known), *references.values()])))
    if "%" in label:
        ax.set_xticks([tick for tick in range(0, 101, 20) if tick <= ax.get_xlim()[1]])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    if title:
        ax.set_title(title)
    if references:
        fig.legend(loc="outside lower center", ncols=len(references))
    unit = "%" if "%" in label else ""
    values = listed(f"{name} {approx(value, unit)}" for name, value, *_ in rows)
    lines_ = f" Dashed: {listed(f'{name} {value:.4g}' for name, value in references.items())}." if references else ""
    return describe(fig, f"{title or label.split(' (')[0].capitalize()}, horizontal bars: {values}.{_winner(rows)}{lines_}")


@styled
def lines(
    series: Mapping[str, Sequence[Sequence[float]]], *, x: str, y: str, title: str = "", log_x: bool = False, log_y: bool = False
) -> Figure:
    """One line per name: series[name] is (xs, ys) or (xs, ys, sds), the last drawn as a band of ± 1 sd.

    x, y: axis labels with their units, e.g. "training time (minutes)", "probe accuracy (%)".
    Raises ValueError if there is nothing to draw, lengths differ, or there are more lines than colours.
    """
    if not 0 < len(series) <= len(PALETTE):
        raise ValueError(f"{len(series)} lines: expected 1 to {len(PALETTE)}. Draw the others in a second figure.")
    fig = Figure(figsize=(7.2, 3.8), layout="constrained")
    ax: Axes = fig.add_subplot()
    said = []
    for i, (name, points) in enumerate(series.items()):
        xs, ys, *sds = (np.asarray(p, dtype=float) for p in points)
        if not len(xs) or any(len(p) != len(xs) for p in (ys, *sds)):
            raise ValueError(f"The line {name!r} has {len(xs)} places for {len(ys)} values: expected as many, at least one.")
        marker = MARKERS[i] if len(xs) <= 40 else ""
        ax.plot(xs, ys, marker=marker, linestyle=LINES[i % len(LINES)], color=PALETTE[i], markersize=5, label=name)
        if sds:
            ax.fill_between(xs, ys - sds[0], ys + sds[0], color=PALETTE[i], alpha=0.15, linewidth=0)
        said.append(f"{name} from {approx(ys[0], digits=None)} to {approx(ys[-1], digits=None)}")
    ax.set(xlabel=x, ylabel=y, title=title, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    if len(series) > 1:
        fig.legend(loc="outside lower center", ncols=min(len(series), 4))
    return describe(fig, f"{title + '. ' if title else ''}Lines of {y} against {x}: {'; '.join(said)}.")
