"""Exercises of notebook 06: the loss of the homework, perfect accuracy by geometry, the smallest loss on the sphere."""

import math

import torch
import torch.nn.functional as F

from .kinds import Exercise


def contrastive(x, y):
    """Loss (1) of one draw: anchors x (N, d), one sample a group y (N, d), row i of both from group i."""
    return F.cross_entropy(x @ y.T, torch.arange(len(x)))


def perfect(features):
    """Features (N, m, d) of N groups → 1.0 if every question is answered rightly, else 0.0."""
    n, m, _ = features.shape
    flat = features.flatten(0, 1)
    own = torch.arange(n).repeat_interleave(m)[:, None] == torch.arange(n).repeat_interleave(m)
    distance = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    furthest = torch.where(own, distance, -torch.inf).amax(1)
    nearest = torch.where(own, torch.inf, distance).amin(1)
    return float((furthest < nearest).all())


def infimum(n):
    """The smallest loss (1) of N groups on a sphere with room for a simplex."""
    return math.log(1 + (n - 1) * math.exp(-n / (n - 1)))


def _unit(g, *shape):
    return F.normalize(torch.randn(*shape, generator=g, dtype=torch.float64), dim=-1)


def _groups(g):
    """One wide group far from two narrow ones: perfect about as often as not, and mostly without condition (ii)."""
    centres = torch.tensor([[1, 0, 0], [0, 1, 0.3], [0, 1, -0.3]], dtype=torch.float64)[:, None]
    spread = (0.3 + 1.2 * torch.rand((), generator=g)) * torch.tensor([0.4, 0.1, 0.1])[:, None, None]
    return (F.normalize(centres + spread * torch.randn(3, 4, 3, generator=g, dtype=torch.float64), dim=-1),)


EXERCISES = [
    Exercise(
        "C-2", "06_contrastive_theory", 1, "contrastive", contrastive,
        lambda g: (_unit(g, 6, 4), _unit(g, 6, 4)),
        {
            "the sign is wrong: a loss is minimised": lambda x, y: -contrastive(x, y),
            "each sample of y asks here; the anchors x must ask": lambda x, y: contrastive(y, x),
            "the mean over the N anchors is a sum": lambda x, y: len(x) * contrastive(x, y),
            "the positive is missing below the line: the sum runs over all j": lambda x, y: -((x * y).sum(1) - (
                x @ y.T - 1e9 * torch.eye(len(x))).logsumexp(1)).mean(),
        },
        gradient=True,
    ),
    Exercise(
        "C-4", "06_contrastive_theory", 1, "perfect", perfect, _groups,
        {
            "this is condition (ii), enough but not needed: compare at each feature": lambda z: float(
                max(torch.cdist(a, a).max() for a in z)
                < min(torch.cdist(z[i], z[j]).min() for i in range(len(z)) for j in range(len(z)) if i != j)),
            "it is turned round: 1 where an answer is wrong": lambda z: 1 - perfect(z),
        },
    ),
    Exercise(
        "C-5", "06_contrastive_theory", 1, "infimum", infimum, lambda g: (int(torch.randint(2, 30, (), generator=g)),),
        {
            "two directions of a simplex have the cosine −1/(N − 1), not −1": lambda n: math.log(1 + (n - 1) * math.exp(-2)),
            "the 1 of the positive is missing under the logarithm": lambda n: math.log((n - 1) * math.exp(-n / (n - 1))),
            "a logit of 0 for the negatives is orthogonal; a simplex does better": lambda n: math.log(1 + (n - 1) / math.e),
        },
    ),
]  # fmt: skip
