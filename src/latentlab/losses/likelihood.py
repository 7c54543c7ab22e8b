"""How probable a model finds an image, in nats, and in bits per dimension."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6  # a probability nearer to 0 or 1 counts as this far away, so that every likelihood is finite


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x) of binary images in nats, pixels independent given the logits; (…, c, h, w) each → (…).

    x may hold probabilities in [0, 1], too. Finite for every finite logit. Raises ValueError for pixels outside [0, 1].
    """
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"Binary images lie in [0, 1]; these reach from {x.min():.3g} to {x.max():.3g}.")
    # log p(x) = Σ_i x_i log σ(a_i) + (1 − x_i) log(1 − σ(a_i))
    terms = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    return terms.flatten(-3).sum(-1)  # (…)


def logit(p: Tensor) -> Tensor:
    """log p / (1 − p); exactly 0 and 1 count as EPSILON away from it. Raises ValueError outside [0, 1]."""
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"Probabilities lie in [0, 1]; these reach from {p.min():.3g} to {p.max():.3g}.")
    return torch.logit(p, eps=EPSILON)


def bits_per_dimension(nats: Tensor | float, dimensions: int) -> Tensor | float:
    """Negative log-likelihood of an image in nats → bits for each of its `dimensions`. Raises ValueError for dimensions < 1."""
    if dimensions < 1:
        raise ValueError(f"An image has at least one dimension, not {dimensions}.")
    # bits = nats / ln 2
    return nats / (dimensions * math.log(2))
