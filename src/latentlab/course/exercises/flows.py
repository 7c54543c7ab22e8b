"""Exercises of notebook 09: the density of an affine flow, a coupling layer, the volume change of a planar map."""

import math

import torch

from .kinds import Exercise, normal


def affine_log_prob(x, shift, log_scale):
    """log p(x) of x = shift + exp(log_scale) u, u from N(0, I); (n, d), (d,), (d,) → (n,)."""
    u = (x - shift) * (-log_scale).exp()
    return -0.5 * (u**2 + math.log(2 * math.pi)).sum(1) - log_scale.sum()


def coupling(u, mask, s, t):
    """One affine coupling: x (n, d) and log |det| (n,), for s and t (n, d) already computed from mask ⊙ u."""
    moved = 1 - mask
    return u * (s * moved).exp() + t * moved, (s * moved).sum(1)


def planar(u, w, v, b):
    """x = u + v tanh(w·u + b) (n, d) and log |det ∂x/∂u| (n,)."""
    h = torch.tanh(u @ w + b)
    return u + h[:, None] * v, (1 + (1 - h**2) * (w @ v)).abs().log()


def _coupling_question(g):
    u, s, t = normal(g, (4, 6), (4, 6), (4, 6))
    return u, torch.tensor([1.0, 0.0] * 3), s, t


EXERCISES = [
    Exercise("09.a", affine_log_prob, lambda g: (*normal(g, (5, 3), 3), 0.5 * torch.randn(3, generator=g)), {
        "the sign of log |det| is wrong: stretching makes the density smaller":
            lambda x, m, s: affine_log_prob(x, m, s) + 2 * s.sum(),
        "the volume change is missing: a density must be divided by the stretch":
            lambda x, m, s: affine_log_prob(x, m, s) + s.sum(),
        "u is computed with the scale instead of one over it":
            lambda x, m, s: affine_log_prob(m + (x - m) * (2 * s).exp(), m, s),
    }, gradient=True),
    Exercise("09.b", coupling, _coupling_question, {
        "the mask is turned round: where it is 1, nothing moves": lambda u, m, s, t: coupling(u, 1 - m, s, t),
        "log |det| sums over all coordinates; those that stay count 0":
            lambda u, m, s, t: (coupling(u, m, s, t)[0], s.sum(1)),
        "log |det| must be the sum of s, not of exp s":
            lambda u, m, s, t: (coupling(u, m, s, t)[0], (s * (1 - m)).exp().sum(1)),
    }, gradient=True),
    Exercise("09.c", planar, lambda g: (*normal(g, (5, 2), 2), 0.4 * torch.rand(2, generator=g), 0.3), {
        "log |det| has tanh for its slope: 1 − tanh²":
            lambda u, w, v, b: (planar(u, w, v, b)[0], (1 + torch.tanh(u @ w + b) * (w @ v)).abs().log()),
        "the 1 of the identity is missing in the determinant":
            lambda u, w, v, b: (planar(u, w, v, b)[0], ((1 - torch.tanh(u @ w + b) ** 2) * (w @ v)).abs().log()),
    }),
]  # fmt: skip
