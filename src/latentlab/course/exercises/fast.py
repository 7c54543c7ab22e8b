"""Exercises of notebook 13: hours of a recipe, a convolution and its gradient as matrix products, Muon's iteration."""

import torch
import torch.nn.functional as F

from .kinds import Exercise, normal


def training_hours(views_per_second, images, epochs, looks):
    """Hours that `epochs` of VICReg take, with so many views (`looks`) of every image in each epoch."""
    return looks * images * epochs / views_per_second / 3600


def convolve(x, weight):
    """3×3 convolution, padding 1, no flip, as one product; (b, c, h, w), (o, c, 3, 3) → (b, o, h, w)."""
    columns = F.unfold(x, 3, padding=1)  # (b, 9c, h·w)
    return (weight.flatten(1) @ columns).unflatten(2, x.shape[2:])


def weight_gradient(columns, slope):
    """∂L/∂W of y = P Wᵀ from P (n, 9c) and ∂L/∂y (n, o) → (o, 9c)."""
    return slope.T @ columns


def even_out(matrix, steps):
    """Muon: X ← 3.4445 X − 4.7750 (X Xᵀ) X + 2.0315 (X Xᵀ)² X, from X = matrix / ‖matrix‖; (o, i) → (o, i)."""
    return _even_out(matrix / matrix.norm(), steps)


def _even_out(x, steps, b=-4.7750, c=2.0315):
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (b * a + c * a @ a) @ x
    return x


def _speed(g):
    return tuple(float(torch.randint(*two, (), generator=g)) for two in ((99, 4000), (999, 60_000), (9, 40), (2, 9)))


EXERCISES = [
    Exercise("13.a", training_hours, _speed, {
        "every image is seen as `looks` views an epoch": lambda v, n, e, k: training_hours(v, n, e, 1),
        "these are minutes: an hour has 3600 seconds": lambda *x: 60 * training_hours(*x),
        "these are seconds: an hour has 3600 of them": lambda *x: 3600 * training_hours(*x),
    }),
    Exercise("13.b", convolve, lambda g: normal(g, (2, 3, 5, 4), (6, 3, 3, 3), dtype=torch.float64), {
        "the kernel is flipped: here it is not": lambda x, w: convolve(x, w.flip(2, 3)),
        "rows and columns of the kernel are swapped": lambda x, w: convolve(x, w.transpose(2, 3)),
        "only the centre of the neighbourhood is used: gather all nine pixels":
            lambda x, w: torch.einsum("bchw,oc->bohw", x, w[:, :, 1, 1]),
    }, points=2, gradient=True),
    Exercise("13.c", weight_gradient, lambda g: normal(g, (8, 9), (8, 4), dtype=torch.float64), {
        "it is turned on its side: W has one row for each output": lambda p, s: weight_gradient(p, s).T,
        "the rows of P add up; you average them": lambda p, s: weight_gradient(p, s) / len(p),
    }),
    Exercise("13.d", even_out, lambda g: (0.2 * normal(g, (4, 7), dtype=torch.float64)[0], 5), {
        "divide by the norm first: the iteration only works for singular values up to 1": _even_out,
        "the two last coefficients are swapped": lambda m, k: _even_out(m / m.norm(), k, 2.0315, -4.7750),
        "one step is missing": lambda m, k: even_out(m, k - 1),
        "one step too many": lambda m, k: even_out(m, k + 1),
    }, points=2),
]  # fmt: skip
