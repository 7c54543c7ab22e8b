"""Paths between two codes, and what the images along them are like."""

import torch
from torch import Tensor

from .arrays import Array, as_features


def linear_path(start: Array, end: Array, steps: int = 21) -> Tensor:
    """Straight lines between two sets of codes (p, d) → (p, steps, d), ends included. ValueError for a misfit."""
    z0, z1 = as_features(start, "start"), as_features(end, "end")
    if z0.shape != z1.shape:
        raise ValueError(
            f"Codes {tuple(z0.shape)} and {tuple(z1.shape)}: expected as many starts as ends, of one width."
        )
    if steps < 2:
        raise ValueError(f"steps = {steps}: a path has at least its two ends.")
    t = torch.linspace(0, 1, steps)[None, :, None]  # (1, steps, 1)
    # z(t) = (1 − t) z₀ + t z₁
    return (1 - t) * z0[:, None] + t * z1[:, None]  # (p, steps, d)


def cross_fade(first: Array, last: Array, steps: int = 21) -> Tensor:
    """The path without any model: one image faded into the other; (p, c, h, w) twice → (p, steps, c, h, w)."""
    x0, x1 = torch.as_tensor(first), torch.as_tensor(last)
    return linear_path(x0.flatten(1), x1.flatten(1), steps).unflatten(-1, x0.shape[1:])


def sharpness(images: Array) -> Tensor:
    """Mean absolute difference between neighbouring pixels; (…, h, w) → (…). High for crisp edges, and for noise."""
    x = torch.as_tensor(images).float()
    # s = ½ (mean |x_{i,j+1} − x_ij| + mean |x_{i+1,j} − x_ij|)
    return (x.diff(dim=-1).abs().mean((-1, -2)) + x.diff(dim=-2).abs().mean((-1, -2))) / 2


def smoothness(images: Array) -> Tensor:
    """Correlation between neighbouring pixels; images (n, c, h, w) → (n,). Near 1 for pictures, near 0 for noise."""
    x = torch.as_tensor(images).float()
    x = x - x.mean((-1, -2), keepdim=True)
    across = (x[..., 1:] * x[..., :-1]).mean((-1, -2))
    down = (x[..., 1:, :] * x[..., :-1, :]).mean((-1, -2))
    return ((across + down) / 2 / x.square().mean((-1, -2))).mean(-1)  # (n, c) → (n,)


def progress(frames: Array) -> Tensor:
    """How far each frame of a path has come from its first image to its last; (p, steps, …) → (p, steps), 0 to 1.

    c(t) = ⟨x(t) − x(0), x(1) − x(0)⟩ / ‖x(1) − x(0)‖². A cross-fade has c(t) = t. Raises ValueError for equal ends.
    """
    x = torch.as_tensor(frames).float().flatten(2)  # (p, steps, pixels)
    way = x[:, -1:] - x[:, :1]  # (p, 1, pixels)
    length = way.square().sum(-1)  # (p, 1)
    if (length == 0).any():
        raise ValueError("A path begins and ends with the same image, so there is no way to measure along it.")
    return ((x - x[:, :1]) * way).sum(-1) / length


def transition_width(course: Array) -> Tensor:
    """The share of a path between 25 % and 75 % of the way: ½ for a cross-fade, less if quicker; (p, steps) → (p,)."""
    c = torch.as_tensor(course).float()
    return _crossing(c, 0.75) - _crossing(c, 0.25)


def _crossing(course: Tensor, level: float) -> Tensor:
    """Where (p, steps) first reaches `level`, by linear interpolation, as a share of the path (p,); else ValueError."""
    reached = course >= level
    if not (reached.any(1) & (course[:, 0] < level)).all():
        raise ValueError(f"A course does not cross {level}: it must begin below it and reach it.")
    after = reached.float().argmax(1)  # the first frame at or above the level, ≥ 1
    rows = torch.arange(len(course))
    low, high = course[rows, after - 1], course[rows, after]
    return (after - 1 + (level - low) / (high - low)) / (course.shape[1] - 1)
