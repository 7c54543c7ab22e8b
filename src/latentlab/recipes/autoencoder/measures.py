"""What trained autoencoders are like, in numbers, and when one group is ahead of another: the tables of notebook 04."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from torch import nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import ahead, explained_components, knn, measure_correlation
from latentlab.evaluation.conditions import Truth
from latentlab.evaluation.correlation import structure_error
from latentlab.evaluation.learning import fluctuation, steps_to_own_floor
from latentlab.evaluation.reconstruction import Axes, principal_axes
from latentlab.losses import reconstruction_error
from latentlab.recipes.contract import Run

from .sweep import codes, reconstruct
from .transfer import recognise

Table = Mapping[str, list[dict]]  # name of a network, most often its d -> one row of measures per seed
# the report's sizes
RANGES = {"5–9": range(5, 10), "10–14": range(10, 15), "50–55": range(50, 56), "100–104": range(100, 105)}


def measure_all(runs: Mapping[str, list[Run]], train: Dataset, test: Dataset, judge: nn.Module) -> Table:
    """`measure` of every run, by name."""
    axes = principal_axes(to_float(test.images[:2000]))
    return {name: [measure(run, train, test, judge, axes) for run in seeds] for name, seeds in runs.items()}


def measure(run: Run, train: Dataset, test: Dataset, judge: nn.Module, axes: Axes) -> dict[str, float | None]:
    """One run as a row: errors per pixel and how they fell; what its reconstructions keep; correlations in its codes.

    axes: the principal axes of the first 2,000 test images, on which all but the errors is measured. A log-determinant
    of −∞, which a file cannot hold, becomes None.
    """
    losses, tests = run.history.batches["loss"], run.history.epochs["loss"]
    last = losses[-round(run.history.steps / run.history.epochs["epoch"][-1]) :]  # the last epoch's
    few, known = test.first(min(2000, len(test))), train.first(min(10_000, len(train)))
    x, back = to_float(few.images), reconstruct(run.network, few.images)  # (k, c, h, w) each
    moved = reconstruction_error(reconstruct(run.network, back), back)
    y, y_known = codes(run.network, test.images), codes(run.network, known.images)  # (n, d), (m, d)
    r = measure_correlation(y)
    log_det = r.log_determinant if np.isfinite(r.log_determinant) else None
    row = {"d": r.dim, "norm": r.norm, "mean |r|": r.mean_absolute, "mean r²": r.mean_square, "log det R": log_det}
    row |= {"test error": tests[-1], "first test error": tests[0], "training error": sum(last) / len(last)}
    row |= {"steps to own floor": steps_to_own_floor(losses), "fluctuation": fluctuation(last)[0]}
    return row | {
        # ‖r(r(x)) − r(x)‖² / ‖r(x) − x‖²: 0 for a projection
        "second pass": float(moved / reconstruction_error(back, x)),
        "recognised": float((recognise(judge, back).argmax(1) == few.labels).float().mean()),
        "components": explained_components(back, x, axes),
        "pixel correlation": structure_error(back, x),
        "neighbours": knn(y_known, known.labels, y[: len(few)], few.labels, k=10, metric="euclidean").accuracy,
    }


def at(table: Table, names: Iterable, measure: str) -> np.ndarray:
    """All seeds' values of a measure for these names; (names, seeds). None becomes −∞."""
    rows = [[-np.inf if row[measure] is None else row[measure] for row in table[str(n)]] for n in names]
    return np.array(rows, dtype=float)


def paired(table: Table, measure: str, first: Iterable, second: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Values of a measure in two groups of networks, pair by pair, one seed a pair; (pairs,) twice."""
    a, b = at(table, first, measure), at(table, second, measure)
    rows = np.arange(max(len(a), len(b)))  # the shorter group begins anew when it ends: no network is left out
    return a[rows % len(a)].ravel(), b[rows % len(b)].ravel()


def lower(table: Table, measure: str, second: Iterable, first: Iterable, by: float = 0.0) -> Truth:
    """Is a measure of the networks `second` below that of `first`, by more than `by`? See `paired` and `ahead`."""
    return ahead(*paired(table, measure, first, second), by)


def falling(table: Table, measure: str, groups: Mapping[str, Iterable], rising: bool = False) -> dict[str, Truth]:
    """From each group to the next: is the measure lower (or higher)? One condition a step, named."""
    found, word = {}, "higher" if rising else "lower"
    for (a, first), (b, second) in pairwise(groups.items()):
        small, large = (first, second) if rising else (second, first)
        found[f"{measure}: {word} at {b} than at {a}"] = lower(table, measure, small, large)
    return found


def gain(table: Table, first: Iterable, second: Iterable) -> np.ndarray:
    """Fall of the test error per added number, pair by pair (see `paired`)."""
    a, b = paired(table, "test error", first, second)
    return (a - b) / (np.mean(list(second)) - np.mean(list(first)))


def growth_by_correlation(table: Table, first: Iterable, second: Iterable) -> np.ndarray:
    """The share of the norm's growth that changing correlations carry, pair by pair; the rest is the dimension's."""
    small, d = paired(table, "mean r²", first, second)[0], paired(table, "d", first, second)[1]
    norm, after = paired(table, "norm", first, second)
    alone = np.sqrt(d + d * (d - 1) * small)  # √(d + d (d − 1) r²), the norm with r² held at its value in `first`
    return 1 - (alone - norm) / (after - norm)
