"""Exercises of notebook 04: the loss, the best linear code, the straight path between two codes, Pearson's matrix."""

import numpy as np
import torch

from latentlab.evaluation import correlation_matrix
from latentlab.evaluation.interpolation import linear_path
from latentlab.losses import squared_error

from .kinds import Exercise


def linear_reconstruction(train, images, d):
    """What the best linear code of d numbers, learned on train (n, p), leaves of images (m, p); (m, p)."""
    mean = train.mean(0)
    directions = torch.linalg.svd(train - mean, full_matrices=False)[2][:d]  # (d, p)
    return mean + (images - mean) @ directions.T @ directions


def _directions(train, keep):
    return torch.linalg.svd(train - train.mean(0), full_matrices=False)[2][keep]


def _rows(*shapes):
    return lambda g: tuple(1 + torch.randn(shape, generator=g) for shape in shapes)


def _tied(g):
    return (3 + torch.randn(40, 4, generator=g) @ torch.randn(4, 4, generator=g),)


EXERCISES = [
    Exercise(
        "04.a", "04_autoencoder", 1, "squared_error", squared_error, _rows((5, 1, 4, 4), (5, 1, 4, 4)),
        {
            "you add the pixels up; divide by their number": lambda a, x: (a - x).square().flatten(1).sum(1),
            "you average over the pictures, too; each has an error of its own": lambda a, x: (a - x).square().mean(),
            "there is no root in this loss": lambda a, x: (a - x).square().flatten(1).mean(1).sqrt(),
            "this is the absolute error: square the differences": lambda a, x: (a - x).abs().flatten(1).mean(1),
        },
        gradient=True,
    ),
    Exercise(
        "04.b", "04_autoencoder", 1, "linear_path", linear_path, lambda g: (*_rows((3, 4), (3, 4))(g), 7),
        {
            "it walks from the end to the start": lambda a, b, n: linear_path(b, a, n),
            "the end is missing: t goes from 0 to 1, both included": lambda a, b, n: linear_path(a, b, n + 1)[:, :-1],
            "the steps come first; expected (pairs, steps, d)": lambda a, b, n: linear_path(a, b, n).transpose(0, 1),
        },
    ),
    Exercise(
        "04.c", "04_autoencoder", 2, "linear_reconstruction", linear_reconstruction, lambda g: (*_rows((20, 6), (5, 6))(g), 2),
        {
            "the mean is not added back": lambda t, x, d: linear_reconstruction(t, x, d) - t.mean(0),
            "these are the directions of least variance: keep the first": lambda t, x, d: (
                t.mean(0) + (x - t.mean(0)) @ _directions(t, slice(-d, None)).T @ _directions(t, slice(-d, None))
            ),
            "learn the directions from train, not from the pictures under test": lambda t, x, d: linear_reconstruction(x, x, d),
            "centre the pictures by the mean of train before you project": lambda t, x, d: (
                x @ _directions(t, slice(d)).T @ _directions(t, slice(d))
            ),
        },
        tolerance=1e-4,
    ),
    Exercise(
        "04.d", "04_autoencoder", 2, "correlation_matrix", correlation_matrix, _tied,
        {
            "these are covariances: divide by both spreads": lambda y: torch.cov(y.T),
            "these are covariances: divide by both spreads, and by n": lambda y: torch.cov(y.T, correction=0),
            "you correlate the pictures; the numbers of the code are the columns": lambda y: np.corrcoef(y.numpy()),
            "subtract each column's mean first": lambda y: (y / y.norm(dim=0)).T @ (y / y.norm(dim=0)),
        },
        tolerance=1e-4,
    ),
]  # fmt: skip
