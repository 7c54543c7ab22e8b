"""Angles, hours and other quantities that come round again: their difference, their mean and their spread.

`period` is RADIANS (2π, the default), DEGREES (360), or any other, such as 24 for hours or 180 for axes. Angles are
numbers, lists, arrays or tensors; results are tensors, through which gradients flow.
Source: Mardia and Jupp, Directional Statistics (2000), sections 2.2 and 2.3.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

RADIANS = 2 * math.pi
DEGREES = 360.0

Angles = Tensor | float | Sequence[float]
Dim = int | tuple[int, ...] | None


def as_angles(angles: Angles) -> Tensor:
    """The angles as a floating tensor; what is not one yet becomes float64."""
    floating = isinstance(angles, Tensor) and angles.is_floating_point()
    return angles if floating else torch.as_tensor(angles, dtype=torch.float64)


def angular_difference(x: Angles, y: Angles, period: float = RADIANS) -> Tensor:
    """The shorter way from y to x, with its sign, in [−period/2, period/2]; x, y of any shapes that broadcast."""
    # d = x − y − p · round((x − y) / p)
    d = as_angles(x) - as_angles(y)
    return d - period * torch.round(d.detach() / period)


def mean_vector(angles: Angles, period: float = RADIANS, dim: Dim = None) -> Tensor:
    """R̄, the mean of the unit vectors: angles (…) → (2, … without `dim`), cosines first; ValueError for no angles."""
    theta = as_angles(angles) * (RADIANS / period)
    if not theta.numel():
        raise ValueError(f"There are no angles (shape {tuple(theta.shape)}): mean and variance need at least one.")
    # R̄ = (1/N) Σ (cos α, sin α)
    return torch.stack([theta.cos().mean(dim), theta.sin().mean(dim)])


def circular_mean(angles: Angles, period: float = RADIANS, dim: Dim = None) -> Tensor:
    """The direction of R̄, in [0, period); angles (…) → without `dim`. ValueError if the vectors cancel, or for NaN."""
    x, y = mean_vector(angles, period, dim)
    if not (torch.hypot(x, y) > 16 * torch.finfo(x.dtype).eps).all():
        raise ValueError("The circular mean is undefined: the unit vectors cancel, or an angle is not finite.")
    # ᾱ = atan2(Σ sin α, Σ cos α) mod p; rounding can return p itself, which is 0
    mean = torch.remainder(torch.atan2(y, x) * (period / RADIANS), period)
    return torch.where(mean < period, mean, mean - period)


def circular_variance(angles: Angles, period: float = RADIANS, dim: Dim = None) -> Tensor:
    """1 − |R̄|, from 0 (all angles coincide) to 1 (the unit vectors cancel); angles (…) → without `dim`.

    A measure of spread, not a loss between predictions and targets.
    """
    # V = 1 − |R̄|; vector_norm has the gradient 0 at 0, where hypot has none
    return 1 - torch.linalg.vector_norm(mean_vector(angles, period, dim), dim=0).clamp(max=1)
