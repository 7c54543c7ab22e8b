"""Paths between two codes, and what the images along them are like."""

import torch
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, check_same_width
from latentlab.evaluation.neighbours import neighbours


def linear_path(start: Array, end: Array, steps: int = 21) -> Tensor:
    """Straight lines between two sets of codes (p, d) → (p, steps, d), ends included; raises ValueError if the shapes differ."""
    z0, z1, t = _ends(start, end, steps)
    # z(t) = (1 − t) z₀ + t z₁
    return (1 - t) * z0 + t * z1  # (p, steps, d)


def spherical_path(start: Array, end: Array, steps: int = 21, *, centre: Array | None = None) -> Tensor:
    """Arcs around `centre` (d,) (default: the origin) between two sets of codes (p, d) → (p, steps, d).

    The direction turns at an even rate, the length goes from one end's to the other's in a straight line, so that a path never
    comes nearer to the centre than its ends. Where both ends point the same way it is the straight line; exactly opposite ends
    leave the plane of the arc undetermined and raise ValueError. Source: Shoemake 1985 (slerp); White 2016, arXiv:1609.04468.
    """
    z0, z1, t = _ends(start, end, steps)
    middle = torch.zeros(z0.shape[-1]) if centre is None else as_features(torch.as_tensor(centre)[None], "centre")[0]
    a, b = z0 - middle, z1 - middle  # (p, 1, d)
    ra, rb = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)  # (p, 1, 1)
    if (ra == 0).any() or (rb == 0).any():
        raise ValueError("A code lies exactly at the centre, so it has no direction. Choose another centre, or the linear path.")
    u, v = a / ra, b / rb
    angle = torch.arccos((u * v).sum(-1, keepdim=True).clamp(-1, 1))  # (p, 1, 1)
    if (torch.pi - angle < 1e-3).any():
        raise ValueError("Two codes lie exactly opposite each other around the centre: no arc is shorter than the others.")
    # direction(t) = [ sin((1 − t) ω) u + sin(t ω) v ] / sin ω
    small = angle < 1e-3
    sine = torch.where(small, torch.ones_like(angle), angle.sin())
    turned = (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / sine
    direction = torch.where(small, (1 - t) * u + t * v, turned)  # (p, steps, d)
    return middle + ((1 - t) * ra + t * rb) * direction


def cross_fade(first: Array, last: Array, steps: int = 21) -> Tensor:
    """The path without any model: one image faded into the other; (p, c, h, w) twice → (p, steps, c, h, w)."""
    x0, x1 = torch.as_tensor(first), torch.as_tensor(last)
    return linear_path(x0.flatten(1), x1.flatten(1), steps).unflatten(-1, x0.shape[1:])


def sharpness(images: Array) -> Tensor:
    """Mean absolute difference between neighbouring pixels; (…, h, w) → (…) without the channel axis summed.

    High for crisp edges, and for noise: look at `smoothness` beside it, which tells the two apart.
    """
    x = torch.as_tensor(images).float()
    across, down = x.diff(dim=-1).abs(), x.diff(dim=-2).abs()
    # s = ½ (mean |x_{i,j+1} − x_ij| + mean |x_{i+1,j} − x_ij|)
    return (across.mean((-1, -2)) + down.mean((-1, -2))) / 2


def smoothness(images: Array) -> Tensor:
    """Correlation between neighbouring pixels; images (n, c, h, w) → (n,). Near 1 for pictures, near 0 for noise."""
    x = torch.as_tensor(images).float()
    x = x - x.mean((-1, -2), keepdim=True)
    power = x.square().mean((-1, -2))
    across = (x[..., 1:] * x[..., :-1]).mean((-1, -2)) / power
    down = (x[..., 1:, :] * x[..., :-1, :]).mean((-1, -2)) / power
    return ((across + down) / 2).mean(-1)  # (n, c) → (n,)


def progress(frames: Array) -> Tensor:
    """How far each frame of a path has come from its first image to its last; (p, steps, …) → (p, steps), 0 at first, 1 at last.

    c(t) = ⟨x(t) − x(0), x(1) − x(0)⟩ / ‖x(1) − x(0)‖². A cross-fade has c(t) = t. Raises ValueError if both ends are equal.
    """
    x = torch.as_tensor(frames).float().flatten(2)  # (p, steps, pixels)
    way = x[:, -1:] - x[:, :1]  # (p, 1, pixels)
    length = way.square().sum(-1)  # (p, 1)
    if (length == 0).any():
        raise ValueError("A path begins and ends with the same image, so there is no way to measure along it.")
    return ((x - x[:, :1]) * way).sum(-1) / length


def transition_width(course: Array, low: float = 0.25, high: float = 0.75) -> Tensor:
    """The share of the path between `low` and `high` of the way; course (p, steps) from 0 to 1 → (p,).

    For a cross-fade it is high − low; less means that the change is quicker and happens in the middle. Each level is placed
    at its first crossing, by linear interpolation. Raises ValueError for a course that does not reach both levels.
    """
    c = torch.as_tensor(course).float()
    return _crossing(c, high) - _crossing(c, low)


def distance_to(images: Array, data: Array) -> Tensor:
    """Euclidean distance of each image to the nearest of `data`; (n, …), (m, …) → (n,). Raises ValueError as `neighbours`."""
    one, two = as_features(images, "images"), as_features(data, "data")
    check_same_width(one, two, ("images", "data"))
    return neighbours(one, two, 1, metric="euclidean")[0][:, 0]


def distance_to_cross_fade(frames: Array) -> Tensor:
    """How far a path of images is from the cross-fade of its ends, in units of their distance; (p, steps, …) → (p, steps)."""
    x = torch.as_tensor(frames).float()
    fade = cross_fade(x[:, 0], x[:, -1], x.shape[1])
    apart = (x[:, 0] - x[:, -1]).flatten(1).norm(dim=1)  # (p,)
    return (x - fade).flatten(2).norm(dim=2) / apart[:, None]


def _ends(start: Array, end: Array, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    z0, z1 = as_features(start, "start"), as_features(end, "end")
    if z0.shape != z1.shape:
        raise ValueError(f"Codes {tuple(z0.shape)} and {tuple(z1.shape)}: a path needs as many starts as ends, of one width.")
    if steps < 2:
        raise ValueError(f"steps = {steps}: a path has at least its two ends.")
    return z0[:, None], z1[:, None], torch.linspace(0, 1, steps)[None, :, None]  # (p, 1, d), (p, 1, d), (1, steps, 1)


def _crossing(course: Tensor, level: float) -> Tensor:
    """Where (p, steps) first reaches `level`, as a share of the path (p,)."""
    reached = course >= level
    if not (reached.any(1) & (course[:, 0] < level)).all():
        raise ValueError(f"A course does not cross {level}: it must begin below it and reach it.")
    after = reached.float().argmax(1)  # the first frame at or above the level, ≥ 1
    rows = torch.arange(len(course))
    low, high = course[rows, after - 1], course[rows, after]
    return (after - 1 + (level - low) / (high - low)) / (course.shape[1] - 1)
