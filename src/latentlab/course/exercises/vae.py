"""Exercises of notebook 10: the KL term, the reparametrisation, the importance-weighted bound."""

import math

from latentlab.losses import gaussian_kl, importance_bound, reparametrise

from .kinds import Exercise, normal

EXERCISES = [
    Exercise("10.a", gaussian_kl, lambda g: normal(g, (5, 3), (5, 3)), {
        "the sign is wrong: a KL is never negative": lambda m, v: -gaussian_kl(m, v),
        "the factor ½ is missing": lambda m, v: 2 * gaussian_kl(m, v),
        "you average over the dimensions of z; they add up": lambda m, v: gaussian_kl(m, v) / m.shape[-1],
        "you sum over the images too; each has a KL of its own": lambda m, v: gaussian_kl(m, v).sum(),
        "it takes log σ² for σ²: use its exponential": lambda m, v: 0.5 * (m**2 + v - 1 - v.abs().log()).sum(-1),
    }, gradient=True),
    Exercise("10.b", reparametrise, lambda g: normal(g, (4, 3), (4, 3), (4, 3)), {
        "σ is half the log-variance's exponential: exp(½ log σ²), not exp(log σ²)": lambda m, v, e: m + v.exp() * e,
        "the noise is multiplied by log σ² instead of σ": lambda m, v, e: m + v * e,
        "the gradient does not reach σ: something is detached": lambda m, v, e: m + (0.5 * v).exp().detach() * e,
    }, gradient=True),
    Exercise("10.c", importance_bound, lambda g: tuple(5 * x for x in normal(g, (6, 4))), {
        "this is the mean of the logarithms: the ELBO, not the logarithm of the mean": lambda w: w.mean(0),
        "the mean over k is a sum here: subtract log k": lambda w: w.logsumexp(0),
        "the mean goes over the images; it must go over the k samples":
            lambda w: w.logsumexp(1) - math.log(w.shape[1]),
    }, points=2, gradient=True),
]  # fmt: skip
