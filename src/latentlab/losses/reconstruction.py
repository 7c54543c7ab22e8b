"""How well a model's output fits an image: squared error, log-likelihood in nats, bits per dimension."""

import math

import torch.nn.functional as F
from torch import Tensor


def squared_error(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of every image; (b, …), (b, …) → (b,).

    Raises ValueError if there is no image, or if the shapes differ: (b, 784) against (b, 1, 28, 28) would broadcast.
    """
    if reconstruction.shape != image.shape or image.ndim < 2 or image.numel() == 0:
        raise ValueError(f"Reconstructions {tuple(reconstruction.shape)}, images {tuple(image.shape)}: need one shape.")
    # e_i = (1/p) Σ_k (x̂_ik − x_ik)², p pixels
    return (reconstruction - image).square().flatten(1).mean(dim=1)  # (b,)


def reconstruction_error(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of a batch, per pixel: the autoencoder's loss; raises as `squared_error`."""
    # L = (1/b) Σ_i e_i
    return squared_error(reconstruction, image).mean()


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x) of binary images in nats, pixels independent given the logits; (…, c, h, w) each → (…).

    x may hold probabilities, too; ValueError outside [0, 1]. Finite for every finite logit.
    """
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"Binary images lie in [0, 1]; these reach from {x.min():.3g} to {x.max():.3g}.")
    # log p(x) = Σ_i x_i log σ(a_i) + (1 − x_i) log(1 − σ(a_i))
    terms = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    return terms.flatten(-3).sum(-1)  # (…)


def bits_per_dimension(nats: Tensor | float, dimensions: int) -> Tensor | float:
    """Negative log-likelihood of an image in nats → bits for each of its `dimensions` (ValueError if < 1)."""
    if dimensions < 1:
        raise ValueError(f"An image has at least one dimension, not {dimensions}.")
    # bits = nats / ln 2
    return nats / (dimensions * math.log(2))
