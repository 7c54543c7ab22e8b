"""How sure can we be? Intervals for one accuracy, for several seeds, and for the difference between two classifiers."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

import torch
from scipy.stats import binomtest, t
from torch import Tensor

from .arrays import Array


class Score(NamedTuple):
    """An accuracy on labelled samples: fractions in [0, 1], 95 % Wilson interval, predicted labels (n,) int64."""

    accuracy: float
    interval: tuple[float, float]
    predictions: Tensor

    @property
    def percent(self) -> float:
        """The accuracy in percent."""
        return 100 * self.accuracy

    def row(self, name: str) -> tuple[str, float, float, float]:
        """(name, accuracy, low, high) in percent: one row of `plots.accuracy_bars`."""
        return name, self.percent, 100 * self.interval[0], 100 * self.interval[1]


class Spread(NamedTuple):
    """Mean and standard deviation (n − 1 in the denominator) of one number over n seeds."""

    mean: float
    sd: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for the mean over all seeds, by Student's t: wide for few seeds, NaN for one."""
        half = float(t.ppf(0.975, self.n - 1)) * self.sd / sqrt(self.n)
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class Unresolved:
    """A difference that the noise of the seeds hides: neither true nor false."""

    difference: float  # mean over seeds, less the bar it should pass
    noise: float  # half the width of its 95 % interval
    n: int  # seeds

    def __str__(self) -> str:
        needed = ceil(self.n * ((self.noise or 1) / max(abs(self.difference), 1e-12)) ** 2)
        seeds = f"over {self.n} comparisons; about ≈ {min(needed, 9999)} would decide"
        return f"≈ {self.difference:.3g} ± {self.noise:.2g} {seeds}"

    def __bool__(self) -> bool:
        raise TypeError(f"Not resolved ({self}): hand it to claim(), which knows three answers, not to `if`.")


def ahead(a: Array | list[float], b: Array | list[float] | float, by: float = 0.0) -> bool | Unresolved:
    """Is a ahead of b by more than `by`? a, b: one value a seed, (n,) each, paired by seed; b may be one number.

    True or False if the 95 % interval of the mean difference (Student's t over seeds) lies on one side of `by`, else
    Unresolved. Raises ValueError for fewer than two seeds, unequal lengths, or a value that is not finite.
    """
    first = torch.as_tensor(a, dtype=torch.float64).flatten()
    second = torch.as_tensor(b, dtype=torch.float64)  # () or (n,)
    second = second.expand(len(first)) if second.ndim == 0 else second.flatten()
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} values: expected as many, one a seed, at least two seeds.")
    gap = spread(first - second - by)
    low, high = gap.interval
    if low > 0 or high < 0:
        return low > 0
    return Unresolved(gap.mean, (high - low) / 2, gap.n)


def score(predictions: Tensor, labels: Tensor) -> Score:
    """How many predicted labels (n,) are right? Wilson's interval keeps inside [0, 1], and a width if all are right."""
    correct = int((predictions == labels).sum())
    # Wilson (1927), as in Brown, Cai & DasGupta (2001), eq. 4
    interval = binomtest(correct, len(labels)).proportion_ci(method="wilson")
    return Score(correct / len(labels), (float(interval.low), float(interval.high)), predictions)


def spread(values: list[float] | Array) -> Spread:
    """Mean ± sd over seeds; of one value sd is NaN, never a flattering 0. Raises ValueError for no value, or NaN."""
    v = torch.as_tensor(values, dtype=torch.float64).flatten()
    if len(v) == 0 or not torch.isfinite(v).all():
        raise ValueError(f"Spread over {v.tolist()}: expected at least one value, all finite.")
    return Spread(float(v.mean()), float(v.std()) if len(v) > 1 else float("nan"), len(v))
