"""When a claim holds: functions of arrays, one value a seed, each with its bar; True, False or not resolved."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Array
from .bars import bar
from .intervals import Unresolved, ahead, spread

Truth = bool | Unresolved


def under(values: Array, threshold: float) -> Truth:
    """The mean over seeds lies below the threshold, beyond the noise."""
    return ahead(-np.asarray(values, dtype=float), -threshold)


def above(name: str) -> Callable[[Array], Truth]:
    """The condition that a measure lies above the bar of that name."""
    return lambda values: ahead(values, bar[name])


def below(name: str) -> Callable[[Array], Truth]:
    """The condition that a measure lies below the bar of that name."""
    return lambda values: under(values, bar[name])


# Of one measure, in the unit of its bar.
some = above("some")
nearly_all = above("nearly all")
reads = above("a linear layer reads the class")
grouped, ungrouped = above("classes group in a map"), below("classes group in a map")
told, untold = above("a number is told"), below("a number is told")
told_apart = above("told apart")
furthest_on_average = above("furthest on average")
looks_average = below("looks average")
closer = below("closer")
shared = below("a trait is shared")
no_pattern = below("no pattern")  # `evaluation.foretold`, in points


def much_worse(low: Array, high: Array) -> Truth:
    """In percent: low is below high by more than the bar."""
    return ahead(high, low, bar["much worse"])


def better(high: Array, low: Array) -> Truth:
    """In percent: high is above low by more than the bar."""
    return ahead(high, low, bar["better"])


def no_better(high: Array, low: Array) -> Truth:
    """In percent: high is not above low by more than `much_worse`'s bar."""
    return ahead(low, high, -bar["much worse"])


def half(small: Array, large: Array) -> Truth:
    """Small is at most half of large."""
    return ahead(bar["half"] * np.asarray(large), small)


def won_back(mended: Array, low: Array, high: Array) -> Truth:
    """One change undone wins back at least half of what lies between low and high: it is a cause of the loss."""
    mended, low, high = (np.asarray(values, dtype=float) for values in (mended, low, high))
    return ahead(mended - low, bar["half"] * (high - low))


def collapsed(width: Array, plain: Array) -> Truth:
    """A spread is at most a tenth of plain VICReg's."""
    return ahead(bar["collapsed"] * np.asarray(plain), width)


def drastic(more: float, less: float) -> bool:
    """Ten times as much of something that is counted, not measured."""
    return more > bar["drastic"] * less


@dataclass(frozen=True)
class OtherSetup(Unresolved):
    """A number that cannot be judged: the run beside it was made in another way."""

    differs: str = ""

    def __str__(self) -> str:
        ours = f"ours ≈ {self.difference:.3g} ± {self.noise:.2g} points beside it over {self.n} seeds"
        return f"{ours}, but: {self.differs}"


def lost_number(number: float, ours: Array, differs: str = "") -> Truth:
    """Is a lost run's number that of our seeds (percent)? Known only if nothing differs from the author's set-up.

    True inside the 95 % interval over seeds, False outside; not resolved if `differs` names what is different.
    """
    if len(ours) < 2:
        raise ValueError("The number of a lost run is judged by at least two seeds of ours; one has no interval.")
    low, high = spread(ours).interval
    if differs:
        return OtherSetup((low + high) / 2 - number, (high - low) / 2, len(ours), differs)
    return low <= number <= high
