"""Exercises of notebook 05: a step of descent, the second-order expansion, mean and distance of angles, a chain."""

import torch
from torch import rad2deg

from .kinds import Exercise, normal


def step(theta, gradient, rate):
    """One step of gradient descent; (d,), (d,), number → (d,)."""
    return theta - rate * gradient


def expand(value, gradient, hessian, dx):
    """f(x + dx) to second order, from f(x), ∇f(x) (d,), H(x) (d, d) and dx (d,)."""
    return value + dx @ gradient + dx @ hessian @ dx / 2


def mean_angle(angles):
    """The direction of the sum of the unit vectors; degrees (n,) → degrees in [0, 360)."""
    theta = torch.deg2rad(angles)
    return rad2deg(torch.atan2(theta.sin().sum(), theta.cos().sum())) % 360


def shorter_arc(x, y):
    """The length of the shorter way from y to x round the circle; degrees (n,), (n,) → (n,) in [0, 180]."""
    return ((x - y + 180) % 360 - 180).abs()


def total_derivative(by_x, by_below):
    """df₁/dx of n floors: by_x (n,) holds ∂f_i/∂x, by_below (n − 1,) holds ∂f_i/∂f_{i+1}."""
    total = by_x[-1]
    for direct, below in zip(by_x[:-1].flip(0), by_below.flip(0), strict=True):
        total = direct + below * total
    return total


def _quotient(angles, factor=1.0):
    theta = torch.deg2rad(angles)
    return rad2deg(torch.atan(factor * theta.sin().sum() / theta.cos().sum()))


def _angles(g):
    centre = 90 + 180 * torch.rand((), generator=g, dtype=torch.float64)  # where an arctangent is lost
    return ((centre + 80 * torch.rand(6, generator=g, dtype=torch.float64)) % 360,)


def _two_angles(g):
    return tuple(360 * torch.rand(12, generator=g, dtype=torch.float64) for _ in range(2))


EXERCISES = [
    Exercise("05.a", step, lambda g: (*normal(g, 3, 3, dtype=torch.float64), 0.3), {
        "the old parameters are missing: this is the step as the report prints it": lambda t, g, r: -r * g,
        "it climbs: descent goes against the gradient": lambda t, g, r: t + r * g,
        "the learning rate multiplies the gradient only": lambda t, g, r: r * (t - g),
    }),
    Exercise("05.b", expand, lambda g: normal(g, (), 3, (3, 3), 3, dtype=torch.float64), {
        "the ½ of the second-order term is missing, as in the report": lambda v, g, h, d: v + d @ g + d @ h @ d,
        "the first-order term is missing; it is 0 at a stationary point only": lambda v, g, h, d: v + d @ h @ d / 2,
        "f(x) itself is missing": lambda v, g, h, d: d @ g + d @ h @ d / 2,
    }),
    Exercise("05.c", mean_angle, _angles, {
        "this is the ordinary mean, which breaks at the seam": lambda a: a.mean(),
        "the arctangent of a quotient cannot tell a direction from its opposite: use atan2": _quotient,
        "1/N belongs to both sums, where it cancels, or to none": lambda a: _quotient(a, 1 / len(a)),
        "the result must lie in [0, 360): take the remainder": lambda a: (mean_angle(a) + 180) % 360 - 180,
        "sine and cosine take radians": lambda a: rad2deg(torch.atan2(a.sin().sum(), a.cos().sum())) % 360,
    }),
    Exercise("05.d", shorter_arc, _two_angles, {
        "359 and 1 are neighbours, but this says 358": lambda x, y: (x - y).abs(),
        "a remainder measures one way round, even where it is the longer one": lambda x, y: (x - y) % 360,
        "this is the report's line with modulo 180; the circle has 360 degrees":
            lambda x, y: (x - y + 180).abs() % 180 - 180,
        "modulo 180 makes opposite directions equal": lambda x, y: ((x - y + 90) % 180 - 90).abs(),
        "the length has no sign: take the absolute value last": lambda x, y: (x - y + 180) % 360 - 180,
    }),
    Exercise("05.e", total_derivative, lambda g: normal(g, 4, 3, dtype=torch.float64), {
        "the direct parts are multiplied, too; each is added at its own floor":
            lambda a, b: (a[:-1] + b).prod() * a[-1],
        "only the path through all floors is there: add the direct one of each floor": lambda a, b: b.prod() * a[-1],
        "only the first floor's two paths are added; the floors below have two each as well":
            lambda a, b: a[0] + b.prod() * a[-1],
    }, points=2),
]  # fmt: skip
