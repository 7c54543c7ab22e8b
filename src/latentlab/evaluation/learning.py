"""How fast and how steadily a loss falls: definitions for what "converges faster" and "fluctuates less" can mean."""

from collections.abc import Sequence

import numpy as np


def running_mean(losses: Sequence[float], window: int = 25) -> np.ndarray:
    """Mean over the last `window` losses (n,) → (n,), at the beginning over fewer. ValueError if empty or NaN."""
    values = np.asarray(losses, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("A learning curve needs at least one loss, all finite, in one row.")
    total = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - window)
    return (total[last] - total[first]) / (last - first)


def steps_to(losses: Sequence[float], level: float, window: int = 25) -> float:
    """The first step at which the running mean is at or below `level`; infinity if it never is."""
    reached = np.flatnonzero(running_mean(losses, window) <= level)
    return float(reached[0] + 1) if len(reached) else float("inf")


def steps_to_own_floor(losses: Sequence[float], window: int = 25) -> float:
    """The first step at which all but a twentieth of the run's own total fall of the loss is done."""
    mean = running_mean(losses, window)
    return steps_to(losses, mean[-1] + 0.05 * (mean[0] - mean[-1]), window)


def fluctuation(losses: Sequence[float]) -> tuple[float, float]:
    """Standard deviation of n ≥ 3 losses around their straight-line trend, as it is and divided by their mean."""
    values = np.asarray(losses, dtype=np.float64)
    if len(values) < 3:
        raise ValueError(f"{len(values)} losses have no fluctuation around a straight line: give at least three.")
    at = np.arange(len(values))
    residual = values - np.polyval(np.polyfit(at, values, 1), at)
    sd = float(np.sqrt((residual**2).sum() / (len(values) - 2)))
    return sd, sd / float(values.mean())
