"""Exercises of notebook 01: the three terms of VICReg, and the correlation that the covariance hides."""

import torch
from torch.nn.functional import relu

from latentlab.losses import covariance, covariance_matrix, invariance, variance
from latentlab.losses.vicreg import correlation, spread

from .kinds import Exercise


def _batch(g):
    """Six rows whose four coordinates have spreads on both sides of 1, are correlated, and have a mean."""
    mix = torch.tensor([[0.4, 0.3, 0, 0], [0, 0.7, 0.5, 0], [0, 0, 1.5, 1.0], [0.1, 0, 0, 2.0]])
    return (torch.randn(6, 4, generator=g) @ mix + torch.randn(4, generator=g),)


EXERCISES = [
    Exercise("01.a", invariance, lambda g: (*_batch(g), *_batch(g)), {
        "you sum over the coordinates; take their mean": lambda a, b: (a - b).square().sum(1).mean(),
        "you sum over pictures and coordinates; take the mean of both": lambda a, b: (a - b).square().sum(),
        "positive and negative differences cancel: square them first": lambda a, b: (a - b).mean().square(),
        "this is the mean distance; the formula has its square": lambda a, b: (a - b).abs().mean(),
    }, gradient=True),
    Exercise("01.b", variance, _batch, {
        "the hinge is missing: spread beyond 1 must earn nothing": lambda z: (1 - spread(z)).mean(),
        "the root is missing: the spread is a standard deviation": lambda z: relu(1 - z.var(0)).mean(),
        "the spread is taken within a picture; take it over the batch": lambda z: variance(z.T),
        "the hinge is turned round: it must punish spread below 1": lambda z: relu(spread(z) - 1).mean(),
        "you sum over the coordinates; take their mean": lambda z: relu(1 - spread(z)).sum(),
        "add ε under the root: Var + 10⁻⁴": lambda z: relu(1 - z.std(0)).mean(),
        "one divides by b − 1, not by b": lambda z: relu(1 - (z.var(0, correction=0) + 1e-4).sqrt()).mean(),
    }, gradient=True),
    Exercise("01.c", covariance, _batch, {
        "the diagonal counts, too: it holds the variances, leave it out":
            lambda z: covariance_matrix(z).square().sum() / z.shape[1],
        "the sum is not divided by d": lambda z: covariance(z) * z.shape[1],
        "square the diagonal, too, before you take it off":
            lambda z: ((c := covariance_matrix(z)).square().sum() - c.trace()) / z.shape[1],
        "give torch.cov coordinates in rows: z.T":
            lambda z: ((c := torch.cov(z).square()).sum() - c.trace()) / z.shape[1],
        "the columns are not centred: subtract their means":
            lambda z: ((c := z.T @ z / (len(z) - 1)).square().sum() - c.diagonal().square().sum()) / z.shape[1],
        "one divides by b − 1, not by b": lambda z: covariance(z) * ((len(z) - 1) / len(z)) ** 2,
        "positive and negative covariances cancel: square them first":
            lambda z: ((c := covariance_matrix(z)).sum() - c.trace()) / z.shape[1],
        "this is the mean over all pairs; the formula divides by d only": lambda z: covariance(z) / (z.shape[1] - 1),
    }, gradient=True),
    Exercise("01.d", correlation, _batch, {
        "these are covariances: divide by both spreads": lambda z: covariance(z) / (z.shape[1] - 1),
        "the diagonal counts, too: every coordinate correlates with itself":
            lambda z: torch.corrcoef(z.T).square().mean(),
        "it compares pictures; compare coordinates, the columns": lambda z: correlation(z.T),
        "square them: positive and negative ones cancel":
            lambda z: (torch.corrcoef(z.T).sum() - z.shape[1]) / (z.shape[1] * (z.shape[1] - 1)),
    }),
]  # fmt: skip
