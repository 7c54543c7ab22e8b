"""Exercises of notebook 02: the effective rank, neighbours as partners, the variance as pairs."""

import torch

from latentlab.evaluation import effective_rank as package_rank
from latentlab.evaluation import spectrum

from .kinds import Exercise


def effective_rank(y):
    """exp(−Σ p log p), p the shares of the variances of y along its principal directions; (n, d) → number."""
    return package_rank(y)


def variance_by_pairs(z):
    """Variance of every coordinate as a mean over pairs of pictures; (n, d) → (d,)."""
    n = len(z)
    return (z[:, None] - z[None]).square().sum((0, 1)) / (2 * n * (n - 1))


def partners(y, k):
    """Of every picture the k nearest other pictures in L2, nearest first; (n, d) → (n, k)."""
    return torch.cdist(y, y).fill_diagonal_(torch.inf).topk(k, largest=False).indices


def _shares_rank(values):
    p = values / values.sum()
    return torch.special.entr(p).sum().exp()


EXERCISES = [
    Exercise(
        "02.a", "02_vicreg_ablations", 1, "effective_rank", effective_rank,
        lambda g: (torch.randn(30, 4, generator=g, dtype=torch.float64) * torch.tensor([3.0, 1.0, 0.5, 0.1]) + 2,),
        {
            "these are the singular values: the variances are their squares": lambda y: _shares_rank(spectrum(y).sqrt()),
            "the mean is still in it: centre the columns first": lambda y: _shares_rank(torch.linalg.svdvals(y) ** 2),
            "this is the entropy; take its exponential": lambda y: _shares_rank(spectrum(y)).log(),
            "the logarithm has base 2, but the exponential has base e": lambda y: (
                _shares_rank(spectrum(y)).log() / torch.log(torch.tensor(2.0))).exp(),
            "these are the variances of the coordinates; take the principal directions'": lambda y: _shares_rank(y.var(0)),
        },
    ),
    Exercise(
        "02.b", "02_vicreg_ablations", 1, "partners", partners, lambda g: (torch.randn(9, 3, generator=g) * 3 + 1, 3),
        {
            "a picture is its own nearest neighbour: leave it out": lambda y, k: torch.cdist(y, y).topk(k, largest=False).indices,
            "these are the furthest": lambda y, k: torch.cdist(y, y).fill_diagonal_(-torch.inf).topk(k).indices,
            "this compares angles; the report takes the L2 distance": lambda y, k: (
                torch.nn.functional.normalize(y) @ torch.nn.functional.normalize(y).T).fill_diagonal_(-torch.inf).topk(k).indices,
            "you return distances; return which pictures": lambda y, k: (
                torch.cdist(y, y).fill_diagonal_(torch.inf).topk(k, largest=False).values),
        },
    ),
    Exercise(
        "02.c", "02_vicreg_ablations", 1, "variance_by_pairs", variance_by_pairs,
        lambda g: (torch.randn(7, 3, generator=g, dtype=torch.float64) + 1,),
        {
            "every pair counts twice in the sum over i and k: divide by 2": lambda z: 2 * z.var(0),
            "divide by n (n − 1): a picture makes no pair with itself": lambda z: z.var(0, correction=0),
            "you sum over the coordinates, too; each has a variance of its own": lambda z: z.var(0).sum(),
            "these are distances; the formula has their squares": lambda z: (
                (z[:, None] - z[None]).abs().sum((0, 1)) / (2 * len(z) * (len(z) - 1))),
        },
        gradient=True,
    ),
]  # fmt: skip
