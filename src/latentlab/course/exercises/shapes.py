"""Exercises of notebook 07: the reconstruction loss, what a code decides, the contrastive loss of a batch."""

import torch
import torch.nn.functional as F

from latentlab.losses import info_nce, reconstruction_error

from .kinds import Exercise


def reconstruction_loss(reconstructed, images):
    """Mean squared error over pixels and images; (n, c, h, w) twice → number."""
    return reconstruction_error(reconstructed, images)


def decided(codes, values):
    """Whether values (n,) are a function of codes (n,): images with equal codes have equal values."""
    pairs = torch.stack([codes, values], 1)  # (n, 2)
    return len(pairs.unique(dim=0)) == len(codes.unique())


def contrastive_loss(z1, z2, temperature):
    """Loss (14) of a batch of pairs (b, d), (b, d) of length 1; the other rows of z2 are the negatives."""
    return info_nce(z1, z2, temperature)


def _codes(g):
    codes, kind = torch.randint(5, (12,), generator=g), int(torch.randint(3, (), generator=g))
    values = torch.randperm(5, generator=g)[codes]  # a code says the value, and a value the code
    if kind == 1:  # several codes for one value
        values = values % 3
    if kind == 2:  # one image spoils it
        values[0] += 5
    return codes, values


def _batch(g):
    z = F.normalize(torch.randn(2, 7, 5, generator=g, dtype=torch.float64), dim=-1)
    return z[0], z[1], float(0.05 + 0.25 * torch.rand((), generator=g))


def _nce(logits):
    return F.cross_entropy(logits, torch.arange(len(logits)))


def _own(z):
    return torch.eye(len(z), dtype=torch.bool)


EXERCISES = [
    Exercise("C-7b", reconstruction_loss, lambda g: tuple(torch.rand(4, 3, 5, 5, generator=g) for _ in range(2)), {
        "the mean over the pixels is a sum": lambda r, x: (r - x).square().flatten(1).sum(1).mean(),
        "it takes the distance |x̂ − x|, not its square": lambda r, x: (r - x).abs().mean(),
        "the root is one too many: the error stays squared": lambda r, x: (r - x).square().mean().sqrt(),
        "the mean over the images is missing: return one number": lambda r, x: (r - x).square().flatten(1).mean(1),
    }, gradient=True),
    Exercise("07.a", decided, _codes, {
        "it is turned round: the code need not be a function of the value": lambda c, v: decided(v, c),
        "codes may be shared, as long as the values agree": lambda c, v: len(c.unique()) == len(c),
        "it is true where it should be false": lambda c, v: not decided(c, v),
    }),
    Exercise("C-8a", contrastive_loss, _batch, {
        "the temperature is missing: divide the logits by it": lambda a, b, t: _nce(a @ b.T),
        "the logits are multiplied by the temperature; divide": lambda a, b, t: _nce(a @ b.T * t),
        "z2 asks and z1 answers: row i must hold the products of z1[i]": lambda a, b, t: _nce(b @ a.T / t),
        "the mean over the pairs is a sum": lambda a, b, t: len(a) * _nce(a @ b.T / t),
        "the positive is missing below the line": lambda a, b, t: (
            (a @ b.T / t).masked_fill(_own(a), -torch.inf).logsumexp(1) - (a * b).sum(1) / t).mean(),
        "the negatives are the other rows of z1; loss (14) has views of the other side":
            lambda a, b, t: _nce(torch.where(_own(a), a @ b.T, a @ a.T) / t),
    }, gradient=True),
]  # fmt: skip
