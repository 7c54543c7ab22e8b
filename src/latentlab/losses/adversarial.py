"""The costs of a GAN's two players, from logits; and what a trained discriminator says about two densities.

I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014. All costs take logits a with D = σ(a), so that a
probability of exactly 0 or 1 never meets a logarithm.
"""

import math

import torch.nn.functional as F
from torch import Tensor


def discriminator_cost(real: Tensor, fake: Tensor) -> Tensor:
    """−E log D(x) − E log(1 − D(G(z))), minimised by D; logits (n,), (m,) → scalar. Goodfellow et al. 2014, eq. 1."""
    # −log σ(a) = softplus(−a),   −log(1 − σ(a)) = softplus(a)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def saturating_cost(fake: Tensor) -> Tensor:
    """E log(1 − D(G(z))), minimised by G; logits (m,) → scalar. Its gradient vanishes where D is sure of a fake."""
    return -F.softplus(fake).mean()


def non_saturating_cost(fake: Tensor) -> Tensor:
    """−E log D(G(z)), minimised by G; logits (m,) → scalar. Its gradient is largest where D is sure of a fake."""
    return F.softplus(-fake).mean()


def jensen_shannon(real: Tensor, fake: Tensor) -> Tensor:
    """JSD(p0, p1) in nats from logits at samples of p1 (real), p0 (fake); for all but the optimal D a lower bound."""
    # JSD = ½ ( E_{p1} log 2D + E_{p0} log 2(1 − D) )
    return math.log(2) - 0.5 * discriminator_cost(real, fake)


def density_ratio(logits: Tensor, share: float = 0.5) -> Tensor:
    """f1 / f0 from a discriminator's logits (n,) → (n,); share: of class 1 among its training samples."""
    if not 0 < share < 1:
        raise ValueError(f"The share of class 1 lies strictly between 0 and 1, got {share}.")
    # D / (1 − D) = e^a = (f1 / f0) · share / (1 − share)
    return (logits - math.log(share / (1 - share))).exp()
