"""Exercises of notebook 06: the loss of the homework, perfect accuracy by geometry, the smallest loss on the sphere."""

import math

import torch
import torch.nn.functional as F

from .kinds import Exercise, normal


def contrastive(x, y):
    """Loss (1) of one draw: anchors x (N, d), one sample a group y (N, d), row i of both from group i."""
    return F.cross_entropy(x @ y.T, torch.arange(len(x)))


def perfect(features):
    """Features (N, m, d) of N groups → 1.0 if every question is answered rightly, else 0.0."""
    n, m, _ = features.shape
    flat, group = features.flatten(0, 1), torch.arange(n).repeat_interleave(m)
    own = group[:, None] == group
    distance = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    furthest = torch.where(own, distance, -torch.inf).amax(1)
    nearest = torch.where(own, torch.inf, distance).amin(1)
    return float((furthest < nearest).all())


def infimum(n):
    """The smallest loss (1) of N groups on a sphere with room for a simplex."""
    return math.log(1 + (n - 1) * math.exp(-n / (n - 1)))


def _condition_ii(features):
    """The widest group is narrower than the gap between any two."""
    within = max(torch.cdist(a, a).max() for a in features)
    pairs = [(a, b) for i, a in enumerate(features) for b in features[:i]]
    return float(within < min(torch.cdist(a, b).min() for a, b in pairs))


def _without_positive(x, y):
    return -((x * y).sum(1) - (x @ y.T - 1e9 * torch.eye(len(x))).logsumexp(1)).mean()


def _unit(g):
    return tuple(F.normalize(z, dim=-1) for z in normal(g, (6, 4), (6, 4), dtype=torch.float64))


def _groups(g):
    """One wide group far from two narrow ones: perfect about as often as not, and mostly without condition (ii)."""
    centres = torch.tensor([[1, 0, 0], [0, 1, 0.3], [0, 1, -0.3]], dtype=torch.float64)[:, None]
    spread = (0.3 + 1.2 * torch.rand((), generator=g)) * torch.tensor([0.4, 0.1, 0.1])[:, None, None]
    return (F.normalize(centres + spread * torch.randn(3, 4, 3, generator=g, dtype=torch.float64), dim=-1),)


EXERCISES = [
    Exercise("C-2", contrastive, _unit, {
        "the sign is wrong: a loss is minimised": lambda x, y: -contrastive(x, y),
        "each sample of y asks here; the anchors x must ask": lambda x, y: contrastive(y, x),
        "the mean over the N anchors is a sum": lambda x, y: len(x) * contrastive(x, y),
        "the positive is missing below the line: the sum runs over all j": _without_positive,
    }, gradient=True),
    Exercise("C-4", perfect, _groups, {
        "this is condition (ii), enough but not needed: compare at each feature": _condition_ii,
        "it is turned round: 1 where an answer is wrong": lambda z: 1 - perfect(z),
    }),
    Exercise("C-5", infimum, lambda g: (int(torch.randint(2, 30, (), generator=g)),), {
        "two directions of a simplex have the cosine −1/(N − 1), not −1":
            lambda n: math.log(1 + (n - 1) * math.exp(-2)),
        "the 1 of the positive is missing under the logarithm":
            lambda n: math.log((n - 1) * math.exp(-n / (n - 1))),
        "a logit of 0 for the negatives is orthogonal; a simplex does better":
            lambda n: math.log(1 + (n - 1) / math.e),
    }),
]  # fmt: skip
