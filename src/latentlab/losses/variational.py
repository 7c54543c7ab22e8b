"""Bounds on the log-likelihood of a model with hidden z: the ELBO by two routes, and the importance-weighted bound.

D. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014; Y. Burda, R. Grosse, R. Salakhutdinov, "Importance
weighted autoencoders", ICLR 2016.
"""

import math

import torch
from torch import Tensor


def gaussian_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(z; μ, diag σ²) in nats; (…, d) each → (…)."""
    # log N = −½ Σ_j [ log 2π + log σ_j² + (z_j − μ_j)² / σ_j² ]
    squares = (z - mean).square() * (-log_variance).exp()
    return -0.5 * (math.log(2 * math.pi) + log_variance + squares).sum(-1)  # (…)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(μ, diag σ²) from N(0, I) in nats; (…, d) each → (…). Kingma and Welling 2014, appendix B."""
    # KL = ½ Σ_j ( μ_j² + σ_j² − 1 − log σ_j² )
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)  # (…)


def reparametrise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Samples of N(μ, diag σ²) as a differentiable function of μ and σ; noise (…, d) from N(0, I) → (…, d)."""
    # z = μ + σ ε
    return mean + (0.5 * log_variance).exp() * noise


def log_weights(log_likelihood: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log w for a standard normal prior; log p(x|z) (k, b), z (k, b, d), q's mean and log-variance (b, d) → (k, b)."""
    zero = torch.zeros_like(mean)
    # log w = log p(x|z) + log p(z) − log q(z|x)
    return log_likelihood + gaussian_log_density(z, zero, zero) - gaussian_log_density(z, mean, log_variance)


def importance_bound(log_w: Tensor) -> Tensor:
    """L_k of every image from k ≥ 1 log-weights, without overflow; (k, b) → (b,). Burda et al. 2016, eq. 8."""
    if log_w.ndim < 1 or len(log_w) == 0:
        raise ValueError("The importance-weighted bound needs at least one sample, k ≥ 1; there is none.")
    # L_k = log (1/k) Σ_j w_j
    return log_w.logsumexp(0) - math.log(len(log_w))  # (b,)


def elbo(log_likelihood: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """The evidence lower bound with the KL in closed form; log p(x|z) (k, b), (b, d), (b, d) → (b,)."""
    # ELBO = E_q log p(x|z) − KL(q(z|x) ‖ p(z))
    return log_likelihood.mean(0) - gaussian_kl(mean, log_variance)  # (b,)
