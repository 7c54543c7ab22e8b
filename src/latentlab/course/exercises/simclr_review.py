"""Exercises of notebook 12: the loss of algorithm 1, how far partners agree more than strangers, a relative improvement."""

import torch
import torch.nn.functional as F

from latentlab.losses import info_nce, nt_xent

from .kinds import Exercise


def agreement_gap(z1, z2):
    """Mean cosine of the partners minus that of the strangers; (b, d) of any length, (b, d) → number."""
    cosine = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T  # (b, b)
    b = len(cosine)
    return cosine.trace() / b - (cosine.sum() - cosine.trace()) / (b * (b - 1))


def relative_improvement(new, old):
    """By how many percent `new` is better than `old`."""
    return 100 * (new - old) / old


def _pair(g):
    return tuple(F.normalize(torch.randn(6, 4, generator=g, dtype=torch.float64), dim=1) for _ in range(2))


EXERCISES = [
    Exercise(
        "12.a", "12_simclr_review", 2, "nt_xent", nt_xent, lambda g: (*_pair(g), 0.2),
        {
            "only the other view's samples are negatives: this is InfoNCE, one direction": lambda a, b, t: info_nce(a, b, t),
            "a view is compared with itself: mask the diagonal": lambda a, b, t: F.cross_entropy(
                torch.cat([a, b]) @ torch.cat([a, b]).T / t, (torch.arange(2 * len(a)) + len(a)) % (2 * len(a))),
            "the logits are multiplied by the temperature": lambda a, b, t: nt_xent(a, b, 1 / t),
            "you sum over the 2b views instead of averaging": lambda a, b, t: 2 * len(a) * nt_xent(a, b, t),
        },
        gradient=True,
    ),
    Exercise(
        "12.b", "12_simclr_review", 1, "agreement_gap", agreement_gap,
        lambda g: (torch.randn(6, 4, generator=g), torch.randn(6, 4, generator=g)),
        {
            "the rows are not brought to length 1: these are dot products": lambda a, b: (
                (a * b).sum(1).mean() - ((a @ b.T).sum() - (a * b).sum()) / (len(a) * (len(a) - 1))),
            "the partners are still among the strangers": lambda a, b: (
                F.cosine_similarity(a, b).mean() - (F.normalize(a, dim=1) @ F.normalize(b, dim=1).T).mean()),
            "the strangers are missing: subtract their mean": lambda a, b: F.cosine_similarity(a, b).mean(),
        },
    ),
    Exercise(
        "12.c", "12_simclr_review", 1, "relative_improvement", relative_improvement,
        lambda g: tuple((50 + 50 * torch.rand(2, generator=g, dtype=torch.float64)).tolist()),
        {
            "these are percentage points: divide by the old number": lambda new, old: new - old,
            "relative to the old number, not to the new one": lambda new, old: 100 * (new - old) / new,
            "a share, not percent: times 100": lambda new, old: (new - old) / old,
        },
    ),
]  # fmt: skip
