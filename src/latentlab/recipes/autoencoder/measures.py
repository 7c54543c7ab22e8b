"""What trained autoencoders are like, in numbers, and when one group of them is ahead of another: the tables of notebook 04."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
from torch import nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import Unresolved, ahead, explained_components, knn_accuracy, measure_correlation
from latentlab.evaluation.correlation import structure_error
from latentlab.evaluation.learning import fluctuation, steps_to_own_floor
from latentlab.evaluation.reconstruction import Axes, principal_axes
from latentlab.losses import reconstruction_error
from latentlab.recipes.contract import Run

from .sweep import codes, reconstruct, trend
from .transfer import recognise

Table = Mapping[str, list[dict]]  # name of a network, most often its d -> one row of measures per seed
RANGES = {"5–9": range(5, 10), "10–14": range(10, 15), "50–55": range(50, 56), "100–104": range(100, 105)}  # the report's

# One bar per property, for every claim of the notebook: the threshold and why it stands there.
BARS = {
    "rebuilt adequately": (0.5, "of the mean image's error at most: more of the variance is kept than lost"),
    "recognised": (0.9, "as many reconstructions as originals, at least: a classifier's word, not ours"),
    "information is lost": (0.05, "of the variance at least: what a reader can see is missing"),
    "like a projection": (0.5, "of the first pass's change at most in a second pass: a projection has 0, a stranger about 1"),
    "moderate": (1 / 3, "of the earlier gain per number at most, and a gain"),
    "the reason": (0.5, "of the effect at least: the larger part"),
    "noise": (0.5, "of the way from pictures to noise at least, in the correlation of neighbouring pixels"),
    "correlated": (0.05, "mean |r| at least: many times what 20,000 independent draws show"),
    "a point": (0.01, "of accuracy: less is no difference to a user"),
    "as good": (0.02, "of accuracy below the best at most"),
    "fitted": (0.05, "nats of training loss at most: 95 % sure of each label"),
    "the gradient vanishes": (0.01, "of the last layer's gradient at most, at the first layer"),
}


def measure_all(runs: Mapping[str, list[Run]], train: Dataset, test: Dataset, judge: nn.Module) -> dict[str, list[dict]]:
    """`measure` of every run, by name."""
    axes = principal_axes(to_float(test.images[:2000]))
    return {name: [measure(run, train, test, judge, axes) for run in seeds] for name, seeds in runs.items()}


def measure(run: Run, train: Dataset, test: Dataset, judge: nn.Module, axes: Axes) -> dict[str, float | None]:
    """One run as a row: errors per pixel and how they fell; what its reconstructions keep; correlations in its codes.

    axes: the principal axes of the first 2,000 test images, on which all but the errors is measured. A log-determinant of −∞,
    which a file cannot hold, becomes None.
    """
    losses, few = run.history.batches["loss"], test.first(min(2000, len(test)))
    last = losses[-round(run.history.steps / run.history.epochs["epoch"][-1]) :]  # the last epoch's
    x, back, known = to_float(few.images), reconstruct(run.network, few.images), train.first(min(10_000, len(train)))
    y, y_known = codes(run.network, test.images), codes(run.network, known.images)  # (n, d), (m, d)
    r, tests = measure_correlation(y), run.history.epochs["loss"]
    learned = {"d": r.dim, "test error": tests[-1], "training error": trend(run.history), "first test error": tests[0]}
    kept = {
        # ‖r(r(x)) − r(x)‖² / ‖r(x) − x‖²: 0 for a projection
        "second pass": float(reconstruction_error(reconstruct(run.network, back), back) / reconstruction_error(back, x)),
        "recognised": float((recognise(judge, back).argmax(1) == few.labels).float().mean()),
        "components": explained_components(back, x, axes),
        "pixel correlation": structure_error(back, x),
        "neighbours": knn_accuracy(y_known, known.labels, y[: len(few)], few.labels, k=10, metric="euclidean"),
    }
    learned |= {"steps to own floor": steps_to_own_floor(losses), "fluctuation": fluctuation(last)[0]}
    log_det = r.log_determinant if np.isfinite(r.log_determinant) else None
    return learned | kept | {"norm": r.norm, "mean |r|": r.mean_absolute, "mean r²": r.mean_square, "log det R": log_det}


def at(table: Table, names: Iterable, measure: str) -> np.ndarray:
    """All seeds' values of a measure for these names; (names, seeds). None becomes −∞."""
    return np.array([[-np.inf if row[measure] is None else row[measure] for row in table[str(n)]] for n in names], dtype=float)


def paired(table: Table, measure: str, first: Iterable, second: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Values of a measure in two groups of networks, pair by pair: the k-th of both, with the same seed; (pairs,) twice.

    The shorter group begins anew when it ends, so that no network is left out.
    """
    a, b = at(table, first, measure), at(table, second, measure)
    rows = np.arange(max(len(a), len(b)))
    return a[rows % len(a)].ravel(), b[rows % len(b)].ravel()


def lower(table: Table, measure: str, second: Iterable, first: Iterable, by: float = 0.0) -> bool | Unresolved:
    """Is a measure of the networks `second` below that of `first`, by more than `by`? See `paired` and `ahead`."""
    return ahead(*paired(table, measure, first, second), by)


def falling(table: Table, measure: str, groups: Mapping[str, Iterable], rising: bool = False) -> dict[str, bool | Unresolved]:
    """From each group to the next: is the measure lower (or higher)? One condition a step, named."""
    word = "higher" if rising else "lower"
    return {
        f"{measure}: {word} at {b} than at {a}": lower(table, measure, *((first, second) if rising else (second, first)))
        for (a, first), (b, second) in pairwise(groups.items())
    }


def gain(table: Table, first: Iterable, second: Iterable) -> np.ndarray:
    """Fall of the test error per added number, pair by pair (see `paired`)."""
    a, b = paired(table, "test error", first, second)
    return (a - b) / (np.mean(list(second)) - np.mean(list(first)))


def growth_by_correlation(table: Table, first: Iterable, second: Iterable) -> np.ndarray:
    """The share of the norm's growth that changing correlations carry, pair by pair; the rest is the dimension's.

    With r² held at its value in `first`, the norm would have grown to √(d + d (d − 1) r²).
    """
    small, d = paired(table, "mean r²", first, second)[0], paired(table, "d", first, second)[1]
    norm, after = paired(table, "norm", first, second)
    alone = np.sqrt(d + d * (d - 1) * small)
    return 1 - (alone - norm) / (after - norm)
