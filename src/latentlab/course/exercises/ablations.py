"""Exercises of notebook 02: the effective rank, neighbours as partners, the variance as pairs."""

import math

import torch
from torch.nn.functional import normalize

from latentlab.evaluation import effective_rank, spectrum

from .kinds import Exercise


def variance_by_pairs(z):
    """Variance of every coordinate as a mean over pairs of pictures; (n, d) → (d,)."""
    n = len(z)
    return (z[:, None] - z[None]).square().sum((0, 1)) / (2 * n * (n - 1))


def partners(y, k):
    """Of every picture the k nearest other pictures in L2, nearest first; (n, d) → (n, k)."""
    return _distances(y, torch.inf).topk(k, largest=False).indices


def _distances(y, own):
    """Of every picture to every other; `own` stands for that to itself."""
    return torch.cdist(y, y).fill_diagonal_(own)


def _entropy(values):
    return torch.special.entr(values / values.sum()).sum()


def _slanted(g):
    return (torch.randn(30, 4, generator=g, dtype=torch.float64) * torch.tensor([3.0, 1.0, 0.5, 0.1]) + 2,)


EXERCISES = [
    Exercise("02.a", effective_rank, _slanted, {
        "these are the singular values: the variances are their squares": lambda y: _entropy(spectrum(y).sqrt()).exp(),
        "the mean is still in it: centre the columns first": lambda y: _entropy(torch.linalg.svdvals(y) ** 2).exp(),
        "this is the entropy; take its exponential": lambda y: _entropy(spectrum(y)),
        "the logarithm has base 2, but the exponential has base e":
            lambda y: (_entropy(spectrum(y)) / math.log(2)).exp(),
        "these are the variances of the coordinates; take the principal directions'":
            lambda y: _entropy(y.var(0)).exp(),
    }),
    Exercise("02.b", partners, lambda g: (torch.randn(9, 3, generator=g) * 3 + 1, 3), {
        "a picture is its own nearest neighbour: leave it out":
            lambda y, k: torch.cdist(y, y).topk(k, largest=False).indices,
        "these are the furthest": lambda y, k: _distances(y, -torch.inf).topk(k).indices,
        "this compares angles; the report takes the L2 distance":
            lambda y, k: (normalize(y) @ normalize(y).T).fill_diagonal_(-torch.inf).topk(k).indices,
        "you return distances; return which pictures":
            lambda y, k: _distances(y, torch.inf).topk(k, largest=False).values,
    }),
    Exercise("02.c", variance_by_pairs, lambda g: (1 + torch.randn(7, 3, generator=g, dtype=torch.float64),), {
        "every pair counts twice in the sum over i and k: divide by 2": lambda z: 2 * z.var(0),
        "divide by n (n − 1): a picture makes no pair with itself": lambda z: z.var(0, correction=0),
        "you sum over the coordinates, too; each has a variance of its own": lambda z: z.var(0).sum(),
        "these are distances; the formula has their squares":
            lambda z: (z[:, None] - z[None]).abs().sum((0, 1)) / (2 * len(z) * (len(z) - 1)),
    }, gradient=True),
]  # fmt: skip
