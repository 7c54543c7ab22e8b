"""Exercises of notebook 12: the loss of algorithm 1, partners against strangers, a relative improvement."""

import torch
import torch.nn.functional as F

from latentlab.losses import info_nce, nt_xent

from .kinds import Exercise, normal


def agreement_gap(z1, z2):
    """Mean cosine of the partners minus that of the strangers; (b, d) of any length, (b, d) → number."""
    cosine = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T  # (b, b)
    return _gap(cosine)


def relative_improvement(new, old):
    """By how many percent `new` is better than `old`."""
    return 100 * (new - old) / old


def _gap(products):
    b = len(products)
    return products.trace() / b - (products.sum() - products.trace()) / (b * (b - 1))


def _pair(g):
    return (*(F.normalize(z, dim=1) for z in normal(g, (6, 4), (6, 4), dtype=torch.float64)), 0.2)


def _with_itself(a, b, temperature):
    z, n = torch.cat([a, b]), 2 * len(a)
    return F.cross_entropy(z @ z.T / temperature, (torch.arange(n) + len(a)) % n)


EXERCISES = [
    Exercise("12.a", nt_xent, _pair, {
        "only the other view's samples are negatives: this is InfoNCE, one direction": info_nce,
        "a view is compared with itself: mask the diagonal": _with_itself,
        "the logits are multiplied by the temperature": lambda a, b, t: nt_xent(a, b, 1 / t),
        "you sum over the 2b views instead of averaging": lambda a, b, t: 2 * len(a) * nt_xent(a, b, t),
    }, points=2, gradient=True),
    Exercise("12.b", agreement_gap, lambda g: normal(g, (6, 4), (6, 4)), {
        "the rows are not brought to length 1: these are dot products": lambda a, b: _gap(a @ b.T),
        "the partners are still among the strangers":
            lambda a, b: F.cosine_similarity(a, b).mean() - (F.normalize(a, dim=1) @ F.normalize(b, dim=1).T).mean(),
        "the strangers are missing: subtract their mean": lambda a, b: F.cosine_similarity(a, b).mean(),
    }),
    Exercise("12.c", relative_improvement,
             lambda g: tuple((50 + 50 * torch.rand(2, generator=g, dtype=torch.float64)).tolist()), {
        "these are percentage points: divide by the old number": lambda new, old: new - old,
        "relative to the old number, not to the new one": lambda new, old: 100 * (new - old) / new,
        "a share, not percent: times 100": lambda new, old: (new - old) / old,
    }),
]  # fmt: skip
