"""When a claim of notebook 02 holds: one bar per property, and conditions as functions of arrays, one value a seed."""

from dataclasses import dataclass

import numpy as np

from latentlab.evaluation import Unresolved, ahead, spread
from latentlab.evaluation.arrays import Array

# property: threshold, and why it stands there
BARS = {
    "much worse": (15.0, "points of accuracy: ten times the noise of a probe on a thousand pictures"),
    "better": (5.0, "points of accuracy: three times that noise and more"),
    "some": (10.0, "percent at least: more than slips of a few"),
    "half": (0.5, "of the other at most; of a loss, the larger part of it"),
    "collapsed": (0.1, "of VICReg's spread at most"),
    "classes group in a map": (30.0, "percent of the pictures named by ten neighbours: three times chance, the eye sees patches"),
    "a linear layer reads the class": (50.0, "percent of held-out pictures: right more often than wrong"),
    "closer": (0.95, "of the distance of pairs of two classes at most"),
    "a number is told": (0.5, "of its variance: more is known than not"),
    "drastic": (10.0, "times as much"),
}
MUCH, BETTER, SOME, HALF, COLLAPSED, GROUPED, READ, CLOSER, TOLD, DRASTIC = (bar for bar, _ in BARS.values())
Truth = bool | Unresolved


def much_worse(low: Array, high: Array) -> Truth:
    """Accuracies in percent: low is below high by more than the bar."""
    return ahead(high, low, MUCH)


def better(high: Array, low: Array) -> Truth:
    """Accuracies in percent: high is above low by more than the bar."""
    return ahead(high, low, BETTER)


def no_better(high: Array, low: Array) -> Truth:
    """In percent: high is not above low by more than `much_worse`'s bar."""
    return ahead(low, high, -MUCH)


def some(percent: Array) -> Truth:
    """So many that it is no slip."""
    return ahead(percent, SOME)


def half(small: Array, large: Array) -> Truth:
    """Small is at most half of large."""
    return ahead(HALF * np.asarray(large), small)


def collapsed(width: Array, plain: Array) -> Truth:
    """A spread is at most a tenth of plain VICReg's."""
    return ahead(COLLAPSED * np.asarray(plain), width)


def won_back(mended: Array, low: Array, high: Array) -> Truth:
    """One change undone wins back at least half of what lies between low and high: it is a cause of the loss."""
    mended, low, high = (np.asarray(values, dtype=float) for values in (mended, low, high))
    return ahead(mended - low, HALF * (high - low))


def grouped(percent: Array) -> Truth:
    """Ten neighbours in the map name the class often enough for an eye to see groups."""
    return ahead(percent, GROUPED)


def mixed(percent: Array) -> Truth:
    """The opposite of `grouped`."""
    return under(percent, GROUPED)


def reads(percent: Array) -> Truth:
    """A linear layer names the class of most held-out pictures."""
    return ahead(percent, READ)


def closer(ratio: Array) -> Truth:
    """Pairs of one class are closer than pairs of two, by the bar."""
    return under(ratio, CLOSER)


def told(share: Array) -> Truth:
    """The larger part of a number's variance is known."""
    return ahead(share, TOLD)


def untold(share: Array) -> Truth:
    """The opposite of `told`."""
    return under(share, TOLD)


def under(values: Array, bar: float) -> Truth:
    """The mean over seeds lies below the bar, beyond the noise."""
    return ahead(-np.asarray(values, dtype=float), -bar)


def drastic(more: float, less: float) -> bool:
    """Ten times as much of something that is counted, not measured."""
    return more > DRASTIC * less


@dataclass(frozen=True)
class OtherSetup(Unresolved):
    """A number that cannot be judged: the run beside it was made in another way."""

    differs: str = ""

    def __str__(self) -> str:
        return f"ours ≈ {self.difference:.3g} ± {self.noise:.2g} points beside it over {self.n} seeds, but: {self.differs}"


def lost_number(number: float, ours: Array, differs: str = "") -> Truth:
    """Is a lost run's number that of our seeds (percent)? Known only if nothing differs from the author's set-up.

    True inside the 95 % interval over seeds, False outside; not resolved if `differs` names what is not as the author had it.
    """
    low, high = spread(ours).interval
    if differs:
        return OtherSetup((low + high) / 2 - number, (high - low) / 2, len(ours), differs)
    return low <= number <= high
