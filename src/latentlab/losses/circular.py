"""Directional statistics and losses for angles, hours and other quantities that come round again.

Every function takes a `period`: RADIANS (2π, the default), DEGREES (360), or any other, such as 24 for hours or 180 for axes.
Angles may be numbers, sequences, arrays or tensors; all results are tensors, through which gradients flow.
Source: Mardia and Jupp, Directional Statistics (2000), sections 2.2 and 2.3.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

RADIANS = 2 * math.pi
DEGREES = 360.0

Angles = Tensor | float | Sequence[float]


def angular_difference(x: Angles, y: Angles, period: float = RADIANS) -> Tensor:
    """The shorter way from y to x, with its sign, in [−period/2, period/2]; x, y of any shapes that broadcast.

    Exactly antisymmetric; where both ways are equally long the sign is one of the two. The gradient is 1 in x and −1 in y.
    Raises ValueError if `period` is not positive, TypeError for complex angles.
    """
    check_period(period)
    x, y = as_tensors(x, y)
    # d = x − y − p · round((x − y) / p)
    d = x - y
    return d - period * torch.round(d.detach() / period)


def circular_mean(angles: Angles, period: float = RADIANS, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """The direction of the mean unit vector, in [0, period); angles (…) → the same without `dim` (None: all of them).

    Raises ValueError if there are no angles, if one is not finite, or if the unit vectors cancel, so that no direction is left.
    """
    angles = some(angles, dim)
    if not torch.isfinite(angles).all():
        raise ValueError("An angle is not finite (nan or inf), so the circular mean is not a number. Remove such angles first.")
    x, y = mean_vector(angles, period, dim)
    if (torch.hypot(x, y) <= 16 * torch.finfo(x.dtype).eps).any():
        raise ValueError(
            "The circular mean is undefined: the unit vectors cancel (as for 0 and 180 degrees), so no direction is left. "
            "Look at resultant_length() first: below about 1e-15 (float32: 1e-6) there is no mean."
        )
    # ᾱ = atan2(Σ sin α, Σ cos α) mod p; rounding can return p itself, which is 0
    mean = torch.remainder(torch.atan2(y, x) * (period / RADIANS), period)
    return torch.where(mean < period, mean, mean - period)


def resultant_length(angles: Angles, period: float = RADIANS, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Length R̄ of the mean unit vector: 1 if all angles coincide, 0 if the vectors cancel; angles (…) → without `dim`.

    Raises ValueError if there are no angles or if `period` is not positive.
    """
    # R̄ = |(1/N) Σ exp(iα)|; vector_norm has the gradient 0 at 0, where hypot has none
    x, y = mean_vector(some(angles, dim), period, dim)
    return torch.linalg.vector_norm(torch.stack([x, y]), dim=0).clamp(max=1)


def circular_variance(angles: Angles, period: float = RADIANS, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """1 − R̄, between 0 (all angles coincide) and 1 (the unit vectors cancel); angles (…) → without `dim`.

    A measure of spread, not a loss between x and y: see `cosine_loss`. Raises ValueError as `resultant_length` does.
    """
    # V = 1 − R̄
    return 1 - resultant_length(angles, period, dim)


def cosine_loss(prediction: Angles, target: Angles, period: float = RADIANS) -> Tensor:
    """Mean of 1 − cos(prediction − target): smooth everywhere, 0 if all agree, 2 if all are opposite; (…), (…) → scalar.

    Close to d²/2 for a small difference d in radians. Raises ValueError for no angles, or for shapes that differ (one number
    may stand for all).
    """
    check_period(period)
    prediction, target = pair(prediction, target)
    # L = mean(1 − cos d), d = 2π (x − y) / p
    return (1 - torch.cos((prediction - target) * (RADIANS / period))).mean()


def arc_loss(prediction: Angles, target: Angles, period: float = RADIANS) -> Tensor:
    """Mean squared length of the shorter arc, in units of `period` squared; (…), (…) → scalar.

    The squared error of the straight line, bent round the circle. Smooth except at opposite angles, where its sign is arbitrary.
    Raises ValueError for no angles, or for shapes that differ (one number may stand for all).
    """
    # L = mean(d²), d the shorter way from target to prediction
    return angular_difference(*pair(prediction, target), period).square().mean()


def mean_vector(angles: Tensor, period: float, dim: int | tuple[int, ...] | None) -> tuple[Tensor, Tensor]:
    """(mean cos, mean sin) of the angles over `dim`."""
    check_period(period)
    theta = angles * (RADIANS / period)
    return theta.cos().mean(dim=dim), theta.sin().mean(dim=dim)


def pair(prediction: Angles, target: Angles) -> tuple[Tensor, Tensor]:
    """Both as tensors of one shape. A silent (n,) against (n, 1) would compare every pair."""
    x, y = as_tensors(prediction, target)
    if x.shape != y.shape and x.ndim and y.ndim:
        shapes = f"prediction has shape {tuple(x.shape)}, target {tuple(y.shape)}"
        raise ValueError(f"{shapes}; they must be equal, or one must be a single number. Reshape one of them.")
    if not x.numel() or not y.numel():
        raise ValueError("There are no angles to compare: prediction or target is empty. Give at least one pair.")
    return x, y


def some(angles: Angles, dim: int | tuple[int, ...] | None) -> Tensor:
    """The angles as a tensor with at least one angle along `dim`."""
    (angles,) = as_tensors(angles)
    sizes = angles.shape if dim is None else [angles.shape[d] for d in ([dim] if isinstance(dim, int) else dim)]
    if 0 in sizes:
        raise ValueError(f"There are no angles (shape {tuple(angles.shape)}): mean and variance need at least one.")
    return angles


def as_tensors(*angles: Angles) -> list[Tensor]:
    """Real floating tensors on one device; all that is not floating takes the type of the first that is, or float64."""
    given = [a for a in angles if isinstance(a, Tensor)]
    if any(a.is_complex() for a in given):
        raise TypeError("Angles must be real numbers; these are complex. torch.angle() gives their angles in radians.")
    dtype = next((a.dtype for a in given if a.is_floating_point()), torch.float64)
    device = given[0].device if given else None
    ready = [isinstance(a, Tensor) and a.is_floating_point() for a in angles]
    return [a if r else torch.as_tensor(a, dtype=dtype, device=device) for a, r in zip(angles, ready, strict=True)]


def check_period(period: float) -> None:
    if not (math.isfinite(period) and period > 0):
        raise ValueError(f"period is {period!r}; it must be positive and finite: RADIANS (2π), DEGREES (360), or 24 for hours.")
