"""Exercises of notebook 04: the loss, the best linear code, the straight path between two codes, Pearson's matrix."""

import numpy as np
import torch

from latentlab.evaluation import correlation_matrix
from latentlab.evaluation.interpolation import linear_path
from latentlab.losses import squared_error

from .kinds import Exercise, normal


def linear_reconstruction(train, images, d):
    """What the best linear code of d numbers, learned on train (n, p), leaves of images (m, p); (m, p)."""
    return train.mean(0) + _projected(train, images - train.mean(0), slice(d))


def _projected(train, rows, keep):
    """Rows (m, p) projected onto the principal directions `keep` of train."""
    return _kept(rows, _directions(train - train.mean(0))[keep])


def _directions(table):
    return torch.linalg.svd(table, full_matrices=False)[2]  # (p, p), the largest variance first


def _kept(rows, directions):
    return rows @ directions.T @ directions


def _rows(g, *shapes):
    return tuple(1 + x for x in normal(g, *shapes))


def _tied(g):
    return (3 + torch.randn(40, 4, generator=g) @ torch.randn(4, 4, generator=g),)


EXERCISES = [
    Exercise("04.a", squared_error, lambda g: _rows(g, (5, 1, 4, 4), (5, 1, 4, 4)), {
        "you add the pixels up; divide by their number": lambda a, x: (a - x).square().flatten(1).sum(1),
        "you average over the pictures, too; each has an error of its own": lambda a, x: (a - x).square().mean(),
        "there is no root in this loss": lambda a, x: (a - x).square().flatten(1).mean(1).sqrt(),
        "this is the absolute error: square the differences": lambda a, x: (a - x).abs().flatten(1).mean(1),
    }, gradient=True),
    Exercise("04.b", linear_path, lambda g: (*_rows(g, (3, 4), (3, 4)), 7), {
        "it walks from the end to the start": lambda a, b, n: linear_path(b, a, n),
        "the end is missing: t goes from 0 to 1, both included": lambda a, b, n: linear_path(a, b, n + 1)[:, :-1],
        "the steps come first; expected (pairs, steps, d)": lambda a, b, n: linear_path(a, b, n).transpose(0, 1),
    }),
    Exercise("04.c", linear_reconstruction, lambda g: (*_rows(g, (20, 6), (5, 6)), 2), {
        "the mean is not added back": lambda t, x, d: linear_reconstruction(t, x, d) - t.mean(0),
        "these are the directions of least variance: keep the first":
            lambda t, x, d: t.mean(0) + _projected(t, x - t.mean(0), slice(-d, None)),
        "learn the directions from train, not from the pictures under test":
            lambda t, x, d: linear_reconstruction(x, x, d),
        "centre the pictures by the mean of train before you project": lambda t, x, d: _projected(t, x, slice(d)),
        "centre the pictures by the mean of train, not by their own":
            lambda t, x, d: x.mean(0) + _projected(t, x - x.mean(0), slice(d)),
        "subtract the mean of train before you look for directions": lambda t, x, d: _kept(x, _directions(t)[:d]),
        "the directions are the rows of svd(…)[2], not its columns":
            lambda t, x, d: t.mean(0) + _kept(x - t.mean(0), _directions(t - t.mean(0))[:, :d].T),
    }, points=2, tolerance=1e-4),
    Exercise("04.d", correlation_matrix, _tied, {
        "these are covariances: divide by both spreads": lambda y: torch.cov(y.T),
        "these are covariances: divide by both spreads, and by n": lambda y: torch.cov(y.T, correction=0),
        "you correlate the pictures; the numbers of the code are the columns": lambda y: np.corrcoef(y.numpy()),
        "torch's std divides by n − 1; here the spread divides by n":
            lambda y: correlation_matrix(y) * (len(y) - 1) / len(y),
        "subtract each column's mean and divide by its spread first": lambda y: y.T @ y / len(y),
        "subtract each column's mean first": lambda y: (y / y.norm(dim=0)).T @ (y / y.norm(dim=0)),
    }, points=2, tolerance=1e-4),
]  # fmt: skip
