"""Exercises of notebook 11: the costs of discriminator and generator, the JSD and the ratio from a discriminator."""

import math

import torch
import torch.nn.functional as F

from latentlab.losses import density_ratio, discriminator_cost, jensen_shannon, non_saturating_cost, saturating_cost

from .kinds import Exercise, normal


def _logits(g):
    return tuple(3 * x for x in normal(g, 6, 5))


def _without_sigmoid(real, fake):
    return -(real.abs().clamp_min(1e-6).log().mean() + (1 - fake).abs().clamp_min(1e-6).log().mean())


EXERCISES = [
    Exercise("11.a", discriminator_cost, _logits, {
        "real and drawn samples are swapped": lambda r, f: discriminator_cost(f, r),
        "the sign is wrong: this is to be minimised": lambda r, f: -discriminator_cost(r, f),
        "logits are taken for probabilities: apply the sigmoid, or use softplus": _without_sigmoid,
    }, gradient=True),
    Exercise("11.b", non_saturating_cost, lambda g: _logits(g)[:1], {
        "this is the saturating cost, log(1 − D)": saturating_cost,
        "the sign is wrong: a small cost must mean that D is fooled": lambda f: -non_saturating_cost(f),
        "this is log(1 − D) with the sign turned: it has the wrong direction": lambda f: -saturating_cost(f),
        "the gradient is cut off: the generator must learn through D": lambda f: non_saturating_cost(f.detach()),
    }, gradient=True),
    Exercise("11.c", jensen_shannon, _logits, {
        "log 2 is missing: it is log 2D, not log D": lambda r, f: -0.5 * discriminator_cost(r, f),
        "the factor ½ is missing": lambda r, f: 2 * math.log(2) - discriminator_cost(r, f),
        "the two expectations are swapped": lambda r, f: jensen_shannon(f, r),
    }),
    Exercise("11.d", density_ratio, lambda g: _logits(g)[:1], {
        "this is f0 / f1: turn it round": lambda a: (-a).exp(),
        "this is D itself; the ratio is D / (1 − D)": torch.sigmoid,
        "this is the logarithm of the ratio": lambda a: F.logsigmoid(a) - F.logsigmoid(-a),
    }),
]  # fmt: skip
