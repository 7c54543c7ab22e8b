"""Square matrices of numbers between −1 and 1, side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from latentlab.plots.style import approx, describe, styled


@styled
def matrices(tables: Mapping[str, np.ndarray], *, label: str = "correlation r", title: str = "") -> Figure:
    """One coloured square per matrix (d, d) with entries in [−1, 1], each with its own d. Raises ValueError for anything else."""
    for name, table in tables.items():
        table = np.asarray(table)
        if table.ndim != 2 or table.shape[0] != table.shape[1] or not np.abs(table).max() <= 1 + 1e-6:
            raise ValueError(f"{name!r} has shape {table.shape}: expected a square matrix with entries between −1 and 1.")
    if not tables:
        raise ValueError("There is no matrix to draw.")
    fig = Figure(figsize=(2.3 * len(tables) + 0.9, 2.7 + 0.3 * bool(title)), layout="constrained")
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
    if title:
        fig.suptitle(title)
    return describe(fig, f"{title + '. ' if title else ''}Matrices of {label}, coloured from −1 to 1. {'; '.join(said)}.")
